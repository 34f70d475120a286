//! How much there may be: of one tmpfs, and of all of them.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};
use rumpkin_abi::Errno;
use rumpuser::memory::Frame;

/// How many frames files may take, and how many inodes there may be.
pub struct Limit {
    total: AtomicUsize,
    used: AtomicUsize,
    inodes: AtomicUsize,
    /// A limit on several, of which this is one.
    all: Option<Arc<Limit>>,
}

/// Counts one more, if there are fewer than there may be. `ENOSPC` if not.
fn count(used: &AtomicUsize, total: &AtomicUsize) -> Result<(), Errno> {
    let total = total.load(Ordering::Relaxed);
    let more = |used: usize| (used < total).then(|| used.saturating_add(1));
    used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).map(drop).map_err(|_| Errno::ENOSPC)
}

impl Limit {
    /// At most `total` frames, and as many inodes; both count against `all`, too.
    pub fn new(total: usize, all: Option<Arc<Limit>>) -> Limit {
        Limit { total: AtomicUsize::new(total), used: AtomicUsize::new(0), inodes: AtomicUsize::new(0), all }
    }

    /// Counts one more inode. `ENOSPC` if there are too many.
    pub fn take_inode(&self) -> Result<(), Errno> {
        count(&self.inodes, &self.total)?;
        self.all.as_ref().map_or(Ok(()), |all| all.take_inode()).inspect_err(|_| {
            self.inodes.fetch_sub(1, Ordering::Relaxed);
        })
    }

    /// Counts one inode less.
    pub fn give_inode_back(&self) {
        self.inodes.fetch_sub(1, Ordering::Relaxed);
        if let Some(all) = &self.all {
            all.give_inode_back();
        }
    }

    /// Inodes in use.
    pub fn inodes(&self) -> usize {
        self.inodes.load(Ordering::Relaxed)
    }

    /// Frames in all.
    pub fn total(&self) -> usize {
        let total = self.total.load(Ordering::Relaxed);
        self.all.as_ref().map_or(total, |all| total.min(all.total()))
    }

    /// Frames that can still be had.
    pub fn free(&self) -> usize {
        let free = self.total.load(Ordering::Relaxed).saturating_sub(self.used.load(Ordering::Relaxed));
        self.all.as_ref().map_or(free, |all| free.min(all.free()))
    }

    /// Changes how many frames there may be. `EINVAL` if more are in use.
    pub fn set_total(&self, total: usize) -> Result<(), Errno> {
        if self.used.load(Ordering::Relaxed) > total || self.inodes() > total {
            return Err(Errno::EINVAL);
        }
        self.total.store(total, Ordering::Relaxed);
        Ok(())
    }

    fn take_place(&self) -> Result<(), Errno> {
        count(&self.used, &self.total)?;
        self.all.as_ref().map_or(Ok(()), |all| all.take_place()).inspect_err(|_| {
            self.used.fetch_sub(1, Ordering::Relaxed);
        })
    }

    /// A frame of zeroes. `ENOSPC` if there are enough.
    pub fn take(&self) -> Result<Frame, Errno> {
        self.take_place()?;
        Frame::allocate().ok_or_else(|| {
            self.give_back(1);
            Errno::ENOSPC
        })
    }

    /// Counts so many frames less.
    pub fn give_back(&self, count: usize) {
        self.used.fetch_sub(count, Ordering::Relaxed);
        if let Some(all) = &self.all {
            all.give_back(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumpuser_hosted as _;

    #[test]
    fn one_of_several_is_limited_by_itself_and_by_all() {
        let all = Arc::new(Limit::new(5, None));
        let (one, other) = (Limit::new(3, Some(all.clone())), Limit::new(4, Some(all.clone())));
        for _ in 0..3 {
            one.take().unwrap();
        }
        assert_eq!((one.take().err(), one.free(), other.free()), (Some(Errno::ENOSPC), 0, 2));
        other.take().unwrap();
        other.take().unwrap();
        assert_eq!(other.take().err(), Some(Errno::ENOSPC));
        one.give_back(1);
        assert!(other.take().is_ok() && one.take().is_err());
        assert_eq!((one.set_total(1), one.set_total(2)), (Err(Errno::EINVAL), Ok(())));
        one.take_inode().unwrap();
        assert_eq!((one.inodes(), all.inodes()), (1, 1));
        one.give_inode_back();
        assert_eq!(all.inodes(), 0);
    }
}
