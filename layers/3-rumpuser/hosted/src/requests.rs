//! What a simulated machine refuses: the n-th request for memory, so that a test can try them all.

use rumpuser::memory::OutOfMemory;
use std::sync::atomic::{AtomicU64, Ordering};

/// Requests for memory of one machine: for the heap, for frames, for page tables, for threads. Counted from 1.
#[derive(Debug)]
pub struct Requests {
    made: AtomicU64,
    refused: AtomicU64,
    refuse_first: u64,
    refuse_last: u64,
}

impl Default for Requests {
    fn default() -> Self {
        Requests::refusing(0, 0)
    }
}

impl Requests {
    /// Refuses those from the first to the last number, both included; 0 for none.
    pub fn refusing(first: u64, last: u64) -> Self {
        Requests { made: AtomicU64::new(0), refused: AtomicU64::new(0), refuse_first: first, refuse_last: last }
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
        if (self.refuse_first..=self.refuse_last).contains(&number) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(OutOfMemory);
        }
        Ok(())
    }
}
