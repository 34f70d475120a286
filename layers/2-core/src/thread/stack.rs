//! Kernel stacks: mapped in a window of their own, each above an unmapped gap that turns an overflow into a clear end.

use crate::{
    boot::PhysicalRange,
    layout::{PAGE_SIZE, STACKS, STACKS_SIZE},
    memory::{OutOfMemory, frames, kernel},
};
use alloc::vec::Vec;
use spin::Mutex;

/// Bytes of a stack.
const SIZE: usize = 8 * PAGE_SIZE;
/// Bytes of address space that a stack takes: itself and the gap below it.
const SLOT: usize = 2 * SIZE;
/// Stacks that are kept mapped for the next threads.
const KEPT: usize = 16;

static POOL: Mutex<Pool> = Mutex::new(Pool { mapped: Vec::new(), unmapped: Vec::new(), next: STACKS });

struct Pool {
    mapped: Vec<usize>,
    unmapped: Vec<usize>,
    next: usize,
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
        if let Some(slot) = pool.mapped.pop() {
            return Ok(Stack { slot });
        }
        let slot = match pool.unmapped.pop() {
            Some(slot) => slot,
            None if pool.next + SLOT > STACKS + STACKS_SIZE => return Err(OutOfMemory),
            None => {
                pool.next += SLOT;
                pool.next - SLOT
            }
        };
        drop(pool);
        for page in pages(slot) {
            let mapped = frames::allocate_user().ok_or(OutOfMemory).and_then(|frame| {
                let range = PhysicalRange { start: frame * PAGE_SIZE as u64, length: PAGE_SIZE as u64 };
                kernel::map(page, range, kernel::WRITABLE).inspect_err(|_| frames::release(frame))
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
        self.slot + SLOT
    }
}

fn pages(slot: usize) -> impl Iterator<Item = usize> {
    (slot + SLOT - SIZE..slot + SLOT).step_by(PAGE_SIZE)
}

fn unmap(slot: usize) {
    pages(slot).filter_map(kernel::unmap).for_each(frames::release);
    POOL.lock().unmapped.push(slot);
}

impl Drop for Stack {
    fn drop(&mut self) {
        let mut pool = POOL.lock();
        if pool.mapped.len() < KEPT {
            pool.mapped.push(self.slot);
        } else {
            drop(pool);
            unmap(self.slot);
        }
    }
}

/// If the address is in the gap below some thread's stack: where that stack begins.
pub(crate) fn above_guard(address: usize) -> Option<usize> {
    if !(STACKS..STACKS + STACKS_SIZE).contains(&address) {
        return None;
    }
    let offset = (address - STACKS) % SLOT;
    (offset < SLOT - SIZE).then(|| address - offset + SLOT - SIZE)
}
