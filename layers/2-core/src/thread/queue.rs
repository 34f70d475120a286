//! The queue of runnable threads: linked through the threads, so that queueing never allocates.

use super::control_block::Thread;
use core::ptr;

/// A singly linked queue. A thread is in at most one.
pub(super) struct Queue {
    first: *const Thread,
    last: *const Thread,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Queue { first: ptr::null(), last: ptr::null() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    pub(super) fn push_back(&mut self, thread: &'static Thread) {
        thread.scheduling.next.set(ptr::null());
        // SAFETY: threads in the queue have not ended, so they are alive.
        match unsafe { self.last.as_ref() } {
            Some(last) => last.scheduling.next.set(thread),
            None => self.first = thread,
        }
        self.last = thread;
    }

    pub(super) fn push_front(&mut self, thread: &'static Thread) {
        thread.scheduling.next.set(self.first);
        if self.first.is_null() {
            self.last = thread;
        }
        self.first = thread;
    }

    pub(super) fn pop_front(&mut self) -> Option<&'static Thread> {
        // SAFETY: as in `push_back`.
        let first = unsafe { self.first.as_ref() }?;
        self.first = first.scheduling.next.get();
        if self.first.is_null() {
            self.last = ptr::null();
        }
        Some(first)
    }
}
