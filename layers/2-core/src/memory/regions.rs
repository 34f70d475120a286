//! Arithmetic on pieces of physical memory.

use crate::{boot::PhysicalRange, x86::layout::PAGE_SIZE};

/// Calls `each` with every page-aligned piece of `range` that none of `taken` touches, in ascending order.
pub(crate) fn without(range: PhysicalRange, taken: &[PhysicalRange], each: &mut dyn FnMut(PhysicalRange)) {
    let page = PAGE_SIZE as u64;
    let Some(mut at) = range.start.checked_next_multiple_of(page) else {
        return;
    };
    let end = range.end() / page * page;
    while at < end {
        let (mut stop, mut resume) = (end, end);
        for other in taken.iter().filter(|other| other.length != 0) {
            let start = other.start / page * page;
            let behind = other.end().checked_next_multiple_of(page).unwrap_or(end);
            if start <= at && at < behind {
                stop = at;
                resume = behind;
                break;
            }
            if at < start && start < stop {
                stop = start;
                resume = behind;
            }
        }
        if stop > at {
            each(PhysicalRange { start: at, length: stop - at });
        }
        at = resume;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};

    fn range(start: u64, end: u64) -> PhysicalRange {
        PhysicalRange { start, length: end - start }
    }

    fn pieces(whole: PhysicalRange, taken: &[PhysicalRange]) -> Vec<(u64, u64)> {
        let mut pieces = Vec::new();
        without(whole, taken, &mut |piece| pieces.push((piece.start, piece.end())));
        pieces
    }

    #[test]
    fn nothing_taken_rounds_inwards() {
        assert_eq!(pieces(range(0x1001, 0x4fff), &[]), vec![(0x2000, 0x4000)]);
    }

    #[test]
    fn overlapping_takers_in_any_order() {
        let taken = [range(0x5000, 0x7001), range(0x2000, 0x3000), range(0x2800, 0x4000)];
        assert_eq!(pieces(range(0x1000, 0xa000), &taken), vec![(0x1000, 0x2000), (0x4000, 0x5000), (0x8000, 0xa000)]);
    }

    #[test]
    fn all_taken_and_end_of_address_space() {
        assert_eq!(pieces(range(0x1000, 0x3000), &[range(0, 0x9000)]), vec![]);
        assert_eq!(pieces(range(0, u64::MAX), &[range(0x1000, u64::MAX)]), vec![(0, 0x1000)]);
    }
}
