//! Slots of a buffer that is used round and round, for drivers whose devices read from it.
//!
//! ```text
//!   | done 2 | in use 3   | in use 1 |  free            |
//!      tail ──────────────────────────▶ head
//! ```
//! A piece is some slots in a row. Pieces are taken in order and given back in any; their slots are free again in order.

use alloc::{boxed::Box, vec};

/// What is known of the piece that begins at a slot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// None does.
    None,
    /// So many slots, in use.
    Used(usize),
    /// So many slots, given back.
    Done(usize),
}

/// Which slots are in use.
pub struct Slots {
    pieces: Box<[Piece]>,
    /// The next slot to take.
    head: usize,
    /// The oldest slot in use.
    tail: usize,
    /// Slots from tail to head.
    taken: usize,
}

impl Slots {
    /// So many free slots.
    pub fn new(count: usize) -> Self {
        Self { pieces: vec![Piece::None; count].into_boxed_slice(), head: 0, tail: 0, taken: 0 }
    }

    /// How many there are, free or not.
    pub fn count(&self) -> usize {
        self.pieces.len()
    }

    /// How many are lost at the end of the buffer if a piece of `length` is taken; `None` if there is no room for it.
    fn skipped(&self, length: usize) -> Option<usize> {
        let to_end = self.count() - self.head;
        let skipped = if length <= to_end { 0 } else { to_end };
        (self.taken + skipped + length <= self.count()).then_some(skipped)
    }

    /// Whether there is room for a piece.
    pub fn fits(&self, length: usize) -> bool {
        self.skipped(length).is_some()
    }

    /// Takes `length` slots in a row, at least one, and gives the first. `None` if there is no room.
    pub fn take(&mut self, length: usize) -> Option<usize> {
        let skipped = self.skipped(length)?;
        if skipped > 0 {
            self.put(Piece::Done(skipped), skipped);
        }
        let first = self.head;
        self.put(Piece::Used(length), length);
        Some(first)
    }

    fn put(&mut self, piece: Piece, length: usize) {
        self.pieces[self.head] = piece;
        self.head = (self.head + length) % self.count();
        self.taken += length;
    }

    /// Whether a piece that is in use begins at this slot.
    pub fn is_used(&self, first: usize) -> bool {
        matches!(self.pieces.get(first), Some(Piece::Used(_)))
    }

    /// Gives a piece back; false if none that is in use begins there.
    pub fn give(&mut self, first: usize) -> bool {
        let Some(&Piece::Used(length)) = self.pieces.get(first) else { return false };
        self.pieces[first] = Piece::Done(length);
        while let Piece::Done(length) = self.pieces[self.tail] {
            self.pieces[self.tail] = Piece::None;
            self.tail = (self.tail + length) % self.count();
            self.taken -= length;
        }
        if self.taken == 0 {
            // From the beginning, where the longest piece fits.
            (self.head, self.tail) = (0, 0);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn pieces_do_not_go_round_the_corner() {
        let mut slots = Slots::new(8);
        assert_eq!((slots.take(3), slots.take(3)), (Some(0), Some(3)));
        assert!(!slots.fits(3));
        assert!(slots.give(0));
        assert_eq!(slots.take(3), Some(0), "not in the two at the end");
        assert!(!slots.fits(1));
        assert!(slots.give(3));
        assert!(slots.fits(5) && !slots.fits(6), "what was skipped is free with the piece before it");
        assert!(slots.give(0) && slots.fits(8));
    }

    #[test]
    fn only_what_is_in_use_is_given_back() {
        let mut slots = Slots::new(8);
        assert!(!slots.give(0) && !slots.give(8) && !slots.give(usize::MAX));
        assert_eq!((slots.take(2), slots.take(9)), (Some(0), None));
        assert!(!slots.give(1) && slots.is_used(0) && !slots.is_used(1));
        assert!(slots.give(0) && !slots.give(0));
    }

    proptest! {
        /// Nobody gets what another has, and when all is back all is free.
        #[test]
        fn slots_belong_to_one(steps in prop::collection::vec((1..6_usize, any::<prop::sample::Index>(), any::<bool>()), 1..400)) {
            let mut slots = Slots::new(16);
            let mut used: Vec<(usize, usize)> = Vec::new();
            for (length, which, take) in steps {
                if take {
                    let fits = slots.fits(length);
                    let taken = slots.take(length);
                    prop_assert_eq!(taken.is_some(), fits);
                    if let Some(first) = taken {
                        prop_assert!(first + length <= 16);
                        prop_assert!(used.iter().all(|(other, long)| first + length <= *other || other + long <= first));
                        used.push((first, length));
                    }
                } else if !used.is_empty() {
                    let (first, _) = used.swap_remove(which.index(used.len()));
                    prop_assert!(slots.give(first));
                }
            }
            for (first, _) in used {
                prop_assert!(slots.give(first));
            }
            prop_assert!(slots.fits(16));
        }
    }
}
