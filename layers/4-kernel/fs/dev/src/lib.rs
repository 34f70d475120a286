//! Layer 4: devices – those of memory, disks, the console – and `/dev`: a tmpfs that starts with the files of all devices.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]

extern crate alloc;

mod block;
mod console;
mod file_system;
mod memory;

use alloc::{format, string::String, sync::Arc};
use block::BlockDevice;
use console::ConsoleFile;
use memory::{MemoryDevice, NoTerminal};
use rumpkin_abi::linux::general;
use rumpkin_spine::Kernel;
use rumpkin_vfs::{
    Registry, StartMount, console as first_console,
    devices::{Device, Driver, device_number},
};

/// Adds the devices to a kernel, and `/dev` to its tree.
#[expect(clippy::disallowed_methods, clippy::disallowed_macros, reason = "once, at boot")]
pub fn register(kernel: &mut Kernel) {
    let registry = Registry::of(kernel);
    for (name, number, permissions, driver) in [
        ("console", first_console::NUMBER, 0o600, ConsoleFile::new(kernel.console.clone()) as Arc<dyn Driver>),
        ("tty", device_number(5, 0), 0o666, Arc::new(NoTerminal)),
        ("null", MemoryDevice::Null.number(), 0o666, Arc::new(MemoryDevice::Null)),
        ("zero", MemoryDevice::Zero.number(), 0o666, Arc::new(MemoryDevice::Zero)),
        ("full", MemoryDevice::Full.number(), 0o666, Arc::new(MemoryDevice::Full)),
        ("random", MemoryDevice::Random.number(), 0o666, Arc::new(MemoryDevice::Random)),
        ("urandom", MemoryDevice::Urandom.number(), 0o666, Arc::new(MemoryDevice::Urandom)),
    ] {
        registry.add_device(Device { name: String::from(name), mode: general::S_IFCHR | permissions, number, driver });
    }
    for (index, disk) in kernel.disks.iter().enumerate() {
        let name = format!("vd{}", letters(index));
        // Sixteen minor numbers each, as Linux leaves room for partitions.
        let number = device_number(BlockDevice::MAJOR, (index as u64).saturating_mul(16));
        let driver = Arc::new(BlockDevice::new(disk.clone(), name.clone(), number));
        registry.add_device(Device { name, mode: general::S_IFBLK | 0o660, number, driver });
    }
    registry.add_type(Arc::new(file_system::Type));
    registry.mount_at_start(StartMount::over("/dev", "devtmpfs", ""));
}

/// a, b, …, z, aa, ab, … as Linux names disks.
#[expect(clippy::disallowed_macros, reason = "once, at boot")]
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
    use rumpuser_hosted as _;

    #[test]
    fn disks_are_named_as_on_linux() {
        assert_eq!(letters(0), "a");
        assert_eq!(letters(25), "z");
        assert_eq!(letters(26), "aa");
        assert_eq!(letters(27 * 26), "aaa");
    }
}
