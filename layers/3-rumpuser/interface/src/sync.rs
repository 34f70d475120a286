//! Sleeping locks on top of park and unpark: the same for every back end.

use crate::{
    thread,
    wait::{Waiter, Waiters},
};
use core::{
    cell::UnsafeCell,
    ops::{Deref, DerefMut},
    sync::atomic::{AtomicU8, Ordering},
};

const FREE: u8 = 0;
const HELD: u8 = 1;
const CONTENDED: u8 = 2;

/// Mutual exclusion. A contender sleeps; an uncontended lock costs one atomic operation.
///
/// Not for interrupt handlers, which no kernel has. The order of waiters is first come, first woken, but a newcomer
/// may overtake.
pub struct Mutex<T: ?Sized> {
    state: AtomicU8,
    waiters: spin::Mutex<Waiters>,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands the value to one thread at a time.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub const fn new(value: T) -> Self {
        Mutex { state: AtomicU8::new(FREE), waiters: spin::Mutex::new(Waiters::new()), value: UnsafeCell::new(value) }
    }

    /// The value, when nobody else can hold the lock.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks, sleeping until the holder lets go. Not reentrant: a thread that locks twice sleeps for ever.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        if self.state.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.lock_contended();
        }
        MutexGuard { mutex: self }
    }

    /// Locks if nobody holds it.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.state
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
            .then_some(MutexGuard { mutex: self })
    }

    #[cold]
    #[inline(never)]
    fn lock_contended(&self) {
        let waiter = Waiter::new(());
        let mut unparked_for_others = false;
        loop {
            let mut waiters = self.waiters.lock();
            // Under the queue's lock: either the holder's unlock sees CONTENDED and then our entry, or we see FREE.
            if self.state.swap(CONTENDED, Ordering::Acquire) == FREE {
                break;
            }
            // SAFETY: in no queue, and taken out again when `_queued` is dropped.
            unsafe { waiters.push(&waiter) };
            drop(waiters);
            let _queued = Queued { waiters: &self.waiters, waiter: &waiter };
            unparked_for_others |= thread::park(None);
        }
        // Tokens meant for an outer wait must not be lost in this inner one: give back one, which at worst makes the
        // outer wait look once more.
        if unparked_for_others {
            thread::current().unpark();
        }
    }

    fn unlock(&self) {
        if self.state.swap(FREE, Ordering::Release) == CONTENDED {
            self.wake_next();
        }
    }

    #[cold]
    #[inline(never)]
    fn wake_next(&self) {
        let next = self.waiters.lock().pop();
        if let Some(next) = next {
            next.unpark();
        }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Mutex::new(T::default())
    }
}

/// A waiter in its queue, out of which it is taken in any case: a back end may unwind a thread that waits.
struct Queued<'a> {
    waiters: &'a spin::Mutex<Waiters>,
    waiter: &'a Waiter,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.waiters.lock().remove(self.waiter);
    }
}

/// Access to the value of a [`Mutex`]; unlocks when dropped.
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard exists only while its thread holds the lock.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard exists only while its thread holds the lock.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.mutex.unlock();
    }
}
