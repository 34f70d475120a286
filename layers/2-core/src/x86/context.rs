//! Running user code, in ring 0, and coming back from it.
//!
//! [`enter`] saves the kernel's callee-saved registers on the thread's kernel stack and jumps to user code. A system call, an
//! exception or an interrupt that has consequences stores the user's registers, returns to that kernel stack, and so
//! returns from the call that went in.
//!
//! ```text
//!   enter ──▶ rumpkin_user_enter ──▶ user code ──▶ syscall ──▶ rumpkin_system_call_entry ──┐
//!     ▲                                   └──▶ vector's stack ──▶ traps::handle ─▶ store ──┤
//!     └──────────────────────────────── rumpkin_user_leave ◀───────────────────────────────┘
//! ```
//!
//! Interrupts stay on all the while, since turning them off and on costs more than all the rest. On the way in, the last
//! check for pending work and the jump must not be parted, so an interrupt between them that brings work makes the code
//! go back ([`interrupted_on_the_way_in`]). On the way out, an interrupt uses its own stack and leaves everything as it is.
//!
//! The CPU's pointer to the registers says that user code runs. It is set before the way in and cleared on the way out; these
//! passages ([`is_passage`]) are the kernel's.

use super::{
    cpuid::cpuid,
    descriptors::{CODE, DATA},
    fpu,
    frame::TrapFrame,
    layout::USER_END,
    local::{Exception, KERNEL_STACK, REGISTERS, RESCHEDULE, SCRATCH, cpu},
    user_access::access_from_code,
};
use crate::thread;
use core::{
    arch::naked_asm,
    mem::offset_of,
    sync::atomic::{AtomicBool, Ordering},
};
use rumpkin_vocabulary::{Access, Event, Registers};
use x86_64::{
    VirtAddr,
    instructions::interrupts,
    registers::{
        model_specific::{Efer, EferFlags, FsBase, LStar, Msr, SFMask},
        rflags::RFlags,
    },
};

/// What the assembly returns.
const SYSTEM_CALL: u64 = 1;
pub(crate) const EXCEPTION: u64 = 2;
pub(crate) const INTERRUPTED: u64 = 3;

/// The canonical addresses end here and go on there.
const LOWER_END: u64 = 1 << 47;
const UPPER_BEGIN: u64 = 0xffff_8000_0000_0000;

const PAGE_FAULT: u8 = 14;
const GENERAL_PROTECTION: u8 = 13;

/// What user code may change of its flags; `RF` only a debugger needs.
const USER_FLAGS: RFlags = RFlags::CARRY_FLAG
    .union(RFlags::PARITY_FLAG)
    .union(RFlags::AUXILIARY_CARRY_FLAG)
    .union(RFlags::ZERO_FLAG)
    .union(RFlags::SIGN_FLAG)
    .union(RFlags::TRAP_FLAG)
    .union(RFlags::DIRECTION_FLAG)
    .union(RFlags::OVERFLOW_FLAG)
    .union(RFlags::ID);
const ALWAYS_SET: u64 = 2;

/// Flags that the quick way in restores.
const ARITHMETIC_FLAGS: RFlags = RFlags::CARRY_FLAG
    .union(RFlags::PARITY_FLAG)
    .union(RFlags::AUXILIARY_CARRY_FLAG)
    .union(RFlags::ZERO_FLAG)
    .union(RFlags::SIGN_FLAG)
    .union(RFlags::OVERFLOW_FLAG);

/// Whether the processor has SAHF in long mode, which the quick way in needs.
static HAS_SAHF: AtomicBool = AtomicBool::new(false);

