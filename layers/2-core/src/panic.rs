//! The end of a kernel that cannot go on: message, return addresses, power off.
//!
//! Whatever panics may use it, and it uses nothing that may: of what it needs to know it is told beforehand.

use crate::{
    boot::BootInfo,
    console,
    interface::Ending,
    memory::shortage,
    power,
    sync::Once,
    x86::{
        instructions::{interrupts, stack_pointer},
        layout::{self, LINK_BASE, above_guard},
    },
};
use core::{
    fmt::{self, Write},
    panic::PanicInfo,
    sync::atomic::{AtomicBool, Ordering},
};

static PANICKING: AtomicBool = AtomicBool::new(false);
static BOOT: Once<&'static BootInfo> = Once::new();

/// Has reports tell of this machine and this image.
pub(crate) fn initialize(boot: &'static BootInfo) {
    BOOT.call_once(|| boot);
}

/// Reports past all locks.
pub(crate) struct Report;

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
    let stack = stack_pointer();
    if shortage::is_too_small() {
        interrupts::disable();
        let ram = BOOT.get().map_or(0, |boot| boot.ram()) / 1024;
        let why = info.message();
        let _ = writeln!(Report, "\n{ram} KiB of memory are not enough: {why}; give the machine more");
        power::end(Ending::Exit(NOT_STARTED))
    }
    end(None, stack, |report| {
        // The report cannot fail.
        let _ = writeln!(report, "\nkernel panic: {info}");
    })
}

/// Ends the machine with a report: what `report` writes, where in the code it was, if that is known, and what is on the stack.
pub(crate) fn end(code: Option<usize>, stack: usize, report: impl FnOnce(&mut Report)) -> ! {
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
    let text = BOOT.get().map_or(0..0, |boot| boot.image.text.start as usize..boot.image.text.end() as usize);
    let as_linked = |address: usize| {
        let physical = address.checked_sub(layout::image())?;
        text.contains(&physical).then_some(LINK_BASE + physical)
    };
    let aligned = above_guard(stack).unwrap_or(stack).next_multiple_of(8);
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
