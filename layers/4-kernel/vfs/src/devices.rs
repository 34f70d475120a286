//! Devices: what the special files of any file system lead to, by type and number.

use alloc::{string::String, sync::Arc};
use rumpkin_abi::{Errno, Stat, linux::general};
use rumpkin_spine::file::File;

/// Opens a device.
pub trait Driver: Send + Sync {
    /// What reads and writes go to, once it is opened with these `O_*` flags.
    fn open(self: Arc<Self>, flags: u32) -> Result<Arc<dyn File>, Errno>;
}

/// A device, as its component registers it.
pub struct Device {
    /// Its name in `/dev`.
    pub name: String,
    /// `S_IFCHR` or `S_IFBLK`, and the permissions of its file in `/dev`.
    pub mode: u32,
    /// Its number on Linux.
    pub number: u64,
    /// Who opens it.
    pub driver: Arc<dyn Driver>,
}

impl Device {
    /// `S_IFCHR` or `S_IFBLK`.
    pub fn kind(&self) -> u32 {
        self.mode & general::S_IFMT
    }
}

/// A device number (makedev(3)), for numbers that are small.
pub const fn device_number(major: u64, minor: u64) -> u64 {
    (major << 8) | minor & 0xff | (minor & !0xff) << 12
}

/// The major and the minor part of a device number.
pub const fn device_parts(number: u64) -> (u32, u32) {
    ((number >> 8) as u32 & 0xfff, (number & 0xff) as u32 | (number >> 12) as u32 & !0xff)
}

/// Attributes of a device that is open without an inode.
pub fn device_stat(kind: u32, number: u64) -> Stat {
    Stat { mode: kind | 0o600, links: 1, special_device: number, block_size: 4096, ..Stat::default() }
}
