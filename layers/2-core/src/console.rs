//! The machine's console: the platform's early one until a driver has given a better one.

use crate::sync::Once;
use crate::{
    interface::{Console, Notify, Platform},
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

/// The driver's console; without one, the platform's early one, which takes output and has no input.
pub fn console() -> Arc<dyn Console> {
    match DRIVER.get() {
        Some(driver) => driver.clone(),
        None => Arc::new(WithoutDriver),
    }
}

/// The platform's early console.
struct WithoutDriver;

impl Console for WithoutDriver {
    fn write(&self, data: &[u8]) {
        write(data);
    }

    fn read(&self, _buffer: &mut [u8]) -> usize {
        0
    }

    fn readable(&self) -> bool {
        false
    }

    fn set_notify(&self, _notify: Notify) {}
}

/// Writes all of it, in one piece with respect to this CPU's other writers.
pub(crate) fn write(data: &[u8]) {
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
