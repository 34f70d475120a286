//! Where time comes from.

/// How nanoseconds follow from the time-stamp counter:
/// `nanoseconds + (((tsc - this.tsc) << shift) * multiplier >> 32)`, a negative shift going right (as pvclock has it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct TscScale {
    /// Counter at the reference point.
    pub tsc: u64,
    /// Nanoseconds since boot at the reference point.
    pub nanoseconds: u64,
    /// Nanoseconds per shifted tick, as a fraction of 2^32.
    pub multiplier: u32,
    /// Power of two applied to the ticks first.
    pub shift: i32,
}

/// A monotonic clock, and the wall clock's value when it started.
pub trait Clock: Send + Sync {
    /// Nanoseconds since boot; never goes back, on whichever CPU. Not called when [`Clock::tsc_scale`] gives a scale.
    fn monotonic(&self) -> u64;

    /// The scale, if the time-stamp counter is good enough to tell the time alone. Core then reads the counter itself, and
    /// user code does through the vDSO.
    fn tsc_scale(&self) -> Option<TscScale>;

    /// Nanoseconds from 1970-01-01 UTC to the monotonic clock's zero.
    fn realtime_at_boot(&self) -> u64;
}
