//! A whole image, or a kernel that has no payload yet: read, validated, and taken apart.
use crate::note::{NOTE_ALIGN, PVH_NAME, PVH_TYPE_ENTRY};
use crate::{
    CONFIGURATION_LIMIT, Checksums, Error, Header, KERNEL_BASE, NOTE_NAME, NOTE_TYPE_CHECKSUMS, NOTE_TYPE_MANIFEST,
    NOTE_TYPE_PAYLOAD, Note, Notes, PAGE_SIZE, Part, Payload, Segment, SegmentKind, is_erofs,
};
use alloc::vec::Vec;

/// A validated image. Borrows the file's bytes.
///
/// A kernel that has not been baked is an image too, with a default [`Payload`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Image<'a> {
    /// The file header's fields.
    pub header: Header,
    /// All program headers, in the file's order.
    pub segments: Vec<Segment>,
    /// Physical address of the PVH entry point.
    pub entry: u32,
    /// Where the payload is in memory.
    pub payload: Payload,
    /// File offset of the payload note's descriptor.
    pub payload_offset: usize,
    /// The checksums that it was baked with.
    pub checksums: Checksums,
    /// File offset of the checksum note's descriptor.
    pub checksums_offset: usize,
    /// What the kernel says of itself: JSON text.
    pub manifest: Option<&'a str>,
    /// The root file system's bytes.
    pub rootfs: Option<&'a [u8]>,
    /// The default configuration: JSON text (not parsed here).
    pub configuration: Option<&'a str>,
}

/// Bytes of a kernel, by what they are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct KernelSizes {
    /// Code.
    pub text: u64,
    /// Data that is only read.
    pub rodata: u64,
    /// Data that is written to.
    pub data: u64,
    /// Memory that is zero at first and not in the file.
    pub bss: u64,
}

/// `PF_X`: the segment's bytes are run.
const EXECUTABLE: u32 = 1;
/// `PF_W`: they are written to.
const WRITABLE: u32 = 2;
/// `PF_R`: they are read.
const READABLE: u32 = 4;

/// What the notes of a file say.
#[derive(Default)]
struct Found<'a> {
    entry: Option<u32>,
    payload: Option<(Payload, usize)>,
    checksums: Option<(Checksums, usize)>,
    manifest: Option<&'a str>,
}

impl<'a> Image<'a> {
    /// Reads and validates `file`.
    ///
    /// # Errors
    /// Any [`Error`]; after success all offsets, addresses and sizes in the result are in range.
    pub fn read(file: &'a [u8]) -> Result<Image<'a>, Error> {
        let header = Header::read(file)?;
        let segments = header.segments(file)?;
        check_segments(file, &segments)?;
        let found = Found::read(file, &segments)?;
        let entry = found.entry.ok_or(Error::MissingPvhNote)?;
        let (payload, payload_offset) = found.payload.ok_or(Error::MissingPayloadNote)?;
        let (checksums, checksums_offset) = found.checksums.ok_or(Error::MissingChecksumNote)?;
        if !segments.iter().any(|segment| holds(segment, u64::from(entry))) {
            return Err(Error::MisplacedEntry);
        }
        let part = |part, address, size| loaded_part(file, &segments, part, address, size);
        let rootfs = part(Part::Rootfs, payload.rootfs_address, payload.rootfs_size)?;
        if rootfs.is_some_and(|bytes| !is_erofs(bytes)) {
            return Err(Error::NotErofs);
        }
        let configuration = part(Part::Configuration, payload.configuration_address, payload.configuration_size)?;
        if configuration.is_some_and(|bytes| bytes.len() > CONFIGURATION_LIMIT) {
            return Err(Error::ConfigurationTooLarge);
        }
        let configuration = configuration.map(core::str::from_utf8).transpose().map_err(|_| Error::InvalidText)?;
        Ok(Image {
            header,
            segments,
            entry,
            payload,
            payload_offset,
            checksums,
            checksums_offset,
            manifest: found.manifest,
            rootfs,
            configuration,
        })
    }

    /// Whether an image has been made of the kernel.
    #[must_use]
    pub fn is_baked(&self) -> bool {
        self.checksums != Checksums::default() || self.payload != Payload::default()
    }

    /// The first physical address after everything that is loaded: what the image needs of memory, in bytes.
    #[must_use]
    pub fn memory_end(&self) -> u64 {
        self.segments.iter().filter(|segment| segment.is_loaded()).filter_map(Segment::physical_end).max().unwrap_or(0)
    }

    /// The loaded segments without the payload.
    pub fn kernel_segments(&self) -> impl Iterator<Item = &Segment> {
        let payload = [self.payload.rootfs_address, self.payload.configuration_address];
        self.segments.iter().filter(move |segment| segment.is_loaded() && !payload.contains(&segment.physical_address))
    }

    /// Bytes of memory taken by the loaded segments, without the payload.
    #[must_use]
    pub fn kernel_size(&self) -> u64 {
        self.kernel_segments().fold(0, |sum: u64, segment| sum.saturating_add(segment.memory_size))
    }

    /// What the kernel's bytes are.
    #[must_use]
    pub fn kernel_sizes(&self) -> KernelSizes {
        let mut sizes = KernelSizes::default();
        for segment in self.kernel_segments() {
            let sort = match segment.flags {
                flags if flags & EXECUTABLE != 0 => &mut sizes.text,
                flags if flags & WRITABLE != 0 => &mut sizes.data,
                _ => &mut sizes.rodata,
            };
            *sort = sort.saturating_add(segment.file_size);
            sizes.bss = sizes.bss.saturating_add(segment.memory_size.saturating_sub(segment.file_size));
        }
        sizes
    }
}

impl<'a> Found<'a> {
    fn read(file: &'a [u8], segments: &[Segment]) -> Result<Found<'a>, Error> {
        let mut found = Found::default();
        for segment in segments.iter().filter(|segment| segment.kind == SegmentKind::Note) {
            let bytes = segment.bytes(file).ok_or(Error::MalformedNote)?;
            for note in Notes::new(bytes) {
                let note = note?;
                if note.name == PVH_NAME && note.kind == PVH_TYPE_ENTRY {
                    let entry = match *note.descriptor {
                        [a, b, c, d] | [a, b, c, d, 0, 0, 0, 0] => u32::from_le_bytes([a, b, c, d]),
                        _ => return Err(Error::MalformedNote),
                    };
                    set_once(&mut found.entry, entry)?;
                } else if note.name == NOTE_NAME && note.kind == NOTE_TYPE_PAYLOAD {
                    let payload = Payload::decode(note.descriptor).ok_or(Error::MalformedNote)?;
                    set_once(&mut found.payload, (payload, file_offset(segment, &note)?))?;
                } else if note.name == NOTE_NAME && note.kind == NOTE_TYPE_CHECKSUMS {
                    let checksums = Checksums::decode(note.descriptor).ok_or(Error::MalformedNote)?;
                    set_once(&mut found.checksums, (checksums, file_offset(segment, &note)?))?;
                } else if note.name == NOTE_NAME && note.kind == NOTE_TYPE_MANIFEST {
                    let text = core::str::from_utf8(note.descriptor).map_err(|_| Error::InvalidText)?;
                    set_once(&mut found.manifest, text.trim_end_matches('\0'))?;
                }
            }
        }
        Ok(found)
    }
}

/// Where a note's descriptor begins in the file.
fn file_offset(segment: &Segment, note: &Note<'_>) -> Result<usize, Error> {
    let start = usize::try_from(segment.offset).ok();
    start.and_then(|start| start.checked_add(note.descriptor_offset)).ok_or(Error::MalformedNote)
}

fn set_once<T>(slot: &mut Option<T>, value: T) -> Result<(), Error> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::DuplicateNote),
    }
}

