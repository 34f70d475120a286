//! A disk.

use alloc::string::String;

/// What a disk is.
#[derive(Debug, Clone, Default)]
pub struct DiskInfo {
    /// Number of 512-byte sectors.
    pub sectors: u64,
    /// Bytes that the device prefers to transfer at once (a power of two, at least 512).
    pub block_size: usize,
    /// Writes fail.
    pub read_only: bool,
    /// The serial number or identifier that the host gave it, if any.
    pub serial: String,
}

/// Why a disk refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskError {
    /// The device reported an error.
    Io,
    /// The disk is read-only.
    ReadOnly,
    /// Beyond the end, or not whole sectors.
    OutOfRange,
    /// The device does not know this operation.
    Unsupported,
}

/// A disk. Calls block the calling thread until the device has answered; any number of threads may call at once.
pub trait Disk: Send + Sync {
    /// What it is.
    fn info(&self) -> DiskInfo;

    /// Reads whole sectors.
    fn read(&self, sector: u64, buffer: &mut [u8]) -> Result<(), DiskError>;

    /// Writes whole sectors. They are durable after the next [`Disk::flush`].
    fn write(&self, sector: u64, data: &[u8]) -> Result<(), DiskError>;

    /// Makes what was written durable.
    fn flush(&self) -> Result<(), DiskError>;

    /// Tells the device that these sectors hold nothing of interest.
    fn discard(&self, sector: u64, count: u64) -> Result<(), DiskError>;
}
