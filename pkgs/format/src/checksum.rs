//! The checksums of an image: XXH64, which finds every change of a few bits and is fast without vector instructions, since
//! the guest computes it, too. They tell of damage, not of forgery.
//!
//! The launcher looks at the whole file. The guest looks at what it can see of itself in memory, the kernel and the
//! configuration; the root file system would take it longer than all the rest of its start.
use crate::elf::u64_at;
use crate::{Error, Image, Segment};
use core::hash::Hasher;
use core::ops::Range;
use twox_hash::XxHash64;

/// Type of the note with the checksums; its descriptor is a [`Checksums`].
pub const NOTE_TYPE_CHECKSUMS: u32 = 3;
/// Bytes of its descriptor.
pub const CHECKSUMS_SIZE: usize = 64;
/// Segments of a kernel that have bytes in the file: code, constants, data.
const EXTENTS: usize = 3;

/// The descriptor of the checksum note. All of it is zero as long as the kernel has not been baked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Checksums {
    /// Of the file, without these eight bytes.
    pub file: u64,
    /// Of the kernel's loaded bytes, without this descriptor, and the configuration behind them.
    pub kernel: u64,
    /// Where the kernel's loaded bytes are in physical memory, and how many: the file's headers do not get there.
    pub extents: [(u64, u64); EXTENTS],
}

impl Checksums {
    /// Reads the descriptor; `None` if it has another size.
    #[must_use]
    pub fn decode(descriptor: &[u8]) -> Option<Checksums> {
        if descriptor.len() != CHECKSUMS_SIZE {
            return None;
        }
        let extent = |at| Some((u64_at(descriptor, at)?, u64_at(descriptor, at.saturating_add(8))?));
        Some(Checksums {
            file: u64_at(descriptor, 0)?,
            kernel: u64_at(descriptor, 8)?,
            extents: [extent(16)?, extent(32)?, extent(48)?],
        })
    }

    /// The descriptor's bytes: eight little-endian 64-bit words.
    #[must_use]
    pub fn encode(&self) -> [u8; CHECKSUMS_SIZE] {
        let words = [self.file, self.kernel].into_iter();
        let words = words.chain(self.extents.iter().flat_map(|(address, size)| [*address, *size]));
        let mut descriptor = [0; CHECKSUMS_SIZE];
        for (slot, word) in descriptor.chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        descriptor
    }

    /// What they are for `file`, which has been read as `image`.
    fn of(image: &Image<'_>, file: &[u8]) -> Result<Checksums, Error> {
        let start = image.checksums_offset;
        let descriptor = start..start.saturating_add(CHECKSUMS_SIZE);
        let mut sums = Checksums::default();
        let mut kernel = XxHash64::with_seed(0);
        let mut extents = sums.extents.iter_mut();
        for segment in image.kernel_segments().filter(|segment| segment.file_size > 0) {
            let extent = extents.next().ok_or(Error::KernelSegments)?;
            *extent = (segment.physical_address, segment.file_size);
            hash_without(&mut kernel, file, range(segment), &descriptor);
        }
        kernel.write(image.configuration.unwrap_or_default().as_bytes());
        sums.kernel = kernel.finish();

        let mut all = XxHash64::with_seed(0);
        hash_without(&mut all, file, 0..file.len(), &descriptor);
        all.write(sums.encode().get(size_of::<u64>()..).unwrap_or_default());
        sums.file = all.finish();
        Ok(sums)
    }
}

/// Adds what is in `part` of the file, but not in `hole`.
fn hash_without(hash: &mut XxHash64, file: &[u8], part: Range<usize>, hole: &Range<usize>) {
    for piece in [part.start..part.end.min(hole.start), part.start.max(hole.end)..part.end] {
        hash.write(file.get(piece).unwrap_or_default());
    }
}

fn range(segment: &Segment) -> Range<usize> {
    let start = usize::try_from(segment.offset).unwrap_or(usize::MAX);
    start..start.saturating_add(usize::try_from(segment.file_size).unwrap_or(usize::MAX))
}

/// Writes the checksums into an image that is complete but for them, or has been changed.
///
/// # Errors
/// It is no image, or has more segments than the note has room for.
pub fn seal(file: &mut [u8]) -> Result<(), Error> {
    let image = Image::read(file)?;
    let offset = image.checksums_offset;
    let descriptor = Checksums::of(&image, file)?.encode();
    let place = file.get_mut(offset..).and_then(|rest| rest.get_mut(..CHECKSUMS_SIZE)).ok_or(Error::MalformedNote)?;
    place.copy_from_slice(&descriptor);
    Ok(())
}

impl Image<'_> {
    /// Compares the checksums with `file`, of which this image has been read.
    ///
    /// # Errors
    /// [`Error::NotBaked`]: there are none yet. [`Error::Damaged`]: something has changed since they were made.
    pub fn verify(&self, file: &[u8]) -> Result<(), Error> {
        if !self.is_baked() {
            return Err(Error::NotBaked);
        }
        let found = Checksums::of(self, file)?;
        if found == self.checksums {
            return Ok(());
        }
        Err(Error::Damaged { expected: self.checksums.file, found: found.file })
    }
}
