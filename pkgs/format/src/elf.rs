//! The parts of ELF64 that an image has: the file header and the program headers (System V gABI, chapters 4 and 5).
//!
//! Not by the crate `elf`, as in layer 4 and in `rumpkin-manifest`: it reads only, and passes over fields in which a changed bit is to be
//! found here, while an image's headers are written, too.
use crate::Error;
use alloc::vec::Vec;

/// Bytes of the ELF64 file header.
pub const HEADER_SIZE: usize = 64;
/// Bytes of one ELF64 program header.
pub const SEGMENT_SIZE: usize = 56;

/// More program headers than this are taken for nonsense.
const SEGMENT_LIMIT: u16 = 64;
const IDENT_64_LITTLE_ENDIAN: [u8; 3] = [2, 1, 1];
const TYPE_EXEC: u16 = 2;
/// A kernel that finds a place for itself is linked like a shared object.
const TYPE_DYN: u16 = 3;
const OFFSET_TYPE: usize = 16;
const MACHINE_X86_64: u16 = 62;
const OFFSET_PHOFF: usize = 32;
const OFFSET_PHNUM: usize = 56;

/// The fields of the ELF64 file header that an image depends on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// File offset of the program header table, in bytes.
    pub segments_offset: u64,
    /// Number of program headers.
    pub segments_count: u16,
}

/// What a program header describes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SegmentKind {
    /// Bytes to load into memory (`PT_LOAD`).
    Load,
    /// A list of notes (`PT_NOTE`).
    Note,
    /// Any other kind, by its number; of no concern to an image.
    Other(u32),
}

/// One program header. Offsets, addresses and sizes are in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Segment {
    /// What it describes.
    pub kind: SegmentKind,
    /// `PF_X` 1, `PF_W` 2, `PF_R` 4.
    pub flags: u32,
    /// Where its bytes begin in the file.
    pub offset: u64,
    /// Where it is mapped by the kernel.
    pub virtual_address: u64,
    /// Where the VMM loads it.
    pub physical_address: u64,
    /// Bytes in the file.
    pub file_size: u64,
    /// Bytes in memory; what the file does not fill is zero.
    pub memory_size: u64,
    /// Alignment of addresses, and of notes within a note segment.
    pub align: u64,
}

