//! The superblock and the inodes of an EROFS image.

use alloc::sync::Arc;
use core::fmt;
use rumpkin_abi::{Errno, linux::general};

const SUPERBLOCK: u64 = 1024;
/// The superblock's first word, and `f_type` (statfs(2)).
pub const MAGIC: u32 = 0xe0f5_e1e2;
/// Bytes that an inode number counts.
const SLOT: u64 = 32;

/// Incompatible features that change nothing for uncompressed files: zero padding, compression settings, chunked files
/// (each of which is refused on its own).
const HARMLESS_FEATURES: u32 = 0x1 | 0x2 | 0x4;

/// Why an image is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormatError {
    /// Shorter than a superblock.
    TooShort,
    /// No EROFS superblock.
    NoMagic,
    /// Blocks that are not of 512 to 65536 bytes.
    BlockSize(u8),
    /// Features that this reader does not know.
    Features(u32),
    /// The superblock claims more blocks than there are bytes.
    Truncated,
    /// The root directory is not one.
    Root,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FormatError::TooShort => write!(f, "too short for EROFS"),
            FormatError::NoMagic => write!(f, "no EROFS superblock"),
            FormatError::BlockSize(bits) => write!(f, "EROFS blocks of 2^{bits} bytes"),
            FormatError::Features(bits) => write!(f, "EROFS features {bits:#x} are not supported (compression?)"),
            FormatError::Truncated => write!(f, "the EROFS image has been cut off"),
            FormatError::Root => write!(f, "the EROFS image has no root directory"),
        }
    }
}

/// Whether there is a superblock.
pub fn has_magic(image: &[u8]) -> bool {
    word(image, SUPERBLOCK) == Some(MAGIC)
}

/// An image.
pub struct Erofs {
    image: &'static [u8],
    block_bits: u8,
    metadata: u64,
    root: u64,
    build_time: u64,
    build_nanoseconds: u32,
    /// `st_dev` of its inodes.
    pub device: u64,
}

/// What an inode says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inode {
    /// Type and permissions.
    pub mode: u32,
    /// Links.
    pub links: u32,
    /// Bytes.
    pub size: u64,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds and nanoseconds of the last modification.
    pub time: (u64, u32),
    /// Where the data begins that lies in whole blocks.
    data: u64,
    /// How much of the size lies there; the rest is at `tail`.
    plain: u64,
    tail: u64,
}

impl Erofs {
    /// Checks the superblock and the root directory.
    pub fn new(image: &'static [u8], device: u64) -> Result<Arc<Erofs>, FormatError> {
        if image.len() < 1152 {
            return Err(FormatError::TooShort);
        }
        let short = FormatError::TooShort;
        let field = |offset: u64| word(image, SUPERBLOCK.saturating_add(offset)).ok_or(short);
        if field(0)? != MAGIC {
            return Err(FormatError::NoMagic);
        }
        let [block_bits, _, root_low, root_high] = field(12)?.to_le_bytes();
        let [_, _, directory_bits, _] = field(88)?.to_le_bytes();
        if !(9..=16).contains(&block_bits) || directory_bits != 0 {
            return Err(FormatError::BlockSize(block_bits.saturating_add(directory_bits)));
        }
        let features = field(80)?;
        if features & !HARMLESS_FEATURES != 0 {
            return Err(FormatError::Features(features));
        }
        if u64::from(field(36)?) << block_bits > image.len() as u64 {
            return Err(FormatError::Truncated);
        }
        let file_system = Erofs {
            image,
            block_bits,
            metadata: u64::from(field(40)?) << block_bits,
            root: u64::from(u16::from_le_bytes([root_low, root_high])),
            build_time: u64::from(field(24)?) | u64::from(field(28)?) << 32,
            build_nanoseconds: field(32)?,
            device,
        };
        match file_system.inode(file_system.root) {
            #[expect(clippy::disallowed_methods, reason = "once, at boot")]
            Ok(inode) if inode.mode & general::S_IFMT == general::S_IFDIR => Ok(Arc::new(file_system)),
            _ => Err(FormatError::Root),
        }
    }

