//! `rumpuser_clock_*`.

use crate::{
    header::{RUMPUSER_CLOCK_ABSMONO, RUMPUSER_CLOCK_RELWALL, RUMPUSER_EINVAL},
    upcalls,
};
use core::ffi::{c_int, c_long};
use rumpuser::{clock, thread};

const SECOND: u64 = 1_000_000_000;

/// A span as nanoseconds, cut to the longest that there is. `None` if it is not one.
pub fn nanoseconds(seconds: i64, nanoseconds: i64) -> Option<i64> {
    let fraction = (0..SECOND as i64).contains(&nanoseconds) && seconds >= 0;
    fraction.then(|| seconds.saturating_mul(SECOND as i64).saturating_add(nanoseconds))
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_clock_gettime(which: c_int, seconds: *mut i64, rest: *mut c_long) -> c_int {
    let now = match which as u32 {
        RUMPUSER_CLOCK_RELWALL => clock::realtime(),
        RUMPUSER_CLOCK_ABSMONO => clock::monotonic(),
        _ => return RUMPUSER_EINVAL,
    };
    // SAFETY: the header asks for places to store both numbers.
    unsafe {
        seconds.write((now / SECOND) as i64);
        rest.write((now % SECOND) as c_long);
    }
    0
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_clock_sleep(which: c_int, seconds: i64, rest: c_long) -> c_int {
    let Some(span) = nanoseconds(seconds, rest) else { return RUMPUSER_EINVAL };
    let deadline = match which as u32 {
        RUMPUSER_CLOCK_RELWALL => deadline_after(span),
        RUMPUSER_CLOCK_ABSMONO => u64::try_from(span).ok(),
        _ => return RUMPUSER_EINVAL,
    };
    upcalls::blocking(|| {
        while deadline.is_none_or(|deadline| clock::monotonic() < deadline) {
            thread::park(deadline);
        }
    });
    0
}

/// The time after so many nanoseconds; none for a negative span, which is for ever.
pub fn deadline_after(span: i64) -> Option<u64> {
    u64::try_from(span).ok().map(|span| clock::monotonic().saturating_add(span))
}
