//! The kernel's half of the address space.
//!
//! ```text
//! 0xffff_8000_0000_0000  nothing
//! 0xffff_8080_0000_0000  direct map: all memory, writable, never executable (the kernel's code and constants read-only)
//! 0xffff_c000_0000_0000  device registers, uncached
//! 0xffff_c080_0000_0000  kernel stacks, each above its guard pages
//! 0xffff_ffff_8000_0000  the kernel image: text r-x, constants r--, variables rw-
//! ```
//!
//! Each is somewhere in its part, by chance ([`Places::choose`]): what a program in ring 0 writes to a stray address, or jumps
//! to, is most likely not there.

use core::sync::atomic::{AtomicUsize, Ordering};

pub use rumpkin_vocabulary::PAGE_SIZE;
pub(crate) use rumpkin_vocabulary::USER_END;

/// Size of the direct map's window: 32 TiB.
pub(crate) const DIRECT_MAP_SIZE: usize = 1 << 45;
/// Size of the registers' window.
pub(crate) const MMIO_SIZE: usize = TOP_ENTRY / 2;
/// Size of the stacks' window.
pub(crate) const STACKS_SIZE: usize = TOP_ENTRY / 2;
/// Bytes of a kernel stack.
pub(crate) const STACK_SIZE: usize = 8 * PAGE_SIZE;
/// Bytes of the stacks' window that one takes: itself, and below it a gap where nothing is mapped.
pub(crate) const STACK_SLOT: usize = 2 * STACK_SIZE;
/// What is added to a physical address of the kernel image to get the virtual one that it is linked at.
pub const LINK_BASE: usize = 0xffff_ffff_8000_0000;

const GIB: usize = 1 << 30;
/// What an entry of the top page table covers.
const TOP_ENTRY: usize = 512 * GIB;
const UPPER_HALF: usize = 0xffff_8000_0000_0000;
const MMIO: usize = 0xffff_c000_0000_0000;
const STACKS: usize = MMIO + TOP_ENTRY;
/// The image is never where it is linked, nor within this distance of it: the boot entry has both mapped for a time.
const LEAST_SLIDE: usize = 4 << 20;

/// Where things are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// Where physical address 0 is mapped.
    pub direct_map: usize,
    /// What is added to a physical address of the kernel image to get the virtual one.
    pub image: usize,
    mmio: usize,
    stacks: usize,
}

static DIRECT_MAP: AtomicUsize = AtomicUsize::new(0);
static IMAGE: AtomicUsize = AtomicUsize::new(LINK_BASE);
static MMIO_AT: AtomicUsize = AtomicUsize::new(0);
static STACKS_AT: AtomicUsize = AtomicUsize::new(0);

impl Places {
    /// Chooses by a random number; the image ends at physical address `image_end`, below a GiB.
    ///
    /// The direct map begins on a GiB, at the 5th to 509th of a top entry, so that the boot entry maps its first 4 GiB by one table.
    pub const fn choose(random: u64, image_end: usize) -> Places {
        let image_places = (GIB - LEAST_SLIDE - image_end) / PAGE_SIZE;
        let entries = (MMIO - UPPER_HALF - DIRECT_MAP_SIZE) / TOP_ENTRY - 2;
        // A time-stamp counter's lowest bits may always be the same.
        let random = mix(random);
        let image = random as usize % image_places;
        let random = mix(random);
        let (entry, gib) = (1 + (random >> 32) as usize % entries, 4 + random as u32 as usize % 505);
        let random = mix(random);
        let (mmio, stacks) = ((random >> 32) as usize, random as u32 as usize);
        Places {
            direct_map: UPPER_HALF + entry * TOP_ENTRY + gib * GIB,
            image: LINK_BASE + LEAST_SLIDE + image * PAGE_SIZE,
            mmio: MMIO + mmio * PAGE_SIZE % (TOP_ENTRY / 2),
            stacks: STACKS + stacks * PAGE_SIZE % (TOP_ENTRY / 2),
        }
    }

    /// Has the functions of this module tell these places. The boot entry, once; until then, memory is where it is and the image where it is
    /// linked.
    pub fn establish(&self) {
        DIRECT_MAP.store(self.direct_map, Ordering::Relaxed);
        IMAGE.store(self.image, Ordering::Relaxed);
        MMIO_AT.store(self.mmio, Ordering::Relaxed);
        STACKS_AT.store(self.stacks, Ordering::Relaxed);
    }
}

/// Another number of the same randomness (the finalizer of SplitMix64).
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// Where physical address 0 is mapped.
pub fn direct_map() -> usize {
    DIRECT_MAP.load(Ordering::Relaxed)
}

/// The direct map's address of a physical address. What is no memory is not mapped there.
pub fn direct(physical: u64) -> usize {
    direct_map().wrapping_add(physical as usize)
}

/// What is added to a physical address of the kernel image to get the virtual one.
pub fn image() -> usize {
    IMAGE.load(Ordering::Relaxed)
}

/// Where device registers are mapped.
pub(crate) fn mmio() -> usize {
    MMIO_AT.load(Ordering::Relaxed)
}

/// Where kernel stacks are mapped.
pub(crate) fn stacks() -> usize {
    STACKS_AT.load(Ordering::Relaxed)
}

/// If the address is in the gap below some kernel stack: where that stack begins.
pub(crate) fn above_guard(address: usize) -> Option<usize> {
    let offset = address.checked_sub(stacks()).filter(|&offset| offset < STACKS_SIZE)? % STACK_SLOT;
    let stack = STACK_SLOT - STACK_SIZE;
    (offset < stack).then(|| address - offset + stack)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IMAGE_END: usize = 3 << 20;

    proptest! {
        #[test]
        fn each_place_is_in_its_part(random: u64) {
            let Places { direct_map, image, mmio, stacks } = Places::choose(random, IMAGE_END);
            prop_assert!(direct_map >= UPPER_HALF + TOP_ENTRY && direct_map + DIRECT_MAP_SIZE <= MMIO);
            prop_assert!(direct_map.is_multiple_of(GIB) && (4..509).contains(&(direct_map / GIB % 512)));
            prop_assert!(image >= LINK_BASE + LEAST_SLIDE && image + IMAGE_END <= LINK_BASE + GIB);
            prop_assert!(mmio >= MMIO && mmio + MMIO_SIZE <= STACKS);
            prop_assert!(stacks >= STACKS && stacks + STACKS_SIZE <= STACKS + TOP_ENTRY);
            prop_assert!([image, mmio, stacks].iter().all(|place| place.is_multiple_of(PAGE_SIZE)));
        }
    }

    #[test]
    fn neighbouring_numbers_give_places_apart() {
        let places = [1, 2, 3].map(|random| Places::choose(random, IMAGE_END));
        for pair in places.windows(2) {
            assert_ne!(pair[0].direct_map, pair[1].direct_map);
            assert_ne!(pair[0].image, pair[1].image);
            assert_ne!(pair[0].mmio, pair[1].mmio);
            assert_ne!(pair[0].stacks, pair[1].stacks);
        }
    }
}