/// The `N` bytes at `offset`, if the file has them.
pub(crate) fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array(bytes, offset).map(u16::from_le_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array(bytes, offset).map(u32::from_le_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    array(bytes, offset).map(u64::from_le_bytes)
}

impl Header {
    /// Reads the file header at the beginning of `file`.
    ///
    /// # Errors
    /// The file is no ELF64 executable for x86-64, or its header is cut off.
    pub fn read(file: &[u8]) -> Result<Header, Error> {
        if !file.starts_with(b"\x7fELF") {
            return Err(Error::NotElf);
        }
        let header: [u8; HEADER_SIZE] = array(file, 0).ok_or(Error::Truncated)?;
        let field16 = |offset| u16_at(&header, offset).ok_or(Error::Truncated);
        let right = array(&header, 4) == Some(IDENT_64_LITTLE_ENDIAN)
            && matches!(field16(OFFSET_TYPE)?, TYPE_EXEC | TYPE_DYN)
            && field16(18)? == MACHINE_X86_64;
        if !right {
            return Err(Error::NotX86_64Executable);
        }
        // Version 1, no flags, headers of 64 bytes (gABI, chapter 4, "ELF Header"); nothing in the rest of `e_ident`.
        let is_plain = u32_at(&header, 20) == Some(1)
            && u32_at(&header, 48) == Some(0)
            && usize::from(field16(52)?) == HEADER_SIZE
            && array(&header, 7) == Some([0; 9]);
        if !is_plain {
            return Err(Error::Header);
        }
        let segments_count = field16(OFFSET_PHNUM)?;
        if usize::from(field16(54)?) != SEGMENT_SIZE || !(1..=SEGMENT_LIMIT).contains(&segments_count) {
            return Err(Error::ProgramHeaders);
        }
        let segments_offset = u64_at(&header, OFFSET_PHOFF).ok_or(Error::Truncated)?;
        Ok(Header { segments_offset, segments_count })
    }

    /// Writes these fields into the file header at the beginning of `file`, whose other fields stay but its type: the segments are to be
    /// loaded where they say.
    ///
    /// # Errors
    /// [`Error::Truncated`]: `file` has no room for a header.
    pub fn patch(&self, file: &mut [u8]) -> Result<(), Error> {
        put(file, OFFSET_TYPE, &TYPE_EXEC.to_le_bytes())?;
        put(file, OFFSET_PHOFF, &self.segments_offset.to_le_bytes())?;
        put(file, OFFSET_PHNUM, &self.segments_count.to_le_bytes())
    }

    /// Reads the program header table out of `file`.
    ///
    /// # Errors
    /// [`Error::ProgramHeaders`]: the table reaches past the end of the file.
    pub fn segments(&self, file: &[u8]) -> Result<Vec<Segment>, Error> {
        let start = usize::try_from(self.segments_offset).map_err(|_| Error::ProgramHeaders)?;
        let table = file.get(start..).ok_or(Error::ProgramHeaders)?;
        let segments: Vec<Segment> = table
            .chunks_exact(SEGMENT_SIZE)
            .take(usize::from(self.segments_count))
            .map_while(Segment::decode)
            .collect();
        if segments.len() == usize::from(self.segments_count) { Ok(segments) } else { Err(Error::ProgramHeaders) }
    }
}

/// Copies `value` into `file` at `offset`.
fn put(file: &mut [u8], offset: usize, value: &[u8]) -> Result<(), Error> {
    let field = file.get_mut(offset..).and_then(|rest| rest.get_mut(..value.len())).ok_or(Error::Truncated)?;
    field.copy_from_slice(value);
    Ok(())
}

impl Segment {
    fn decode(entry: &[u8]) -> Option<Segment> {
        Some(Segment {
            kind: match u32_at(entry, 0)? {
                1 => SegmentKind::Load,
                4 => SegmentKind::Note,
                other => SegmentKind::Other(other),
            },
            flags: u32_at(entry, 4)?,
            offset: u64_at(entry, 8)?,
            virtual_address: u64_at(entry, 16)?,
            physical_address: u64_at(entry, 24)?,
            file_size: u64_at(entry, 32)?,
            memory_size: u64_at(entry, 40)?,
            align: u64_at(entry, 48)?,
        })
    }

    /// The program header's bytes, as they stand in the table.
    #[must_use]
    pub fn encode(&self) -> [u8; SEGMENT_SIZE] {
        let kind = match self.kind {
            SegmentKind::Load => 1,
            SegmentKind::Note => 4,
            SegmentKind::Other(other) => other,
        };
        let mut entry = [0; SEGMENT_SIZE];
        let words = [u64::from(kind) | u64::from(self.flags) << 32].into_iter().chain([
            self.offset,
            self.virtual_address,
            self.physical_address,
            self.file_size,
            self.memory_size,
            self.align,
        ]);
        for (slot, word) in entry.chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        entry
    }

    /// The segment's bytes within `file`, or `None` if the file ends before them.
    #[must_use]
    pub fn bytes<'a>(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        let start = usize::try_from(self.offset).ok()?;
        file.get(start..)?.get(..usize::try_from(self.file_size).ok()?)
    }

    /// The first physical address after the segment, if it fits below [`crate::MEMORY_LIMIT`].
    #[must_use]
    pub fn physical_end(&self) -> Option<u64> {
        self.physical_address.checked_add(self.memory_size).filter(|end| *end <= crate::MEMORY_LIMIT)
    }

    /// Whether the segment is loaded and takes memory.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.kind == SegmentKind::Load && self.memory_size > 0
    }
}
