//! Physical memory, the kernel's page tables and its heap.

pub mod buddy;
pub mod frames;
pub mod heap;
pub mod kernel;
mod regions;
mod slabs;

use alloc::vec::Vec;

/// There is no memory for this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory;

/// Gives up the memory that is kept for quicker use: before anything is refused.
fn reclaim() {
    heap::give_back();
    crate::thread::give_back_stacks();
}

/// Makes room for so many elements in all.
pub(crate) fn reserve<T>(list: &mut Vec<T>, count: usize) -> Result<(), OutOfMemory> {
    if count <= list.capacity() {
        return Ok(());
    }
    let count = count.max(2 * list.capacity());
    heap::ensure(count * size_of::<T>())?;
    list.try_reserve_exact(count - list.len()).map_err(|_| OutOfMemory)
}
