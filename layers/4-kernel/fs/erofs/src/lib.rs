//! Layer 4: EROFS, read in place: the read-only root file system from the boot payload (Linux's Documentation/filesystems/erofs).
//!
//! ```text
//!   0      1024           meta_blkaddr
//!   ├──────┼─superblock─┬─┼───────────────────────────┬────────────────┐
//!   │      │ 128 bytes  │ │ inodes of 32·n bytes (nid)│ blocks of data │
//!   └──────┴────────────┴─┴───────────────────────────┴────────────────┘
//! ```
//!
//! Every byte is untrusted: an image that lies gives `EIO`, never a panic or an endless loop. Uncompressed
//! layouts only (`FLAT_PLAIN` and `FLAT_INLINE`): their blocks are mapped into programs as they lie.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]

extern crate alloc;

mod directory;
mod file_system;
mod format;
mod node;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use rumpkin_spine::Kernel;
use rumpkin_vfs::Registry;

/// Adds EROFS to a kernel.
#[expect(clippy::disallowed_methods, reason = "once, at boot")]
pub fn register(kernel: &mut Kernel) {
    Registry::of(kernel).add_type(Arc::new(file_system::Type));
}
