//! Finds ACPI tables, copies them, and checks the copies (ACPI 6.5 §5.2).

use ::acpi::{
    fadt::Fadt,
    madt::{EntryHeader, InterruptSourceOverrideEntry, IoApicEntry},
    mcfg::McfgEntry,
};
use alloc::{vec, vec::Vec};
use core::{cell::Cell, ops::Range, ptr};
use rumpkin_core::for_platform::mmio;

/// Reads physical memory; `None` if it cannot be.
pub type Reader<'a> = dyn Fn(u64, usize) -> Option<Vec<u8>> + 'a;

/// The header that all tables share.
const HEADER: usize = 36;
/// No table of such a machine is longer.
const LONGEST: usize = 1 << 20;
/// No such machine has more tables.
const MOST_TABLES: usize = 64;

/// Firmware keeps its tables together: so much is mapped at once, and found again by the next table.
const NEIGHBORHOOD: u64 = 128 << 10;

/// Reads through mappings of its own: tables lie in reserved memory, outside the direct map. It is memory all the same, so the
/// mappings are cached ones.
#[derive(Default)]
pub struct Mapped(Cell<Option<(u64, mmio::Region)>>);

impl Mapped {
    /// A copy of physical memory.
    pub fn read(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        let (first, region) = self.find(address, length).or_else(|| {
            let first = address & !(NEIGHBORHOOD / 2 - 1);
            let extent = NEIGHBORHOOD.max(address - first + length as u64);
            self.0.set(Some((first, mmio::map_memory(first, extent as usize).ok()?)));
            self.find(address, length)
        })?;
        let mut copy = vec![0; length];
        // SAFETY: The region is mapped for good, and holds these bytes (`find`). Nobody writes what firmware has left.
        unsafe {
            let source = region.as_ptr().as_ptr().byte_add((address - first) as usize);
            ptr::copy_nonoverlapping(source, copy.as_mut_ptr(), length);
        }
        Some(copy)
    }

    /// The last mapping and where it begins, if all of this is in it.
    fn find(&self, address: u64, length: usize) -> Option<(u64, mmio::Region)> {
        let (first, region) = self.0.get()?;
        let end = address.checked_sub(first)?.checked_add(length as u64)?;
        (end <= region.len() as u64).then_some((first, region))
    }
}

/// A table's copy, of the length that its header says, with a right checksum.
pub struct Table(Vec<u8>);

/// What may be read out of a table: the crate's layouts that are made of integers alone.
///
/// # Safety
/// Any bytes make a valid value, and the type has no padding that matters.
pub unsafe trait Layout: Copy {}
// SAFETY: Packed integers, and options of them that the table's revision decides on.
unsafe impl Layout for Fadt {}
// SAFETY: Packed integers.
unsafe impl Layout for McfgEntry {}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

fn sums_to_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte)) == 0
}

/// All tables that the root pointer leads to.
pub fn all(root: u64, read: &Reader<'_>) -> Vec<Table> {
    find(root, read).unwrap_or_default()
}

fn find(root: u64, read: &Reader<'_>) -> Option<Vec<Table>> {
    let pointer = read(root, 20)?;
    if !pointer.starts_with(b"RSD PTR ") || !sums_to_zero(&pointer) {
        return None;
    }
    let revision = *pointer.get(15)?;
    let extended = if revision >= 2 { read(root, 36) } else { None };
    let wide =
        extended.filter(|bytes| sums_to_zero(bytes)).and_then(|bytes| long(&bytes, 24)).filter(|&address| address != 0);
    let (list, entry) = match wide {
        Some(address) => (address, 8),
        None => (u64::from(word(&pointer, 16)?), 4),
    };
    let list = Table::load(list, read)?;
    let addresses = list.body().chunks_exact(entry).map(|bytes| match entry {
        8 => long(bytes, 0),
        _ => word(bytes, 0).map(u64::from),
    });
    Some(addresses.take(MOST_TABLES).filter_map(|address| Table::load(address?, read)).collect())
}

impl Table {
    /// Copies the table at a physical address; `None` if it is not a sound one.
    pub fn load(address: u64, read: &Reader<'_>) -> Option<Self> {
        let header = read(address, HEADER)?;
        let length = word(&header, 4)? as usize;
        if !(HEADER..=LONGEST).contains(&length) {
            return None;
        }
        let bytes = read(address, length)?;
        (bytes.len() == length && sums_to_zero(&bytes)).then_some(Self(bytes))
    }

    /// Its four letters.
    pub fn signature(&self) -> [u8; 4] {
        self.0.first_chunk().copied().unwrap_or_default()
    }

    /// These bytes of it; none if it is shorter.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.0.get(range).unwrap_or_default()
    }

    /// What follows the header.
    pub fn body(&self) -> &[u8] {
        self.0.get(HEADER..).unwrap_or_default()
    }

    /// The whole table in the crate's layout; what an older, shorter table lacks is zero.
    pub fn padded<T: Layout>(&self) -> Option<T> {
        let mut bytes = vec![0; size_of::<T>()];
        let length = bytes.len().min(self.0.len());
        bytes.get_mut(..length)?.copy_from_slice(self.0.get(..length)?);
        // SAFETY: As many bytes as the type has, and any bytes will do.
        Some(unsafe { ptr::read_unaligned(bytes.as_ptr().cast()) })
    }

    /// The array of equal structures that begins at `offset`.
    pub fn array<T: Layout>(&self, offset: usize) -> impl Iterator<Item = T> {
        let bytes = self.0.get(offset..).unwrap_or_default();
        bytes.chunks_exact(size_of::<T>()).map(|bytes| {
            // SAFETY: As many bytes as the type has, and any bytes will do.
            unsafe { ptr::read_unaligned(bytes.as_ptr().cast()) }
        })
    }

    /// The entries of a MADT, from `offset` on. It ends at the first whose length cannot be.
    pub fn entries(&self, offset: usize) -> impl Iterator<Item = Entry<'_>> {
        let mut rest = self.0.get(offset..).unwrap_or_default();
        core::iter::from_fn(move || {
            let length = usize::from(*rest.get(1)?);
            if length < size_of::<EntryHeader>() {
                return None;
            }
            let (entry, after) = rest.split_at_checked(length)?;
            rest = after;
            Some(Entry(entry))
        })
    }
}

/// An entry of a MADT: type, length, content.
pub struct Entry<'a>(&'a [u8]);

// SAFETY: Packed integers.
unsafe impl Layout for IoApicEntry {}
// SAFETY: Packed integers.
unsafe impl Layout for InterruptSourceOverrideEntry {}

impl Entry<'_> {
    /// The entry in the crate's layout, if it is of this type.
    pub fn cast<T: Layout>(&self, kind: u8) -> Option<T> {
        if self.0.first() != Some(&kind) || self.0.len() < size_of::<T>() {
            return None;
        }
        // SAFETY: At least as many bytes as the type has, and any bytes will do.
        Some(unsafe { ptr::read_unaligned(self.0.as_ptr().cast()) })
    }
}
