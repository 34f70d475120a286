//! A value that is made once and stays.
//!
//! `spin::Once` also keeps the case of a maker that panics, which costs some 250 bytes at each user, of which core and the
//! platforms have forty; here a panic ends the machine.

use core::{
    cell::UnsafeCell,
    fmt, hint,
    mem::MaybeUninit,
    sync::atomic::{AtomicU8, Ordering},
};

const EMPTY: u8 = 0;
const BUSY: u8 = 1;
const FULL: u8 = 2;

/// Empty until the first [`Once::call_once`].
pub struct Once<T> {
    state: AtomicU8,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: Threads share references to the value (`Sync`), and the one that makes it may not be the one that drops it (`Send`).
unsafe impl<T: Send + Sync> Sync for Once<T> {}

impl<T> Once<T> {
    /// An empty one.
    pub const fn new() -> Self {
        Once { state: AtomicU8::new(EMPTY), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// The value; `None` before there is one. Does not wait.
    pub fn get(&self) -> Option<&T> {
        if self.state.load(Ordering::Acquire) != FULL {
            return None;
        }
        // SAFETY: It is there, and nobody changes it any more.
        Some(unsafe { (*self.value.get()).assume_init_ref() })
    }

    /// The value, which `make` makes if there is none. Waits by polling for somebody else who is making it; so `make` is short, does
    /// not ask for the value, and is not to be interrupted by a handler that does. If it panics, nobody gets a value any more.
    pub fn call_once(&self, make: impl FnOnce() -> T) -> &T {
        if claim(&self.state) {
            // SAFETY: Whoever has claimed it is alone until it is full.
            unsafe { (*self.value.get()).write(make()) };
            self.state.store(FULL, Ordering::Release);
        }
        // SAFETY: It is there, made by this call or another, and nobody changes it any more.
        unsafe { (*self.value.get()).assume_init_ref() }
    }
}

/// True if the caller is the one to make the value; false when it is there.
#[cold]
#[inline(never)]
fn claim(state: &AtomicU8) -> bool {
    loop {
        match state.compare_exchange(EMPTY, BUSY, Ordering::Acquire, Ordering::Acquire) {
            Ok(_) => return true,
            Err(FULL) => return false,
            Err(_) => hint::spin_loop(),
        }
    }
}

impl<T> Drop for Once<T> {
    fn drop(&mut self) {
        if *self.state.get_mut() == FULL {
            // SAFETY: It is there, and nobody else has it.
            unsafe { self.value.get_mut().assume_init_drop() };
        }
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Once::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use alloc::sync::Arc;
    use core::sync::atomic::AtomicUsize;
    use std::thread;

    #[test]
    fn the_first_value_stays_and_is_dropped_with_it() {
        let value = Arc::new(7);
        let once = Once::new();
        assert!(once.get().is_none());
        assert_eq!(**once.call_once(|| value.clone()), 7);
        assert_eq!(**once.call_once(|| Arc::new(8)), 7);
        assert_eq!(once.get().map(|value| **value), Some(7));
        assert_eq!(Arc::strong_count(&value), 2);
        drop(once);
        assert_eq!(Arc::strong_count(&value), 1);
        drop(Once::<Arc<i32>>::new());
    }

    #[test]
    fn of_many_threads_one_makes_it_and_the_others_wait() {
        let (once, made) = (Once::new(), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let value = once.call_once(|| {
                        thread::sleep(core::time::Duration::from_millis(5));
                        made.fetch_add(1, Ordering::Relaxed) + 1
                    });
                    assert_eq!(*value, 1);
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }
}
