//! The end of the machine.

use crate::sync::Once;
use crate::{
    boot::BootInfo,
    interface::{Ending, Platform, Power},
    x86::descriptors::triple_fault,
};
use core::ops::Range;
use x86_64::instructions::interrupts;

static EARLY: Once<(&'static dyn Platform, &'static BootInfo)> = Once::new();
static POWER: Once<&'static dyn Power> = Once::new();

pub(crate) fn set_early(platform: &'static dyn Platform, boot: &'static BootInfo) {
    EARLY.call_once(|| (platform, boot));
}

pub(crate) fn initialize(power: &'static dyn Power) {
    POWER.call_once(|| power);
}

/// Tells the host how it ended, and powers off or restarts.
pub fn end(ending: Ending) -> ! {
    interrupts::disable();
    if let Some(power) = POWER.get() {
        power.end(ending)
    }
    match EARLY.get() {
        Some((platform, _)) => platform.early_end(ending),
        None => triple_fault(),
    }
}

/// Bytes of usable memory, taken or not.
pub(crate) fn ram() -> u64 {
    EARLY.get().map_or(0, |(_, boot)| boot.ram())
}

/// Physical addresses of the kernel's code.
pub(crate) fn kernel_text() -> Range<usize> {
    EARLY.get().map_or(0..0, |(_, boot)| {
        let text = boot.image.text;
        text.start as usize..text.end() as usize
    })
}
