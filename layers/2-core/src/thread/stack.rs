//! Kernel stacks: mapped in a window of their own, each above an unmapped gap that turns an overflow into a clear end.

use crate::{
    boot::PhysicalRange,
    memory::{frames, heap::reserve, shortage::Keeper},
    x86::{
        layout::{PAGE_SIZE, STACK_SIZE, STACK_SLOT, STACKS_SIZE, stacks},
        page_tables,
    },
};
use alloc::vec::Vec;
use rumpkin_vocabulary::OutOfMemory;
use spin::Mutex;

/// Stacks that are kept mapped for the next threads.
const KEPT: usize = 16;

static POOL: Mutex<Pool> = Mutex::new(Pool { mapped: [0; KEPT], kept: 0, unmapped: Vec::new(), made: 0 });

struct Pool {
    /// The first `kept` are slots of mapped stacks.
    mapped: [usize; KEPT],
    kept: usize,
    /// Slots without a stack. It has room for all that were ever made.
    unmapped: Vec<usize>,
    made: usize,
}

impl Pool {
    fn take_mapped(&mut self) -> Option<usize> {
        self.kept = self.kept.checked_sub(1)?;
        Some(self.mapped[self.kept])
    }

    fn take_unmapped(&mut self) -> Result<usize, OutOfMemory> {
        if let Some(slot) = self.unmapped.pop() {
            return Ok(slot);
        }
        if (self.made + 1) * STACK_SLOT > STACKS_SIZE {
            return Err(OutOfMemory);
        }
        reserve(&mut self.unmapped, self.made + 1)?;
        self.made += 1;
        Ok(stacks() + (self.made - 1) * STACK_SLOT)
    }
}

/// A mapped stack. Dropping it gives it back; not while running on it.
#[derive(Debug)]
pub(super) struct Stack {
    slot: usize,
}

impl Stack {
    /// A stack with arbitrary content.
    pub(super) fn new() -> Result<Stack, OutOfMemory> {
        let mut pool = POOL.lock();
        if let Some(slot) = pool.take_mapped() {
            return Ok(Stack { slot });
        }
        let slot = pool.take_unmapped()?;
        drop(pool);
        for page in pages(slot) {
            let mapped = frames::allocate_stack().ok_or(OutOfMemory).and_then(|frame| {
                let range = PhysicalRange { start: frame * PAGE_SIZE as u64, length: PAGE_SIZE as u64 };
                page_tables::map(page, range, page_tables::WRITABLE).inspect_err(|_| frames::release(frame))
            });
            if mapped.is_err() {
                unmap(slot);
                return Err(OutOfMemory);
            }
        }
        Ok(Stack { slot })
    }

    /// The address just above it.
    pub(super) fn top(&self) -> usize {
        self.slot + STACK_SLOT
    }
}

fn pages(slot: usize) -> impl Iterator<Item = usize> {
    (slot + STACK_SLOT - STACK_SIZE..slot + STACK_SLOT).step_by(PAGE_SIZE)
}

fn unmap(slot: usize) {
    pages(slot).filter_map(page_tables::unmap).for_each(frames::release);
    // There is room for it.
    POOL.lock().unmapped.push(slot);
}

impl Drop for Stack {
    fn drop(&mut self) {
        let mut pool = POOL.lock();
        let kept = pool.kept;
        match pool.mapped.get_mut(kept) {
            Some(place) => {
                *place = self.slot;
                pool.kept += 1;
            }
            None => {
                drop(pool);
                unmap(self.slot);
            }
        }
    }
}

/// Stacks that are kept for the next threads.
pub(crate) const KEPT_STACKS: Keeper = Keeper { frames: kept_frames, give_back: unmap_kept };

fn kept_frames() -> usize {
    POOL.lock().kept * (STACK_SIZE / PAGE_SIZE)
}

fn unmap_kept() {
    // Whoever holds the lock is after memory for the pool itself.
    while let Some(slot) = POOL.try_lock().and_then(|mut pool| pool.take_mapped()) {
        unmap(slot);
    }
}
