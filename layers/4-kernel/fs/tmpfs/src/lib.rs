//! Layer 4: tmpfs: files and directories in memory, lost at power-off; and files without a name (memfd_create(2)).
//!
//! All of them together may take half of memory; one that is mounted with `size=` has a limit of its own besides.
//!
//! Lock order: the file system's `changes`, then directories (only a holder of `changes` locks two), then attributes.
//! The pages of a file are never locked while user memory is touched, because the pager takes that lock.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]

extern crate alloc;

mod content;
mod directory;
mod file_system;
mod limit;
mod memfd;
mod node;

use alloc::sync::Arc;
use file_system::Temporary;
use limit::Limit;
use rumpkin_spine::Kernel;
use rumpkin_vfs::{Registry, StartMount};
use rumpuser::memory::total_frames;

/// Folders that are writable and lost at power-off, with their permissions.
const TEMPORARY: [(&str, &str); 4] =
    [("/tmp", "mode=1777"), ("/var/tmp", "mode=1777"), ("/run", "mode=0755"), ("/dev/shm", "mode=1777")];

/// What the Filesystem Hierarchy Standard has in `/var` for programs to write to. `/var/tmp` is temporary in any case, and `/var/run`
/// is `/run` unless the image has its own.
const VARIABLE: [(&str, &str); 6] = [
    ("/var/cache", "mode=0755"),
    ("/var/lib", "mode=0755"),
    ("/var/lock", "mode=1777"),
    ("/var/log", "mode=0755"),
    ("/var/run", "mode=0755"),
    ("/var/spool", "mode=0755"),
];

/// Adds tmpfs to a kernel, and to its tree the folders that are temporary.
#[expect(clippy::disallowed_methods, reason = "once, at boot")]
pub fn register(kernel: &mut Kernel) {
    let registry = Registry::of(kernel);
    // Half of memory in all, whichever file system it goes to.
    let limit = Arc::new(Limit::new(total_frames() / 2, None));
    registry.add_type(Arc::new(Temporary::new(limit.clone())));
    for (target, options) in TEMPORARY {
        registry.mount_at_start(StartMount { filled: true, ..StartMount::over(target, "tmpfs", options) });
    }
    for (target, options) in VARIABLE {
        let like = (target == "/var/run").then_some("/run");
        registry.mount_at_start(StartMount { keeps: true, like, ..StartMount::over(target, "tmpfs", options) });
    }
    memfd::register(kernel, limit);
}
