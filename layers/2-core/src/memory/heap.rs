//! The kernel's heap, which grows out of free frames.

use super::frames;
use crate::layout::{PAGE_SIZE, direct};
use core::{
    alloc::{GlobalAlloc, Layout},
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};
use spin::Mutex;
use talc::{
    DefaultBinning,
    base::{Talc, binning::Binning},
    source::Source,
};

/// Allocations of this size and more are runs of frames of their own, which go back when they are freed.
const LARGE: usize = 64 * 1024;
/// The heap for small allocations grows by this much, if there is so much.
const GROWTH: usize = 64 * 1024;

/// Bytes that the heap holds and nobody has; changed only under the heap's lock.
static FREE: AtomicUsize = AtomicUsize::new(0);

/// Bytes that the heap can give without growing, if they lie together.
pub fn free_bytes() -> usize {
    FREE.load(Ordering::Relaxed)
}

fn change_free(change: impl FnOnce(usize) -> usize) {
    // Not a read-modify-write, which would cost as much as the allocation does: the lock is held.
    FREE.store(change(FREE.load(Ordering::Relaxed)), Ordering::Relaxed);
}

/// What an allocation takes: a word more for the allocator's mark, in whole units of four words.
fn cost(layout: Layout) -> usize {
    (layout.size() + size_of::<usize>()).next_multiple_of(4 * size_of::<usize>())
}

/// The global allocator of an image: `#[global_allocator] static HEAP: KernelHeap = KernelHeap::new();`.
///
/// It may be used from the moment that core has found the free frames, and never in interrupt context: its lock does not
/// keep interrupts off, which would cost more than the allocation does.
pub struct KernelHeap(Mutex<Talc<FrameSource, DefaultBinning>>);

impl KernelHeap {
    /// An empty heap.
    pub const fn new() -> Self {
        KernelHeap(Mutex::new(Talc::new(FrameSource)))
    }
}

impl Default for KernelHeap {
    fn default() -> Self {
        Self::new()
    }
}

/// Gets memory for the allocator.
#[derive(Debug)]
struct FrameSource;

// SAFETY: `acquire` claims memory that was nobody's and does not allocate by other means.
unsafe impl Source for FrameSource {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        // The allocator's own tables, which lie in the first piece, take a few pages.
        let needed = layout.size() + layout.align() + 2 * PAGE_SIZE;
        for bytes in [needed.max(GROWTH), needed] {
            let count = bytes.div_ceil(PAGE_SIZE);
            if let Some(frame) = frames::allocate_run(count) {
                let start = direct(frame * PAGE_SIZE as u64) as *mut u8;
                // SAFETY: the run is ours and in the direct map.
                unsafe { talc.claim(start, count * PAGE_SIZE) }.ok_or(())?;
                change_free(|free| free.saturating_add(count * PAGE_SIZE));
                return Ok(());
            }
        }
        Err(())
    }
}

fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= PAGE_SIZE
}

// SAFETY: memory comes from the allocator or is a run of frames, and neither is given twice.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_large(layout) {
            return frames::allocate_run(layout.size().div_ceil(PAGE_SIZE)).map_or(ptr::null_mut(), frames::address);
        }
        let mut heap = self.0.lock();
        // SAFETY: the caller's promise (a size that is not 0).
        let Some(allocation) = (unsafe { heap.allocate(layout) }) else { return ptr::null_mut() };
        change_free(|free| free.saturating_sub(cost(layout)));
        allocation.as_ptr()
    }

    unsafe fn dealloc(&self, allocation: *mut u8, layout: Layout) {
        if is_large(layout) {
            let frame = (allocation as usize - direct(0)) / PAGE_SIZE;
            return frames::release_run(frame as u64, layout.size().div_ceil(PAGE_SIZE));
        }
        let mut heap = self.0.lock();
        // SAFETY: the caller's promise.
        unsafe { heap.deallocate(allocation, layout) };
        change_free(|free| free.saturating_add(cost(layout)));
    }
}
