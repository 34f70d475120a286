//! Time-outs of the waiting calls, as monotonic deadlines.

use rumpkin_spine::{
    UserPointer,
    abi::{Errno, Timespec, Timeval},
};
use rumpuser::clock;

/// How long a call waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    None,
    /// Until this monotonic time (nanoseconds).
    Until(u64),
    /// For ever.
    Endless,
}

impl Patience {
    /// From milliseconds; negative is for ever (poll(2), epoll_wait(2)).
    pub fn from_milliseconds(timeout: i32) -> Patience {
        match u64::try_from(timeout) {
            Ok(milliseconds) => Patience::for_nanoseconds(milliseconds.saturating_mul(1_000_000)),
            Err(_) => Patience::Endless,
        }
    }

    /// From a `struct timespec` in user memory; a null pointer is for ever.
    pub fn from_timespec(timeout: Option<UserPointer<Timespec>>) -> Result<Patience, Errno> {
        match timeout {
            None => Ok(Patience::Endless),
            Some(timeout) => Ok(Patience::for_nanoseconds(timeout.read()?.to_nanoseconds()?)),
        }
    }

    /// From a `struct timeval` in user memory; a null pointer is for ever.
    pub fn from_timeval(timeout: Option<UserPointer<Timeval>>) -> Result<Patience, Errno> {
        match timeout {
            None => Ok(Patience::Endless),
            Some(timeout) => {
                let time = timeout.read()?;
                // select(2) takes a second's worth of microseconds or more, and carries.
                let seconds = time.seconds.checked_add(time.microseconds.checked_div(1_000_000).unwrap_or(0));
                let microseconds = time.microseconds.checked_rem(1_000_000).unwrap_or(0);
                let time = Timeval { seconds: seconds.ok_or(Errno::EINVAL)?, microseconds };
                Ok(Patience::for_nanoseconds(time.to_nanoseconds()?))
            }
        }
    }

    fn for_nanoseconds(nanoseconds: u64) -> Patience {
        match nanoseconds {
            0 => Patience::None,
            nanoseconds => Patience::Until(clock::monotonic().saturating_add(nanoseconds)),
        }
    }

    /// What [`rumpkin_spine::wait::block_on`] wants to know.
    pub fn deadline(self) -> Option<u64> {
        match self {
            Patience::None => Some(0),
            Patience::Until(deadline) => Some(deadline),
            Patience::Endless => None,
        }
    }

    /// Nanoseconds that are left; `None` for a wait without end.
    pub fn left(self) -> Option<u64> {
        match self {
            Patience::None => Some(0),
            Patience::Until(deadline) => Some(deadline.saturating_sub(clock::monotonic())),
            Patience::Endless => None,
        }
    }
}
