//! A timer that is not the local APIC's.

/// A one-shot timer of the calling CPU, for a platform whose local APIC timer does not serve.
/// Its interrupt handler calls [`crate::for_platform::thread::timer_fired`].
pub trait Timer: Send + Sync {
    /// Fires when the monotonic clock reaches `deadline` (nanoseconds), at once if that has passed. It replaces the
    /// deadline before it. False if it cannot be set; then core tries again with the next deadline. Called with interrupts off and
    /// under the scheduler's lock.
    fn arm(&self, deadline: u64) -> bool;
}
