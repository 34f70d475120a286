//! Layer 4: the kernel that components register with: tasks, files, waiting, the system-call table.
//!
//! A component (vfs, net, event, …) is a crate with `fn register(&mut Kernel)`, which adds its system calls to the
//! [`table::SystemCallTable`], its state to the kernel's or each process's [`parts::Parts`], and what is to happen at start and
//! stop. What is not registered is not in the image, and its calls say `ENOSYS`.
//!
//! Depends on `rumpuser`, `rumpkin-abi`, `rumpkin-mm`. Invariants:
//! - The kernel is a value: no mutable statics; two kernels can live side by side.
//! - [`file::File`]s never block on readiness: they say `EAGAIN`, and [`wait::block_on`] is the one place that sleeps.
//! - No lock that the pager takes is held while user memory is accessed.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]

extern crate alloc;

pub mod arguments;
mod call;
pub mod clock;
pub mod config;
mod events;
pub mod fd;
pub mod file;
pub mod io;
pub mod kernel;
pub mod names;
pub mod notice;
pub mod parts;
pub mod process;
pub mod schedule;
pub mod strings;
pub mod table;
pub mod timer;
pub mod user;
pub mod wait;

use alloc::sync::Arc;
use process::Processes;
use rumpuser::device::Devices;
use table::SystemCallTable;

pub use call::Call;
pub use kernel::Kernel;
pub use rumpkin_abi::{self as abi, Errno};
pub use table::SystemCall;
pub use user::{UserPointer, UserSlice};

impl Kernel {
    /// A kernel without components.
    #[expect(clippy::disallowed_methods, reason = "once, at boot")]
    pub fn new(config: config::Config, devices: Devices) -> Kernel {
        let table = SystemCallTable::new(config.trace_system_calls);
        let mut kernel = Kernel::bare(config, devices);
        kernel.parts.insert(Arc::new(table));
        kernel.parts.insert(Arc::new(Processes::default()));
        kernel
    }
}
