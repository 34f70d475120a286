//! A console.

use crate::notify::Notify;

/// A console that works with interrupts on and off.
pub trait Console: Send + Sync {
    /// Writes all of it, in order with other writers' calls; blocks for the device by polling at most. Also called with
    /// interrupts off.
    fn write(&self, data: &[u8]);

    /// Reads what has been typed; 0 if nothing. Does not block.
    fn read(&self, buffer: &mut [u8]) -> usize;

    /// Whether [`Console::read`] would give something.
    fn readable(&self) -> bool;

    /// Whom to notify of input.
    fn set_notify(&self, notify: Notify);
}
