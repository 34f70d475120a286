//! Runs the conformance program of rumpuser.h (conformance.c) on the hypercalls of a Linux process.

use rumpuser_hosted as _;
use std::ffi::c_int;

unsafe extern "C" {
    fn conformance_init() -> c_int;
}

fn main() {
    // SAFETY: conformance.c defines it so, and keeps to the header.
    std::process::exit(i32::from(unsafe { rumpuser_c::run(conformance_init) }));
}
