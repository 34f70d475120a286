//! Exceptions and interrupts: the entry stubs, and what becomes of each.

use super::{
    apic,
    context::{self, Registers},
    debug, descriptors, halt, interrupt_stack,
    layout::USER_END,
    local::{self, Cpu, Exception, KERNEL_STACK},
};
use crate::{interrupts, panic, thread, timer, user::access};
use core::{arch::global_asm, ptr};
use x86_64::registers::control::Cr2;

/// What the entry has saved, on the vector's stack; from `rip` to `ss`, and `code` if there is one, it is the processor's.
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
    /// Whose stack this is. It stands at the top.
    cpu: *const Cpu,
}

/// In the place of an error code where the processor has pushed none.
const NO_CODE: u64 = u64::MAX;

impl TrapFrame {
    /// The error code, if the processor has pushed one.
    pub(crate) fn code(&self) -> Option<u64> {
        (self.code != NO_CODE).then_some(self.code)
    }
}

// Vector n's stub is at `rumpkin_trap_stubs + 8 * n`. It pushes n - 128, which takes a byte. Each stack begins on 16 bytes, so
// RSP tells whether there is an error code: `int n` pushes none, whatever the vector. The handler answers 0 to go on where it
// was interrupted, else the code with which `context` shall return on the thread's kernel stack.
global_asm!(
    ".p2align 4",
    "rumpkin_trap_stubs:",
    ".set vector, 0",
    ".rept 256",
    ".p2align 3",
    "push vector - 128",
    ".if vector < {first_interrupt}",
    "jmp 2f",
    ".else",
    "jmp rumpkin_interrupt_entry",
    ".endif",
    ".set vector, vector + 1",
    ".endr",
    // What the processor has pushed lies on its task state (`interrupt_stack`): the frame is made below.
    "rumpkin_interrupt_entry:",
    "push [rsp + {cpu}]",
    "push [rsp]",
    ".rept 6",
    "push [rsp + 56]",
    ".endr",
    "2:",
    "sub qword ptr [rsp], -128",
    "test spl, 8",
    "jnz 3f",
    "push [rsp]",
    "mov qword ptr [rsp + 8], {no_code}",
    "3:",
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
    "jnz 4f",
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
    "4:",
    "mov rsp, gs:[{kernel_stack}]",
    "jmp {leave}",
    first_interrupt = const FIRST_INTERRUPT,
    // From behind the vector and what the processor has pushed.
    cpu = const 6 * size_of::<u64>() + interrupt_stack::CPU,
    no_code = const NO_CODE as i64,
    handler = sym handle,
    leave = sym context::rumpkin_user_leave,
    kernel_stack = const KERNEL_STACK,
);

unsafe extern "C" {
    static rumpkin_trap_stubs: u8;
}

/// The address of a vector's entry.
pub(crate) fn stub(vector: usize) -> usize {
    (&raw const rumpkin_trap_stubs as usize) + 8 * vector
}

const DEBUG: u64 = 1;
const NON_MASKABLE: u64 = 2;
const DOUBLE_FAULT: u64 = 8;
const GENERAL_PROTECTION: u64 = 13;
const PAGE_FAULT: u64 = 14;
const MACHINE_CHECK: u64 = 18;
const FIRST_INTERRUPT: u64 = 32;

/// Goes on where it was interrupted.
const GO_ON: u64 = 0;

/// Runs on the vector's stack with interrupts off.
///
/// Who was interrupted is known by what runs on this CPU, not by the address: user code may have jumped anywhere.
extern "C" fn handle(frame: &mut TrapFrame) -> u64 {
    // SAFETY: `descriptors::initialize` has put it at the top of each stack.
    let cpu = unsafe { &*frame.cpu };
    // The handler that it came upon has lost nothing.
    if frame.vector == PAGE_FAULT && cpu.interrupt_stack.is_second_delivery(Cr2::read_raw(), frame.rflags) {
        return GO_ON;
    }
    // As long as this runs, it is the kernel that does.
    let registers = cpu.registers.replace(ptr::null_mut());
    let answer = if registers.is_null() {
        from_kernel(frame)
    } else {
        let was_lost = local::reestablish(cpu);
        if context::is_passage(frame.rip) {
            from_passage(frame, cpu, registers, was_lost)
        } else {
            from_user(frame, cpu, registers)
        }
    };
    if answer == GO_ON {
        cpu.registers.set(registers);
    }
    if frame.vector >= FIRST_INTERRUPT {
        cpu.interrupt_stack.renew();
    }
    answer
}

