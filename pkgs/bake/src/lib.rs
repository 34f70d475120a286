//! Joins a kernel, a root file system and a configuration into one image.
//!
//! Nothing is linked again. The kernel's bytes stay where they are; the payload follows them in the file, each part on a
//! page of its own, and after it comes a longer copy of the program header table. Two fields of the ELF header and the
//! descriptor of the payload note are patched to say so, and at last that of the checksum note. Equal inputs give equal bytes.
#![forbid(unsafe_code)]

mod error;

pub use error::{Error, Input};
use rumpkin_configuration::{Document, Malformed, Moment, check};
use rumpkin_format::{
    CONFIGURATION_LIMIT, Header, Image, KERNEL_BASE, MEMORY_LIMIT, PAGE_SIZE, Segment, SegmentKind, is_erofs,
    page_align, seal,
};
use serde_json::{Map, Value};

/// `PF_R`: the payload is only ever read.
const READABLE: u32 = 4;
/// Base-2 logarithm of the one EROFS block size that can be mapped page by page.
const EROFS_BLOCK_BITS: u8 = 12;
/// Where the superblock keeps it (Linux `fs/erofs/erofs_fs.h`, `blkszbits`).
const EROFS_BLOCK_BITS_OFFSET: usize = 1024 + 12;

/// What is added to a kernel. A part that is `None` or empty is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts<'a> {
    /// An EROFS image with blocks of 4096 bytes.
    pub rootfs: Option<&'a [u8]>,
    /// A JSON object that the kernel takes, or takes with more at launch.
    pub configuration: Option<&'a str>,
}

/// Makes the image of `kernel` and `parts`.
///
/// # Errors
/// One of the inputs is not what it should be, or the image would not fit into the kernel's address window.
pub fn bake(kernel: &[u8], parts: &Parts<'_>) -> Result<Vec<u8>, Error> {
    let image = Image::read(kernel).map_err(Error::Kernel)?;
    if image.is_baked() {
        return Err(Error::AlreadyBaked);
    }
    if let Some(rootfs) = parts.rootfs {
        check_rootfs(rootfs)?;
    }
    let compact = |text| compact(text, image.manifest);
    let configuration = parts.configuration.map(compact).transpose()?;

    let mut joined = Joined { file: kernel.to_vec(), end: image.memory_end(), segments: image.segments };
    let mut payload = image.payload;
    if let Some(rootfs) = parts.rootfs {
        (payload.rootfs_address, payload.rootfs_size) = joined.add(rootfs)?;
    }
    if let Some(configuration) = &configuration {
        (payload.configuration_address, payload.configuration_size) = joined.add(configuration.as_bytes())?;
    }
    joined.file[image.payload_offset..][..rumpkin_format::PAYLOAD_SIZE].copy_from_slice(&payload.encode());
    let mut baked = joined.finish()?;
    seal(&mut baked).map_err(Error::Kernel)?;
    Ok(baked)
}

fn check_rootfs(rootfs: &[u8]) -> Result<(), Error> {
    if !is_erofs(rootfs) {
        return Err(Error::NotErofs);
    }
    if rootfs.get(EROFS_BLOCK_BITS_OFFSET) != Some(&EROFS_BLOCK_BITS) {
        return Err(Error::RootfsBlockSize);
    }
    Ok(())
}

/// The JSON object `text`, without white space and with sorted keys, so that its spelling does not change the image. A kernel with
/// this manifest would take it.
fn compact(text: &str, manifest: Option<&str>) -> Result<String, Error> {
    Document::of_object(text.as_bytes()).map_err(Error::NotJson)?;
    let compact = serde_json::from_str::<Map<String, Value>>(text).map(|object| Value::from(object).to_string());
    let compact = compact.map_err(|_| Error::NotJson(Malformed::NoObject))?;
    if compact.len() > CONFIGURATION_LIMIT {
        return Err(Error::ConfigurationTooLarge);
    }
    // How much memory there will be is not known yet.
    check(manifest, Some(compact.as_bytes()), None, u64::MAX, Moment::Making).map_err(Error::Refused)?;
    Ok(compact)
}

/// The image under construction.
struct Joined {
    file: Vec<u8>,
    segments: Vec<Segment>,
    /// First free physical address.
    end: u64,
}

impl Joined {
    /// Appends `bytes` as a segment of its own; gives back its physical address and size.
    fn add(&mut self, bytes: &[u8]) -> Result<(u64, u64), Error> {
        let size = bytes.len() as u64;
        let address = page_align(self.end).ok_or(Error::TooLarge)?;
        let memory_size = page_align(size).ok_or(Error::TooLarge)?;
        self.end = address.checked_add(memory_size).filter(|end| *end <= MEMORY_LIMIT).ok_or(Error::TooLarge)?;
        self.pad();
        self.segments.push(Segment {
            kind: SegmentKind::Load,
            flags: READABLE,
            offset: self.file.len() as u64,
            virtual_address: KERNEL_BASE + address,
            physical_address: address,
            file_size: size,
            memory_size,
            align: PAGE_SIZE,
        });
        self.file.extend_from_slice(bytes);
        Ok((address, size))
    }

    /// Fills the file up to a whole page.
    fn pad(&mut self) {
        self.file.resize(self.file.len().next_multiple_of(PAGE_SIZE as usize), 0);
    }

    /// Appends the program header table and points the ELF header at it.
    fn finish(mut self) -> Result<Vec<u8>, Error> {
        self.pad();
        let header = Header {
            segments_offset: self.file.len() as u64,
            segments_count: u16::try_from(self.segments.len()).map_err(|_| Error::TooLarge)?,
        };
        header.patch(&mut self.file).map_err(Error::Kernel)?;
        for segment in &self.segments {
            self.file.extend_from_slice(&segment.encode());
        }
        Ok(self.file)
    }
}
