//! The end of a kernel that cannot go on: message, registers, return addresses, power off.

use crate::{
    console,
    interface::Ending,
    memory, power, thread,
    x86::{
        layout::{self, LINK_BASE},
        traps::TrapFrame,
    },
};
use core::{
    arch::asm,
    fmt::{self, Write},
    panic::PanicInfo,
    sync::atomic::{AtomicBool, Ordering},
};
use x86_64::instructions::interrupts;

static PANICKING: AtomicBool = AtomicBool::new(false);

/// Reports past all locks.
struct Report;

impl Write for Report {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        console::write_directly(text.as_bytes());
        Ok(())
    }
}

/// Exit status of a machine on which no program can be started (docs/launcher.md).
const NOT_STARTED: u8 = 125;

/// What an image's `#[panic_handler]` calls. For want of memory before there is a program the kernel cannot do otherwise than
/// panic, but whoever reads of it can mend it: that is no fault of the kernel's.
pub fn panic(info: &PanicInfo<'_>) -> ! {
    let stack: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rsp", out(reg) stack, options(nomem, nostack, preserves_flags)) };
    if memory::is_too_small() {
        interrupts::disable();
        let (ram, why) = (power::ram() / 1024, info.message());
        let _ = writeln!(Report, "\n{ram} KiB of memory are not enough: {why}; give the machine more");
        power::end(Ending::Exit(NOT_STARTED))
    }
    end(None, stack, |report| {
        // The report cannot fail.
        let _ = writeln!(report, "\nkernel panic: {info}");
    })
}

/// An exception that the kernel did not expect; `address` is the page fault's.
pub(crate) fn exception(frame: &TrapFrame, address: u64) -> ! {
    end(Some(frame.rip as usize), frame.rsp as usize, |report| {
        let _ = if frame.vector == 14 && thread::above_guard(address as usize).is_some() {
            writeln!(report, "\nkernel panic: a thread's kernel stack is full")
        } else {
            let vector = frame.vector;
            writeln!(report, "\nkernel panic: exception {vector} in the kernel")
        };
        let _ = writeln!(
            report,
            "code {:#x}, address {address:#x}, rip {:#x}, rsp {:#x}, flags {:#x}\n\
             rax {:#x} rbx {:#x} rcx {:#x} rdx {:#x} rsi {:#x} rdi {:#x} rbp {:#x}\n\
             r8 {:#x} r9 {:#x} r10 {:#x} r11 {:#x} r12 {:#x} r13 {:#x} r14 {:#x} r15 {:#x}",
            frame.code().unwrap_or(0),
            frame.rip,
            frame.rsp,
            frame.rflags,
            frame.rax,
            frame.rbx,
            frame.rcx,
            frame.rdx,
            frame.rsi,
            frame.rdi,
            frame.rbp,
            frame.r8,
            frame.r9,
            frame.r10,
            frame.r11,
            frame.r12,
            frame.r13,
            frame.r14,
            frame.r15,
        );
    })
}

fn end(code: Option<usize>, stack: usize, report: impl FnOnce(&mut Report)) -> ! {
    interrupts::disable();
    // A panic while reporting one ends without a word.
    if !PANICKING.swap(true, Ordering::SeqCst) {
        report(&mut Report);
        backtrace(code, stack);
    }
    power::end(Ending::Panic)
}

/// Prints where in the kernel's code it was and what on the stack looks like return addresses into it, since there are no frame
/// pointers to follow; all as the file with the symbols has them.
fn backtrace(code: Option<usize>, stack: usize) {
    let text = power::kernel_text();
    let as_linked = |address: usize| {
        let physical = address.checked_sub(layout::image())?;
        text.contains(&physical).then_some(LINK_BASE + physical)
    };
    let aligned = thread::above_guard(stack).unwrap_or(stack).next_multiple_of(8);
    let _ = write!(Report, "as linked, {:#x} lower:", layout::image().saturating_sub(LINK_BASE));
    if let Some(code) = code.and_then(as_linked) {
        let _ = write!(Report, " at {code:#x},");
    }
    let _ = write!(Report, " return addresses");
    let mut shown = 0;
    // Not beyond the page: what lies above it need not be mapped.
    let end = (aligned | 0xfff) + 1;
    for address in (aligned..end).step_by(8) {
        if aligned < layout::direct_map() || shown == 16 {
            break;
        }
        // SAFETY: in the page of the stack that was in use.
        let word = unsafe { (address as *const usize).read_volatile() };
        if let Some(linked) = as_linked(word) {
            let _ = write!(Report, " {linked:#x}");
            shown += 1;
        }
    }
    let _ = writeln!(Report);
}
