//! Waiting for readiness: queues that files announce changes on, and the one place where a system call sleeps.
//!
//! ```text
//!   driver, peer, timer ──notify(events)──▶ WaitQueue ──▶ Observer: a sleeping thread, an epoll entry
//! ```

pub use crate::events::Events;
use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicUsize, Ordering};
use rumpkin_abi::Errno;
use rumpkin_collections::{OutOfMemory, TryVec, try_arc};
use rumpuser::{clock, sync::Mutex};

/// Is told of changes, without any lock of the queue's; perhaps once more after it has been removed. Must not block.
pub trait Observer: Send + Sync {
    /// Some of these became true, or may have.
    fn changed(&self, events: Events);
}

/// Somebody who waits: a thread of a program, as a rule.
pub trait Waiter {
    /// What wakes it.
    fn observer(&self) -> Result<Arc<dyn Observer>, OutOfMemory>;

    /// Whether it must not wait on: a signal is pending, or the process is ending.
    fn interrupted(&self) -> bool;
}

impl<T: Waiter + ?Sized> Waiter for Arc<T> {
    fn observer(&self) -> Result<Arc<dyn Observer>, OutOfMemory> {
        (**self).observer()
    }

    fn interrupted(&self) -> bool {
        (**self).interrupted()
    }
}

/// Whom to tell when a file's readiness changes.
#[derive(Default)]
pub struct WaitQueue {
    // Read without the lock, so that announcing to nobody costs one load.
    count: AtomicUsize,
    observers: Mutex<Observers>,
}

#[derive(Default)]
struct Observers {
    /// By number.
    entries: Vec<Entry>,
    /// The first that has not been removed.
    first: usize,
    /// How many have not.
    count: usize,
    last: u64,
}

/// So many observers a queue that is used has room for.
const FEW: usize = 4;

struct Entry {
    /// Counts up, so that one who goes through them without the lock knows where it was.
    number: u64,
    interest: Events,
    /// None if it has been removed: others do not move for each that goes.
    observer: Option<Arc<dyn Observer>>,
}

impl Observers {
    /// Where an observer is. Looked for from both ends, since those that go are mostly the last that came, or the first.
    fn place(&self, observer: &Arc<dyn Observer>) -> Option<usize> {
        let is_at = |place: &usize| {
            let there = self.entries.get(*place).and_then(|entry| entry.observer.as_ref());
            there.is_some_and(|one| same(one, observer))
        };
        let mut places = self.first..self.entries.len();
        loop {
            let ends = [Some(places.next_back()?), places.next()];
            if let Some(place) = ends.into_iter().flatten().find(is_at) {
                return Some(place);
            }
        }
    }

    /// Lets go of the place of one that was removed, and of what it leaves at the ends; and of all such places once they are half.
    fn tidy(&mut self) {
        while self.entries.last().is_some_and(|entry| entry.observer.is_none()) {
            self.entries.pop();
        }
        while self.entries.get(self.first).is_some_and(|entry| entry.observer.is_none()) {
            self.first = self.first.saturating_add(1);
        }
        if self.entries.len() > self.count.saturating_mul(2).max(FEW) {
            self.entries.retain(|entry| entry.observer.is_some());
            self.first = 0;
        }
        // Room for a few stays for the next wait.
        if self.entries.is_empty() {
            self.first = 0;
            if self.entries.capacity() > FEW {
                self.entries = Vec::new();
            }
        }
    }
}

impl WaitQueue {
    /// An empty queue.
    pub const fn new() -> Self {
        WaitQueue {
            count: AtomicUsize::new(0),
            observers: Mutex::new(Observers { entries: Vec::new(), first: 0, count: 0, last: 0 }),
        }
    }

    /// Adds an observer of these events; errors and hang-ups are always told.
    pub fn add(&self, interest: Events, observer: Arc<dyn Observer>) -> Result<(), OutOfMemory> {
        let mut observers = self.observers.lock();
        let number = observers.last.wrapping_add(1);
        let interest = interest | Events::ERROR | Events::HANG_UP;
        observers.entries.try_push(Entry { number, interest, observer: Some(observer) })?;
        observers.last = number;
        observers.count = observers.count.saturating_add(1);
        self.count.store(observers.count, Ordering::SeqCst);
        Ok(())
    }

    /// Removes an observer that was added once.
    pub fn remove(&self, observer: &Arc<dyn Observer>) {
        let mut observers = self.observers.lock();
        let Some(entry) = observers.place(observer).and_then(|place| observers.entries.get_mut(place)) else { return };
        entry.observer = None;
        observers.count = observers.count.saturating_sub(1);
        observers.tidy();
        self.count.store(observers.count, Ordering::SeqCst);
    }

