//! The kernel's heap, which grows out of free frames.

use super::{
    bins::{self, Bins},
    frames,
};
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

/// Whether the heap can give so many more bytes, in pieces of a page at most, and still keep its reserve.
pub fn ensure(bytes: usize) -> bool {
    /// What freed pieces may add up to without being of use.
    const SCATTERED: usize = 64 * 1024;
    let (_, free) = frames::counts();
    free.saturating_mul(PAGE_SIZE).saturating_add(FREE.load(Ordering::Relaxed)) > bytes.saturating_add(SCATTERED)
}

fn change_free(change: impl FnOnce(usize) -> usize) {
    // Not a read-modify-write, which would cost as much as the allocation does: the lock is held.
    FREE.store(change(FREE.load(Ordering::Relaxed)), Ordering::Relaxed);
}

/// What an allocation takes: a word more for the allocator's mark, in whole units of four words.
fn cost(layout: Layout) -> usize {
    (layout.size() + bins::OVERHEAD).next_multiple_of(bins::UNIT)
}

/// The global allocator of an image: `#[global_allocator] static HEAP: KernelHeap = KernelHeap::new();`.
///
/// It may be used from the moment that core has found the free frames, and never in interrupt context: its lock does not
/// keep interrupts off, which would cost more than the allocation does.
pub struct KernelHeap(Mutex<Heap>);

struct Heap {
    allocator: Talc<FrameSource, DefaultBinning>,
    /// Small pieces that went through it once.
    bins: Bins,
}

impl KernelHeap {
    /// An empty heap.
    pub const fn new() -> Self {
        KernelHeap(Mutex::new(Heap { allocator: Talc::new(FrameSource), bins: Bins::new() }))
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

impl Heap {
    /// Memory from the allocator, or null. The pieces that are kept go back to it before there is none.
    fn allocate(&mut self, layout: Layout) -> *mut u8 {
        let Heap { allocator, bins } = self;
        loop {
            // SAFETY: no size is 0, by the promise to `alloc`; that of a piece never is.
            if let Some(allocation) = unsafe { allocator.allocate(layout) } {
                return allocation.as_ptr();
            }
            // SAFETY: pieces were allocated with this layout, and are nobody's.
            if !bins.empty(|piece, class| unsafe { allocator.deallocate(piece, bins::piece(class)) }) {
                return ptr::null_mut();
            }
        }
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
        let allocation = match bins::class(layout) {
            Some(class) => {
                let kept = heap.bins.take(class);
                if kept.is_null() { heap.allocate(bins::piece(class)) } else { kept }
            }
            None => heap.allocate(layout),
        };
        if !allocation.is_null() {
            change_free(|free| free.saturating_sub(cost(layout)));
        }
        allocation
    }

    unsafe fn dealloc(&self, allocation: *mut u8, layout: Layout) {
        if is_large(layout) {
            let frame = (allocation as usize - direct(0)) / PAGE_SIZE;
            return frames::release_run(frame as u64, layout.size().div_ceil(PAGE_SIZE));
        }
        let mut heap = self.0.lock();
        let class = bins::class(layout);
        // SAFETY: the caller's promise; what has a class was allocated as a piece of it.
        if !class.is_some_and(|class| unsafe { heap.bins.keep(class, allocation) }) {
            // SAFETY: as above.
            unsafe { heap.allocator.deallocate(allocation, class.map_or(layout, bins::piece)) };
        }
        change_free(|free| free.saturating_add(cost(layout)));
    }

    unsafe fn realloc(&self, allocation: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        if !is_large(layout) && bins::class(layout).is_some() && bins::class(layout) == bins::class(new) {
            return allocation;
        }
        // SAFETY: the caller's promise.
        let copy = unsafe { self.alloc(new) };
        if !copy.is_null() {
            // SAFETY: both are allocations of at least so many bytes, and apart.
            unsafe {
                ptr::copy_nonoverlapping(allocation, copy, layout.size().min(new_size));
                self.dealloc(allocation, layout);
            }
        }
        copy
    }
}
