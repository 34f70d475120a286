//! A range of device registers that cannot be left.

use core::ptr::{self, NonNull};

/// Mapped device registers. As on a bus, what lies outside reads as all ones and ignores writes.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    base: NonNull<u8>,
    length: usize,
}

// SAFETY: The mapping is never removed, and device registers may be accessed from any thread.
unsafe impl Send for Window {}
// SAFETY: As above.
unsafe impl Sync for Window {}

/// A register's content.
pub trait Register: Copy {
    /// What a bus without an answer gives.
    const ALL_ONES: Self;
}
impl Register for u8 {
    const ALL_ONES: Self = u8::MAX;
}
impl Register for u16 {
    const ALL_ONES: Self = u16::MAX;
}
impl Register for u32 {
    const ALL_ONES: Self = u32::MAX;
}

impl Window {
    /// The registers at `base`.
    ///
    /// # Safety
    /// `length` bytes there are mapped for good, uncached, and hold device registers (or memory that serves as such).
    pub const unsafe fn new(base: NonNull<u8>, length: usize) -> Self {
        Self { base, length }
    }

    /// Its size in bytes.
    pub const fn length(&self) -> usize {
        self.length
    }

    /// A part of it; `None` if it is not all inside.
    pub fn part(&self, offset: usize, length: usize) -> Option<Self> {
        let end = offset.checked_add(length)?;
        if end > self.length {
            return None;
        }
        let base = NonNull::new(self.base.as_ptr().wrapping_add(offset))?;
        Some(Self { base, length })
    }

    fn at<T: Register>(&self, offset: usize) -> Option<*mut T> {
        let pointer = self.base.as_ptr().wrapping_add(offset).cast::<T>();
        let end = offset.checked_add(size_of::<T>())?;
        (end <= self.length && pointer.is_aligned()).then_some(pointer)
    }

    /// Reads a register.
    pub fn read<T: Register>(&self, offset: usize) -> T {
        match self.at::<T>(offset) {
            // SAFETY: Within the mapping and aligned, as `at` has checked.
            Some(pointer) => unsafe { ptr::read_volatile(pointer) },
            None => T::ALL_ONES,
        }
    }

    /// Writes a register.
    pub fn write<T: Register>(&self, offset: usize, value: T) {
        if let Some(pointer) = self.at::<T>(offset) {
            // SAFETY: As in `read`.
            unsafe { ptr::write_volatile(pointer, value) }
        }
    }
}
