//! The kernel's access to user memory: checked, and with faults that come back as errors.
//!
//! The processor does the checking. An instruction that faults inside one of the routines below goes on at the routine's
//! fixup, with the address in RAX and the error code in RDX; then the address space's pager is asked, on the thread's own
//! stack, and the access is tried again.

use crate::{
    thread,
    x86::{
        address_space::Fault,
        context::Access,
        layout::{PAGE_SIZE, USER_END},
        memory_functions::string_threshold,
    },
};
use core::arch::naked_asm;

/// How a routine ended that copies or fills: nothing left, or what failed.
#[repr(C)]
struct Outcome {
    /// The address that failed; `DONE` if none did.
    address: u64,
    /// The page fault's error code.
    code: u64,
}

const DONE: u64 = u64::MAX;

/// Copies `count` bytes upwards from `from` to `to`.
///
/// # Safety
/// One side is kernel memory that the caller may access; the other is below [`USER_END`].
#[unsafe(naked)]
unsafe extern "C" fn copy(to: usize, from: usize, count: usize, strings_from: usize) -> Outcome {
    naked_asm!(
        ".globl rumpkin_copy_begin",
        ".globl rumpkin_copy_end",
        ".globl rumpkin_copy_fixup",
        "rumpkin_copy_begin:",
        "cmp rdx, rcx",
        "jae 8f",
        "mov rcx, rdx",
        "cmp rcx, 8",
        "jb 5f",
        "sub rcx, 32",
        "jb 3f",
        ".p2align 4",
        "2:",
        "mov r8, [rsi]",
        "mov r9, [rsi + 8]",
        "mov r10, [rsi + 16]",
        "mov r11, [rsi + 24]",
        "mov [rdi], r8",
        "mov [rdi + 8], r9",
        "mov [rdi + 16], r10",
        "mov [rdi + 24], r11",
        "add rsi, 32",
        "add rdi, 32",
        "sub rcx, 32",
        "jae 2b",
        "3:",
        "add rcx, 32",
        "4:",
        "cmp rcx, 8",
        "jb 5f",
        "mov r8, [rsi]",
        "mov [rdi], r8",
        "add rsi, 8",
        "add rdi, 8",
        "sub rcx, 8",
        "jmp 4b",
        "5:",
        "test rcx, rcx",
        "jz 7f",
        "6:",
        "mov r8b, [rsi]",
        "mov [rdi], r8b",
        "inc rsi",
        "inc rdi",
        "dec rcx",
        "jnz 6b",
        "7:",
        "mov rax, {done}",
        "ret",
        "8:",
        "mov rcx, rdx",
        "rep movsb",
        "mov rax, {done}",
        "ret",
        "rumpkin_copy_end:",
        "rumpkin_copy_fixup:",
        "ret",
        done = const DONE as i64,
    )
}

/// Fills `count` bytes at `to` with zeroes.
///
/// # Safety
/// None beyond `to + count` being below [`USER_END`].
#[unsafe(naked)]
unsafe extern "C" fn fill(to: usize, count: usize) -> Outcome {
    naked_asm!(
        ".globl rumpkin_fill_begin",
        ".globl rumpkin_fill_end",
        "rumpkin_fill_begin:",
        "xor eax, eax",
        "2:",
        "cmp rsi, 8",
        "jb 3f",
        "mov [rdi], rax",
        "add rdi, 8",
        "sub rsi, 8",
        "jmp 2b",
        "3:",
        "test rsi, rsi",
        "jz 5f",
        "4:",
        "mov [rdi], al",
        "inc rdi",
        "dec rsi",
        "jnz 4b",
        "5:",
        "mov rax, {done}",
        "ret",
        "rumpkin_fill_end:",
        done = const DONE as i64,
    )
}

/// Loads a word into `value`.
///
/// # Safety
/// `address` is below [`USER_END`].
#[unsafe(naked)]
unsafe extern "C" fn load(address: usize, value: *mut u32) -> Outcome {
    naked_asm!(
        ".globl rumpkin_load_begin",
        ".globl rumpkin_load_end",
        "rumpkin_load_begin:",
        "mov ecx, [rdi]",
        "mov [rsi], ecx",
        "mov rax, {done}",
        "ret",
        "rumpkin_load_end:",
        done = const DONE as i64,
    )
}

/// Stores `new` if the word is `*current`; `*current` becomes what was there.
///
/// # Safety
/// `address` is below [`USER_END`].
#[unsafe(naked)]
unsafe extern "C" fn exchange(address: usize, current: *mut u32, new: u32) -> Outcome {
    naked_asm!(
        ".globl rumpkin_exchange_begin",
        ".globl rumpkin_exchange_end",
        "rumpkin_exchange_begin:",
        "mov ecx, edx",
        "mov eax, [rsi]",
        "lock cmpxchg [rdi], ecx",
        "mov [rsi], eax",
        "mov rax, {done}",
        "ret",
        "rumpkin_exchange_end:",
        done = const DONE as i64,
    )
}

