//! Layer 5: what userland needs before `main`: configuration, `/etc`, the start of programs.
//!
//! Depends on layer 4 and on `rumpuser`. It has no state of its own: [`configuration`] reads the documents, [`prepare`]
//! adds `/etc` and credentials to a kernel that is being made, [`run`] starts the program on a kernel that has been started and waits
//! for its end. Every way to fail has a message that names the thing and an exit status.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]

extern crate alloc;
#[cfg(test)]
use rumpuser_hosted as _;

mod configuration;
mod credentials;
mod etc;
mod start;

pub use configuration::{Document, Program, configuration};
pub use etc::prepare;
pub use start::{StartError, run};
