//! The kernel's heap, which grows out of free frames.

use super::frames;
use crate::layout::{PAGE_SIZE, direct};
use core::{
    alloc::{GlobalAlloc, Layout},
    ptr,
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
                return unsafe { talc.claim(start, count * PAGE_SIZE) }.map(drop).ok_or(());
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
        // SAFETY: the caller's promise (a size that is not 0).
        unsafe { self.0.lock().allocate(layout) }.map_or(ptr::null_mut(), |allocation| allocation.as_ptr())
    }

    unsafe fn dealloc(&self, allocation: *mut u8, layout: Layout) {
        if is_large(layout) {
            let frame = (allocation as usize - direct(0)) / PAGE_SIZE;
            return frames::release_run(frame as u64, layout.size().div_ceil(PAGE_SIZE));
        }
        // SAFETY: the caller's promise.
        unsafe { self.0.lock().deallocate(allocation, layout) }
    }
}
