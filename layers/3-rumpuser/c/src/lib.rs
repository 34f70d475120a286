//! Layer 3: the hypercalls for kernels in C: `include/rumpuser.h`, which follows rumpuser(3), version 17.
//!
//! It stands on the Rust interface alone, so that a kernel in C runs wherever that has a back end. A kernel is a function
//! that [`run`] calls on the first thread. Depends on `rumpuser`.
//!
//! Invariants:
//! - The definitions have the types that the header declares: `check.rs` does not compile otherwise (`header.rs` is
//!   bindgen's work, and a check runs it again).
//! - What the header allows may be wrong is an error; what it calls misuse is a panic, for a kernel in C has no other use of it.
//! - A hypercall that may block gives up the kernel's right to run meanwhile, and no lock of this crate is held then.
#![no_std]

extern crate alloc;

mod check;
mod checksum;
mod clock;
mod condvar;
mod disk;
#[allow(missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals, dead_code, clippy::all)]
mod header;
mod link;
mod machine;
mod memory;
mod mutex;
mod rwlock;
mod system;
mod thread;
mod upcalls;

use core::ffi::c_int;

/// A kernel in C: it runs until it returns its exit status, of which 8 bits count.
pub type Kernel = unsafe extern "C" fn() -> c_int;

/// Runs a kernel on the calling thread; its exit status comes back, and the disks are flushed.
///
/// # Safety
/// The kernel is a function of C that keeps to the header.
pub unsafe fn run(kernel: Kernel) -> u8 {
    machine::listen_for_stop();
    // SAFETY: the caller's promise.
    let status = unsafe { kernel() };
    machine::flush_disks();
    status as u8
}
