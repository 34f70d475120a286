//! The place of the kernel's half: mapped, and told to the image, which is linked for another.

use rumpkin_core::for_platform::layout::{PAGE_SIZE, Places};

type Table = [u64; 512];

/// The boot entry's tables.
#[repr(C)]
pub(crate) struct Tables {
    top: Table,
    /// The first four point to the first 4 GiB.
    pointers: Table,
    directories: [Table; 4],
    image_pointers: Table,
    image_directory: Table,
    /// Enough for an image that ends below 4 MiB (the linker script), wherever in the first one it begins.
    image_pages: [Table; 3],
}

const PRESENT_WRITABLE: u64 = 3;

/// Maps the image, and the first 4 GiB in the direct map; all of it writable and executable until core makes the final tables.
pub(crate) fn map(tables: &mut Tables, places: &Places, image_end: usize) {
    let index = |address: usize, level: usize| (address >> (12 + 9 * level)) & 511;
    let link = |table: *const Table| table as u64 | PRESENT_WRITABLE;

    let [first, second, third, fourth, ..] = tables.pointers;
    let gib = index(places.direct_map, 2);
    for (entry, directory) in tables.pointers.iter_mut().skip(gib).zip([first, second, third, fourth]) {
        *entry = directory;
    }
    tables.top[index(places.direct_map, 3)] = link(&tables.pointers);

    tables.top[index(places.image, 3)] = link(&tables.image_pointers);
    tables.image_pointers[index(places.image, 2)] = link(&tables.image_directory);
    let directory = index(places.image, 1);
    for (entry, table) in tables.image_directory.iter_mut().skip(directory).zip(&tables.image_pages) {
        *entry = link(table);
    }
    let pages = tables.image_pages.as_flattened_mut().iter_mut().skip(index(places.image, 0));
    for (entry, physical) in pages.zip((0..image_end).step_by(PAGE_SIZE)) {
        *entry = physical as u64 | PRESENT_WRITABLE;
    }
}

/// Calls `each` with the addresses of the words that hold an address (System V gABI, "Relative relocations", SHT_RELR): an even entry
/// is one, and an odd one has a bit for each of the 63 words behind the last.
pub(crate) fn relocate(entries: &[u64], mut each: impl FnMut(u64)) {
    const WORD: u64 = 8;
    let mut next = 0;
    for &entry in entries {
        if entry & 1 == 0 {
            each(entry);
            next = entry.wrapping_add(WORD);
            continue;
        }
        let mut bits = entry >> 1;
        let mut at = next;
        while bits != 0 {
            if bits & 1 != 0 {
                each(at);
            }
            bits >>= 1;
            at = at.wrapping_add(WORD);
        }
        next = next.wrapping_add(63 * WORD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::{boxed::Box, vec::Vec};

    fn relocated(entries: &[u64]) -> Vec<u64> {
        let mut addresses = Vec::new();
        relocate(entries, |address| addresses.push(address));
        addresses
    }

    #[test]
    fn relocations_are_addresses_and_bits_for_those_behind() {
        assert_eq!(relocated(&[]), []);
        assert_eq!(relocated(&[0x1000, 0x3000]), [0x1000, 0x3000]);
        assert_eq!(relocated(&[0x1000, 0b1011]), [0x1000, 0x1008, 0x1018]);
        assert_eq!(relocated(&[0x1000, 1 << 63 | 1, 0b11]), [0x1000, 0x1000 + 63 * 8, 0x1000 + 64 * 8]);
    }

    #[test]
    fn the_image_and_four_gib_are_mapped_at_their_places() {
        let end = 0x3f_f000;
        for random in 0..200 {
            let places = Places::choose(random, end);
            // SAFETY: tables are numbers.
            let mut tables: Box<Tables> = unsafe { Box::new_zeroed().assume_init() };
            for (entry, number) in tables.pointers.iter_mut().zip(1..5) {
                *entry = number << 12;
            }
            map(&mut tables, &places, end);
            let offset = |from: usize, level: usize| from >> (12 + 9 * level) & 511;
            assert_ne!(tables.top[offset(places.direct_map, 3)], 0);
            let gib = offset(places.direct_map, 2);
            assert_eq!(tables.pointers[gib..gib + 4], [1 << 12, 2 << 12, 3 << 12, 4 << 12]);
            for physical in [0x10_0000, 0x2f_f000, end - PAGE_SIZE] {
                let address = places.image + physical;
                assert_ne!(tables.image_pointers[offset(address, 2)], 0);
                let table = offset(address, 1) - offset(places.image, 1);
                assert_ne!(tables.image_directory[offset(address, 1)], 0);
                assert_eq!(tables.image_pages[table][offset(address, 0)], physical as u64 | PRESENT_WRITABLE);
            }
        }
    }
}
