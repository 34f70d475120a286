//! Layer 3: the hypercall interface, all that a kernel sees of what it stands on.
//!
//! The kernel (layer 4) calls the safe functions and types of this crate; a *back end* (`rumpuser-core` in a
//! unikernel, `rumpuser-hosted` in a Linux process) implements [`Backend`] and binds it at link time with
//! [`export_backend!`]. No generics, so the kernel is compiled once; no trait objects, save for devices and up-calls.
//!
//! ```text
//!   kernel   ──calls──▶  rumpuser (safe wrappers)  ──link time──▶  back end
//!   kernel   ◀─up-call─  Pager, stop handler, device notifications
//! ```
//!
//! Invariants that every back end keeps:
//! - An up-call arrives on a thread, never in interrupt context; but for what devices notify ([`device`]).
//! - A [`memory::Frame`] is freed when its last owner is gone; a mapping in an address space is an owner.
//! - User memory is touched only by [`user`]'s accessors; a bad address is an error, never a crash.
//! - This crate depends on the words of layer 0, and re-exports them; on nothing else of ours.
#![no_std]

extern crate alloc;

pub mod boot;
pub mod clock;
pub mod context;
mod data;
pub mod device;
mod hypercalls;
pub mod memory;
pub mod power;
pub mod random;
pub mod sync;
pub mod thread;
pub mod user;
pub mod wait;

pub use hypercalls::Backend;

/// The names in the signatures of [`export_backend!`].
#[doc(hidden)]
pub mod __types {
    pub use crate::{
        boot::BootData,
        context::{Event, Registers},
        device::{Devices, Notify},
        memory::{Fault, FrameNumber, OutOfMemory, Page, Pager, Protection, VdsoFrames},
        power::Exit,
    };
    pub use alloc::{boxed::Box, sync::Arc};
    pub use core::ptr::NonNull;
}
