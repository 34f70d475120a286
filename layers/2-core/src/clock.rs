//! Time: the platform's clock, read by this module itself when the time-stamp counter is good enough.

use crate::{
    interface::{Clock, TscScale},
    sync::Once,
    x86::instructions::tsc,
};

struct Source {
    clock: &'static dyn Clock,
    scale: Option<TscScale>,
    realtime_at_boot: u64,
}

static SOURCE: Once<Source> = Once::new();

/// Takes the platform's clock into use.
pub(crate) fn initialize(clock: &'static dyn Clock) {
    SOURCE.call_once(|| Source {
        clock,
        scale: clock.tsc_scale().filter(|scale| scale.multiplier != 0),
        realtime_at_boot: clock.realtime_at_boot(),
    });
}

impl TscScale {
    /// Nanoseconds since boot when the counter shows `tsc`.
    pub fn nanoseconds_at(&self, tsc: u64) -> u64 {
        // The reference point may lie before the counter's zero, as a hypervisor tells a new guest; never ahead of it.
        let ticks = tsc.wrapping_sub(self.tsc);
        let ticks = if ticks >> 63 == 0 { ticks } else { 0 };
        let shifted = match self.shift {
            0.. => ticks << (self.shift as u32 & 63),
            _ => ticks >> (self.shift.unsigned_abs() & 63),
        };
        let scaled = (u128::from(shifted) * u128::from(self.multiplier)) >> 32;
        self.nanoseconds.wrapping_add(scaled as u64)
    }

    /// Ticks per nanosecond, as a fraction of 2^32.
    fn ticks_per_nanosecond(&self) -> u64 {
        let ticks = (1u128 << 64) / u128::from(self.multiplier.max(1));
        let ticks = match self.shift {
            0.. => ticks >> (self.shift as u32 & 63),
            _ => ticks << (self.shift.unsigned_abs() & 63),
        };
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }
}

/// Nanoseconds since boot; never goes back. 0 before the platform's clock runs.
pub fn monotonic() -> u64 {
    match SOURCE.get() {
        Some(Source { scale: Some(scale), .. }) => scale.nanoseconds_at(tsc()),
        Some(source) => source.clock.monotonic(),
        None => 0,
    }
}

/// Nanoseconds since 1970-01-01 UTC, as the host told it at boot and the monotonic clock went on since.
pub fn realtime() -> u64 {
    realtime_at_boot().wrapping_add(monotonic())
}

/// Nanoseconds from 1970-01-01 UTC to boot.
pub(crate) fn realtime_at_boot() -> u64 {
    SOURCE.get().map_or(0, |source| source.realtime_at_boot)
}

/// How time follows from the time-stamp counter, if it does.
pub(crate) fn tsc_scale() -> Option<TscScale> {
    SOURCE.get()?.scale
}

/// Ticks of the time-stamp counter per nanosecond as a fraction of 2^32, if it tells the time.
pub(crate) fn tsc_ticks_per_nanosecond() -> Option<u64> {
    Some(tsc_scale()?.ticks_per_nanosecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_follow_pvclock() {
        // 2.5 GHz: 0.4 ns per tick; written as 0.8 after a shift of -1.
        let scale = TscScale { tsc: 1000, nanoseconds: 7, multiplier: (0.8 * 4294967296.0) as u32, shift: -1 };
        assert_eq!(scale.nanoseconds_at(1000), 7);
        assert_eq!(scale.nanoseconds_at(900), 7);
        let early = TscScale { tsc: 0u64.wrapping_sub(2_500_000_000), ..scale };
        assert!(early.nanoseconds_at(0).abs_diff(1_000_000_007) < 2, "counted from before the counter's zero");
        let second = scale.nanoseconds_at(1000 + 2_500_000_000);
        assert!(second.abs_diff(1_000_000_007) < 2, "{second}");
        let year = scale.nanoseconds_at(2_500_000_000 * 86400 * 365);
        assert!(year.abs_diff(86400 * 365 * 1_000_000_000) < 100_000_000);
        let ticks = scale.ticks_per_nanosecond();
        assert!(ticks.abs_diff(5 << 31) < 16, "{ticks}");
    }
}
