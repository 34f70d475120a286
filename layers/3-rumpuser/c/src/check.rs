//! Compares each definition with its declaration in the header: where they differ, this does not compile.

use crate::{
    clock::*, condvar::*, disk::*, header, link::*, machine::*, memory::*, mutex::*, rwlock::*, system::*, thread::*,
    upcalls::*,
};
use core::ffi::c_int;

/// Takes two functions that are of one type.
const fn same<F: Copy>(_: [F; 2]) {}

macro_rules! same {
    ($($name:ident)*) => { const _: () = { $( same([header::$name, $name]); )* }; };
}

same! {
    rumpuser_init
    rumpuser_malloc rumpuser_free rumpuser_anonmmap rumpuser_unmap
    rumpuser_open rumpuser_close rumpuser_getfileinfo rumpuser_bio rumpuser_iovread rumpuser_iovwrite rumpuser_syncfd
    rumpuser_clock_gettime rumpuser_clock_sleep
    rumpuser_getparam rumpuser_getrandom rumpuser_putchar rumpuser_kill rumpuser_wait_stop
    rumpuser_thread_create rumpuser_thread_join rumpuser_curlwpop rumpuser_curlwp rumpuser_seterrno
    rumpuser_mutex_init rumpuser_mutex_enter rumpuser_mutex_enter_nowrap rumpuser_mutex_tryenter rumpuser_mutex_exit
    rumpuser_mutex_destroy rumpuser_mutex_owner
    rumpuser_rw_init rumpuser_rw_enter rumpuser_rw_tryenter rumpuser_rw_tryupgrade rumpuser_rw_downgrade rumpuser_rw_exit
    rumpuser_rw_destroy rumpuser_rw_held
    rumpuser_cv_init rumpuser_cv_destroy rumpuser_cv_wait rumpuser_cv_wait_nowrap rumpuser_cv_timedwait rumpuser_cv_signal
    rumpuser_cv_broadcast rumpuser_cv_has_waiters
    rumpuser_link_open rumpuser_link_receive rumpuser_link_send
}

// bindgen does not carry over that a function does not return.
const _: unsafe extern "C" fn(c_int) = header::rumpuser_exit;
const _: unsafe extern "C" fn(c_int) -> ! = rumpuser_exit;
