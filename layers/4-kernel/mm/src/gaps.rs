//! Free room between areas, in the window where mappings without a wish go, by size.

use rumpkin_collections::{OrderedMap, OutOfMemory};
use rumpuser::memory::ensure;

/// Free ranges of a window of addresses; the smallest that is large enough is found in O(log n).
pub struct Gaps {
    low: usize,
    high: usize,
    /// Length and start.
    by_size: OrderedMap<(usize, usize), ()>,
}

impl Gaps {
    /// All of the window is free.
    pub fn new(low: usize, high: usize) -> Result<Gaps, OutOfMemory> {
        let mut gaps = Gaps { low, high, by_size: OrderedMap::new() };
        ensure(gaps.growth())?;
        gaps.add(low, high);
        Ok(gaps)
    }

    /// A range between two areas became free; what lies outside the window does not matter.
    pub fn add(&mut self, start: usize, end: usize) {
        if let Some(gap) = self.clip(start, end) {
            #[expect(clippy::disallowed_methods, reason = "asked for, or less than the area takes that goes")]
            self.by_size.insert(gap, ());
        }
    }

    /// A range that was added is free no longer, or not as a whole.
    pub fn remove(&mut self, start: usize, end: usize) {
        if let Some(gap) = self.clip(start, end) {
            self.by_size.remove(gap);
        }
    }

    /// Where `length` bytes fit: at the upper end of the tightest gap.
    pub fn find(&self, length: usize) -> Option<usize> {
        let ((size, start), ()) = self.by_size.at_or_after((length, 0))?;
        start.checked_add(size.checked_sub(length)?)
    }

    /// Most bytes that one more gap takes.
    pub fn growth(&self) -> usize {
        self.by_size.growth()
    }

    fn clip(&self, start: usize, end: usize) -> Option<(usize, usize)> {
        let start = start.max(self.low);
        let length = end.min(self.high).checked_sub(start)?;
        (length > 0).then_some((length, start))
    }
}
