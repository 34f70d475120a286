//! Threads that wait for somebody in particular: what locks and queues are made of.
//!
//! Each is linked through a node on its own stack, so that waiting takes no memory and cannot be refused.

use crate::{
    clock,
    thread::{self, Thread},
};
use core::{
    cell::Cell,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

/// A thread that waits, once.
pub struct Waiter<T = ()> {
    thread: Thread,
    what: T,
    woken: AtomicBool,
    /// The next in the queue, and how many came before; touched under the queue's lock.
    next: Cell<*const Waiter<T>>,
    number: Cell<u64>,
}

impl<T> Waiter<T> {
    /// The calling thread, about to wait for something.
    pub fn new(what: T) -> Self {
        Waiter {
            thread: thread::current(),
            what,
            woken: AtomicBool::new(false),
            next: Cell::new(ptr::null()),
            number: Cell::new(0),
        }
    }

    /// Waits to be taken out of the queue by another, or until the deadline (monotonic nanoseconds). True if it was: then it may
    /// not have been told yet.
    pub fn wait(&self, deadline: Option<u64>) -> bool {
        loop {
            if self.woken.load(Ordering::Acquire) {
                return true;
            }
            if deadline.is_some_and(|deadline| clock::monotonic() >= deadline) {
                return false;
            }
            // May end early: a token that was meant for another wait. The mark is what counts.
            thread::park(deadline);
        }
    }
}

/// Waiters, in the order of coming. It belongs in a lock.
pub struct Waiters<T = ()> {
    first: *const Waiter<T>,
    last: *const Waiter<T>,
    pushed: u64,
}

// SAFETY: the waiters that it points to are only touched by who has the queue, and by their own thread through an atomic.
unsafe impl<T: Send> Send for Waiters<T> {}

impl<T> Default for Waiters<T> {
    fn default() -> Self {
        Waiters::new()
    }
}

impl<T> Waiters<T> {
    /// Nobody.
    pub const fn new() -> Self {
        Waiters { first: ptr::null(), last: ptr::null(), pushed: 0 }
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// What the first one waits for.
    pub fn front(&self) -> Option<&T> {
        // SAFETY: what is in the queue is alive (`push`).
        unsafe { self.first.as_ref() }.map(|waiter| &waiter.what)
    }

    /// How many have ever come: for [`Waiters::pop_before`].
    pub fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Puts a waiter last.
    ///
    /// # Safety
    /// It is in no queue, and stays alive and where it is until it has been taken out: by [`Waiters::remove`], or by another, of
    /// which [`Waiter::wait`] tells.
    pub unsafe fn push(&mut self, waiter: &Waiter<T>) {
        waiter.woken.store(false, Ordering::Relaxed);
        waiter.next.set(ptr::null());
        waiter.number.set(self.pushed);
        self.pushed = self.pushed.wrapping_add(1);
        // SAFETY: what is in the queue is alive.
        match unsafe { self.last.as_ref() } {
            Some(last) => last.next.set(waiter),
            None => self.first = waiter,
        }
        self.last = waiter;
    }

    /// Takes a waiter out that gives up; false if it is not in the queue: another has taken it out.
    pub fn remove(&mut self, waiter: &Waiter<T>) -> bool {
        let mut previous: Option<&Waiter<T>> = None;
        // SAFETY: what is in the queue is alive.
        while let Some(other) = unsafe { previous.map_or(self.first, |previous| previous.next.get()).as_ref() } {
            if ptr::eq(other, waiter) {
                match previous {
                    Some(previous) => previous.next.set(waiter.next.get()),
                    None => self.first = waiter.next.get(),
                }
                if ptr::eq(self.last, waiter) {
                    self.last = previous.map_or(ptr::null(), ptr::from_ref);
                }
                return true;
            }
            previous = Some(other);
        }
        false
    }

    /// Takes the first one out: a thread that is to be unparked, outside the queue's lock.
    pub fn pop(&mut self) -> Option<Thread> {
        // SAFETY: what is in the queue is alive.
        let first = unsafe { self.first.as_ref() }?;
        self.first = first.next.get();
        if self.first.is_null() {
            self.last = ptr::null();
        }
        let thread = first.thread.clone();
        // From here on it may be gone.
        first.woken.store(true, Ordering::Release);
        Some(thread)
    }

    /// As [`Waiters::pop`], if fewer than `count` had come before it.
    pub fn pop_before(&mut self, count: u64) -> Option<Thread> {
        // SAFETY: what is in the queue is alive.
        let first = unsafe { self.first.as_ref() }?;
        if first.number.get() < count { self.pop() } else { None }
    }
}
