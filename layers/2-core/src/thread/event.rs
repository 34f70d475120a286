//! An event: what one thread waits for and others, or an interrupt handler, set.

use super::{control_block::Thread, current::current, scheduler::park};
use crate::{clock, sync::IrqMutex};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

/// Something that one thread waits for. It stays set until a wait has seen it.
pub(crate) struct Event {
    set: AtomicBool,
    waiter: IrqMutex<Option<Arc<Thread>>>,
}

impl Event {
    /// One that is not set.
    pub(crate) const fn new() -> Self {
        Self { set: AtomicBool::new(false), waiter: IrqMutex::new(None) }
    }

    /// Blocks the calling thread until the event is set, and clears it; false if `timeout` nanoseconds pass before.
    pub(crate) fn wait(&self, timeout: Option<u64>) -> bool {
        let deadline = timeout.map(|timeout| clock::monotonic().saturating_add(timeout));
        let me = current();
        *self.waiter.lock() = Some(me.clone());
        let mut unparked = false;
        let seen = loop {
            if self.set.swap(false, Ordering::AcqRel) {
                break true;
            }
            if deadline.is_some_and(|deadline| clock::monotonic() >= deadline) {
                break false;
            }
            unparked |= park(deadline);
        };
        let waiter = self.waiter.lock().take();
        drop(waiter);
        // One that was meant for an outer wait must not be lost in this inner one; at worst that looks once more.
        if unparked {
            me.unpark();
        }
        seen
    }

    /// Sets the event. Allowed in interrupt context.
    pub(crate) fn set(&self) {
        self.set.store(true, Ordering::Release);
        if let Some(thread) = &*self.waiter.lock() {
            thread.unpark();
        }
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}
