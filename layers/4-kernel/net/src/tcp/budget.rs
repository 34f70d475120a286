//! How much memory connections may take for their buffers.

/// Smallest and largest buffer that is chosen for a connection.
const SMALLEST: usize = 8 * 1024;
const LARGEST: usize = 256 * 1024;
/// Largest that a program may ask for.
const LARGEST_REQUEST: usize = 4 * 1024 * 1024;

/// Buffer memory, handed out so that the first connections get plenty and a thousand still fit.
pub struct Budget {
    /// Up to here buffers are generous.
    comfortable: usize,
    /// More than this is never taken.
    limit: usize,
    used: usize,
}

impl Budget {
    /// For a machine with this many bytes of memory.
    pub fn new(memory: usize) -> Self {
        Budget { comfortable: memory / 6, limit: memory / 2, used: 0 }
    }

    /// The size of one buffer: what was asked for, or a share of what is left, in a power of two. `free`: bytes of memory
    /// that nobody uses.
    pub fn choose(&self, requested: Option<usize>, free: usize) -> usize {
        match requested {
            Some(size) => size.clamp(SMALLEST / 2, LARGEST_REQUEST.min(free / 4).max(SMALLEST)),
            None => {
                let share = self.comfortable.saturating_sub(self.used).min(free / 4) / 64;
                1usize.checked_shl(share.checked_ilog2().unwrap_or(0)).unwrap_or(SMALLEST).clamp(SMALLEST, LARGEST)
            }
        }
    }

    /// Takes memory; false if there is not enough.
    pub fn take(&mut self, size: usize) -> bool {
        let used = self.used.saturating_add(size);
        let fits = used <= self.limit;
        if fits {
            self.used = used;
        }
        fits
    }

    /// Gives memory back.
    pub fn give(&mut self, size: usize) {
        self.used = self.used.saturating_sub(size);
    }

    /// Bytes that are taken.
    pub fn used(&self) -> usize {
        self.used
    }

    /// How many connections may be in their handshake, so that a flood of SYNs leaves memory for the others.
    pub fn half_open_limit(&self) -> usize {
        (self.limit / 4 / (2 * SMALLEST)).clamp(16, 256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_connections_fit_in_64_mib() {
        let mut budget = Budget::new(64 << 20);
        assert_eq!(budget.choose(None, 50 << 20), 128 * 1024);
        for _ in 0..1000 {
            let size = budget.choose(None, 50 << 20);
            assert!(budget.take(2 * size));
        }
        assert!(budget.used < 28 << 20, "{}", budget.used);
    }

    #[test]
    fn there_is_a_limit() {
        let mut budget = Budget::new(16 << 20);
        let taken = (0..10_000).filter(|_| budget.take(2 * budget.choose(None, 50 << 20))).count();
        assert!((400..600).contains(&taken), "{taken}");
    }
}
