//! Small pieces of memory that were freed and are kept for the next who wants their size: taking one is a few instructions,
//! where the allocator behind needs a hundred.

use core::{alloc::Layout, ptr};

/// What the allocator behind hands out comes in units of this many bytes, a word of which is its own.
pub const UNIT: usize = 4 * size_of::<usize>();
/// What it keeps of each piece.
pub const OVERHEAD: usize = size_of::<usize>();

/// Sizes that are kept: one, two, … units.
const CLASSES: usize = 16;
/// Most bytes that are kept of each.
const MOST: usize = 4096;

/// A free piece: the next one of its size is in its first word.
struct Piece {
    next: *mut Piece,
}

struct Bin {
    first: *mut Piece,
    count: usize,
}

/// Free pieces by size.
pub struct Bins([Bin; CLASSES]);

// SAFETY: the pieces belong to the bins alone.
unsafe impl Send for Bins {}

/// Which size an allocation takes a piece of; `None` for those that are too large or aligned to more than a word.
pub fn class(layout: Layout) -> Option<usize> {
    let class = (layout.size() + OVERHEAD - 1) / UNIT;
    (class < CLASSES && layout.align() <= align_of::<Piece>()).then_some(class)
}

/// A piece of a class, as the allocator behind is asked for it.
pub fn piece(class: usize) -> Layout {
    // SAFETY: the alignment is a power of two, and the size far from the largest.
    unsafe { Layout::from_size_align_unchecked((class + 1) * UNIT - OVERHEAD, align_of::<Piece>()) }
}

impl Bins {
    /// Without any.
    pub const fn new() -> Bins {
        Bins([const { Bin { first: ptr::null_mut(), count: 0 } }; CLASSES])
    }

    /// Takes a piece, or null.
    pub fn take(&mut self, class: usize) -> *mut u8 {
        let bin = &mut self.0[class];
        let first = bin.first;
        // SAFETY: pieces in a bin are free, and so hold what `keep` wrote.
        if let Some(piece) = unsafe { first.as_ref() } {
            bin.first = piece.next;
            bin.count -= 1;
        }
        first.cast()
    }

    /// Keeps a piece, unless there are many of its size already.
    ///
    /// # Safety
    /// It is a piece of that class, and nobody uses it any more.
    pub unsafe fn keep(&mut self, class: usize, piece: *mut u8) -> bool {
        let bin = &mut self.0[class];
        if (bin.count + 1) * (class + 1) * UNIT > MOST {
            return false;
        }
        // SAFETY: the caller's promise; every piece has room for a word and is aligned to one.
        unsafe { piece.cast::<Piece>().write(Piece { next: bin.first }) };
        bin.first = piece.cast();
        bin.count += 1;
        true
    }

    /// Gives all pieces up, each with its class. True if there were any.
    pub fn empty(&mut self, mut release: impl FnMut(*mut u8, usize)) -> bool {
        let mut any = false;
        for class in 0..CLASSES {
            while let piece = self.take(class)
                && !piece.is_null()
            {
                release(piece, class);
                any = true;
            }
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::vec::Vec;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    #[test]
    fn class_is_the_smallest_that_holds_the_size() {
        for size in 1..2 * CLASSES * UNIT {
            match class(layout(size)) {
                Some(class) => {
                    assert!(piece(class).size() >= size);
                    assert!(class == 0 || piece(class - 1).size() < size);
                }
                None => assert!(size > piece(CLASSES - 1).size()),
            }
        }
        assert_eq!(class(Layout::from_size_align(8, 16).unwrap()), None);
    }

    #[test]
    fn pieces_come_back_last_in_first_out_until_a_bin_is_full() {
        let mut memory = [[0u64; 4]; 200];
        let mut pieces: Vec<*mut u8> = memory.iter_mut().map(|piece| piece.as_mut_ptr().cast()).collect();
        let mut bins = Bins::new();
        assert!(bins.take(0).is_null());
        // SAFETY: the pieces are ours and large enough.
        let kept = pieces.iter().take_while(|piece| unsafe { bins.keep(0, **piece) }).count();
        assert_eq!(kept, MOST / UNIT);
        pieces.truncate(kept);
        assert_eq!(Some(bins.take(0)), pieces.pop());
        let mut released = Vec::new();
        assert!(bins.empty(|piece, class| released.push((piece, class))));
        pieces.reverse();
        assert_eq!(released, pieces.into_iter().map(|piece| (piece, 0)).collect::<Vec<_>>());
        assert!(!bins.empty(|_, _| unreachable!()));
    }
}
