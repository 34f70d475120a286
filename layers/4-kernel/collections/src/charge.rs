//! Memory that is kept on somebody's behalf: accounts with a limit, and charges that give themselves back.

use crate::Queue;
use alloc::sync::Arc;
use core::{
    any::Any,
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};
use rumpuser::memory::{OutOfMemory, PAGE_SIZE};

/// Bytes that an allocation takes with what the allocator adds: a share of a page, or whole pages.
pub const fn footprint(bytes: usize) -> usize {
    /// What the allocator keeps of each page that it divides.
    const HEADER: usize = 64;
    /// The smallest piece.
    const UNIT: usize = 16;
    if bytes == 0 {
        return 0;
    }
    match (PAGE_SIZE - HEADER).checked_div(if bytes < UNIT { UNIT } else { bytes }) {
        None | Some(0 | 1) => bytes.div_ceil(PAGE_SIZE).saturating_mul(PAGE_SIZE),
        Some(share) => PAGE_SIZE.div_ceil(share),
    }
}

/// What many owners may take together.
pub struct Account {
    limit: usize,
    used: AtomicUsize,
}

impl Account {
    /// An account of which nothing is taken.
    pub const fn new(limit: usize) -> Account {
        Account { limit, used: AtomicUsize::new(0) }
    }

    /// Bytes that may be taken in all.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes that are taken.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// What one owner has taken from an account. It goes back when this is dropped.
pub struct Charge {
    account: Arc<Account>,
    bytes: usize,
}

impl Charge {
    /// Nothing yet.
    pub fn new(account: &Arc<Account>) -> Charge {
        Charge { account: account.clone(), bytes: 0 }
    }

    /// Bytes that it has taken.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes more; refuses what would exceed the account's limit.
    pub fn add(&mut self, bytes: usize) -> Result<(), OutOfMemory> {
        let Account { limit, used } = &*self.account;
        let take = |used: usize| used.checked_add(bytes).filter(|used| used <= limit);
        used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map_err(|_| OutOfMemory)?;
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// Gives some back.
    pub fn remove(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.account.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.remove(self.bytes);
    }
}

impl fmt::Debug for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.bytes, self.account.limit)
    }
}

/// What has memory of its own besides what is seen of its size.
pub trait Weigh {
    /// Bytes that it has allocated.
    fn weight(&self) -> usize;
}

/// A queue whose content is charged to an account, with what the allocator adds. A value must not change its weight in it.
pub struct ChargedQueue<T> {
    queue: Queue<T>,
    charge: Charge,
}

impl<T: Weigh + Any + Send + Sync> ChargedQueue<T> {
    /// Nothing.
    pub fn new(account: &Arc<Account>) -> Self {
        ChargedQueue { queue: Queue::new(), charge: Charge::new(account) }
    }

    /// What a value of this weight is charged.
    pub const fn cost(weight: usize) -> usize {
        footprint(weight).saturating_add(size_of::<T>())
    }

    /// Appends a value; it is dropped if the account has no more, or memory has run out.
    pub fn try_push(&mut self, value: T) -> Result<(), OutOfMemory> {
        let cost = Self::cost(value.weight());
        self.charge.add(cost)?;
        self.queue.try_push(value).inspect_err(|_| self.charge.remove(cost))
    }

    /// Takes the oldest value.
    pub fn pop(&mut self) -> Option<T> {
        let value = self.queue.pop()?;
        self.charge.remove(Self::cost(value.weight()));
        Some(value)
    }

    /// The oldest value.
    pub fn front(&self) -> Option<&T> {
        self.queue.front()
    }

    /// The values from the oldest on.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.queue.iter()
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes that they are charged.
    pub fn charged(&self) -> usize {
        self.charge.bytes()
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.charge.remove(self.charge.bytes());
    }
}
