//! Layer 4: what the system tells of itself: its name, its memory, random numbers (uname(2), sysinfo(2), getrandom(2)).
//!
//! Depends on `rumpuser` and `rumpkin-spine`. It has no state.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]

mod information;
mod random;

use rumpkin_spine::Kernel;

/// Adds the component to a kernel.
pub fn register(kernel: &mut Kernel) {
    information::register(kernel);
    random::register(kernel);
}
