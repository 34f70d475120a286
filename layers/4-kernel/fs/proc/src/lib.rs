//! Layer 4: `/proc` and `/sys`: what programs read of the kernel (generated files) and of processes (directories by number).
//!
//! Any component adds files to it by [`Kernel::add_generated_file`], under `/proc` or `/sys`; here are those that are nobody else's.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]

extern crate alloc;

mod file_system;
mod kernel_files;
mod mounts;
mod open_file_node;
mod preference;
mod process_files;
mod process_node;
mod setting;
mod top;

use alloc::sync::Arc;
use rumpkin_spine::Kernel;
use rumpkin_vfs::{Registry, StartMount};

/// Adds `/proc` and `/sys` to a kernel and its tree.
#[expect(clippy::disallowed_methods, reason = "once, at boot")]
pub fn register(kernel: &mut Kernel) {
    let registry = Registry::of(kernel);
    registry.add_type(Arc::new(file_system::Type));
    registry.add_folder("/sys");
    registry.mount_at_start(StartMount::over("/proc", "proc", ""));
    kernel_files::register(kernel);
    preference::register(kernel);
}
