//! `rumpuser_thread_*` and the current lwp.

use crate::{
    header::{
        RUMPUSER_EINVAL, RUMPUSER_ENOMEM, RUMPUSER_LWP_CLEAR, RUMPUSER_LWP_CREATE, RUMPUSER_LWP_DESTROY,
        RUMPUSER_LWP_SET, lwp,
    },
    upcalls,
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    string::String,
    sync::Arc,
};
use core::{
    ffi::{CStr, c_char, c_int, c_void},
    ptr,
};
use rumpuser::{
    memory::{OutOfMemory, ensure},
    thread,
    wait::{Waiter, Waiters},
};
use spin::Mutex;

type Function = unsafe extern "C" fn(*mut c_void) -> *mut c_void;

/// What a thread has of its own.
struct Local {
    lwp: *mut lwp,
    /// Where it began (shim/thread.c); null for one that was not begun here.
    began: *mut *mut c_void,
    error: c_int,
}

// SAFETY: the pointers are the kernel's and the thread's own; this crate never follows them.
unsafe impl Send for Local {}

/// What one more entry of a map takes at most: a node on each of a few levels.
const NODE: usize = 4 * 1024;

/// By the number of the thread.
static LOCALS: Mutex<BTreeMap<usize, Local>> = Mutex::new(BTreeMap::new());

fn with_local<R>(work: impl FnOnce(&mut Local) -> R) -> R {
    let number = thread::current().number();
    let mut locals = LOCALS.lock();
    work(locals.entry(number).or_insert(Local { lwp: ptr::null_mut(), began: ptr::null_mut(), error: 0 }))
}

/// The lwp that the calling thread runs, or null.
pub fn current_lwp() -> *mut lwp {
    with_local(|local| local.lwp)
}

/// What a cookie leads to: whether the thread has ended, and who waits for that.
#[derive(Default)]
struct End(Mutex<(bool, Waiters)>);

unsafe extern "C" {
    /// Runs a function until it returns or calls `rumpuser_thread_exit` (shim/thread.c).
    fn rumpuser_c_thread_run(function: Function, argument: *mut c_void);
}

/// A function of the kernel and its argument, on their way to another thread.
struct Start(Function, *mut c_void);

// SAFETY: the header says that the function is called in another thread with this argument.
unsafe impl Send for Start {}

impl Start {
    fn run(self) {
        // SAFETY: the header asks for a function that takes this argument.
        unsafe { rumpuser_c_thread_run(self.0, self.1) };
        LOCALS.lock().remove(&thread::current().number());
    }
}

/// A name that lives for ever: each is kept once.
fn name(text: &CStr) -> Result<&'static str, OutOfMemory> {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let text = text.to_str().unwrap_or("kernel");
    let mut names = NAMES.lock();
    if let Some(name) = names.get(text) {
        return Ok(name);
    }
    ensure(text.len() + NODE)?;
    let name: &'static str = Box::leak(String::from(text).into_boxed_str());
    names.insert(name);
    Ok(name)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_thread_create(
    function: Option<Function>,
    argument: *mut c_void,
    text: *const c_char,
    joinable: c_int,
    _priority: c_int,
    cpu: c_int,
    cookie: *mut *mut c_void,
) -> c_int {
    let Some(function) = function else { return RUMPUSER_EINVAL };
    let cpu_exists = cpu == -1 || usize::try_from(cpu).is_ok_and(|cpu| cpu < thread::cpus());
    if !cpu_exists || joinable != 0 && cookie.is_null() {
        return RUMPUSER_EINVAL;
    }
    let name = match text.is_null() {
        true => "kernel",
        // SAFETY: the header asks for a string, which ends with a zero.
        false => match name(unsafe { CStr::from_ptr(text) }) {
            Ok(name) => name,
            Err(OutOfMemory) => return RUMPUSER_ENOMEM,
        },
    };
    // With what the thread will have of its own.
    if ensure(size_of::<End>() + 2 * size_of::<usize>() + NODE).is_err() {
        return RUMPUSER_ENOMEM;
    }
    let start = Start(function, argument);
    let end = (joinable != 0).then(Arc::<End>::default);
    let told = end.clone();
    let spawned = thread::spawn(name, move || {
        start.run();
        if let Some(end) = told {
            let waiter = {
                let mut state = end.0.lock();
                state.0 = true;
                state.1.pop()
            };
            if let Some(waiter) = waiter {
                waiter.unpark();
            }
        }
    });
    if spawned.is_err() {
        return RUMPUSER_ENOMEM;
    }
    if let Some(end) = end {
        // SAFETY: the header asks for a place to store the cookie; it is not null.
        unsafe { cookie.write(Arc::into_raw(end).cast_mut().cast()) };
    }
    0
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_thread_join(cookie: *mut c_void) -> c_int {
    if cookie.is_null() {
        return RUMPUSER_EINVAL;
    }
    // SAFETY: the header asks for a cookie from `rumpuser_thread_create`, and gives it up.
    let end = unsafe { Arc::from_raw(cookie.cast::<End>()) };
    upcalls::blocking(|| {
        let waiter = Waiter::new(());
        {
            let mut state = end.0.lock();
            if state.0 {
                return;
            }
            // SAFETY: it stays here until it has been taken out.
            unsafe { state.1.push(&waiter) };
        }
        waiter.wait(None);
    });
    0
}

/// Remembers where the calling thread began (shim/thread.c).
#[unsafe(no_mangle)]
unsafe extern "C" fn rumpuser_c_thread_began(place: *mut *mut c_void) {
    with_local(|local| local.began = place);
}

/// Where the calling thread began (shim/thread.c). One that was not begun here sleeps for ever.
#[unsafe(no_mangle)]
unsafe extern "C" fn rumpuser_c_thread_leave() -> *mut *mut c_void {
    let began = with_local(|local| local.began);
    while began.is_null() {
        thread::park(None);
    }
    began
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_curlwpop(operation: c_int, lwp: *mut lwp) {
    match operation as u32 {
        RUMPUSER_LWP_SET => with_local(|local| local.lwp = lwp),
        RUMPUSER_LWP_CLEAR => with_local(|local| {
            assert!(local.lwp == lwp, "rumpuser_curlwpop: the thread runs another lwp");
            local.lwp = ptr::null_mut();
        }),
        RUMPUSER_LWP_CREATE | RUMPUSER_LWP_DESTROY => {}
        other => panic!("rumpuser_curlwpop: {other} is not an operation"),
    }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_curlwp() -> *mut lwp {
    current_lwp()
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_seterrno(error: c_int) {
    with_local(|local| local.error = error);
}
