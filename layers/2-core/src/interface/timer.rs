//! A timer that is not the local APIC's.

/// A one-shot timer of the calling CPU, for a platform whose local APIC timer does not serve.
/// Its interrupt handler calls [`crate::for_platform::thread::timer_fired`].
pub trait Timer: Send + Sync {
    /// Fires when the monotonic clock reaches `deadline` (nanoseconds), at once if that has passed. It replaces the
    /// deadline before it. Called with interrupts off.
    fn arm(&self, deadline: u64);
}
