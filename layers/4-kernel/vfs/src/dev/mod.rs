//! `/dev`: a tmpfs that starts with the device files.
#![expect(clippy::disallowed_methods, clippy::disallowed_macros, reason = "it is filled at boot")]

mod block;
mod console;
mod memory;

use crate::{
    inode::{Inode, New},
    tmpfs::TmpfsNode,
    tree::Vfs,
};
use alloc::{format, string::String, sync::Arc};
pub use block::BlockDevice;
pub use console::ConsoleFile;
use memory::{MemoryDevice, NoTerminal};
use rumpkin_abi::{Errno, Stat, linux::general};
use rumpkin_spine::{Kernel, file::File};

/// A device number (makedev(3)), for numbers that are small.
pub const fn device_number(major: u64, minor: u64) -> u64 {
    (major << 8) | minor & 0xff | (minor & !0xff) << 12
}

/// Attributes of a device that is open without an inode.
pub fn device_stat(kind: u32, number: u64) -> Stat {
    Stat { mode: kind | 0o600, links: 1, special_device: number, block_size: 4096, ..Stat::default() }
}

/// Fills the top directory of `/dev`.
pub fn populate(kernel: &Kernel, vfs: &Vfs, top: Arc<TmpfsNode>) -> Arc<dyn Inode> {
    if let Err(error) = fill(kernel, vfs, &top) {
        log::error!("/dev is incomplete: {error:?}");
    }
    top
}

fn fill(kernel: &Kernel, vfs: &Vfs, top: &TmpfsNode) -> Result<(), Errno> {
    let character = |name: &str, device: Arc<dyn File>, number, permissions| {
        top.add_device(name.as_bytes(), device, number, general::S_IFCHR | permissions)
    };
    for device in MemoryDevice::ALL {
        character(device.name(), Arc::new(device), device.number(), 0o666)?;
    }
    character("tty", Arc::new(NoTerminal), device_number(5, 0), 0o666)?;
    character("console", vfs.console.clone(), device_number(5, 1), 0o600)?;
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        top.create(name.as_bytes(), New::Symlink(target.as_bytes().to_vec()))?;
    }
    top.create(b"shm", New::Directory(0o1777))?;
    for (index, disk) in kernel.disks.iter().enumerate() {
        let name = format!("vd{}", letters(index));
        // Sixteen minor numbers each, as Linux leaves room for partitions.
        let number = device_number(BlockDevice::MAJOR, (index as u64).saturating_mul(16));
        let device = Arc::new(BlockDevice::new(disk.clone(), name.clone(), number));
        top.add_device(name.as_bytes(), device, number, general::S_IFBLK | 0o660)?;
    }
    Ok(())
}

/// a, b, …, z, aa, ab, … as Linux names disks.
fn letters(index: usize) -> String {
    let letter = char::from(b'a'.saturating_add((index % 26) as u8));
    match (index / 26).checked_sub(1) {
        Some(before) => format!("{}{letter}", letters(before)),
        None => String::from(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::letters;

    #[test]
    fn disks_are_named_as_on_linux() {
        assert_eq!(letters(0), "a");
        assert_eq!(letters(25), "z");
        assert_eq!(letters(26), "aa");
        assert_eq!(letters(27 * 26), "aaa");
    }
}
