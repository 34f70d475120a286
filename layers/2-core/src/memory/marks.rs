//! How far free memory may be taken, and by whom (docs/memory.md).
//!
//! ```text
//!   free frames   0 ── emergency ─────────── reserve ── + emergency ─────────────▶
//!   users                                    └─ take what lies above
//!   stacks of threads                                    └─ take what lies above
//!   heap, asked       └─ takes its share of what lies above └─ takes what lies above, beyond its share
//!   heap, unasked └─ takes all
//! ```

/// The marks, in frames.
pub(crate) struct Marks {
    /// Users get none of these.
    pub reserve: usize,
    /// Nobody gets any of these by asking.
    emergency: usize,
    /// So many may be the heap's before it must keep away from the reserve, above which users' memory must go on.
    share: usize,
}

impl Marks {
    /// Without a limit.
    pub(crate) const fn none() -> Self {
        Marks { reserve: 0, emergency: 0, share: usize::MAX }
    }

    /// For a machine with so many frames. Until there is a program, the heap's share is everything.
    pub(crate) fn new(frames: usize) -> Self {
        // A sixteenth, but not less than 512 KiB nor more than 16 MiB.
        let reserve = (frames / 16).clamp(128, 4096);
        Marks { reserve, emergency: reserve / 4, share: usize::MAX }
    }

    /// There is a program now, and the heap has so many frames.
    pub(crate) fn share(&mut self, heap: usize) {
        self.share = self.share.min(heap + self.reserve - self.emergency);
    }

    /// What users are told that they cannot have of these, and so can go on without.
    pub(crate) fn asked(&self) -> usize {
        self.reserve + self.emergency
    }

    /// How many frames the heap may take for those who ask, if so many are free and so many are its own already.
    pub(crate) fn askable(&self, free: usize, heap: usize) -> usize {
        let of_share = free.saturating_sub(self.emergency).min(self.share.saturating_sub(heap));
        free.saturating_sub(self.asked()).max(of_share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heap_has_its_share_when_users_have_taken_all_they_can_get() {
        let mut marks = Marks::new(16 * 160);
        assert_eq!((marks.reserve, marks.emergency), (160, 40));
        assert_eq!(marks.askable(1000, 1000), 960, "everything at the start");
        marks.share(1000);
        assert_eq!(marks.askable(160, 1000), 120);
        assert_eq!(marks.askable(100, 1060), 60);
        assert_eq!(marks.askable(40, 1120), 0);
    }

    #[test]
    fn users_can_go_on_when_the_heap_has_taken_all_it_can_get() {
        let mut marks = Marks::new(16 * 160);
        marks.share(1000);
        assert_eq!(marks.askable(1000, 1120), 800);
        assert_eq!(marks.askable(200, 1920), 0);
        assert_eq!(marks.askable(0, 2120), 0);
    }
}
