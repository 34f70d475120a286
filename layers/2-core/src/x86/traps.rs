//! Exceptions and interrupts: the entry stubs, and what becomes of each.

use super::{
    apic, context, debug,
    frame::{NO_CODE, TrapFrame},
    halt, interrupt_stack,
    layout::{USER_END, above_guard},
    local::{self, Cpu, Exception, KERNEL_STACK},
    user_access,
};
use crate::{interrupts, panic, thread, user_memory};
use core::{arch::global_asm, fmt::Write, ptr};
use rumpkin_vocabulary::Registers;
use x86_64::registers::control::Cr2;

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
    "sub rsp, {skipped}",
    "push [rsp + {skipped} + {cpu}]",
    ".rept 6",
    "push [rsp + {skipped} + {copied}]",
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
    // From the vector, below what the processor has pushed.
    cpu = const PUSHED + interrupt_stack::CPU,
    skipped = const SKIPPED,
    // From below the CPU's data to the last of what is still to be copied.
    copied = const PUSHED,
    no_code = const NO_CODE as i64,
    handler = sym handle,
    leave = sym context::rumpkin_user_leave,
    kernel_stack = const KERNEL_STACK,
);

/// Bytes of what the processor pushes at an interrupt, and of the vector.
const PUSHED: usize = 6 * size_of::<u64>();
/// From the vector to where the copy begins: below the task state, and so that the stack is on 16 bytes with the CPU's data there.
const SKIPPED: usize = (interrupt_stack::BELOW - PUSHED).next_multiple_of(16) + 8;

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
            NON_MASKABLE | DOUBLE_FAULT | MACHINE_CHECK => unexpected(frame, 0),
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
    user_memory::peek(begin as usize, &mut code) && code == [INT, frame.vector as u8]
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
        apic::TIMER_VECTOR => thread::timer_fired(),
        vector => interrupts::dispatch(vector),
    }
    apic::end_of_interrupt();
}

fn kernel_exception(frame: &mut TrapFrame) {
    let address = Cr2::read_raw();
    match frame.vector {
        PAGE_FAULT if address < USER_END as u64 => {
            if let Some(fixup) = user_access::fixup(frame.rip) {
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
    unexpected(frame, address);
}

/// The end, after an exception that the kernel did not expect; `address` is the page fault's.
fn unexpected(frame: &TrapFrame, address: u64) -> ! {
    panic::end(Some(frame.rip as usize), frame.rsp as usize, |report| {
        // The report cannot fail.
        let _ = if frame.vector == PAGE_FAULT && above_guard(address as usize).is_some() {
            writeln!(report, "\nkernel panic: a thread's kernel stack is full")
        } else {
            let vector = frame.vector;
            writeln!(report, "\nkernel panic: exception {vector} in the kernel")
        };
        let _ = writeln!(report, "code {:#x}, address {address:#x}, {frame}", frame.code().unwrap_or(0));
    })
}
