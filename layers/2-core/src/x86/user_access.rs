//! Instructions that touch user memory: a fault in one of them comes back as its outcome.
//!
//! The processor does the checking. An instruction that faults inside one of the routines below goes on at the routine's
//! fixup, with the address in RAX and the error code in RDX.

use core::arch::naked_asm;
use rumpkin_vocabulary::Access;

/// How a routine ended that copies or fills: nothing left, or what failed.
#[repr(C)]
pub(crate) struct Outcome {
    /// The address that failed; [`DONE`] if none did.
    pub address: u64,
    /// The page fault's error code.
    pub code: u64,
}

/// No address failed.
pub(crate) const DONE: u64 = u64::MAX;

/// Copies `count` bytes upwards from `from` to `to`; by string instructions if there are `strings_from` or more.
///
/// # Safety
/// One side is kernel memory that the caller may access; the other is below `USER_END`.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn copy(to: usize, from: usize, count: usize, strings_from: usize) -> Outcome {
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
/// None beyond `to + count` being below `USER_END`.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn fill(to: usize, count: usize) -> Outcome {
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
/// `address` is below `USER_END`.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn load(address: usize, value: *mut u32) -> Outcome {
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
/// `address` is below `USER_END`.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn exchange(address: usize, current: *mut u32, new: u32) -> Outcome {
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

/// How it was accessed, by a page fault's error code (Intel SDM vol. 3, §4.7).
pub(crate) fn access_from_code(code: u64) -> Access {
    const WRITE: u64 = 1 << 1;
    const FETCH: u64 = 1 << 4;
    if code & FETCH != 0 {
        Access::Execute
    } else if code & WRITE != 0 {
        Access::Write
    } else {
        Access::Read
    }
}