    /// The number of the root directory.
    pub fn root(&self) -> u64 {
        self.root
    }

    /// Bytes in a block.
    pub fn block_size(&self) -> usize {
        1usize.checked_shl(u32::from(self.block_bits)).unwrap_or(4096)
    }

    /// How many blocks it has.
    pub fn blocks(&self) -> u64 {
        (self.image.len() as u64).wrapping_shr(self.block_bits.into())
    }

    /// Reads an inode. `EIO` for one that is damaged, `EOPNOTSUPP` for compressed and chunked files.
    pub fn inode(&self, number: u64) -> Result<Inode, Errno> {
        let at = number.checked_mul(SLOT).and_then(|offset| offset.checked_add(self.metadata)).ok_or(Errno::EIO)?;
        let word = |offset: u64| word(self.image, at.saturating_add(offset)).ok_or(Errno::EIO);
        let long =
            |offset: u64| Ok::<u64, Errno>(u64::from(word(offset)?) | u64::from(word(offset.saturating_add(4))?) << 32);
        let (format, attributes) = halves(word(0)?);
        let (mode, short_links) = halves(word(4)?);
        let extended = format & 1 != 0;
        let (owner, group) = halves(word(24)?);
        let (header, size, links, uid, gid, time) = if extended {
            (64u64, long(8)?, word(44)?, word(24)?, word(28)?, (long(32)?, word(40)?))
        } else {
            let time = (self.build_time, self.build_nanoseconds);
            (32, u64::from(word(8)?), u32::from(short_links), u32::from(owner), u32::from(group), time)
        };
        let attributes = match u64::from(attributes) {
            0 => 0,
            count => count.saturating_mul(4).saturating_add(8),
        };
        let block_mask = (self.block_size() as u64).wrapping_sub(1);
        let (plain, tail) = match format >> 1 & 7 {
            0 => (size, 0),
            2 => (size & !block_mask, at.saturating_add(header).saturating_add(attributes)),
            _ => return Err(Errno::EOPNOTSUPP),
        };
        let data = u64::from(word(16)?) << self.block_bits;
        let mode = u32::from(mode);
        let inode = Inode { mode, links, size, uid, gid, time, data, plain, tail };
        let has_data = matches!(mode & general::S_IFMT, general::S_IFREG | general::S_IFDIR | general::S_IFLNK);
        if has_data {
            // Both pieces must lie in the image; from here on every offset below `size` is good.
            self.bytes(data, plain)?;
            self.bytes(tail, size.saturating_sub(plain))?;
            return Ok(inode);
        }
        Ok(Inode { size: 0, plain: 0, ..inode })
    }

    /// The file's data from `offset` on, as far as it lies in one piece: nothing at the end.
    pub fn data(&self, inode: &Inode, offset: u64) -> &'static [u8] {
        let piece = if offset < inode.plain {
            self.bytes(inode.data.saturating_add(offset), inode.plain.saturating_sub(offset))
        } else if offset < inode.size {
            let into = offset.saturating_sub(inode.plain);
            self.bytes(inode.tail.saturating_add(into), inode.size.saturating_sub(offset))
        } else {
            return &[];
        };
        piece.unwrap_or_default()
    }

    fn bytes(&self, at: u64, length: u64) -> Result<&'static [u8], Errno> {
        let end = at.checked_add(length).ok_or(Errno::EIO)?;
        let range = usize::try_from(at).map_err(|_| Errno::EIO)?..usize::try_from(end).map_err(|_| Errno::EIO)?;
        if length == 0 {
            return Ok(&[]);
        }
        self.image.get(range).ok_or(Errno::EIO)
    }
}

fn word(image: &[u8], offset: u64) -> Option<u32> {
    let rest = image.get(usize::try_from(offset).ok()?..)?;
    rest.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn halves(word: u32) -> (u16, u16) {
    (word as u16, (word >> 16) as u16)
}
