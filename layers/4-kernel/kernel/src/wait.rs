//! Waiting for readiness: queues that files announce changes on, and the one place where a system call sleeps.
//!
//! ```text
//!   driver, peer, timer ──notify(events)──▶ WaitQueue ──▶ Observer: a sleeping thread, an epoll entry
//! ```

use crate::thread::Thread;
use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicUsize, Ordering};
use rumpkin_abi::Errno;
use rumpuser::{clock, sync::Mutex};

bitflags::bitflags! {
    /// Readiness, with the values of `POLL*` and `EPOLL*` (poll(2)).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Events: u32 {
        /// There is something to read, or a connection to accept.
        const READ = 0x001;
        /// Urgent data.
        const PRIORITY = 0x002;
        /// There is room to write.
        const WRITE = 0x004;
        /// Something failed. Always reported.
        const ERROR = 0x008;
        /// Both directions are closed. Always reported.
        const HANG_UP = 0x010;
        /// The descriptor is not open (poll only).
        const INVALID = 0x020;
        /// As `READ` (`POLLRDNORM`).
        const READ_NORMAL = 0x040;
        /// As `WRITE` (`POLLWRNORM`).
        const WRITE_NORMAL = 0x100;
        /// The peer will send no more.
        const READ_HANG_UP = 0x2000;
    }
}

/// Is told of changes, without any lock of the queue's; perhaps once more after it has been removed. Must not block.
pub trait Observer: Send + Sync {
    /// Some of these became true, or may have.
    fn changed(&self, events: Events);
}

/// Whom to tell when a file's readiness changes.
#[derive(Default)]
pub struct WaitQueue {
    // Read without the lock, so that announcing to nobody costs one load.
    count: AtomicUsize,
    observers: Mutex<Vec<Entry>>,
}

struct Entry {
    interest: Events,
    observer: Arc<dyn Observer>,
}

impl WaitQueue {
    /// An empty queue.
    pub const fn new() -> Self {
        WaitQueue { count: AtomicUsize::new(0), observers: Mutex::new(Vec::new()) }
    }

    /// Adds an observer of these events; errors and hang-ups are always told.
    pub fn add(&self, interest: Events, observer: Arc<dyn Observer>) {
        let mut observers = self.observers.lock();
        observers.push(Entry { interest: interest | Events::ERROR | Events::HANG_UP, observer });
        self.count.store(observers.len(), Ordering::SeqCst);
    }

    /// Removes an observer that was added once.
    pub fn remove(&self, observer: &Arc<dyn Observer>) {
        let mut observers = self.observers.lock();
        if let Some(index) = observers.iter().position(|entry| same(&entry.observer, observer)) {
            observers.swap_remove(index);
        }
        self.count.store(observers.len(), Ordering::SeqCst);
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
        // Told without the lock: an observer may be the last owner of something that observes this queue.
        let (first, rest) = {
            let observers = self.observers.lock();
            let mut told = observers.iter().filter(|entry| entry.interest.intersects(events));
            let first = told.next().map(|entry| entry.observer.clone());
            (first, told.map(|entry| entry.observer.clone()).collect::<Vec<_>>())
        };
        for observer in first.into_iter().chain(rest) {
            observer.changed(events);
        }
    }
}

fn same(one: &Arc<dyn Observer>, other: &Arc<dyn Observer>) -> bool {
    core::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}

/// Tries `attempt` until it gives something, sleeping in between until a queue announces one of `events`.
///
/// `attempt` gives `Ok(None)` or `EAGAIN` for "not yet". At `deadline` (monotonic nanoseconds) the result is `ETIMEDOUT`;
/// when a signal is pending or the process exits, `ERESTARTSYS`.
pub fn block_on<T>(
    thread: &Thread,
    queues: &[(&WaitQueue, Events)],
    deadline: Option<u64>,
    attempt: impl FnMut() -> Result<Option<T>, Errno>,
) -> Result<T, Errno> {
    wait(|| thread.observer(), || thread.interrupted(), queues, deadline, attempt)
}

/// As [`block_on`], for a kernel thread that runs no program: nothing interrupts it.
pub fn block<T>(
    queues: &[(&WaitQueue, Events)],
    deadline: Option<u64>,
    attempt: impl FnMut() -> Result<Option<T>, Errno>,
) -> Result<T, Errno> {
    wait(|| Arc::new(Sleeper(rumpuser::thread::current())), || false, queues, deadline, attempt)
}

/// A kernel thread that waits.
struct Sleeper(rumpuser::thread::Thread);

impl Observer for Sleeper {
    fn changed(&self, _events: Events) {
        self.0.unpark();
    }
}

fn wait<T>(
    observer: impl FnOnce() -> Arc<dyn Observer>,
    interrupted: impl Fn() -> bool,
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
    let observer = observer();
    for (queue, events) in queues {
        queue.add(*events, observer.clone());
    }
    let result = loop {
        match attempt() {
            Ok(Some(value)) => break Ok(value),
            Ok(None) => {}
            Err(error) => break Err(error),
        }
        if interrupted() {
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

/// Sleeps until the deadline (monotonic nanoseconds). `ERESTARTSYS` if a signal comes first.
pub fn sleep_until(thread: &Thread, deadline: u64) -> Result<(), Errno> {
    match block_on::<()>(thread, &[], Some(deadline), || Ok(None)) {
        Err(Errno::ETIMEDOUT) => Ok(()),
        other => other,
    }
}
