//! Physical memory and the kernel's heap.

pub mod buddy;
pub mod frames;
pub mod heap;
mod marks;
pub(crate) mod regions;
pub(crate) mod shortage;
mod slabs;

pub use rumpkin_vocabulary::OutOfMemory;
