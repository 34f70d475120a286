//! Disks: a file of the host, and one in memory that fails as a test wants it to.

mod file;
mod memory;

pub use file::FileDisk;
pub use memory::{DiskFaults, MemoryDisk, PowerCut};

use rumpuser::device::DiskError;
use std::ops::Range;

/// Bytes of a sector.
pub const SECTOR: usize = 512;

/// The bytes of `length` bytes from `sector` on, on a disk of `sectors`. `OutOfRange` beyond the end, and for parts of
/// sectors.
fn bytes(sector: u64, length: usize, sectors: u64) -> Result<Range<usize>, DiskError> {
    let end = sector.checked_add((length / SECTOR) as u64).filter(|end| *end <= sectors);
    if !length.is_multiple_of(SECTOR) || end.is_none() {
        return Err(DiskError::OutOfRange);
    }
    let start =
        usize::try_from(sector).ok().and_then(|sector| sector.checked_mul(SECTOR)).ok_or(DiskError::OutOfRange)?;
    Ok(start..start + length)
}
