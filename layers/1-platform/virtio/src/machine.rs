//! What the drivers ask of the machine below them: memory that devices reach, and a way to wait.

use alloc::{boxed::Box, sync::Arc};
use core::{
    any::Any,
    fmt,
    ops::Range,
    ptr::{self, NonNull},
};

/// The services a driver runs on. The product implements it on core; the tests on plain heap memory.
///
/// # Safety
/// `translate` answers only for memory that a device finds contiguous over the whole length.
pub unsafe trait Machine: Send + Sync {
    /// Zeroed, page-aligned memory of at least `length` bytes.
    fn allocate(&self, length: usize) -> Option<Allocation>;

    /// The physical address of kernel memory, if a device can reach all of it there.
    fn translate(&self, memory: *const u8, length: usize) -> Option<u64>;

    /// A new event, not set.
    fn event(&self) -> Arc<dyn Event>;
}

/// Memory from [`Machine::allocate`].
pub struct Allocation {
    /// Where the kernel finds it.
    base: NonNull<u8>,
    /// Where the device finds it.
    physical: u64,
    /// Frees it when dropped.
    _owner: Box<dyn Any + Send + Sync>,
}

impl Allocation {
    /// `owner` frees the memory when it is dropped.
    ///
    /// # Safety
    /// As many bytes as were asked for are valid at `base`, zeroed, aliased by nothing else, and contiguous for the device
    /// at `physical`, until `owner` is dropped.
    pub unsafe fn new(base: NonNull<u8>, physical: u64, owner: Box<dyn Any + Send + Sync>) -> Self {
        Self { base, physical, _owner: owner }
    }
}

/// Something that one thread waits for. It stays set until a wait has seen it.
pub trait Event: Send + Sync {
    /// Blocks the calling thread until the event is set, and clears it; false if `timeout` nanoseconds pass before.
    fn wait(&self, timeout: Option<u64>) -> bool;

    /// Sets the event. May be called in interrupt context.
    fn set(&self);
}

/// Memory shared with a device. Access by offset is volatile and checked: outside the region it reads 0 and writes
/// nothing, so that no arithmetic on a device's numbers can reach beyond it.
///
/// A driver resets its device before it drops a region that the device knows.
pub struct Region {
    memory: Allocation,
    length: usize,
}

// SAFETY: The region is owned memory; access through `&self` is volatile word access only, or `unsafe`.
unsafe impl Send for Region {}
// SAFETY: As above.
unsafe impl Sync for Region {}

/// A word that may be shared with a device.
pub trait Word: Copy + Default {}
impl Word for u8 {}
impl Word for u16 {}
impl Word for u32 {}
impl Word for u64 {}

impl Region {
    /// Allocates `length` zeroed bytes; `None` if there is no memory.
    pub fn new(machine: &dyn Machine, length: usize) -> Option<Self> {
        let memory = machine.allocate(length)?;
        Some(Self { memory, length })
    }

    /// Where the device sees `offset`.
    pub fn physical(&self, offset: usize) -> u64 {
        self.memory.physical.wrapping_add(offset as u64)
    }

    fn at<T: Word>(&self, offset: usize) -> Option<*mut T> {
        let end = offset.checked_add(size_of::<T>())?;
        (end <= self.length && offset.is_multiple_of(align_of::<T>()))
            .then(|| self.memory.base.as_ptr().wrapping_add(offset).cast())
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
        unsafe { core::slice::from_raw_parts(self.memory.base.as_ptr().add(range.start), range.end - range.start) }
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
        unsafe { core::slice::from_raw_parts_mut(self.memory.base.as_ptr().add(range.start), range.end - range.start) }
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes at {:#x}", self.length, self.memory.physical)
    }
}
