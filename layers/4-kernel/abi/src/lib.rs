//! Layer 4: error numbers, constants and structures of the Linux x86-64 ABI.
//!
//! Constants come from the `linux-raw-sys` crate, which is generated from Linux's own headers; the structures that cross
//! the user boundary are written here so that they can be read and written without `unsafe` ([`zerocopy`]).
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]

mod errno;
pub mod signal;
mod structs;
mod system_calls;
mod time;

pub use errno::Errno;
pub use linux_raw_sys as linux;
pub use structs::*;
pub use system_calls::{system_call_name, system_call_number};
pub use time::{NANOSECONDS_PER_SECOND, Timespec, Timeval};
