//! Physical memory, the kernel's page tables and its heap.

mod bins;
pub mod buddy;
pub mod frames;
pub mod heap;
pub mod kernel;
mod regions;

/// There is no memory for this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory;