    /// Whether anybody would be told of a change.
    pub fn has_observers(&self) -> bool {
        self.count.load(Ordering::SeqCst) != 0
    }

    /// Announces a change to those who are interested.
    pub fn notify(&self, events: Events) {
        if !self.has_observers() {
            return;
        }
        // Told without the lock: an observer may be the last owner of something that observes this queue. Those that come
        // meanwhile look for themselves.
        let (mut told, mut last) = (0, None);
        while let Some((number, observer)) = self.next_interested(told, &mut last, events) {
            observer.changed(events);
            told = number;
            if last == Some(told) {
                break;
            }
        }
    }

    /// The first observer of these events behind the number `told`, up to `last`, which is set to the last one that there is.
    fn next_interested(&self, told: u64, last: &mut Option<u64>, events: Events) -> Option<(u64, Arc<dyn Observer>)> {
        let observers = self.observers.lock();
        let entries = &observers.entries;
        let last = *last.get_or_insert(entries.last()?.number);
        let behind = entries.get(entries.partition_point(|entry| entry.number <= told)..)?;
        let interested = |entry: &&Entry| entry.observer.is_some() && entry.interest.intersects(events);
        let next = behind.iter().find(interested).filter(|entry| entry.number <= last)?;
        Some((next.number, next.observer.clone()?))
    }
}

fn same(one: &Arc<dyn Observer>, other: &Arc<dyn Observer>) -> bool {
    core::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}

/// Tries `attempt` until it gives something, sleeping in between until a queue announces one of `events`.
///
/// `attempt` gives `Ok(None)` or `EAGAIN` for "not yet". At `deadline` (monotonic nanoseconds) the result is `ETIMEDOUT`;
/// when a signal is pending or the process exits, `ERESTARTSYS`; without memory to be told of changes, `ENOMEM`.
pub fn block_on<T>(
    waiter: &dyn Waiter,
    queues: &[(&WaitQueue, Events)],
    deadline: Option<u64>,
    mut attempt: impl FnMut() -> Result<Option<T>, Errno>,
) -> Result<T, Errno> {
    let mut attempt = || match attempt() {
        Err(Errno::EAGAIN) => Ok(None),
        other => other,
    };
    // The usual case: ready at once, and no queue touched.
    if let Some(value) = attempt()? {
        return Ok(value);
    }
    let observer = waiter.observer()?;
    let added = queues.iter().try_for_each(|(queue, events)| queue.add(*events, observer.clone()));
    let result = loop {
        if added.is_err() {
            break Err(Errno::ENOMEM);
        }
        match attempt() {
            Ok(Some(value)) => break Ok(value),
            Ok(None) => {}
            Err(error) => break Err(error),
        }
        if waiter.interrupted() {
            break Err(Errno::ERESTARTSYS);
        }
        if deadline.is_some_and(|deadline| clock::monotonic() >= deadline) {
            break Err(Errno::ETIMEDOUT);
        }
        rumpuser::thread::park(deadline);
    };
    for (queue, _) in queues {
        queue.remove(&observer);
    }
    result
}

/// As [`block_on`], for a kernel thread that runs no program: nothing interrupts it.
pub fn block<T>(
    queues: &[(&WaitQueue, Events)],
    deadline: Option<u64>,
    attempt: impl FnMut() -> Result<Option<T>, Errno>,
) -> Result<T, Errno> {
    block_on(&KernelThread, queues, deadline, attempt)
}

/// The calling kernel thread, which runs no program.
struct KernelThread;

impl Waiter for KernelThread {
    fn observer(&self) -> Result<Arc<dyn Observer>, OutOfMemory> {
        Ok(try_arc(Sleeper(rumpuser::thread::current()))?)
    }

    fn interrupted(&self) -> bool {
        false
    }
}

/// Wakes a kernel thread.
struct Sleeper(rumpuser::thread::Thread);

impl Observer for Sleeper {
    fn changed(&self, _events: Events) {
        self.0.unpark();
    }
}

/// Sleeps until the deadline (monotonic nanoseconds). `ERESTARTSYS` if a signal comes first.
pub fn sleep_until(waiter: &dyn Waiter, deadline: u64) -> Result<(), Errno> {
    match block_on::<()>(waiter, &[], Some(deadline), || Ok(None)) {
        Err(Errno::ETIMEDOUT) => Ok(()),
        other => other,
    }
}
