//! Memory that the hypervisor or another domain writes too: volatile access to words whose places are checked.

use crate::Error;
use core::ptr::{self, NonNull};
use rumpkin_core::for_platform::{layout::PAGE_SIZE, mmio};

/// A shared page.
#[derive(Debug, Clone, Copy)]
pub struct SharedPage(NonNull<u8>);

// SAFETY: every access is a single volatile one, for which both sides of a shared page are prepared.
unsafe impl Send for SharedPage {}
// SAFETY: as above.
unsafe impl Sync for SharedPage {}

/// A word of shared memory: any value is valid.
pub trait Word: Copy + Default {}
impl Word for u8 {}
impl Word for u16 {}
impl Word for u32 {}
impl Word for u64 {}

impl SharedPage {
    /// The page at this address.
    ///
    /// # Safety
    /// It is mapped, readable and writable, for good, and no Rust reference to it exists.
    pub unsafe fn new(base: NonNull<u8>) -> Self {
        Self(base)
    }

    /// The page in this frame, which is not of our memory map: the toolstack put it beside.
    pub fn map(frame: u64) -> Result<Self, Error> {
        let physical = frame.checked_mul(PAGE_SIZE as u64).ok_or(Error::Malformed)?;
        let region = mmio::map_memory(physical, PAGE_SIZE).map_err(|_| Error::Memory)?;
        // SAFETY: just mapped, for good; it is reached through this value alone.
        Ok(unsafe { Self::new(region.as_ptr()) })
    }

    fn at<T: Word>(&self, offset: usize) -> Option<*mut T> {
        let inside = offset.checked_add(size_of::<T>()).is_some_and(|end| end <= PAGE_SIZE);
        (inside && offset.is_multiple_of(align_of::<T>())).then(|| self.0.as_ptr().wrapping_add(offset).cast())
    }

    /// Reads a naturally aligned word, once; 0 outside the page.
    pub fn load<T: Word>(&self, offset: usize) -> T {
        match self.at::<T>(offset) {
            // SAFETY: in the page and aligned, as `at` has checked.
            Some(word) => unsafe { ptr::read_volatile(word) },
            None => T::default(),
        }
    }

    /// Writes a naturally aligned word, once; nothing outside the page.
    pub fn store<T: Word>(&self, offset: usize, value: T) {
        if let Some(word) = self.at::<T>(offset) {
            // SAFETY: as for `load`.
            unsafe { ptr::write_volatile(word, value) }
        }
    }
}
