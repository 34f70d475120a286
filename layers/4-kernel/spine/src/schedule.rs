//! When a timer of a program expires, once or again and again, on whatever clock it counts.

use crate::{
    clock::{Clock, Idle},
    timer::{Key, Timeout, Timers},
};
use alloc::sync::Arc;
use rumpkin_abi::Errno;

/// When a timer expires: at a deadline on a clock, and then again after each interval. The lock that it is behind is its owner's.
pub struct Schedule {
    clock: Clock,
    /// As the clock counts them; 0 when the timer is off.
    deadline: u64,
    /// Nanoseconds; 0 for a timer that expires once.
    interval: u64,
    key: Option<Key>,
    idle: Idle,
}

impl Schedule {
    /// A timer that is off.
    pub fn new(clock: Clock) -> Schedule {
        Schedule { clock, deadline: 0, interval: 0, key: None, idle: Idle::default() }
    }

    /// Nanoseconds until the timer expires, at least 1 (0: it is off), and its interval.
    pub fn remaining(&self) -> (u64, u64) {
        match self.deadline {
            0 => (0, self.interval),
            deadline => (deadline.saturating_sub(self.clock.counted()).max(1), self.interval),
        }
    }

    /// Switches the timer off.
    pub fn cancel(&mut self, timers: &Timers) {
        self.disarm(timers);
        self.deadline = 0;
        self.interval = 0;
    }

    /// Has `timeout` called when the clock shows `value` (`absolute`), or in `value` nanoseconds, and then each `interval`. It is
    /// called too early as well: [`Schedule::expire`] tells. Errors as [`Timers::arm`], and then the timer is off.
    pub fn set(
        &mut self,
        timers: &Timers,
        value: u64,
        absolute: bool,
        interval: u64,
        timeout: Arc<dyn Timeout>,
    ) -> Result<(), Errno> {
        self.cancel(timers);
        let deadline =
            if absolute { self.clock.deadline(value).max(1) } else { self.clock.counted().saturating_add(value) };
        self.idle = Idle::default();
        if let Some(at) = self.clock.next_look(deadline, &mut self.idle) {
            self.key = Some(timers.arm(at, timeout)?);
            self.deadline = deadline;
        }
        self.interval = interval;
        Ok(())
    }

    /// To be asked when `timeout` is called: how many expirations there were since the last one; 0 if it was not due, because it
    /// has been set anew, or CPU time has not gone on that far. Sees to the next one.
    pub fn expire(&mut self, timers: &Timers, timeout: Arc<dyn Timeout>) -> u64 {
        self.disarm(timers);
        let (deadline, now) = (self.deadline, self.clock.counted());
        let (next, count) = match deadline {
            0 => return 0,
            deadline if deadline > now => (deadline, 0),
            deadline => {
                let (next, missed) = next_deadline(deadline, self.interval, now);
                (next, missed.saturating_add(1))
            }
        };
        self.deadline = 0;
        if next != 0
            && let Some(at) = self.clock.next_look(next, &mut self.idle)
        {
            self.key = Some(timers.arm_again(at, timeout));
            self.deadline = next;
        }
        count
    }

    fn disarm(&mut self, timers: &Timers) {
        if let Some(key) = self.key.take() {
            timers.cancel(key);
        }
    }
}

/// The first deadline after `now` of a timer that was due at `deadline`, and how many were missed in between; 0 for none.
pub fn next_deadline(deadline: u64, interval: u64, now: u64) -> (u64, u64) {
    let Some(missed) = now.saturating_sub(deadline).checked_div(interval) else { return (0, 0) };
    (deadline.saturating_add(missed.saturating_add(1).saturating_mul(interval)), missed)
}
