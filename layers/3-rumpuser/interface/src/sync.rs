//! Sleeping locks on top of park and unpark: the same for every back end.

use crate::thread::{self, Thread};
use alloc::collections::VecDeque;
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
    waiters: spin::Mutex<VecDeque<Thread>>,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands the value to one thread at a time.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub const fn new(value: T) -> Self {
        Mutex { state: AtomicU8::new(FREE), waiters: spin::Mutex::new(VecDeque::new()), value: UnsafeCell::new(value) }
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
        let me = thread::current();
        let mut unparked_for_others = false;
        loop {
            {
                let mut waiters = self.waiters.lock();
                // Under the queue's lock: either the holder's unlock sees CONTENDED and then our entry, or we see FREE.
                if self.state.swap(CONTENDED, Ordering::Acquire) == FREE {
                    break;
                }
                waiters.push_back(me.clone());
            }
            unparked_for_others |= thread::park(None);
            self.waiters.lock().retain(|waiter| *waiter != me);
        }
        // Tokens meant for an outer wait must not be lost in this inner one: give back one, which at worst makes the
        // outer wait look once more.
        if unparked_for_others {
            me.unpark();
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
        let next = self.waiters.lock().pop_front();
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
