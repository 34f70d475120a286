//! Memory that a driver shares with its device.

use core::{fmt, ops::Range, ptr};
use rumpkin_core::for_platform::{dma::Buffer, services::Services};

/// Memory shared with a device. Access by offset is volatile and checked: outside the region it reads 0 and writes
/// nothing, so that no arithmetic on a device's numbers can reach beyond it.
///
/// A driver resets its device before it drops a region that the device knows.
pub struct Region {
    memory: Buffer,
    length: usize,
}

/// A word that may be shared with a device.
pub trait Word: Copy + Default {}
impl Word for u8 {}
impl Word for u16 {}
impl Word for u32 {}
impl Word for u64 {}

impl Region {
    /// Allocates `length` zeroed bytes; `None` if there is no memory.
    pub fn new(services: &dyn Services, length: usize) -> Option<Self> {
        let memory = services.allocate(length).ok()?;
        Some(Self { memory, length })
    }

    /// Where the device sees `offset`.
    pub fn physical(&self, offset: usize) -> u64 {
        self.memory.physical().wrapping_add(offset as u64)
    }

    fn at<T: Word>(&self, offset: usize) -> Option<*mut T> {
        let end = offset.checked_add(size_of::<T>())?;
        (end <= self.length && offset.is_multiple_of(align_of::<T>()))
            .then(|| self.memory.as_ptr().as_ptr().wrapping_add(offset).cast())
    }

    /// Reads a naturally aligned word, once.
    pub fn load<T: Word>(&self, offset: usize) -> T {
        match self.at::<T>(offset) {
            // SAFETY: `at` has checked bounds and alignment, and the region is valid as long as `self`.
            Some(pointer) => unsafe { ptr::read_volatile(pointer) },
            None => T::default(),
        }
    }

    /// Writes a naturally aligned word, once.
    pub fn store<T: Word>(&self, offset: usize, value: T) {
        if let Some(pointer) = self.at::<T>(offset) {
            // SAFETY: As in `load`.
            unsafe { ptr::write_volatile(pointer, value) }
        }
    }

    /// Bytes of the region; empty if they are not all within it.
    ///
    /// # Safety
    /// The device does not own them: they have not been given to it, or have come back, until the slice is gone.
    pub unsafe fn bytes(&self, range: Range<usize>) -> &[u8] {
        if range.start > range.end || range.end > self.length {
            return &[];
        }
        // SAFETY: In bounds as just checked; nobody writes as promised by the caller.
        unsafe { core::slice::from_raw_parts(self.memory.as_ptr().as_ptr().add(range.start), range.end - range.start) }
    }

    /// Bytes of the region, to be written; empty if they are not all within it.
    ///
    /// # Safety
    /// As for [`Region::bytes`].
    pub unsafe fn bytes_mut(&mut self, range: Range<usize>) -> &mut [u8] {
        if range.start > range.end || range.end > self.length {
            return &mut [];
        }
        // SAFETY: In bounds as just checked; exclusively ours by `&mut self` and the caller's promise.
        unsafe {
            core::slice::from_raw_parts_mut(self.memory.as_ptr().as_ptr().add(range.start), range.end - range.start)
        }
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes at {:#x}", self.length, self.memory.physical())
    }
}
