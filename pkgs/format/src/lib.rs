//! What an image file is: its notes, segments and limits.
//!
//! An image is one ELF64 executable that a VMM boots through its PVH note (`docs/image.md`). The kernel in it carries a
//! second note, of which the payload's addresses are filled in when the image is baked:
//!
//! ```text
//! file:    | ELF header | kernel segments … sections | rootfs | configuration | program headers |
//! memory:  1 MiB          kernel, text to bss          rootfs   configuration                     (physical)
//! ```
//!
//! A third note has checksums over all of it, by which launcher and guest know a damaged image.
//!
//! This crate reads and validates such files and encodes the few structures that `rumpkin-bake` writes. It depends on
//! nothing of ours, allocates one small vector, and answers every malformed file with an [`Error`] that says what is wrong.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]
extern crate alloc;

mod checksum;
mod elf;
mod error;
mod image;
mod note;

pub use checksum::{CHECKSUMS_SIZE, Checksums, NOTE_TYPE_CHECKSUMS, seal};
pub use elf::{HEADER_SIZE, Header, SEGMENT_SIZE, Segment, SegmentKind};
pub use error::{Error, Part};
pub use image::{Image, KernelSizes};
pub use note::{NOTE_NAME, NOTE_TYPE_MANIFEST, NOTE_TYPE_PAYLOAD, Note, Notes, PAYLOAD_SIZE, Payload};

/// Bytes of a page, the unit in which the payload is laid out.
pub const PAGE_SIZE: u64 = 4096;

/// Where the kernel's virtual addresses begin: a segment's virtual address is this plus its physical address.
pub const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;

/// No segment ends above this physical address: the kernel's window of virtual addresses has 2 GiB.
pub const MEMORY_LIMIT: u64 = 0x8000_0000;

/// The largest configuration that is accepted, in bytes.
pub const CONFIGURATION_LIMIT: usize = 1 << 20;

/// Whether `bytes` begin like an EROFS file system, the one format of a baked root file system.
#[must_use]
pub fn is_erofs(bytes: &[u8]) -> bool {
    const SUPERBLOCK: usize = 1024;
    const MAGIC: [u8; 4] = 0xe0f5_e1e2_u32.to_le_bytes();
    bytes.get(SUPERBLOCK..).is_some_and(|superblock| superblock.starts_with(&MAGIC))
}

/// `value` rounded up to whole pages, or `None` if that does not fit.
#[must_use]
pub fn page_align(value: u64) -> Option<u64> {
    value.checked_next_multiple_of(PAGE_SIZE)
}