/// User code was interrupted, wherever it is.
fn from_user(frame: &mut TrapFrame, cpu: &Cpu, registers: *mut Registers) -> u64 {
    let exception = if is_software_interrupt(frame) {
        // What a gate that is the kernel's answers at ring 3 (Intel SDM vol. 3, §6.12.1.2).
        const INT_LENGTH: u64 = 2;
        const IDT: u64 = 2;
        frame.rip = frame.rip.wrapping_sub(INT_LENGTH);
        Exception { vector: GENERAL_PROTECTION as u8, code: frame.vector << 3 | IDT, address: 0 }
    } else {
        match frame.vector {
            NON_MASKABLE | DOUBLE_FAULT | MACHINE_CHECK => panic::exception(frame, 0),
            DEBUG => Exception { vector: DEBUG as u8, code: debug::take_status(), address: 0 },
            PAGE_FAULT => Exception { vector: PAGE_FAULT as u8, code: frame.code, address: Cr2::read_raw() },
            vector if vector < FIRST_INTERRUPT => {
                Exception { vector: vector as u8, code: frame.code().unwrap_or(0), address: 0 }
            }
            vector => {
                interrupt(vector as u8);
                if !thread::must_leave_user_code() {
                    return GO_ON;
                }
                context::store(frame, registers);
                return context::INTERRUPTED;
            }
        }
    };
    cpu.exception.set(exception);
    context::store(frame, registers);
    context::EXCEPTION
}

/// Whether the program's `int n` has brought us here, which in ring 0 no gate forbids. Not meant are those that Linux lets programs
/// use, and those that look as an exception of the program does, which they are taken for.
fn is_software_interrupt(frame: &TrapFrame) -> bool {
    const DIVIDE_ERROR: u64 = 0;
    const BREAKPOINT: u64 = 3;
    const OVERFLOW: u64 = 4;
    const INVALID_OPCODE: u64 = 6;
    const X87: u64 = 16;
    const SIMD: u64 = 19;
    match frame.vector {
        DIVIDE_ERROR | DEBUG | BREAKPOINT | OVERFLOW | INVALID_OPCODE | X87 | SIMD => false,
        NON_MASKABLE | MACHINE_CHECK => follows_int(frame),
        // The others push an error code, or never come.
        vector if vector < FIRST_INTERRUPT => frame.code().is_none(),
        vector => follows_int(frame) && !apic::is_in_service(vector as u8),
    }
}

/// Whether the instruction before the interrupted one may have been `int` with this vector.
fn follows_int(frame: &TrapFrame) -> bool {
    const INT: u8 = 0xcd;
    let mut code = [0; 2];
    let begin = frame.rip.wrapping_sub(code.len() as u64);
    access::peek(begin as usize, &mut code) && code == [INT, frame.vector as u8]
}

/// The way to or from user code was interrupted.
fn from_passage(frame: &mut TrapFrame, cpu: &Cpu, registers: *mut Registers, was_lost: bool) -> u64 {
    match frame.vector {
        // The system call entry's first instruction needs GS, which it now has.
        PAGE_FAULT if was_lost => GO_ON,
        DEBUG | FIRST_INTERRUPT.. => from_kernel(frame),
        // The kernel's own steps there do not fault: a program has jumped among them.
        _ => from_user(frame, cpu, registers),
    }
}

fn from_kernel(frame: &mut TrapFrame) -> u64 {
    if frame.vector < FIRST_INTERRUPT {
        kernel_exception(frame);
        return GO_ON;
    }
    interrupt(frame.vector as u8);
    if thread::must_leave_user_code()
        && let Some(elsewhere) =
            context::interrupted_on_the_way_in(frame.rip).or_else(|| halt::interrupted_before(frame.rip))
    {
        frame.rip = elsewhere;
    }
    GO_ON
}

fn interrupt(vector: u8) {
    match vector {
        apic::SPURIOUS_VECTOR => return,
        apic::TIMER_VECTOR => timer::interrupt(),
        vector => interrupts::dispatch(vector),
    }
    apic::end_of_interrupt();
}

fn kernel_exception(frame: &mut TrapFrame) {
    let address = Cr2::read_raw();
    match frame.vector {
        PAGE_FAULT if address < USER_END as u64 => {
            if let Some(fixup) = access::fixup(frame.rip) {
                // The accessor finds the address that failed in RAX and the error code in RDX.
                frame.rip = fixup;
                frame.rax = address;
                frame.rdx = frame.code;
                return;
            }
        }
        // A breakpoint that a program has set: the kernel has none.
        DEBUG => {
            debug::take_status();
            frame.rflags = debug::resumed(frame.rflags);
            return;
        }
        _ => {}
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
    context::initialize();
    let entry = context::rumpkin_system_call_entry as *const () as u64;
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
