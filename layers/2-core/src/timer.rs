//! The one-shot timer of a CPU: armed for the earliest thing that is due, and not at all when nothing is.

use crate::sync::Once;
use crate::{
    clock,
    interface::Timer,
    x86::{apic, local::cpu},
};

static PLATFORM_TIMER: Once<Option<&'static dyn Timer>> = Once::new();

/// Takes the platform's timer into use, or else the local APIC's.
pub(crate) fn initialize(timer: Option<&'static dyn Timer>) {
    PLATFORM_TIMER.call_once(|| timer);
    match timer {
        Some(_) => apic::stop_counter(),
        None => apic::initialize_timer(),
    }
}

/// Makes the timer fire at `deadline` unless it fires before. With interrupts off.
///
/// A deadline that is no longer wanted is left in force: firing in vain once costs less than setting it anew each time.
pub(crate) fn arm(deadline: u64) {
    let cpu = cpu();
    if deadline >= cpu.timer_armed.get() {
        return;
    }
    if let Some(Some(timer)) = PLATFORM_TIMER.get() {
        if !timer.arm(deadline) {
            return;
        }
    } else {
        apic::arm(deadline.saturating_sub(clock::monotonic()));
    }
    cpu.timer_armed.set(deadline);
}

/// It has fired, and is armed no more. With interrupts off.
pub(crate) fn fired() {
    cpu().timer_armed.set(u64::MAX);
}
