//! Layer 4, another one: a small kernel in C on `rumpuser.h`, which keeps the seam honest.
//!
//! It takes the place of the kernel in an image. It depends on the header alone, and on nothing of the Rust kernel: threads
//! with every kind of lock, timers, the console, reads from a disk, and an echo service on a link that it drives itself.
#![no_std]

use core::ffi::c_int;

unsafe extern "C" {
    fn tiny_init() -> c_int;
}

/// Runs the kernel until the host asks for a stop; its exit status comes back.
pub fn run() -> u8 {
    // SAFETY: `tiny_init` is defined so in c/main.c, and keeps to the header.
    unsafe { rumpuser_c::run(tiny_init) }
}
