//! Physical memory, the kernel's page tables and its heap.

pub mod buddy;
pub mod frames;
pub mod heap;
mod marks;
pub(crate) mod regions;
mod slabs;

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

/// Something has been refused for want of frames.
static SHORT: AtomicBool = AtomicBool::new(false);
/// There is, or has been, a program.
static PROGRAM: AtomicBool = AtomicBool::new(false);

/// Remembers that there is a program now.
pub(crate) fn serves_program() {
    if !PROGRAM.swap(true, Ordering::Relaxed) {
        frames::share();
    }
}

/// Whether the machine turned out too small before there was a program.
pub(crate) fn is_too_small() -> bool {
    SHORT.load(Ordering::Relaxed) && !PROGRAM.load(Ordering::Relaxed)
}

/// There is no memory for this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory;

/// Frames that are kept for quicker use.
fn reclaimable() -> usize {
    heap::empty_pages() + crate::thread::kept_stacks()
}

/// Gives them up: before anything is refused.
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
