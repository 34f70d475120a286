//! Why a file is not an image, or not a kernel that an image can be made of.
use core::fmt;

/// A part of the payload, for messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// The configuration, a JSON document.
    Configuration,
    /// The root file system.
    Rootfs,
}

/// What is wrong with a file. Displayed as a clause that can follow the file's name and a colon.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Error {
    /// The configuration is larger than [`crate::CONFIGURATION_LIMIT`].
    ConfigurationTooLarge,
    /// Its bytes are not those that it was baked with: the checksum that is in it, and that of what there is.
    Damaged {
        /// The checksum in the file.
        expected: u64,
        /// That of the file.
        found: u64,
    },
    /// A note occurs twice, so that it is not clear which one counts.
    DuplicateNote,
    /// A text (configuration or manifest) is not UTF-8.
    InvalidText,
    /// A field of the ELF header is not as every image has it.
    Header,
    /// The kernel has more loaded segments than code, constants and data.
    KernelSegments,
    /// A note's name or descriptor reaches past its segment, or a note of ours has the wrong size.
    MalformedNote,
    /// The PVH entry point lies in no loaded segment.
    MisplacedEntry,
    /// A part of the payload does not start on a page.
    MisplacedPayload(Part),
    /// There is no note for checksums: a kernel of an earlier format.
    MissingChecksumNote,
    /// There is no PVH note: no VMM could boot this file.
    MissingPvhNote,
    /// There is no payload note: an ELF file, but no Rumpkin kernel.
    MissingPayloadNote,
    /// A kernel, but no image yet.
    NotBaked,
    /// The file does not begin with the ELF magic.
    NotElf,
    /// The root file system does not begin like EROFS.
    NotErofs,
    /// The ELF file is not 64-bit, little endian, x86-64 and of type EXEC or DYN.
    NotX86_64Executable,
    /// Two segments share physical memory. The numbers are their positions in the program header table.
    OverlappingSegments(usize, usize),
    /// The program header table is empty, too long, of another entry size, or reaches past the file's end.
    ProgramHeaders,
    /// A segment's bytes reach past the file's end. The number is its position in the program header table.
    SegmentOutsideFile(usize),
    /// A segment is loaded where the kernel does not look for it, or against its alignment, or has rights that no segment has. The
    /// number is its position in the program header table.
    SegmentPlace(usize),
    /// A segment is empty of sense: its file size exceeds its memory size, or it ends above the memory limit.
    SegmentSize(usize),
    /// The file ends within the ELF header.
    Truncated,
    /// A part of the payload is announced, but no segment loads it.
    UnloadedPayload(Part),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Configuration => "configuration",
            Part::Rootfs => "root file system",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::ConfigurationTooLarge => {
                write!(f, "configuration is larger than {} bytes", crate::CONFIGURATION_LIMIT)
            }
            Error::Damaged { expected, found } => write!(
                f,
                "damaged: its checksum is {found:016x}, and was {expected:016x} when it was baked; get or bake it again"
            ),
            Error::DuplicateNote => f.write_str("a note occurs twice"),
            Error::InvalidText => f.write_str("configuration or manifest is not UTF-8"),
            Error::Header => f.write_str("bad ELF header (damaged?)"),
            Error::KernelSegments => f.write_str("the kernel has more segments than code, constants and data"),
            Error::MalformedNote => f.write_str("malformed ELF note"),
            Error::MisplacedEntry => f.write_str("PVH entry point lies outside the loaded segments"),
            Error::MisplacedPayload(part) => write!(f, "{part} does not start on a page"),
            Error::MissingChecksumNote => {
                f.write_str("no checksum note (of an earlier version?); bake it again with a kernel of this one")
            }
            Error::MissingPvhNote => f.write_str("no PVH note (is it a kernel?)"),
            Error::MissingPayloadNote => f.write_str("not a Rumpkin kernel (no payload note)"),
            Error::NotBaked => f.write_str("a kernel, not an image; bake it (rumpkin-bake)"),
            Error::NotElf => f.write_str("not an ELF file"),
            Error::NotErofs => f.write_str("root file system is not EROFS"),
            Error::NotX86_64Executable => f.write_str("not a 64-bit x86-64 executable"),
            Error::OverlappingSegments(a, b) => write!(f, "segments {a} and {b} overlap in memory"),
            Error::ProgramHeaders => f.write_str("bad program header table"),
            Error::SegmentOutsideFile(index) => {
                write!(f, "segment {index} reaches past the end of the file (truncated?)")
            }
            Error::SegmentPlace(index) => {
                write!(f, "segment {index} is not where or as a kernel's segments are (damaged?)")
            }
            Error::SegmentSize(index) => {
                write!(f, "segment {index} has an impossible size or address")
            }
            Error::Truncated => f.write_str("file is too short"),
            Error::UnloadedPayload(part) => {
                write!(f, "{part} is announced but not loaded by any segment")
            }
        }
    }
}

impl core::error::Error for Error {}
