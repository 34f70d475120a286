//! The end of the machine, by whoever has said that it can end it.

use crate::{
    interface::{Ending, Platform, Power},
    sync::Once,
    x86::{instructions::interrupts, reset::triple_fault},
};

static EARLY: Once<&'static dyn Platform> = Once::new();
static POWER: Once<&'static dyn Power> = Once::new();

/// The platform, which can end the machine from the start.
pub(crate) fn set_early(platform: &'static dyn Platform) {
    EARLY.call_once(|| platform);
}

/// The platform's driver.
pub(crate) fn initialize(power: &'static dyn Power) {
    POWER.call_once(|| power);
}

/// Tells the host how it ended, and powers off or restarts: by the driver, before there is one by the platform, and where there is none
/// either by a fault that resets the processor. From anywhere, in a panic too.
pub fn end(ending: Ending) -> ! {
    interrupts::disable();
    if let Some(power) = POWER.get() {
        power.end(ending)
    }
    match EARLY.get() {
        Some(platform) => platform.early_end(ending),
        None => triple_fault(),
    }
}
