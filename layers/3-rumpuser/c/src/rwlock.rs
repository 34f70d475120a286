//! `rumpuser_rw_*`: locks for many readers or one writer, in the order of coming.

use crate::{
    header::{RUMPUSER_EBUSY, RUMPUSER_EINVAL, RUMPUSER_RW_READER, RUMPUSER_RW_WRITER, lwp, rumpuser_rw},
    thread::current_lwp,
    upcalls,
};
use alloc::boxed::Box;
use core::{ffi::c_int, ptr};
use rumpuser::{
    thread::Thread,
    wait::{Waiter, Waiters},
};
use spin::Mutex;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reader,
    Writer,
}

/// What a `struct rumpuser_rw` is.
struct Rw(Mutex<State>);

struct State {
    readers: usize,
    written: bool,
    writer: *mut lwp,
    waiters: Waiters<Kind>,
}

fn rw<'a>(pointer: *mut rumpuser_rw) -> &'a Rw {
    assert!(!pointer.is_null(), "a reader/writer lock that has not been initialised");
    // SAFETY: the header asks for a pointer from `rumpuser_rw_init` that has not been destroyed; it is not null.
    unsafe { &*pointer.cast::<Rw>() }
}

fn kind(number: c_int) -> Option<Kind> {
    match number as u32 {
        RUMPUSER_RW_READER => Some(Kind::Reader),
        RUMPUSER_RW_WRITER => Some(Kind::Writer),
        _ => None,
    }
}

impl State {
    /// Takes the lock if nobody has it or came before.
    fn take(&mut self, kind: Kind, lwp: *mut lwp) -> bool {
        let free = match kind {
            Kind::Reader => !self.written && self.waiters.is_empty(),
            Kind::Writer => !self.written && self.readers == 0,
        };
        if free {
            self.give(kind, lwp);
        }
        free
    }

    fn give(&mut self, kind: Kind, lwp: *mut lwp) {
        match kind {
            Kind::Reader => self.readers += 1,
            Kind::Writer => {
                self.written = true;
                self.writer = lwp;
            }
        }
    }

    /// Gives the lock to the first one, if it can have it now.
    fn hand_over(&mut self) -> Option<Thread> {
        let kind = *self.waiters.front()?;
        if self.written || kind == Kind::Writer && self.readers > 0 {
            return None;
        }
        self.give(kind, ptr::null_mut());
        self.waiters.pop()
    }
}

impl Rw {
    fn enter(&self, kind: Kind) {
        let lwp = current_lwp();
        if self.0.lock().take(kind, lwp) {
            return;
        }
        upcalls::blocking(|| {
            let waiter = Waiter::new(kind);
            {
                let mut state = self.0.lock();
                if state.take(kind, lwp) {
                    return;
                }
                // SAFETY: it stays here until it has been taken out.
                unsafe { state.waiters.push(&waiter) };
            }
            waiter.wait(None);
            if kind == Kind::Writer {
                self.0.lock().writer = lwp;
            }
        });
    }

    /// Changes the state, and wakes those who can go on after that.
    fn leave(&self, change: impl FnOnce(&mut State)) {
        let mut next = {
            let mut state = self.0.lock();
            change(&mut state);
            state.hand_over()
        };
        while let Some(thread) = next {
            thread.unpark();
            next = self.0.lock().hand_over();
        }
    }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_rw_init(place: *mut *mut rumpuser_rw) {
    let state = State { readers: 0, written: false, writer: ptr::null_mut(), waiters: Waiters::new() };
    let lock = Box::into_raw(Box::new(Rw(Mutex::new(state))));
    // SAFETY: the header asks for a place to store the pointer.
    unsafe { place.write(lock.cast()) };
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_rw_enter(number: c_int, pointer: *mut rumpuser_rw) {
    let kind = kind(number).expect("rumpuser_rw_enter: neither RUMPUSER_RW_READER nor RUMPUSER_RW_WRITER");
    rw(pointer).enter(kind);
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_rw_tryenter(number: c_int, pointer: *mut rumpuser_rw) -> c_int {
    let Some(kind) = kind(number) else { return RUMPUSER_EINVAL };
    if rw(pointer).0.lock().take(kind, current_lwp()) { 0 } else { RUMPUSER_EBUSY }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_rw_tryupgrade(pointer: *mut rumpuser_rw) -> c_int {
    let lwp = current_lwp();
    let mut state = rw(pointer).0.lock();
    assert!(state.readers > 0, "rumpuser_rw_tryupgrade: there is no reader");
    if state.readers != 1 {
        return RUMPUSER_EBUSY;
    }
    state.readers = 0;
    state.give(Kind::Writer, lwp);
    0
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_rw_downgrade(pointer: *mut rumpuser_rw) {
    rw(pointer).leave(|state| {
        assert!(state.written, "rumpuser_rw_downgrade: there is no writer");
        state.written = false;
        state.writer = ptr::null_mut();
        state.readers = 1;
    });
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_rw_exit(pointer: *mut rumpuser_rw) {
    rw(pointer).leave(|state| {
        if state.written {
            state.written = false;
            state.writer = ptr::null_mut();
        } else {
            state.readers = state.readers.checked_sub(1).expect("rumpuser_rw_exit: nobody has the lock");
        }
    });
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_rw_destroy(pointer: *mut rumpuser_rw) {
    {
        let state = rw(pointer).0.lock();
        assert!(!state.written && state.readers == 0, "rumpuser_rw_destroy: somebody has the lock");
    }
    // SAFETY: it came from `Box::into_raw`, nobody has it, and the kernel gives it up.
    drop(unsafe { Box::from_raw(pointer.cast::<Rw>()) });
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_rw_held(number: c_int, pointer: *mut rumpuser_rw, held: *mut c_int) {
    let lwp = current_lwp();
    let answer = {
        let state = rw(pointer).0.lock();
        match kind(number) {
            Some(Kind::Reader) => state.readers > 0,
            Some(Kind::Writer) => state.written && state.writer == lwp,
            None => false,
        }
    };
    // SAFETY: the header asks for a place to store the answer.
    unsafe { held.write(c_int::from(answer)) };
}
