//! What a simulated machine refuses: the n-th request for memory, so that a test can try them all.

use rumpuser::memory::OutOfMemory;
use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
};

thread_local! {
    /// What the heap has promised the calling thread and not given yet, in bytes.
    static PROMISED: Cell<usize> = const { Cell::new(0) };
}

/// The heap promises the calling thread so much and no more.
pub(crate) fn promise(bytes: usize) {
    PROMISED.set(bytes);
}

/// For a test's allocator: the calling thread takes so many bytes of the heap. Whether it has been promised them.
pub fn spend(bytes: usize) -> bool {
    let left = PROMISED.get().checked_sub(bytes);
    left.inspect(|left| PROMISED.set(*left)).is_some()
}

/// Requests for memory of one machine: for the heap, for frames, for page tables, for threads. Counted from 1.
#[derive(Debug, Default)]
pub struct Requests {
    made: AtomicU64,
    refused: AtomicU64,
    first: AtomicU64,
    last: AtomicU64,
}

impl Requests {
    /// Refuses those from the first to the last number, both included; 0 for none.
    pub fn refusing(first: u64, last: u64) -> Self {
        Requests { first: first.into(), last: last.into(), ..Requests::default() }
    }

    /// From now on refuses the `number`-th request that is made, and no other; 0 for none.
    pub fn refuse(&self, number: u64) {
        let number = if number == 0 { 0 } else { self.made() + number };
        self.first.store(number, Ordering::Relaxed);
        self.last.store(number, Ordering::Relaxed);
    }

    /// How many there were.
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// How many were refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn make(&self) -> Result<(), OutOfMemory> {
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        if (self.first.load(Ordering::Relaxed)..=self.last.load(Ordering::Relaxed)).contains(&number) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(OutOfMemory);
        }
        Ok(())
    }
}
