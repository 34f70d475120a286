//! Exceptions and interrupts: the entry stubs, and what becomes of each.

use super::{
    apic, descriptors, halt,
    local::{Exception, KERNEL_STACK, cpu},
};
use crate::{
    interrupts,
    layout::{KERNEL_BASE, USER_END},
    panic, thread, timer, user,
};
use core::arch::{asm, global_asm};

/// What a stub has saved, on the vector's stack; the last five words are the processor's.
#[repr(C)]
#[derive(Debug)]
#[allow(missing_docs)]
pub(crate) struct TrapFrame {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rbp: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub rcx: u64,
    pub rbx: u64,
    pub rax: u64,
    pub vector: u64,
    pub code: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

// Vector n's stub is at `rumpkin_trap_stubs + 16 * n`. The handler answers 0 to go on where it was interrupted, else the
// code with which `user::context` shall return on the thread's kernel stack.
global_asm!(
    ".p2align 4",
    "rumpkin_trap_stubs:",
    ".set vector, 0",
    ".rept 256",
    ".p2align 4",
    ".if (vector != 8) && ((vector < 10) || (vector > 14)) && (vector != 17) && (vector != 21) && (vector != 29) && (vector != 30)",
    "push 0",
    ".endif",
    "push vector",
    "jmp 2f",
    ".set vector, vector + 1",
    ".endr",
    "2:",
    "push rax",
    "push rbx",
    "push rcx",
    "push rdx",
    "push rsi",
    "push rdi",
    "push rbp",
    "push r8",
    "push r9",
    "push r10",
    "push r11",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "cld",
    "mov rdi, rsp",
    "call {handler}",
    "test rax, rax",
    "jnz 3f",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop r11",
    "pop r10",
    "pop r9",
    "pop r8",
    "pop rbp",
    "pop rdi",
    "pop rsi",
    "pop rdx",
    "pop rcx",
    "pop rbx",
    "pop rax",
    "add rsp, 16",
    "iretq",
    "3:",
    "mov rsp, gs:[{kernel_stack}]",
    "jmp {leave}",
    handler = sym handle,
    leave = sym user::context::rumpkin_user_leave,
    kernel_stack = const KERNEL_STACK,
);

unsafe extern "C" {
    static rumpkin_trap_stubs: u8;
}

/// The address of a vector's entry.
pub(crate) fn stub(vector: usize) -> usize {
    (&raw const rumpkin_trap_stubs as usize) + 16 * vector
}

const PAGE_FAULT: u64 = 14;

/// Runs on the vector's stack with interrupts off.
extern "C" fn handle(frame: &mut TrapFrame) -> u64 {
    // Wherever user code has jumped to, it is not in the kernel's image.
    let from_user = frame.rip < KERNEL_BASE as u64;
    match frame.vector {
        0..32 if from_user => user_exception(frame),
        0..32 => {
            kernel_exception(frame);
            0
        }
        vector => {
            interrupt(vector as u8);
            if !thread::must_leave_user_code() {
                return 0;
            }
            if from_user {
                user::context::store(frame);
                return user::context::INTERRUPTED;
            }
            let way_in = user::context::interrupted_on_the_way_in(frame.rip);
            if let Some(elsewhere) = way_in.or_else(|| halt::interrupted_before(frame.rip)) {
                frame.rip = elsewhere;
            }
            0
        }
    }
}

fn interrupt(vector: u8) {
    match vector {
        apic::SPURIOUS_VECTOR => return,
        apic::TIMER_VECTOR => timer::interrupt(),
        vector => interrupts::dispatch(vector),
    }
    apic::end_of_interrupt();
}

fn fault_address() -> u64 {
    let address;
    // SAFETY: reading CR2 has no effect.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}

fn user_exception(frame: &TrapFrame) -> u64 {
    const NON_MASKABLE: u64 = 2;
    const DOUBLE_FAULT: u64 = 8;
    const MACHINE_CHECK: u64 = 18;
    if let NON_MASKABLE | DOUBLE_FAULT | MACHINE_CHECK = frame.vector {
        panic::exception(frame, 0);
    }
    cpu().exception.set(Exception {
        vector: frame.vector as u8,
        code: frame.code,
        address: if frame.vector == PAGE_FAULT { fault_address() } else { 0 },
    });
    user::context::store(frame);
    user::context::EXCEPTION
}

fn kernel_exception(frame: &mut TrapFrame) {
    let address = fault_address();
    if frame.vector == PAGE_FAULT
        && address < USER_END as u64
        && let Some(fixup) = user::access::fixup(frame.rip)
    {
        // The accessor finds the address that failed in RAX and the error code in RDX.
        frame.rip = fixup;
        frame.rax = address;
        frame.rdx = frame.code;
        return;
    }
    panic::exception(frame, address);
}

/// Prepares the `syscall` instruction (AMD64 manual vol. 2, §6.1.1): from ring 0 to ring 0, with interrupts on.
pub(crate) fn initialize_system_calls() {
    use x86_64::{
        VirtAddr,
        registers::{
            model_specific::{Efer, EferFlags, LStar, Msr, SFMask},
            rflags::RFlags,
        },
    };
    const STAR: u32 = 0xc000_0081;
    user::context::initialize();
    let entry = user::context::rumpkin_system_call_entry as *const () as u64;
    LStar::write(VirtAddr::new(entry));
    SFMask::write(
        RFlags::TRAP_FLAG
            | RFlags::DIRECTION_FLAG
            | RFlags::ALIGNMENT_CHECK
            | RFlags::NESTED_TASK
            | RFlags::RESUME_FLAG,
    );
    // SAFETY: code and data selectors are as `syscall` wants them; `sysret` is never used.
    unsafe {
        Msr::new(STAR).write(u64::from(descriptors::CODE) << 32);
        Efer::update(|flags| flags.insert(EferFlags::SYSTEM_CALL_EXTENSIONS));
    }
}
