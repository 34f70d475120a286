//! The targets, a file each.

pub mod calls;
pub mod configuration;
pub mod dhcp;
pub mod dns;
pub mod elf;
pub mod packets;
pub mod rootfs;
mod station;
