//! Timers that do something at a deadline although no thread waits for it: timerfd, alarms, POSIX timers.
//!
//! One kernel thread, started with the first timer, sleeps until the earliest deadline. Arming and cancelling take
//! O(log n) of the number of armed timers.

use alloc::sync::Arc;
use rumpkin_abi::Errno;
use rumpkin_collections::OrderedMap;
use rumpuser::{clock, sync::Mutex, thread};

/// What happens at the deadline.
pub trait Timeout: Send + Sync {
    /// The deadline has passed; `now` is the monotonic time in nanoseconds. Runs on the timers' thread and must not wait
    /// for anything but locks; it may arm the timer again.
    fn expired(self: Arc<Self>, now: u64);
}

/// An armed timer: its deadline, and a number that tells it from others of the same deadline.
pub type Key = (u64, u64);

#[derive(Default)]
struct State {
    armed: OrderedMap<Key, Arc<dyn Timeout>>,
    serial: u64,
    worker: Option<thread::Thread>,
}

impl State {
    fn next_key(&mut self, deadline: u64) -> Key {
        self.serial = self.serial.wrapping_add(1);
        (deadline, self.serial)
    }

    /// Has the thread sleep no longer than until this timer, if it is the first.
    fn wake_for(&self, key: Key) {
        if self.armed.first().is_some_and(|(first, _)| first == key)
            && let Some(worker) = &self.worker
        {
            worker.unpark();
        }
    }
}

/// The timers of a kernel.
#[derive(Default)]
pub struct Timers(Arc<Mutex<State>>);

impl Timers {
    /// Has `timeout` called once at `deadline` (monotonic nanoseconds). `ENOMEM` if there is no memory for it, or for the thread
    /// of the timers.
    pub fn arm(&self, deadline: u64, timeout: Arc<dyn Timeout>) -> Result<Key, Errno> {
        let mut state = self.0.lock();
        if state.worker.is_none() {
            let shared = self.0.clone();
            state.worker = Some(thread::spawn("timers", move || run(&shared)).map_err(|_| Errno::ENOMEM)?);
        }
        let key = state.next_key(deadline);
        state.armed.try_insert(key, timeout)?;
        state.wake_for(key);
        Ok(key)
    }

    /// As [`Timers::arm`], for a timer that has just expired: it takes the place that it had, and so is never refused.
    #[expect(clippy::disallowed_methods, reason = "its expiry has given back what this takes")]
    pub fn arm_again(&self, deadline: u64, timeout: Arc<dyn Timeout>) -> Key {
        let mut state = self.0.lock();
        let key = state.next_key(deadline);
        state.armed.insert(key, timeout);
        state.wake_for(key);
        key
    }

    /// Forgets a timer. False if it was not armed: it may be expiring at this moment.
    pub fn cancel(&self, key: Key) -> bool {
        self.0.lock().armed.remove(key).is_some()
    }
}

/// The thread: it lives as long as the machine, as the kernel does.
fn run(state: &Mutex<State>) {
    /// The next one that is due, or the deadline of one that is not yet.
    fn take_due(state: &Mutex<State>, now: u64) -> Result<Arc<dyn Timeout>, Option<u64>> {
        let mut state = state.lock();
        let next = state.armed.first().map(|((deadline, _), _)| deadline);
        let due = next.filter(|deadline| *deadline <= now).and_then(|_| state.armed.pop_first());
        due.map(|(_, timeout)| timeout).ok_or(next)
    }

    loop {
        let now = clock::monotonic();
        let mut expired = false;
        let next = loop {
            match take_due(state, now) {
                Ok(timeout) => timeout.expired(now),
                Err(next) => break next,
            }
            expired = true;
        };
        if expired {
            // A timer of a few nanoseconds is due again already, and others want their turn.
            thread::yield_now();
        } else {
            thread::park(next);
        }
    }
}
