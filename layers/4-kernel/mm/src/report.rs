//! What `/proc` tells of a process's memory.

use crate::{Mm, areas::Backing};
use alloc::vec::Vec;
use rumpkin_collections::{OutOfMemory, TryVec, try_to_vec};
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
    pub fn regions(&self) -> Result<Vec<Region>, OutOfMemory> {
        let state = self.state.lock();
        let mut regions = Vec::new();
        for (start, area) in state.areas.iter() {
            let (offset, name) = match &area.backing {
                Backing::Object { object, offset, .. } => (*offset, object.name()?),
                Backing::Anonymous if start < state.break_end && area.end > state.break_start => {
                    (0, try_to_vec(b"[heap]")?)
                }
                Backing::Anonymous => (0, Vec::new()),
            };
            let (end, protection, shared) = (area.end, area.protection, area.shared());
            regions.try_push(Region { start, end, protection, shared, offset, name })?;
        }
        Ok(regions)
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
