//! Waiting for somebody in particular: what all locks and queues of this crate are made of.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use rumpuser::{
    clock,
    thread::{self, Thread},
};

/// A thread that waits, once.
pub struct Waiter {
    thread: Thread,
    woken: AtomicBool,
}

impl Waiter {
    /// The calling thread, about to wait.
    pub fn new() -> Arc<Waiter> {
        Arc::new(Waiter { thread: thread::current(), woken: AtomicBool::new(false) })
    }

    /// Ends the wait.
    pub fn wake(&self) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }

    /// Waits to be woken, or until the deadline (monotonic nanoseconds). True if woken.
    pub fn wait(&self, deadline: Option<u64>) -> bool {
        loop {
            if self.woken.load(Ordering::Acquire) {
                return true;
            }
            if deadline.is_some_and(|deadline| clock::monotonic() >= deadline) {
                return false;
            }
            // May end early: a token that was meant for another wait. Its waker's own mark is what counts.
            thread::park(deadline);
        }
    }
}

/// The time after so many nanoseconds; none for a negative span, which is for ever.
pub fn deadline_after(span: i64) -> Option<u64> {
    u64::try_from(span).ok().map(|span| clock::monotonic().saturating_add(span))
}
