//! Memory that devices read and write.

use crate::{
    memory::{OutOfMemory, frames},
    x86::layout::{self, DIRECT_MAP_SIZE, PAGE_SIZE},
};
use core::ptr::NonNull;

/// Physically contiguous, page-aligned, zeroed memory of whole pages; freed when dropped.
#[derive(Debug)]
pub struct Buffer {
    frame: frames::FrameNumber,
    pages: usize,
}

impl Buffer {
    /// At least `bytes` bytes.
    pub fn new(bytes: usize) -> Result<Buffer, OutOfMemory> {
        let pages = bytes.div_ceil(PAGE_SIZE).max(1);
        let frame = frames::allocate_run(pages).ok_or(OutOfMemory)?;
        // SAFETY: the run is ours.
        unsafe { frames::address(frame).write_bytes(0, pages * PAGE_SIZE) };
        Ok(Buffer { frame, pages })
    }

    /// Where the device finds it.
    pub fn physical(&self) -> u64 {
        self.frame * PAGE_SIZE as u64
    }

    /// Where the kernel finds it.
    pub fn as_ptr(&self) -> NonNull<u8> {
        let address = frames::address(self.frame);
        // SAFETY: the direct map does not begin at 0.
        unsafe { NonNull::new_unchecked(address) }
    }

    /// Bytes in it: whole pages.
    pub fn len(&self) -> usize {
        self.pages * PAGE_SIZE
    }

    /// Never: there is at least a page.
    pub fn is_empty(&self) -> bool {
        false
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        frames::release_run(self.frame, self.pages);
    }
}

/// The physical address of kernel memory that is physically contiguous: the direct map (so the heap) and the kernel image.
/// `None` for anything else: user memory, stacks, registers.
pub fn physical_address(start: *const u8, length: usize) -> Option<u64> {
    let start = start as usize;
    let end = start.checked_add(length)?;
    if let Some(physical) = start.checked_sub(layout::image()) {
        return Some(physical as u64);
    }
    let offset = start.checked_sub(layout::direct_map())?;
    (end - layout::direct_map() <= DIRECT_MAP_SIZE).then_some(offset as u64)
}
