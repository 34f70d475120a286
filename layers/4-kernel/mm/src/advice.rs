//! madvise, mincore, mlock and msync: what can be said and asked of ranges that are mapped.

use crate::{FaultError, Mm, areas::Backing, mapping::range_end};
use rumpkin_abi::Errno;
use rumpuser::memory::PAGE_SIZE;

impl Mm {
    /// Drops the content of a range (`MADV_DONTNEED`): private memory is zero again, objects are read anew. `ENOMEM` if part of
    /// the range is not mapped; the rest is done all the same.
    pub fn discard(&self, address: usize, length: usize) -> Result<(), Errno> {
        let end = range_end(address, length).ok_or(Errno::EINVAL)?;
        let state = self.state.lock();
        for (from, to, _) in state.areas.within(address, end) {
            self.space.unmap(from, to.saturating_sub(from));
        }
        if state.areas.covers(address, end) { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// The program will not read what is in a range before it writes it anew (`MADV_FREE`). `EINVAL` unless all of it is
    /// private memory.
    pub fn free(&self, address: usize, length: usize) -> Result<(), Errno> {
        let end = range_end(address, length).ok_or(Errno::EINVAL)?;
        let state = self.state.lock();
        if state.areas.within(address, end).any(|(_, _, area)| !matches!(area.backing, Backing::Anonymous)) {
            return Err(Errno::EINVAL);
        }
        drop(state);
        // Memory is scarce and there is no reclaim, so it is taken back at once, which is allowed.
        self.discard(address, length)
    }

    /// Makes a range present now, as far as there is memory (`MAP_POPULATE`, `MADV_WILLNEED`). `ENOMEM` for holes.
    pub fn prefault(&self, address: usize, length: usize) -> Result<(), Errno> {
        let end = range_end(address, length).ok_or(Errno::EINVAL)?;
        match self.populate(address, end) {
            Err(FaultError::OutOfMemory) => Err(Errno::EAGAIN),
            Err(FaultError::NoMapping | FaultError::Protection) => Err(Errno::ENOMEM),
            Err(FaultError::BeyondEnd) => Err(Errno::EFAULT),
            Ok(()) if self.is_mapped(address, length) => Ok(()),
            Ok(()) => Err(Errno::ENOMEM),
        }
    }

    /// Whether a range is mapped without a hole.
    pub fn is_mapped(&self, address: usize, length: usize) -> bool {
        range_end(address, length).is_some_and(|end| self.state.lock().areas.covers(address, end))
    }

    /// Which of the pages from `address` on are present: one byte each, 1 or 0 (mincore(2)).
    pub fn presence(&self, address: usize, pages: &mut [u8]) {
        let _state = self.state.lock();
        for (index, byte) in pages.iter_mut().enumerate() {
            let at = address.saturating_add(index.saturating_mul(PAGE_SIZE));
            *byte = u8::from(self.space.query(at).is_some());
        }
    }
}
