//! ELF notes: the walk over a note segment, and the notes of ours (System V gABI, chapter 5, "Note Section").
use crate::Error;
use crate::elf::{u32_at, u64_at};

/// The name of our notes, with its terminating zero.
pub const NOTE_NAME: &[u8; 8] = b"Rumpkin\0";
/// Type of the note that says where the payload is; its descriptor is a [`Payload`].
pub const NOTE_TYPE_PAYLOAD: u32 = 1;
/// Type of the note that says what the kernel is made of; its descriptor is JSON text.
pub const NOTE_TYPE_MANIFEST: u32 = 2;
/// Bytes of the payload note's descriptor.
pub const PAYLOAD_SIZE: usize = 32;

/// Name and type of the note that makes a file bootable (`XEN_ELFNOTE_PHYS32_ENTRY`, Xen's public `elfnote.h`).
pub(crate) const PVH_NAME: &[u8; 4] = b"Xen\0";
pub(crate) const PVH_TYPE_ENTRY: u32 = 18;

/// Notes are aligned to this many bytes, in the segment and among each other.
pub(crate) const NOTE_ALIGN: usize = 4;
const NOTE_HEADER_SIZE: usize = 12;

/// One ELF note.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Note<'a> {
    /// Who defines the type, with its terminating zero.
    pub name: &'a [u8],
    /// What the descriptor is.
    pub kind: u32,
    /// The descriptor.
    pub descriptor: &'a [u8],
    /// Where the descriptor begins, in bytes from the beginning of the walk.
    pub descriptor_offset: usize,
}

/// Walks the notes of a note segment; ends after the first malformed one, which it reports.
#[derive(Clone, Debug)]
pub struct Notes<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Notes<'a> {
    /// Starts at the beginning of `bytes`, the content of a note segment.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Notes<'a> {
        Notes { bytes, position: 0 }
    }

    fn read(&mut self) -> Option<Note<'a>> {
        let name_size = usize::try_from(u32_at(self.bytes, self.position)?).ok()?;
        let size = usize::try_from(u32_at(self.bytes, self.position.checked_add(4)?)?).ok()?;
        let kind = u32_at(self.bytes, self.position.checked_add(8)?)?;
        let name_offset = self.position.checked_add(NOTE_HEADER_SIZE)?;
        let name = self.bytes.get(name_offset..)?.get(..name_size)?;
        let descriptor_offset = name_offset.checked_add(name_size.checked_next_multiple_of(NOTE_ALIGN)?)?;
        let descriptor = self.bytes.get(descriptor_offset..)?.get(..size)?;
        self.position = descriptor_offset.checked_add(size.checked_next_multiple_of(NOTE_ALIGN)?)?;
        Some(Note { name, kind, descriptor, descriptor_offset })
    }
}

impl<'a> Iterator for Notes<'a> {
    type Item = Result<Note<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.position >= self.bytes.len() {
            return None;
        }
        let note = self.read().ok_or(Error::MalformedNote);
        if note.is_err() {
            self.position = self.bytes.len();
        }
        Some(note)
    }
}

/// Where the payload is in physical memory; the descriptor of the payload note. A part of size 0 is absent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Payload {
    /// Physical address of the root file system, page-aligned.
    pub rootfs_address: u64,
    /// Its size in bytes.
    pub rootfs_size: u64,
    /// Physical address of the configuration, page-aligned.
    pub configuration_address: u64,
    /// Its size in bytes.
    pub configuration_size: u64,
}

impl Payload {
    /// Reads the descriptor of a payload note; `None` if it has another size.
    #[must_use]
    pub fn decode(descriptor: &[u8]) -> Option<Payload> {
        if descriptor.len() != PAYLOAD_SIZE {
            return None;
        }
        Some(Payload {
            rootfs_address: u64_at(descriptor, 0)?,
            rootfs_size: u64_at(descriptor, 8)?,
            configuration_address: u64_at(descriptor, 16)?,
            configuration_size: u64_at(descriptor, 24)?,
        })
    }

    /// The descriptor's bytes: four little-endian 64-bit words.
    #[must_use]
    pub fn encode(&self) -> [u8; PAYLOAD_SIZE] {
        let mut descriptor = [0; PAYLOAD_SIZE];
        let words = [self.rootfs_address, self.rootfs_size, self.configuration_address, self.configuration_size];
        for (slot, word) in descriptor.chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        descriptor
    }
}
