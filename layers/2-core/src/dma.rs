//! Memory that devices read and write.

use crate::{
    memory::{OutOfMemory, frames},
    x86::layout::{self, DIRECT_MAP_SIZE, PAGE_SIZE},
};
use core::ptr::NonNull;

/// Physically contiguous, page-aligned, zeroed memory of whole pages; freed when dropped.
#[derive(Debug)]
pub struct Buffer {
    base: NonNull<u8>,
    physical: u64,
    length: usize,
    free: unsafe fn(NonNull<u8>, usize),
}

// SAFETY: owned memory; whoever holds it decides who touches it.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// At least `bytes` bytes of this machine's memory.
    pub fn new(bytes: usize) -> Result<Buffer, OutOfMemory> {
        let pages = bytes.div_ceil(PAGE_SIZE).max(1);
        let frame = frames::allocate_run(pages).ok_or(OutOfMemory)?;
        let address = frames::address(frame);
        // SAFETY: the run is ours.
        unsafe { address.write_bytes(0, pages * PAGE_SIZE) };
        // SAFETY: the direct map does not begin at 0.
        let base = unsafe { NonNull::new_unchecked(address) };
        Ok(Buffer { base, physical: frame * PAGE_SIZE as u64, length: pages * PAGE_SIZE, free })
    }

    /// Memory from elsewhere; `free` is called with its address and length when it is dropped.
    ///
    /// # Safety
    /// Whole pages, page-aligned and zeroed; valid at `base` and contiguous for a device at `physical`, and aliased by nothing else,
    /// until `free`, which may be called on any thread.
    pub unsafe fn from_parts(
        base: NonNull<u8>,
        physical: u64,
        length: usize,
        free: unsafe fn(NonNull<u8>, usize),
    ) -> Buffer {
        Buffer { base, physical, length, free }
    }

    /// Where the device finds it.
    pub fn physical(&self) -> u64 {
        self.physical
    }

    /// Where the kernel finds it.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.base
    }

    /// Bytes in it: whole pages.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Never: there is at least a page.
    pub fn is_empty(&self) -> bool {
        false
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: what `from_parts` was promised, or what `new` allocated; once.
        unsafe { (self.free)(self.base, self.length) };
    }
}

/// Gives memory back that [`Buffer::new`] allocated.
///
/// # Safety
/// It is such, and no longer used.
unsafe fn free(base: NonNull<u8>, length: usize) {
    frames::release_run(frames::number(base.as_ptr()), length / PAGE_SIZE);
}

/// The physical address of kernel memory that is physically contiguous: the direct map (so the heap) and the kernel image.
/// `None` for anything else: user memory, stacks, registers.
pub(crate) fn physical_address(start: *const u8, length: usize) -> Option<u64> {
    let start = start as usize;
    let end = start.checked_add(length)?;
    if let Some(physical) = start.checked_sub(layout::image()) {
        return Some(physical as u64);
    }
    let offset = start.checked_sub(layout::direct_map())?;
    (end - layout::direct_map() <= DIRECT_MAP_SIZE).then_some(offset as u64)
}
