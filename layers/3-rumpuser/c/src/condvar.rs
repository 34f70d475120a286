//! `rumpuser_cv_*`: condition variables.

use crate::{
    clock::deadline_after,
    header::{RUMPUSER_EINVAL, RUMPUSER_ETIMEDOUT, rumpuser_cv, rumpuser_mtx},
    mutex::mtx,
    upcalls,
};
use alloc::boxed::Box;
use core::ffi::c_int;
use rumpuser::wait::{Waiter, Waiters};
use spin::Mutex;

/// What a `struct rumpuser_cv` is: who waits, in the order of coming.
#[derive(Default)]
struct Cv(Mutex<Waiters>);

fn cv<'a>(pointer: *mut rumpuser_cv) -> &'a Cv {
    assert!(!pointer.is_null(), "a condition variable that has not been initialised");
    // SAFETY: the header asks for a pointer from `rumpuser_cv_init` that has not been destroyed; it is not null.
    unsafe { &*pointer.cast::<Cv>() }
}

impl Cv {
    /// Waits outside the mutex. False if the deadline came first.
    fn wait(&self, interlock: *mut rumpuser_mtx, deadline: Option<u64>, wrap: bool) -> bool {
        let mutex = mtx(interlock);
        let waiter = Waiter::new(());
        // Queued before the mutex is let go, so that who takes it next finds us.
        // SAFETY: it stays here until it has been taken out.
        unsafe { self.0.lock().push(&waiter) };
        let count = wrap.then(|| upcalls::unschedule(interlock.cast()));
        mutex.exit();
        let woken = waiter.wait(deadline) || !self.0.lock().remove(&waiter);
        match count {
            None => mutex.enter(),
            // Whoever has the right to run may wait for this mutex without giving it up: first the right, then the mutex.
            Some(count) if mutex.spins() && mutex.has_owner() => {
                upcalls::schedule(count, interlock.cast());
                mutex.enter();
            }
            Some(count) => {
                mutex.enter();
                upcalls::schedule(count, interlock.cast());
            }
        }
        woken
    }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_cv_init(place: *mut *mut rumpuser_cv) {
    let cv = Box::into_raw(Box::<Cv>::default());
    // SAFETY: the header asks for a place to store the pointer.
    unsafe { place.write(cv.cast()) };
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_cv_destroy(pointer: *mut rumpuser_cv) {
    assert!(cv(pointer).0.lock().is_empty(), "rumpuser_cv_destroy: somebody waits");
    // SAFETY: it came from `Box::into_raw`, nobody waits, and the kernel gives it up.
    drop(unsafe { Box::from_raw(pointer.cast::<Cv>()) });
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_cv_wait(pointer: *mut rumpuser_cv, mutex: *mut rumpuser_mtx) {
    cv(pointer).wait(mutex, None, true);
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_cv_wait_nowrap(pointer: *mut rumpuser_cv, mutex: *mut rumpuser_mtx) {
    cv(pointer).wait(mutex, None, false);
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_cv_timedwait(
    pointer: *mut rumpuser_cv,
    mutex: *mut rumpuser_mtx,
    seconds: i64,
    nanoseconds: i64,
) -> c_int {
    let Some(span) = crate::clock::nanoseconds(seconds, nanoseconds) else { return RUMPUSER_EINVAL };
    if cv(pointer).wait(mutex, deadline_after(span), true) { 0 } else { RUMPUSER_ETIMEDOUT }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_cv_signal(pointer: *mut rumpuser_cv) {
    let next = cv(pointer).0.lock().pop();
    if let Some(next) = next {
        next.unpark();
    }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_cv_broadcast(pointer: *mut rumpuser_cv) {
    let waiters = &cv(pointer).0;
    let all = waiters.lock().pushed();
    let next = || waiters.lock().pop_before(all);
    while let Some(next) = next() {
        next.unpark();
    }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_cv_has_waiters(pointer: *mut rumpuser_cv, waiters: *mut c_int) {
    let any = !cv(pointer).0.lock().is_empty();
    // SAFETY: the header asks for a place to store the answer.
    unsafe { waiters.write(c_int::from(any)) };
}
