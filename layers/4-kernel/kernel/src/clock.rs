//! The clocks that a program can name (clock_gettime(2)).

use crate::process::Process;
use rumpkin_abi::{Errno, linux::general};
use rumpuser::clock;

/// What a clock number stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Wall time.
    Realtime,
    /// Time since boot.
    Monotonic,
    /// Time since the process or thread began. How much of it the CPU spent on it is not counted: an upper bound.
    Cpu,
}

impl Clock {
    /// The clock of a `CLOCK_*` number. `EINVAL` for one that there is not.
    pub fn of(number: i32) -> Result<Clock, Errno> {
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
            Ok(general::CLOCK_PROCESS_CPUTIME_ID | general::CLOCK_THREAD_CPUTIME_ID) => Ok(Clock::Cpu),
            // Negative numbers are the CPU clocks of processes and threads (clock_getcpuclockid(3)).
            Err(_) => Ok(Clock::Cpu),
            Ok(_) => Err(Errno::EINVAL),
        }
    }

    /// Nanoseconds on the clock now, as a process sees it.
    pub fn now(self, process: &Process) -> u64 {
        match self {
            Clock::Realtime => clock::realtime(),
            Clock::Monotonic => clock::monotonic(),
            Clock::Cpu => clock::monotonic().saturating_sub(process.started_at),
        }
    }

    /// The monotonic time at which this clock shows `time`. `EOPNOTSUPP` for a CPU clock, which cannot be waited for.
    pub fn to_monotonic(self, time: u64) -> Result<u64, Errno> {
        match self {
            Clock::Monotonic => Ok(time),
            Clock::Realtime => Ok(clock::monotonic().saturating_add(time.saturating_sub(clock::realtime()))),
            Clock::Cpu => Err(Errno::EOPNOTSUPP),
        }
    }
}