/// Prepares the `syscall` instruction (AMD64 manual vol. 2, §6.1.1): from ring 0 to ring 0, with interrupts on.
pub(crate) fn initialize() {
    const LAHF_SAHF: u32 = 1;
    const STAR: u32 = 0xc000_0081;
    let present = cpuid(0x8000_0001, 0).ecx & LAHF_SAHF != 0;
    HAS_SAHF.store(present, Ordering::Relaxed);
    LStar::write(VirtAddr::new(rumpkin_system_call_entry as *const () as u64));
    SFMask::write(
        RFlags::TRAP_FLAG
            | RFlags::DIRECTION_FLAG
            | RFlags::ALIGNMENT_CHECK
            | RFlags::NESTED_TASK
            | RFlags::RESUME_FLAG,
    );
    // SAFETY: code and data selectors are as `syscall` wants them; `sysret` is never used.
    unsafe {
        Msr::new(STAR).write(u64::from(CODE) << 32);
        Efer::update(|flags| flags.insert(EferFlags::SYSTEM_CALL_EXTENSIONS));
    }
}

/// Runs user code in the calling thread's address space until something needs the kernel. Other threads may run meanwhile.
///
/// The registers may be anything: addresses that are no user's come back as events, and of `rflags` only the bits count that user code
/// may change. To be called on a thread with interrupts on.
pub fn enter(registers: &mut Registers) -> Event {
    loop {
        let cpu = cpu();
        let thread = thread::current_ref();
        if thread.take_interrupted() {
            return Event::Interrupted;
        }
        if cpu.reschedule.get() {
            thread::preempt();
            continue;
        }
        if registers.rip >= USER_END as u64 {
            return astray(registers.rip);
        }
        if registers.fs_base >= LOWER_END {
            return Event::Exception { vector: GENERAL_PROTECTION, code: 0 };
        }
        let flags = registers.rflags & USER_FLAGS.bits();
        registers.rflags = flags | RFlags::INTERRUPT_FLAG.bits() | ALWAYS_SET;
        fpu::acquire(thread);
        if cpu.fs_base.get() != registers.fs_base {
            cpu.fs_base.set(registers.fs_base);
            FsBase::write(VirtAddr::new(registers.fs_base));
        }
        // As after a `syscall`, which has spoilt RCX and R11 already, and with ordinary flags, the quick way in serves.
        let quick = registers.rcx == registers.rip
            && registers.r11 == registers.rflags
            && flags & !ARITHMETIC_FLAGS.bits() == 0
            && HAS_SAHF.load(Ordering::Relaxed);
        // SAFETY: address, flags and FS base are ones that user code may have.
        match unsafe { rumpkin_user_enter(registers, u64::from(!quick)) } {
            SYSTEM_CALL => {
                // In ring 0 a program can turn them off.
                if registers.rflags & RFlags::INTERRUPT_FLAG.bits() == 0 {
                    interrupts::enable();
                }
                return Event::SystemCall;
            }
            EXCEPTION => {
                let exception = cpu.exception.get();
                interrupts::enable();
                return event(exception, registers.rip);
            }
            _ => interrupts::enable(),
        }
    }
}

/// Whether the address is on the way in or out, where user code does not run yet or no more.
pub(crate) fn is_passage(rip: u64) -> bool {
    let system_call = rumpkin_system_call_entry as *const () as u64..&raw const rumpkin_system_call_end as u64;
    is_way_in(rip) || system_call.contains(&rip)
}

fn is_way_in(rip: u64) -> bool {
    (&raw const rumpkin_way_in_begin as u64..&raw const rumpkin_way_in_end as u64).contains(&rip)
}

/// Whether an interrupt came between the last check for work and the first user instruction; then it goes on at the
/// address that this returns, if it brought work.
pub(crate) fn interrupted_on_the_way_in(rip: u64) -> Option<u64> {
    is_way_in(rip).then_some(&raw const rumpkin_way_in_abort as u64)
}

unsafe extern "C" {
    static rumpkin_way_in_begin: u8;
    static rumpkin_way_in_end: u8;
    static rumpkin_way_in_abort: u8;
    static rumpkin_system_call_end: u8;
}

