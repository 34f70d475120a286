//! The kernel's heap: small pieces come from slabs, larger ones are runs of frames, and both go back when they are freed.

use super::{
    frames,
    shortage::{self, Keeper},
    slabs::{self, Pages, Slabs},
};
use crate::x86::layout::PAGE_SIZE;
use alloc::vec::Vec;
use core::{
    alloc::{GlobalAlloc, Layout},
    ptr,
};
use rumpkin_vocabulary::OutOfMemory;
use spin::Mutex;

/// Never locked in interrupt context: it does not keep interrupts off, which would cost more than the allocation does. Before
/// the lock of the frames.
static SLABS: Mutex<Slabs<FreeFrames>> = Mutex::new(Slabs::new(FreeFrames));

/// Frames that nobody has.
struct FreeFrames;

impl Pages for FreeFrames {
    fn take(&mut self) -> *mut u8 {
        frames::allocate_run(1).map_or(ptr::null_mut(), frames::address)
    }

    unsafe fn give(&mut self, page: *mut u8) {
        frames::release_run(frames::number(page), 1);
    }
}

/// Whether allocations of `bytes` bytes in all succeed now and still leave the emergency part alone; of pieces of a page at most,
/// aligned to 16 bytes at most, which count as 16 bytes at least. It holds until another thread runs.
///
/// Of what is larger it says only that there are frames enough, not that they lie together.
pub fn ensure(bytes: usize) -> Result<(), OutOfMemory> {
    if frames::may_ask(bytes / slabs::LARGEST + slabs::CLASSES) {
        return Ok(());
    }
    shortage::reclaim();
    if frames::may_ask(slabs::pages_for(bytes)) { Ok(()) } else { Err(OutOfMemory) }
}

/// Makes room for so many elements in all.
pub(crate) fn reserve<T>(list: &mut Vec<T>, count: usize) -> Result<(), OutOfMemory> {
    if count <= list.capacity() {
        return Ok(());
    }
    let count = count.max(2 * list.capacity());
    ensure(count * size_of::<T>())?;
    list.try_reserve_exact(count - list.len()).map_err(|_| OutOfMemory)
}

/// Pages that the slabs keep and do not need.
pub(crate) const EMPTY_PAGES: Keeper = Keeper { frames: || SLABS.lock().empty_pages(), give_back };

fn give_back() {
    SLABS.lock().give_back();
}

/// The global allocator of an image: `#[global_allocator] static HEAP: KernelHeap = KernelHeap;`.
///
/// It may be used from the moment that core has found the free frames, and never in interrupt context.
pub struct KernelHeap;

fn pages(size: usize) -> usize {
    size.div_ceil(PAGE_SIZE)
}

fn allocate_run(layout: Layout) -> *mut u8 {
    // A run is aligned to the power of two that is not less than its length.
    let count = pages(layout.size());
    let taken = count.max(layout.align() / PAGE_SIZE);
    let run = frames::allocate_run(taken).or_else(|| {
        shortage::reclaim();
        frames::allocate_run(taken)
    });
    let Some(run) = run else { return ptr::null_mut() };
    if taken > count {
        frames::release_run(run + count as u64, taken - count);
    }
    frames::address(run)
}

// SAFETY: memory is an object of the slabs or a run of frames, and neither is given twice.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match slabs::class(layout) {
            Some(class) => SLABS.lock().allocate(class),
            None => allocate_run(layout),
        }
    }

    unsafe fn dealloc(&self, allocation: *mut u8, layout: Layout) {
        match slabs::class(layout) {
            // SAFETY: the caller's promise: it was allocated with this layout, and so as an object of that class.
            Some(class) => unsafe { SLABS.lock().free(class, allocation) },
            None => frames::release_run(frames::number(allocation), pages(layout.size())),
        }
    }

    unsafe fn realloc(&self, allocation: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        match (slabs::class(layout), slabs::class(new)) {
            (Some(old), Some(new)) if old == new => return allocation,
            (None, None) if frames::resize_run(frames::number(allocation), pages(layout.size()), pages(new_size)) => {
                return allocation;
            }
            _ => (),
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
