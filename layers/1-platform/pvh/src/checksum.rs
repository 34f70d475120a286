//! Whether the image in memory is what was baked: a hypervisor that is not started by the launcher loads whatever there is.
//!
//! What is looked at is the kernel and the configuration (docs/image.md, "Checksums"). It runs before anything else, and of the image it
//! needs the code alone.

use crate::note::{CHECKSUMS_SIZE, Checksums};
use core::hash::Hasher;
use core::ops::Range;
use rumpkin_core::for_platform::boot::PhysicalRange;
use twox_hash::XxHash64;

/// The largest configuration that an image may have.
const CONFIGURATION_LIMIT: u64 = 1 << 20;

/// Memory below 4 GiB.
pub(crate) trait Memory {
    /// A piece of it, whatever is there.
    fn bytes(&self, range: Range<u64>) -> &[u8];
}

/// Whether it is. `kernel` is where the kernel is linked to be; the words of the note are at `hole`, and what the checksums lead to outside
/// of the kernel is behind it and below 4 GiB.
pub(crate) fn is_whole(memory: &impl Memory, sums: &Checksums, kernel: &Range<u64>, hole: u64) -> bool {
    let mut hash = XxHash64::with_seed(0);
    for PhysicalRange { start, length } in &sums.extents {
        let Some(end) =
            start.checked_add(*length).filter(|end| *length == 0 || *start >= kernel.start && *end <= kernel.end)
        else {
            return false;
        };
        let hole = hole..hole + CHECKSUMS_SIZE as u64;
        for piece in [*start..end.min(hole.start), (*start).max(hole.end)..end] {
            if !piece.is_empty() {
                hash.write(memory.bytes(piece));
            }
        }
    }
    let PhysicalRange { start, length } = sums.configuration;
    if length > 0 {
        if start < kernel.end || start >= 1 << 31 || length > CONFIGURATION_LIMIT {
            return false;
        }
        hash.write(memory.bytes(start..start + length));
    }
    hash.finish() == sums.kernel
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::vec::Vec;

    struct Bytes(Vec<u8>);

    impl Memory for Bytes {
        fn bytes(&self, range: Range<u64>) -> &[u8] {
            // Where there is no memory there is something else to be read.
            self.0.get(range.start as usize..range.end as usize).unwrap_or(&[0xff])
        }
    }

    const KERNEL: Range<u64> = 0x100..0x300;
    const HOLE: u64 = 0x210;

    /// A kernel in two parts with the note in the second, and a configuration; and their checksum as bake would make it.
    fn image() -> (Bytes, Checksums) {
        let bytes: Vec<u8> = (0..0x400u32).map(|index| (index * 7 + index / 256) as u8).collect();
        let mut hash = XxHash64::with_seed(0);
        for part in [0x100..0x180, 0x200..0x210, 0x250..0x280, 0x300..0x305] {
            hash.write(&bytes[part]);
        }
        let range = |start, length| PhysicalRange { start, length };
        let extents = [range(0x100, 0x80), range(0x200, 0x80), range(0, 0)];
        let sums =
            Checksums { kernel: hash.finish(), extents, words: core::ptr::null(), configuration: range(0x300, 5) };
        (Bytes(bytes), sums)
    }

    #[test]
    fn a_whole_image_is_known_and_each_changed_bit_of_it() {
        let (mut memory, sums) = image();
        assert!(is_whole(&memory, &sums, &KERNEL, HOLE));
        for at in 0x100..0x305 {
            let is_covered =
                [0x100..0x180, 0x200..0x210, 0x250..0x280, 0x300..0x305].iter().any(|part| part.contains(&at));
            memory.0[at] ^= 0x10;
            assert_eq!(is_whole(&memory, &sums, &KERNEL, HOLE), !is_covered, "{at:#x}");
            memory.0[at] ^= 0x10;
        }
    }

    #[test]
    fn a_changed_note_leads_nowhere() {
        for bit in 0..64 {
            for word in 0..9 {
                let (memory, mut sums) = image();
                let target = match word {
                    0 => &mut sums.kernel,
                    7 => &mut sums.configuration.start,
                    8 => &mut sums.configuration.length,
                    word => {
                        let extent = &mut sums.extents[(word - 1) / 2];
                        if word % 2 == 1 { &mut extent.start } else { &mut extent.length }
                    }
                };
                *target ^= 1 << bit;
                // Where a part of no bytes is does not matter.
                assert!(word == 5 || !is_whole(&memory, &sums, &KERNEL, HOLE), "bit {bit} of word {word}");
            }
        }
    }
}
