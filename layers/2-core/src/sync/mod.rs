//! Locks for data that interrupt handlers share with threads, and values that are made once.

mod once;

pub use once::Once;

use crate::x86::instructions::interrupts;
use core::ops::{Deref, DerefMut};

/// A spin lock that keeps interrupts off while it is held, so that a handler on the same CPU cannot want it too.
///
/// Held for short, bounded work only.
pub struct IrqMutex<T: ?Sized>(spin::Mutex<T>);

impl<T> IrqMutex<T> {
    /// An unlocked one.
    pub const fn new(value: T) -> Self {
        IrqMutex(spin::Mutex::new(value))
    }
}

impl<T: ?Sized> IrqMutex<T> {
    /// Turns interrupts off and locks.
    pub fn lock(&self) -> IrqGuard<'_, T> {
        let restore = Interrupts::disable();
        IrqGuard { value: self.0.lock(), _restore: restore }
    }

    /// Locks if nobody holds it.
    pub fn try_lock(&self) -> Option<IrqGuard<'_, T>> {
        let restore = Interrupts::disable();
        Some(IrqGuard { value: self.0.try_lock()?, _restore: restore })
    }

    /// Unlocks what somebody else locked and gave up with `mem::forget`.
    ///
    /// # Safety
    /// The lock is held, its guard is forgotten, and the caller now owns what it protects.
    pub(crate) unsafe fn force_unlock(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.0.force_unlock() }
    }
}

/// Access to the value of an [`IrqMutex`]. The fields are dropped in this order: unlock, then interrupts on.
pub struct IrqGuard<'a, T: ?Sized> {
    value: spin::MutexGuard<'a, T>,
    _restore: Interrupts,
}

impl<T: ?Sized> Deref for IrqGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> DerefMut for IrqGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> IrqGuard<'_, T> {
    /// Leaves the lock locked, for [`IrqMutex::force_unlock`]; interrupts stay off until the result is dropped.
    pub(crate) fn keep_locked(self) -> Interrupts {
        let IrqGuard { value, _restore } = self;
        core::mem::forget(value);
        _restore
    }
}

/// Interrupts stay off while this value lives; then they are as before.
pub struct Interrupts(bool);

impl Interrupts {
    /// Turns interrupts off. In a process (host tests) there is nothing to turn off.
    pub fn disable() -> Interrupts {
        #[cfg(test)]
        return Interrupts(false);
        #[cfg(not(test))]
        {
            let enabled = interrupts::are_enabled();
            if enabled {
                interrupts::disable();
            }
            Interrupts(enabled)
        }
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        if self.0 {
            interrupts::enable();
        }
    }
}
