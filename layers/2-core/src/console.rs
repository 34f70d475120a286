//! The machine's console: the platform's early one until a driver has given a better one.

use crate::sync::Once;
use crate::{
    interface::{Console, Platform},
    sync::Interrupts,
};
use alloc::sync::Arc;

static EARLY: Once<&'static dyn Platform> = Once::new();
static DRIVER: Once<Arc<dyn Console>> = Once::new();

pub(crate) fn set_early(platform: &'static dyn Platform) {
    EARLY.call_once(|| platform);
}

pub(crate) fn set_driver(console: Arc<dyn Console>) {
    DRIVER.call_once(|| console);
}

/// The driver's console, if there is one.
pub fn driver() -> Option<Arc<dyn Console>> {
    DRIVER.get().cloned()
}

/// Writes all of it, in one piece with respect to this CPU's other writers.
pub fn write(data: &[u8]) {
    if let Some(console) = DRIVER.get() {
        console.write(data);
    } else if let Some(platform) = EARLY.get() {
        let _off = Interrupts::disable();
        platform.early_write(data);
    }
}

/// Writes past the driver, whose locks may be held: for a panic.
pub(crate) fn write_directly(data: &[u8]) {
    if let Some(platform) = EARLY.get() {
        platform.early_write(data);
    }
}
