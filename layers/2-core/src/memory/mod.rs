//! Physical memory and the kernel's heap.

pub(crate) mod buddy;
pub(crate) mod frames;
pub(crate) mod heap;
mod marks;
pub(crate) mod regions;
pub(crate) mod shortage;
mod slabs;

pub use rumpkin_vocabulary::OutOfMemory;
