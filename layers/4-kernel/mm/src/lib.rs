//! Layer 4: virtual memory areas and the pager.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]

extern crate alloc;

use rumpkin_abi::Errno;
use rumpuser::memory::Frame;

/// Something whose pages can be mapped: a file, as a rule.
pub trait Mappable: Send + Sync {
    /// The frame that holds page `index` (of 4096 bytes) of the object. For a shared, writable mapping stores to it are
    /// stores to the object. An index beyond the end is `ENXIO` (the program gets SIGBUS). May block.
    fn frame(&self, index: u64) -> Result<Frame, Errno>;
}

/// The memory of a process.
#[derive(Debug)]
pub struct Mm;