/// What a jump comes to that has left the user's addresses, whatever it has met there.
fn astray(rip: u64) -> Event {
    let is_canonical = !(LOWER_END..UPPER_BEGIN).contains(&rip);
    if is_canonical {
        Event::PageFault { address: rip as usize, access: Access::Execute }
    } else {
        Event::Exception { vector: GENERAL_PROTECTION, code: 0 }
    }
}

fn event(exception: Exception, rip: u64) -> Event {
    match exception.vector {
        _ if rip >= USER_END as u64 => astray(rip),
        PAGE_FAULT => {
            Event::PageFault { address: exception.address as usize, access: access_from_code(exception.code) }
        }
        vector => Event::Exception { vector, code: exception.code },
    }
}

/// Stores the registers of interrupted user code where its kernel side looks for them: what the CPU's pointer said.
pub(crate) fn store(frame: &TrapFrame, registers: *mut Registers) {
    // SAFETY: user code runs only inside `enter`, whose exclusive borrow this points to.
    let registers = unsafe { &mut *registers };
    *registers = Registers {
        rax: frame.rax,
        rbx: frame.rbx,
        rcx: frame.rcx,
        rdx: frame.rdx,
        rsi: frame.rsi,
        rdi: frame.rdi,
        rbp: frame.rbp,
        rsp: frame.rsp,
        r8: frame.r8,
        r9: frame.r9,
        r10: frame.r10,
        r11: frame.r11,
        r12: frame.r12,
        r13: frame.r13,
        r14: frame.r14,
        r15: frame.r15,
        rip: frame.rip,
        rflags: frame.rflags,
        fs_base: registers.fs_base,
    };
}

macro_rules! context_asm {
    ($($line:literal,)*) => {
        naked_asm!(
            $($line,)*
            rax = const offset_of!(Registers, rax),
            rbx = const offset_of!(Registers, rbx),
            rcx = const offset_of!(Registers, rcx),
            rdx = const offset_of!(Registers, rdx),
            rsi = const offset_of!(Registers, rsi),
            rdi = const offset_of!(Registers, rdi),
            rbp = const offset_of!(Registers, rbp),
            rsp = const offset_of!(Registers, rsp),
            r8 = const offset_of!(Registers, r8),
            r9 = const offset_of!(Registers, r9),
            r10 = const offset_of!(Registers, r10),
            r11 = const offset_of!(Registers, r11),
            r12 = const offset_of!(Registers, r12),
            r13 = const offset_of!(Registers, r13),
            r14 = const offset_of!(Registers, r14),
            r15 = const offset_of!(Registers, r15),
            rip = const offset_of!(Registers, rip),
            rflags = const offset_of!(Registers, rflags),
            kernel_stack = const KERNEL_STACK,
            registers = const REGISTERS,
            scratch = const SCRATCH,
            code = const CODE,
            data = const DATA,
            reschedule = const RESCHEDULE,
            system_call = const SYSTEM_CALL,
            interrupted = const INTERRUPTED,
        )
    };
}

