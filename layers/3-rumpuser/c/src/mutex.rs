//! `rumpuser_mutex_*`: handed from each owner to the one who has waited longest.

use crate::{
    header::{RUMPUSER_EBUSY, RUMPUSER_MTX_KMUTEX, RUMPUSER_MTX_SPIN, lwp, rumpuser_mtx},
    thread::current_lwp,
    upcalls,
};
use alloc::boxed::Box;
use core::{ffi::c_int, ptr};
use rumpuser::wait::{Waiter, Waiters};
use spin::Mutex;

/// What a `struct rumpuser_mtx` is.
pub struct Mtx {
    flags: c_int,
    state: Mutex<State>,
}

struct State {
    held: bool,
    owner: *mut lwp,
    waiters: Waiters,
}

impl Mtx {
    /// Whether its waiters keep the right to run in the kernel.
    pub fn spins(&self) -> bool {
        self.flags & RUMPUSER_MTX_SPIN != 0
    }

    /// Whether it has an owner.
    pub fn has_owner(&self) -> bool {
        self.flags & RUMPUSER_MTX_KMUTEX != 0
    }

    fn lwp(&self) -> *mut lwp {
        if self.has_owner() { current_lwp() } else { ptr::null_mut() }
    }

    /// Takes it if it is free.
    pub fn try_enter(&self) -> bool {
        let lwp = self.lwp();
        let mut state = self.state.lock();
        let free = !state.held;
        if free {
            state.held = true;
            state.owner = lwp;
        }
        free
    }

    /// Takes it, or waits for it.
    pub fn enter(&self) {
        if self.try_enter() {
            return;
        }
        let lwp = self.lwp();
        let waiter = Waiter::new(());
        let mut state = self.state.lock();
        if state.held {
            // SAFETY: it stays here until it has been taken out.
            unsafe { state.waiters.push(&waiter) };
            drop(state);
            waiter.wait(None);
            // Handed over: nobody else has it.
            state = self.state.lock();
        }
        state.held = true;
        state.owner = lwp;
    }

    /// Gives it to the next one.
    pub fn exit(&self) {
        let next = {
            let mut state = self.state.lock();
            assert!(state.held, "rumpuser_mutex_exit: nobody has the mutex");
            state.owner = ptr::null_mut();
            let next = state.waiters.pop();
            state.held = next.is_some();
            next
        };
        if let Some(next) = next {
            next.unpark();
        }
    }
}

/// The mutex behind the kernel's pointer.
pub fn mtx<'a>(pointer: *mut rumpuser_mtx) -> &'a Mtx {
    assert!(!pointer.is_null(), "a mutex that has not been initialised");
    // SAFETY: the header asks for a pointer from `rumpuser_mutex_init` that has not been destroyed; it is not null.
    unsafe { &*pointer.cast::<Mtx>() }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_mutex_init(place: *mut *mut rumpuser_mtx, flags: c_int) {
    let state = State { held: false, owner: ptr::null_mut(), waiters: Waiters::new() };
    let mutex = Box::into_raw(Box::new(Mtx { flags, state: Mutex::new(state) }));
    // SAFETY: the header asks for a place to store the pointer.
    unsafe { place.write(mutex.cast()) };
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_mutex_enter(mutex: *mut rumpuser_mtx) {
    let mutex = mtx(mutex);
    if mutex.spins() {
        mutex.enter();
    } else if !mutex.try_enter() {
        upcalls::blocking(|| mutex.enter());
    }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_mutex_enter_nowrap(mutex: *mut rumpuser_mtx) {
    mtx(mutex).enter();
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_mutex_tryenter(mutex: *mut rumpuser_mtx) -> c_int {
    if mtx(mutex).try_enter() { 0 } else { RUMPUSER_EBUSY }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_mutex_exit(mutex: *mut rumpuser_mtx) {
    mtx(mutex).exit();
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_mutex_destroy(mutex: *mut rumpuser_mtx) {
    assert!(!mtx(mutex).state.lock().held, "rumpuser_mutex_destroy: somebody has the mutex");
    // SAFETY: it came from `Box::into_raw`, nobody has it, and the kernel gives it up.
    drop(unsafe { Box::from_raw(mutex.cast::<Mtx>()) });
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_mutex_owner(mutex: *mut rumpuser_mtx, owner: *mut *mut lwp) {
    let mutex = mtx(mutex);
    assert!(mutex.has_owner(), "rumpuser_mutex_owner: the mutex is not RUMPUSER_MTX_KMUTEX");
    let value = mutex.state.lock().owner;
    // SAFETY: the header asks for a place to store the pointer.
    unsafe { owner.write(value) };
}
