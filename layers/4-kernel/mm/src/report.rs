//! What `/proc` tells of a process's memory.

use crate::{Mm, areas::Backing};
use alloc::vec::Vec;
use rumpuser::memory::{self, Protection};

/// One line of `/proc/self/maps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// First address.
    pub start: usize,
    /// First address behind.
    pub end: usize,
    /// What user code may do.
    pub protection: Protection,
    /// Stores are seen by others.
    pub shared: bool,
    /// The byte of the object at `start`; 0 for private memory.
    pub offset: u64,
    /// The object's name; `[heap]`; empty for other private memory.
    pub name: Vec<u8>,
}

impl Mm {
    /// Every mapping, by address.
    pub fn regions(&self) -> Vec<Region> {
        let state = self.state.lock();
        let regions = state.areas.iter().map(|(start, area)| {
            let (offset, name) = match &area.backing {
                Backing::Object { object, offset, .. } => (*offset, object.name()),
                Backing::Anonymous if start < state.break_end && area.end > state.break_start => {
                    (0, b"[heap]".to_vec())
                }
                Backing::Anonymous => (0, Vec::new()),
            };
            Region { start, end: area.end, protection: area.protection, shared: area.shared(), offset, name }
        });
        regions.collect()
    }

    /// Bytes of addresses that are mapped.
    pub fn virtual_size(&self) -> usize {
        let state = self.state.lock();
        state.areas.iter().fold(0, |sum, (start, area)| sum.saturating_add(area.end.saturating_sub(start)))
    }

    /// Frames that user memory has taken since the process began; those of files that it wrote in memory count too.
    pub fn resident_pages(&self) -> usize {
        self.free_at_start.saturating_sub(memory::free_frames())
    }
}