/// Goes to user code; RDI points to the registers, RSI is 1 if RCX and R11 matter.
#[unsafe(naked)]
unsafe extern "C" fn rumpkin_user_enter(registers: *mut Registers, full: u64) -> u64 {
    context_asm!(
        "/* for the other routine: {scratch} {system_call} */",
        ".globl rumpkin_way_in_begin",
        ".globl rumpkin_way_in_end",
        ".globl rumpkin_way_in_abort",
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov gs:[{kernel_stack}], rsp",
        "mov gs:[{registers}], rdi",
        "rumpkin_way_in_begin:",
        "cmp byte ptr gs:[{reschedule}], 0",
        "jne rumpkin_way_in_abort",
        "mov rax, [rdi + {rflags}]",
        "test rsi, rsi",
        "jnz 2f",
        // Quick. Flags first, since what follows changes none: overflow by an addition, the others by SAHF.
        "mov r11, rax",
        "bt eax, 11",
        "setc cl",
        "mov ah, al",
        "add cl, 0x7f",
        "sahf",
        "mov rcx, [rdi + {rip}]",
        "mov rax, [rdi + {rax}]",
        "mov rbx, [rdi + {rbx}]",
        "mov rdx, [rdi + {rdx}]",
        "mov rsi, [rdi + {rsi}]",
        "mov rbp, [rdi + {rbp}]",
        "mov r8, [rdi + {r8}]",
        "mov r9, [rdi + {r9}]",
        "mov r10, [rdi + {r10}]",
        "mov r12, [rdi + {r12}]",
        "mov r13, [rdi + {r13}]",
        "mov r14, [rdi + {r14}]",
        "mov r15, [rdi + {r15}]",
        "mov rsp, [rdi + {rsp}]",
        "mov rdi, [rdi + {rdi}]",
        "jmp rcx",
        // All registers.
        "2:",
        "push {data}",
        "push qword ptr [rdi + {rsp}]",
        "push rax",
        "push {code}",
        "push qword ptr [rdi + {rip}]",
        "mov rax, [rdi + {rax}]",
        "mov rbx, [rdi + {rbx}]",
        "mov rcx, [rdi + {rcx}]",
        "mov rdx, [rdi + {rdx}]",
        "mov rsi, [rdi + {rsi}]",
        "mov rbp, [rdi + {rbp}]",
        "mov r8, [rdi + {r8}]",
        "mov r9, [rdi + {r9}]",
        "mov r10, [rdi + {r10}]",
        "mov r11, [rdi + {r11}]",
        "mov r12, [rdi + {r12}]",
        "mov r13, [rdi + {r13}]",
        "mov r14, [rdi + {r14}]",
        "mov r15, [rdi + {r15}]",
        "mov rdi, [rdi + {rdi}]",
        "iretq",
        "rumpkin_way_in_abort:",
        "mov rsp, gs:[{kernel_stack}]",
        "mov qword ptr gs:[{registers}], 0",
        "rumpkin_way_in_end:",
        "mov eax, {interrupted}",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// Where `syscall` arrives: RCX is the user's RIP, R11 its flags. GS may be lost here, and only here (`local`).
#[unsafe(naked)]
unsafe extern "C" fn rumpkin_system_call_entry() {
    context_asm!(
        "/* for the other routine: {code} {data} {reschedule} {interrupted} */",
        ".globl rumpkin_system_call_end",
        "mov gs:[{scratch}], rsp",
        "mov rsp, gs:[{registers}]",
        "mov [rsp + {rax}], rax",
        "mov [rsp + {rbx}], rbx",
        "mov [rsp + {rcx}], rcx",
        "mov [rsp + {rip}], rcx",
        "mov [rsp + {rdx}], rdx",
        "mov [rsp + {rsi}], rsi",
        "mov [rsp + {rdi}], rdi",
        "mov [rsp + {rbp}], rbp",
        "mov [rsp + {r8}], r8",
        "mov [rsp + {r9}], r9",
        "mov [rsp + {r10}], r10",
        "mov [rsp + {r11}], r11",
        "mov [rsp + {rflags}], r11",
        "mov [rsp + {r12}], r12",
        "mov [rsp + {r13}], r13",
        "mov [rsp + {r14}], r14",
        "mov [rsp + {r15}], r15",
        "mov rax, gs:[{scratch}]",
        "mov [rsp + {rsp}], rax",
        "mov rsp, gs:[{kernel_stack}]",
        "mov qword ptr gs:[{registers}], 0",
        "rumpkin_system_call_end:",
        "mov eax, {system_call}",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// Returns RAX from `rumpkin_user_enter`, RSP being what that left behind.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn rumpkin_user_leave() {
    naked_asm!("pop r15", "pop r14", "pop r13", "pop r12", "pop rbx", "pop rbp", "ret",)
}
