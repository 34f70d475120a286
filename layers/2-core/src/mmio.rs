//! Device registers and memory that others share: mapped outside the direct map, read and written volatile.

use crate::{
    boot::PhysicalRange,
    memory::OutOfMemory,
    x86::{
        layout::{MMIO_SIZE, PAGE_SIZE, mmio},
        page_tables::{self, Flags},
    },
};
use core::{
    ptr::NonNull,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Page tables have no room for more address bits (Intel SDM vol. 3, §4.5).
const PHYSICAL_END: u64 = 1 << 52;

/// Bytes of the window that are taken.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// A piece of physical memory, mapped for good.
#[derive(Debug, Clone, Copy)]
pub struct Region {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: what is mapped belongs to a device or is shared, not a CPU's; every access is a single volatile one.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

/// Maps `length` bytes of device registers, uncached, for good. `physical` need not be aligned; an address that no machine has is
/// treated as out of memory. Does not block.
pub fn map(physical: u64, length: usize) -> Result<Region, OutOfMemory> {
    map_with(physical, length, page_tables::DEVICE)
}

/// The same for memory that a hypervisor has put beside ours and shares, cached.
pub fn map_memory(physical: u64, length: usize) -> Result<Region, OutOfMemory> {
    map_with(physical, length, page_tables::WRITABLE)
}

fn map_with(physical: u64, length: usize, flags: Flags) -> Result<Region, OutOfMemory> {
    if physical.checked_add(length as u64).is_none_or(|end| end > PHYSICAL_END) {
        return Err(OutOfMemory);
    }
    let page = PAGE_SIZE as u64;
    let first = physical / page * page;
    let offset = (physical - first) as usize;
    let bytes = (offset + length).next_multiple_of(PAGE_SIZE);
    // One page stays free between regions.
    let taken = TAKEN.fetch_add(bytes + PAGE_SIZE, Ordering::Relaxed);
    if taken + bytes > MMIO_SIZE {
        return Err(OutOfMemory);
    }
    let start = mmio() + taken;
    let range = PhysicalRange { start: first, length: bytes as u64 };
    page_tables::map(start, range, flags)?;
    NonNull::new((start + offset) as *mut u8).map(|start| Region { start, length }).ok_or(OutOfMemory)
}

macro_rules! accessors {
    ($($type:ident $read:ident $write:ident)*) => {$(
        /// Reads a register.
        ///
        /// # Panics
        /// If it is not inside the region, or not aligned.
        pub fn $read(&self, offset: usize) -> $type {
            // SAFETY: `at` has checked that the register is inside what is mapped.
            unsafe { self.at::<$type>(offset).read_volatile() }
        }

        /// Writes a register.
        ///
        /// # Panics
        /// If it is not inside the region, or not aligned.
        pub fn $write(&self, offset: usize, value: $type) {
            // SAFETY: as for reading.
            unsafe { self.at::<$type>(offset).write_volatile(value) }
        }
    )*};
}

impl Region {
    /// The first register.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.start
    }

    /// Bytes in the region.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn at<T>(&self, offset: usize) -> *mut T {
        let inside = offset.checked_add(size_of::<T>()).is_some_and(|end| end <= self.length);
        let address = self.start.as_ptr().wrapping_add(offset).cast::<T>();
        assert!(inside && address.is_aligned(), "no such register: {offset:#x}");
        address
    }

    accessors! { u8 read_u8 write_u8 u16 read_u16 write_u16 u32 read_u32 write_u32 u64 read_u64 write_u64 }
}