unsafe extern "C" {
    static rumpkin_copy_begin: u8;
    static rumpkin_copy_end: u8;
    static rumpkin_copy_fixup: u8;
    static rumpkin_fill_begin: u8;
    static rumpkin_fill_end: u8;
    static rumpkin_load_begin: u8;
    static rumpkin_load_end: u8;
    static rumpkin_exchange_begin: u8;
    static rumpkin_exchange_end: u8;
}

/// Where to go on after a page fault at `rip`, if that is in one of the routines. All of them are leaves that have nothing
/// on the stack, so one fixup, which returns RAX and RDX, serves all.
pub(crate) fn fixup(rip: u64) -> Option<u64> {
    let routines = [
        (&raw const rumpkin_copy_begin, &raw const rumpkin_copy_end),
        (&raw const rumpkin_fill_begin, &raw const rumpkin_fill_end),
        (&raw const rumpkin_load_begin, &raw const rumpkin_load_end),
        (&raw const rumpkin_exchange_begin, &raw const rumpkin_exchange_end),
    ];
    routines
        .iter()
        .any(|&(begin, end)| (begin as u64..end as u64).contains(&rip))
        .then_some(&raw const rumpkin_copy_fixup as u64)
}

/// Does an access page by page, each until it succeeds or the pager refuses. `attempt` gets how many bytes are done and how
/// many to do next; what it has done when it fails is done again.
fn retry(address: usize, length: usize, mut attempt: impl FnMut(usize, usize) -> Outcome) -> Result<(), Fault> {
    let end = address.checked_add(length).ok_or(Fault { address })?;
    if end > USER_END {
        return Err(Fault { address: address.max(USER_END) });
    }
    let mut at = address;
    while at < end {
        let stop = end.min((at / PAGE_SIZE + 1) * PAGE_SIZE);
        let outcome = attempt(at - address, stop - at);
        if outcome.address == DONE {
            at = stop;
            continue;
        }
        // SAFETY: the space in force outlives the thread's use of it (`thread::set_space`).
        let Some(space) = (unsafe { thread::current_ref().space().as_ref() }) else {
            return Err(Fault { address: at });
        };
        space.pager().page_fault(at, Access::from_code(outcome.code)).map_err(|_| Fault { address: at })?;
    }
    Ok(())
}

/// Copies in what is there, without asking the pager: for handlers of interrupts. False if it is not.
pub(crate) fn peek(address: usize, buffer: &mut [u8]) -> bool {
    let to = buffer.as_mut_ptr() as usize;
    let is_user = address.checked_add(buffer.len()).is_some_and(|end| end <= USER_END);
    // SAFETY: the buffer, and user addresses.
    is_user && unsafe { copy(to, address, buffer.len(), string_threshold()) }.address == DONE
}

/// Copies in.
pub fn read(address: usize, buffer: &mut [u8]) -> Result<(), Fault> {
    let to = buffer.as_mut_ptr() as usize;
    retry(address, buffer.len(), |done, count| {
        // SAFETY: a part of the buffer, and user addresses that `retry` has checked.
        unsafe { copy(to + done, address + done, count, string_threshold()) }
    })
}

/// Copies out.
pub fn write(address: usize, data: &[u8]) -> Result<(), Fault> {
    let from = data.as_ptr() as usize;
    retry(address, data.len(), |done, count| {
        // SAFETY: a part of the data, and user addresses that `retry` has checked.
        unsafe { copy(address + done, from + done, count, string_threshold()) }
    })
}

/// Writes zeroes.
pub fn zero(address: usize, length: usize) -> Result<(), Fault> {
    retry(address, length, |done, count| {
        // SAFETY: user addresses that `retry` has checked.
        unsafe { fill(address + done, count) }
    })
}

/// Loads an aligned word atomically. A misaligned address is a fault.
pub fn load_u32(address: usize) -> Result<u32, Fault> {
    let mut value = 0;
    aligned(address)?;
    // SAFETY: user addresses that `retry` has checked, and a word of ours.
    retry(address, 4, |_, _| unsafe { load(address, &mut value) })?;
    Ok(value)
}

/// Replaces an aligned word if it is `current`; what was there comes back.
pub fn compare_exchange_u32(address: usize, current: u32, new: u32) -> Result<u32, Fault> {
    let mut value = current;
    aligned(address)?;
    // SAFETY: user addresses that `retry` has checked, and a word of ours.
    retry(address, 4, |_, _| unsafe { exchange(address, &mut value, new) })?;
    Ok(value)
}

fn aligned(address: usize) -> Result<(), Fault> {
    if address.is_multiple_of(4) { Ok(()) } else { Err(Fault { address }) }
}
