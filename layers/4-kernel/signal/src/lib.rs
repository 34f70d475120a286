//! Layer 4: signals (signal(7)): actions, masks, what is pending, delivery to handlers, and the signals that faults raise.
//!
//! ```text
//!   kill, timers, files, exceptions ──send──▶ pending, of a thread or of its process ──settle, on the way to user code──▶
//!     nothing │ the end of the process │ a frame on the user stack, and the handler ──rt_sigreturn──▶ what was interrupted
//! ```
//!
//! The state is a part of each process and each thread; others send signals through the spine, which knows this component as
//! [`Signals`]. Depends on `rumpuser`, `rumpkin-abi`, `rumpkin-mm`, `rumpkin-spine`. Invariants:
//! - Whatever lies on a user stack (frames above all) is copied, then checked, then used.
//! - SIGKILL and SIGSTOP are never blocked, ignored or handled.
//! - Lock order: a process's list of threads, then what is pending.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod action;
mod calls;
mod deliver;
mod exception;
mod frame;
mod mask;
mod pending;
mod send;
mod set;
mod state;
#[cfg(test)]
mod tests;

pub use action::{Disposition, disposition};
pub use deliver::{Interrupted, settle};
pub use exception::{exception, page_fault};
pub use mask::with_mask;
pub use pending::Pending;
pub use set::SignalSet;
pub use state::{ProcessSignals, ThreadSignals};

use alloc::sync::Arc;
use rumpkin_spine::{Kernel, process::Signals};

/// Adds the component to a kernel.
#[expect(clippy::disallowed_methods, reason = "once, at boot")]
pub fn register(kernel: &mut Kernel) {
    kernel.on_process(|_, parts| parts.try_insert(state::OfProcess::default()));
    kernel.on_thread(|_, parts| parts.try_insert(state::OfThread::default()));
    kernel.parts.insert(Arc::new(Signals {
        to_process: state::send_to_process,
        to_thread: state::send_to_thread,
        pending: state::is_pending,
    }));
    calls::register(kernel);
    send::register(kernel);
}