/// Every segment lies within the file and below the memory limit, and no two share memory.
fn check_segments(file: &[u8], segments: &[Segment]) -> Result<(), Error> {
    for (index, segment) in segments.iter().enumerate() {
        if matches!(segment.kind, SegmentKind::Other(_)) {
            continue;
        }
        segment.bytes(file).ok_or(Error::SegmentOutsideFile(index))?;
        if segment.kind == SegmentKind::Load && segment.file_size > segment.memory_size {
            return Err(Error::SegmentSize(index));
        }
        segment.physical_end().ok_or(Error::SegmentSize(index))?;
        if !is_in_place(segment) {
            return Err(Error::SegmentPlace(index));
        }
    }
    let mut loaded: Vec<(u64, u64, usize)> = segments
        .iter()
        .enumerate()
        .filter(|(_, segment)| segment.is_loaded())
        .filter_map(|(index, segment)| Some((segment.physical_address, segment.physical_end()?, index)))
        .collect();
    loaded.sort_unstable();
    for (lower, upper) in loaded.iter().zip(loaded.iter().skip(1)) {
        if lower.1 > upper.0 {
            return Err(Error::OverlappingSegments(lower.2, upper.2));
        }
    }
    Ok(())
}

/// Whether the segment's addresses, alignment and rights are such as the kernel is linked with (gABI, chapter 5, "Program Header").
fn is_in_place(segment: &Segment) -> bool {
    if segment.kind == SegmentKind::Note {
        return segment.align == NOTE_ALIGN as u64;
    }
    let together = segment.offset.abs_diff(segment.virtual_address);
    segment.virtual_address == KERNEL_BASE.wrapping_add(segment.physical_address)
        && segment.align == PAGE_SIZE
        && together.is_multiple_of(PAGE_SIZE)
        && [READABLE, READABLE | EXECUTABLE, READABLE | WRITABLE].contains(&segment.flags)
}

fn holds(segment: &Segment, address: u64) -> bool {
    segment.is_loaded() && segment.physical_end().is_some_and(|end| (segment.physical_address..end).contains(&address))
}

/// The `size` bytes that are loaded at `address`, which must be the beginning of a segment.
fn loaded_part<'a>(
    file: &'a [u8],
    segments: &[Segment],
    part: Part,
    address: u64,
    size: u64,
) -> Result<Option<&'a [u8]>, Error> {
    if size == 0 {
        return Ok(None);
    }
    if !address.is_multiple_of(PAGE_SIZE) {
        return Err(Error::MisplacedPayload(part));
    }
    let bytes = segments
        .iter()
        .find(|segment| segment.is_loaded() && segment.physical_address == address)
        .and_then(|segment| segment.bytes(file))
        .and_then(|bytes| bytes.get(..usize::try_from(size).ok()?))
        .ok_or(Error::UnloadedPayload(part))?;
    Ok(Some(bytes))
}
