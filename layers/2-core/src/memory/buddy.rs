//! A binary buddy allocator of page frames whose bookkeeping is four bytes per frame and the free frames themselves.
//!
//! Each frame has a state word: how many owners it has, or, at the head of a free block, the block's order. A free block's
//! first 8 bytes hold its neighbours in the list of free blocks of that order.

use crate::x86::layout::PAGE_SIZE;
use core::sync::atomic::{AtomicU32, Ordering};

const ORDERS: usize = 20;
/// Marks a free block's head; the order is in the low bits.
const FREE: u32 = 1 << 31;
/// So many owners that the frame is never freed.
const PERMANENT: u32 = FREE - 1;
const NONE: u32 = u32::MAX;

/// The state words; shared, so that owners can be counted without the allocator's lock.
pub(crate) struct States(&'static [AtomicU32]);

impl States {
    /// One zeroed word for each frame.
    pub(crate) const fn new(words: &'static [AtomicU32]) -> Self {
        States(words)
    }

    fn word(&self, frame: u64) -> Option<&AtomicU32> {
        self.0.get(usize::try_from(frame).ok()?)
    }

    /// One more owner. A frame that is not counted, or permanent, stays as it is.
    pub(crate) fn retain(&self, frame: u64) {
        if let Some(word) = self.word(frame)
            && let 1..PERMANENT = word.load(Ordering::Relaxed)
        {
            word.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One owner less; true if that was the last, in which case the caller frees the frame.
    pub(crate) fn release(&self, frame: u64) -> bool {
        match self.word(frame) {
            Some(word) => match word.load(Ordering::Relaxed) {
                1..PERMANENT => word.fetch_sub(1, Ordering::AcqRel) == 1,
                _ => false,
            },
            None => false,
        }
    }

    /// Whether there is exactly one owner.
    pub(crate) fn is_unique(&self, frame: u64) -> bool {
        self.word(frame).is_some_and(|word| word.load(Ordering::Acquire) == 1)
    }

    /// Gives an allocated frame its first owner.
    pub(crate) fn own(&self, frame: u64) {
        if let Some(word) = self.word(frame) {
            word.store(1, Ordering::Relaxed);
        }
    }

    /// Makes a frame that is not in the allocator one that is never freed; false if there is no such frame.
    pub(crate) fn make_permanent(&self, frame: u64) -> bool {
        self.word(frame).map(|word| word.store(PERMANENT, Ordering::Relaxed)).is_some()
    }

    /// Whether the frame is one that is never freed.
    pub(crate) fn is_permanent(&self, frame: u64) -> bool {
        self.word(frame).is_some_and(|word| word.load(Ordering::Relaxed) == PERMANENT)
    }
}

/// The allocator.
pub(crate) struct Buddy {
    /// Where frame 0 is mapped.
    base: usize,
    states: &'static States,
    heads: [u32; ORDERS],
    free: usize,
    total: usize,
}

impl Buddy {
    /// An empty allocator.
    ///
    /// # Safety
    /// Every frame later given by [`Buddy::add`] is mapped writable at `base + frame * PAGE_SIZE`.
    pub(crate) const unsafe fn new(base: usize, states: &'static States) -> Self {
        Buddy { base, states, heads: [NONE; ORDERS], free: 0, total: 0 }
    }

    /// Free frames.
    pub(crate) fn free_frames(&self) -> usize {
        self.free
    }

    /// Frames ever added.
    pub(crate) fn total_frames(&self) -> usize {
        self.total
    }

    /// Adds frames that belong to nobody.
    pub(crate) fn add(&mut self, frame: u64, count: usize) {
        self.total += count;
        self.release(frame, count);
    }

    /// A run of `count` frames, aligned to the next power of two; its content is arbitrary.
    pub(crate) fn allocate(&mut self, count: usize) -> Option<u64> {
        let order = count.max(1).checked_next_power_of_two()?.trailing_zeros() as usize;
        let found = (order..ORDERS).find(|&order| self.heads[order] != NONE)?;
        let head = self.heads[found];
        self.unlink(head, found);
        // Give back what lies behind the run: halves first, then the tail of the run's own block.
        let block = 1usize << found;
        self.free -= block;
        let frame = u64::from(head);
        if count < block {
            self.release(frame + count.max(1) as u64, block - count.max(1));
        }
        Some(frame)
    }

    /// Takes just these frames, if all of them are free.
    pub(crate) fn claim(&mut self, frame: u64, count: usize) -> bool {
        let (mut at, end) = (frame, frame + count as u64);
        while at < end {
            let Some((head, order)) = self.free_block_of(at) else {
                self.release(frame, (at - frame) as usize);
                return false;
            };
            self.unlink(head, order);
            self.free -= 1 << order;
            let (start, behind) = (u64::from(head), u64::from(head) + (1 << order));
            self.release(start, (at - start) as usize);
            let stop = end.min(behind);
            self.release(stop, (behind - stop) as usize);
            at = stop;
        }
        true
    }

    /// The head and the order of the free block that a frame is in.
    fn free_block_of(&self, frame: u64) -> Option<(u32, usize)> {
        let frame = u32::try_from(frame).ok()?;
        let mut blocks = (0..ORDERS).map(|order| (frame >> order << order, order));
        blocks.find(|&(head, order)| self.get(head) == FREE | order as u32)
    }

    /// Takes back a run of frames.
    pub(crate) fn release(&mut self, frame: u64, count: usize) {
        let (mut at, end) = (frame, frame + count as u64);
        while at < end {
            let alignment = (at.trailing_zeros() as usize).min(ORDERS - 1);
            let order = alignment.min((end - at).ilog2() as usize);
            self.release_block(at as u32, order);
            at += 1 << order;
        }
    }

    fn release_block(&mut self, mut frame: u32, mut order: usize) {
        self.free += 1 << order;
        self.set(frame, 0);
        while order + 1 < ORDERS {
            let buddy = frame ^ (1 << order);
            if self.get(buddy) != FREE | order as u32 {
                break;
            }
            self.unlink(buddy, order);
            frame &= buddy;
            order += 1;
        }
        self.link(frame, order);
    }

    fn get(&self, frame: u32) -> u32 {
        self.states.word(u64::from(frame)).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    fn set(&self, frame: u32, state: u32) {
        if let Some(word) = self.states.word(u64::from(frame)) {
            word.store(state, Ordering::Relaxed);
        }
    }

    fn neighbours(&self, frame: u32) -> *mut [u32; 2] {
        (self.base + frame as usize * PAGE_SIZE) as *mut [u32; 2]
    }

    fn link(&mut self, frame: u32, order: usize) {
        let next = self.heads[order];
        // SAFETY: both are heads of free blocks, so their memory is mapped (`new`) and nobody else's.
        unsafe {
            *self.neighbours(frame) = [NONE, next];
            if next != NONE {
                (*self.neighbours(next))[0] = frame;
            }
        }
        self.heads[order] = frame;
        self.set(frame, FREE | order as u32);
    }

    fn unlink(&mut self, frame: u32, order: usize) {
        // SAFETY: the frame and its neighbours are heads of free blocks, as in `link`.
        unsafe {
            let [previous, next] = *self.neighbours(frame);
            match previous {
                NONE => self.heads[order] = next,
                previous => (*self.neighbours(previous))[1] = next,
            }
            if next != NONE {
                (*self.neighbours(next))[0] = previous;
            }
        }
        self.set(frame, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{boxed::Box, vec, vec::Vec};
    use proptest::prelude::*;

    fn machine(frames: usize) -> Buddy {
        let memory = vec![0u64; frames * PAGE_SIZE / 8].leak();
        let words: &'static [AtomicU32] = (0..frames).map(|_| AtomicU32::new(0)).collect::<Vec<_>>().leak();
        let states = Box::leak(Box::new(States::new(words)));
        // SAFETY: the leaked memory holds all frames.
        unsafe { Buddy::new(memory.as_ptr() as usize, states) }
    }

    #[test]
    fn all_frames_can_be_had_and_given_back() {
        let mut buddy = machine(100);
        buddy.add(3, 90);
        let mut frames: Vec<u64> = core::iter::from_fn(|| buddy.allocate(1)).collect();
        frames.sort();
        assert_eq!(frames, (3..93).collect::<Vec<_>>());
        assert_eq!(buddy.free_frames(), 0);
        for frame in frames {
            buddy.release(frame, 1);
        }
        assert_eq!(buddy.free_frames(), 90);
        assert_eq!(buddy.allocate(32), Some(32));
    }

    #[test]
    fn a_run_takes_no_more_than_it_needs() {
        let mut buddy = machine(64);
        buddy.add(0, 64);
        let run = buddy.allocate(33).unwrap();
        assert_eq!(buddy.free_frames(), 31);
        assert_eq!(buddy.allocate(32), None);
        buddy.release(run, 33);
        assert_eq!(buddy.allocate(64), Some(0));
    }

    #[test]
    fn a_run_grows_into_free_frames_alone() {
        let mut buddy = machine(64);
        buddy.add(0, 64);
        let run = buddy.allocate(5).unwrap();
        assert!(buddy.claim(run + 5, 20));
        assert_eq!(buddy.free_frames(), 39);
        let other = buddy.allocate(1).unwrap();
        assert!(!buddy.claim(run + 25, (other - run) as usize - 25 + 1));
        assert!(!buddy.claim(run + 25, 40), "not beyond the last frame");
        assert_eq!(buddy.free_frames(), 38);
        buddy.release(run, 25);
        buddy.release(other, 1);
        assert_eq!(buddy.allocate(64), Some(0));
    }

    #[test]
    fn owners_are_counted_and_permanent_frames_stay() {
        let buddy = machine(4);
        let states = buddy.states;
        states.own(1);
        states.retain(1);
        assert!(!states.is_unique(1));
        assert!(!states.release(1));
        assert!(states.is_unique(1));
        assert!(states.release(1));
        assert!(states.make_permanent(2));
        states.retain(2);
        assert!(!states.release(2) && !states.release(2));
        assert!(!states.make_permanent(4));
        assert!(!states.release(99));
    }

    proptest! {
        #[test]
        fn runs_never_overlap_and_nothing_is_lost(counts in proptest::collection::vec((1usize..20, any::<bool>()), 1..200)) {
            let mut buddy = machine(512);
            buddy.add(5, 500);
            let mut held: Vec<(u64, usize)> = Vec::new();
            for (count, give_back) in counts {
                if give_back && !held.is_empty() {
                    let (frame, count) = held.swap_remove(count % held.len());
                    buddy.release(frame, count);
                } else if let Some(frame) = buddy.allocate(count) {
                    held.push((frame, count));
                }
                if let Some((frame, length)) = held.last_mut()
                    && buddy.claim(*frame + *length as u64, count)
                {
                    *length += count;
                }
                for (number, &(frame, length)) in held.iter().enumerate() {
                    let end = frame + length as u64;
                    prop_assert!(frame >= 5 && end <= 505);
                    prop_assert!(held[..number].iter().all(|&(other, length)| end <= other || other + length as u64 <= frame));
                }
                let taken: usize = held.iter().map(|run| run.1).sum();
                prop_assert_eq!(buddy.free_frames() + taken, 500);
            }
        }
    }
}
