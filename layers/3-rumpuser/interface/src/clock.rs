//! Clocks, in nanoseconds.

use crate::hypercalls::*;

/// Nanoseconds since boot, that is since the machine's first instruction; never goes back.
pub fn monotonic() -> u64 {
    rumpuser_clock_monotonic()
}

/// Nanoseconds since 1970-01-01 UTC.
pub fn realtime() -> u64 {
    rumpuser_clock_realtime()
}
