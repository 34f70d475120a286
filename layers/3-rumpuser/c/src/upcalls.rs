//! Initialisation, and the calls into the kernel around what blocks.

use crate::header::{RUMPUSER_EINVAL, RUMPUSER_VERSION, rumpuser_hyperup};
use core::{
    ffi::{c_int, c_void},
    ptr,
};
use spin::Mutex;

struct UpCalls(rumpuser_hyperup);

// SAFETY: the structure holds pointers to functions of the kernel, which any thread may call, and unused room.
unsafe impl Send for UpCalls {}

static UP_CALLS: Mutex<Option<UpCalls>> = Mutex::new(None);

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_init(version: c_int, hyperup: *const rumpuser_hyperup) -> c_int {
    if version != RUMPUSER_VERSION || hyperup.is_null() {
        return RUMPUSER_EINVAL;
    }
    // SAFETY: not null, and the header asks for a pointer to such a structure.
    *UP_CALLS.lock() = Some(UpCalls(unsafe { *hyperup }));
    0
}

fn up_calls() -> Option<rumpuser_hyperup> {
    UP_CALLS.lock().as_ref().map(|up_calls| up_calls.0)
}

/// Runs what may block while the kernel's right to run is given up.
pub fn blocking<R>(work: impl FnOnce() -> R) -> R {
    let count = unschedule(ptr::null_mut());
    let result = work();
    schedule(count, ptr::null_mut());
    result
}

/// Gives up the right to run; the kernel's number comes back.
pub fn unschedule(interlock: *mut c_void) -> c_int {
    let mut count = 0;
    if let Some(call) = up_calls().and_then(|up_calls| up_calls.hyp_backend_unschedule) {
        // SAFETY: the kernel gave this function for this use; the pointer is good for the call.
        unsafe { call(0, &mut count, interlock) };
    }
    count
}

/// Takes the right to run again.
pub fn schedule(count: c_int, interlock: *mut c_void) {
    if let Some(call) = up_calls().and_then(|up_calls| up_calls.hyp_backend_schedule) {
        // SAFETY: the kernel gave this function for this use.
        unsafe { call(count, interlock) };
    }
}

/// Runs what calls the kernel, on a thread of the back end.
pub fn inside_kernel(work: impl FnOnce()) {
    let up_calls = up_calls();
    if let Some(call) = up_calls.and_then(|up_calls| up_calls.hyp_schedule) {
        // SAFETY: the kernel gave this function for this use.
        unsafe { call() };
    }
    work();
    if let Some(call) = up_calls.and_then(|up_calls| up_calls.hyp_unschedule) {
        // SAFETY: as above.
        unsafe { call() };
    }
}
