//! The clocks that a program can name (clock_gettime(2)), and when to look whether one of them has come to a time.

use crate::process::{Process, Thread};
use alloc::sync::{Arc, Weak};
use rumpkin_abi::{Errno, linux::general};
use rumpuser::{clock, thread};

/// What a clock number stands for.
#[derive(Debug, Clone)]
pub enum Clock {
    /// Wall time.
    Realtime,
    /// Time since boot.
    Monotonic,
    /// The time that CPUs have spent on a process.
    Process(Weak<Process>),
    /// The time that CPUs have spent on a thread.
    Thread(Weak<Thread>),
}

impl Clock {
    /// The clock of a `CLOCK_*` number, to be read by a thread. `EINVAL` for one that there is not.
    pub fn of(number: i32, caller: &Arc<Thread>) -> Result<Clock, Errno> {
        match u32::try_from(number) {
            Ok(
                general::CLOCK_REALTIME
                | general::CLOCK_REALTIME_COARSE
                | general::CLOCK_REALTIME_ALARM
                | general::CLOCK_TAI,
            ) => Ok(Clock::Realtime),
            Ok(
                general::CLOCK_MONOTONIC
                | general::CLOCK_MONOTONIC_RAW
                | general::CLOCK_MONOTONIC_COARSE
                | general::CLOCK_BOOTTIME
                | general::CLOCK_BOOTTIME_ALARM,
            ) => Ok(Clock::Monotonic),
            Ok(general::CLOCK_PROCESS_CPUTIME_ID) => Ok(Clock::Process(Arc::downgrade(&caller.process))),
            Ok(general::CLOCK_THREAD_CPUTIME_ID) => Ok(Clock::Thread(Arc::downgrade(caller))),
            Ok(_) => Err(Errno::EINVAL),
            Err(_) => Clock::of_other(number, caller),
        }
    }

    /// As [`Clock::of`], for a clock that is to be waited for. `EOPNOTSUPP` for those that Linux only reads.
    pub fn to_wait_for(number: i32, caller: &Arc<Thread>) -> Result<Clock, Errno> {
        match u32::try_from(number) {
            Ok(general::CLOCK_REALTIME_COARSE | general::CLOCK_MONOTONIC_COARSE | general::CLOCK_MONOTONIC_RAW) => {
                Err(Errno::EOPNOTSUPP)
            }
            _ => Clock::of(number, caller),
        }
    }

    /// The CPU clock of a given process or thread (clock_getcpuclockid(3)): a negative number, made of the inverted number of
    /// that (0 for the caller's own), a bit for threads, and which part of the time is meant, which is all of it here.
    fn of_other(number: i32, caller: &Arc<Thread>) -> Result<Clock, Errno> {
        const OF_THREAD: i32 = 4;
        const PART: i32 = 3;
        /// Not a part of CPU time, but the clock of a device.
        const DEVICE: i32 = 3;
        if number & PART == DEVICE {
            return Err(Errno::EINVAL);
        }
        let (id, own) = (!(number >> 3) as u32, &caller.process);
        if number & OF_THREAD != 0 {
            let thread = if id == 0 { Some(caller.clone()) } else { own.thread(id) };
            return Ok(Clock::Thread(Arc::downgrade(&thread.ok_or(Errno::EINVAL)?)));
        }
        let process = if id == 0 { Some(own.clone()) } else { own.kernel.process(id) };
        Ok(Clock::Process(Arc::downgrade(&process.ok_or(Errno::EINVAL)?)))
    }

    /// Nanoseconds on the clock now; those of a process or thread that has ended have stopped at 0.
    pub fn now(&self) -> u64 {
        match self {
            Clock::Realtime => clock::realtime(),
            Clock::Monotonic => clock::monotonic(),
            Clock::Process(process) => process.upgrade().map_or(0, |process| process.cpu_time()),
            Clock::Thread(thread) => thread.upgrade().map_or(0, |thread| thread.cpu_time()),
        }
    }

    /// The time that deadlines on this clock are counted in, now: monotonic time, or the CPU time itself.
    pub fn counted(&self) -> u64 {
        match self {
            Clock::Realtime | Clock::Monotonic => clock::monotonic(),
            Clock::Process(_) | Clock::Thread(_) => self.now(),
        }
    }

    /// `time` on this clock as a deadline.
    pub fn deadline(&self, time: u64) -> u64 {
        match self {
            Clock::Realtime => clock::monotonic().saturating_add(time.saturating_sub(clock::realtime())),
            _ => time,
        }
    }

    /// When to look next whether a deadline has passed (monotonic). `None`: it never will.
    pub fn next_look(&self, deadline: u64, idle: &mut Idle) -> Option<u64> {
        let gone = match self {
            Clock::Realtime | Clock::Monotonic => return Some(deadline),
            Clock::Process(process) => process.strong_count() == 0,
            Clock::Thread(thread) => thread.strong_count() == 0,
        };
        (!gone).then(|| clock::monotonic().saturating_add(idle.pause(self.now(), deadline)))
    }
}

/// Keeps whoever waits for CPU time from looking often at a program that does nothing.
#[derive(Debug, Default)]
pub struct Idle {
    /// What the clock showed last.
    shown: u64,
    /// How long it was not looked at before that.
    pause: u64,
}

impl Idle {
    /// How long not to look at a clock that shows `now`: as long as the deadline cannot pass, and while the clock stands still
    /// ever longer, so that the deadline may be noticed that much too late.
    fn pause(&mut self, now: u64, deadline: u64) -> u64 {
        const SHORTEST: u64 = 1_000_000;
        const LONGEST: u64 = 64_000_000;
        let left = deadline.saturating_sub(now);
        if left == 0 {
            return 0;
        }
        let still = now == self.shown;
        self.pause = if still { self.pause.saturating_mul(2).clamp(SHORTEST, LONGEST) } else { SHORTEST };
        self.shown = now;
        left.div_ceil(thread::cpus().max(1) as u64).max(self.pause)
    }
}
