//! Time: Xen's paravirtual clock, and its one-shot timer (`vcpu.h`), which interrupts by an event channel.

use crate::{Error, event::Channel};
use alloc::boxed::Box;
use core::{
    ptr::{self, NonNull},
    sync::atomic::{AtomicBool, Ordering},
};
use rumpkin_core::for_platform::{clock, interface::Timer, thread};
use rumpkin_pvclock::{PvClock, TimeInfo, WallClock, wall_clock};
use xen_sys::{
    VCPUOP_set_singleshot_timer, VCPUOP_stop_periodic_timer, VIRQ_TIMER, hypercall::vcpu_op, shared_info,
    vcpu_set_singleshot_timer, vcpu_time_info,
};

/// The timer is set for no longer than this, in nanoseconds: it may fire early, and the hypervisor's clock may be adjusted.
const LONGEST: u64 = 1_000_000_000_000;

const _: () = {
    assert!(size_of::<TimeInfo>() == size_of::<vcpu_time_info>());
    assert!(size_of::<WallClock>() == 12);
};

/// Reads the clock in the shared page. `entered_at` is the time-stamp counter at boot.
///
/// # Safety
/// The page is there for good.
pub unsafe fn start(page: NonNull<shared_info>, entered_at: u64) -> Option<PvClock> {
    let page = page.as_ptr();
    // SAFETY: fields of the page; the wall clock's three words follow each other.
    let (info, wall) = unsafe { (&raw mut (*page).vcpu_info[0].time, &raw const (*page).wc_version) };
    // SAFETY: as above.
    let wall = unsafe { wall_clock(wall.cast()) };
    // SAFETY: as above, for good.
    unsafe { PvClock::new(NonNull::new(info)?.cast(), wall, entered_at) }
}

/// The boot processor's timer.
pub struct XenTimer {
    clock: &'static PvClock,
    _channel: Channel,
}

impl XenTimer {
    /// Takes the timer into use.
    pub fn start(clock: &'static PvClock) -> Result<&'static XenTimer, Error> {
        // SAFETY: the command has no argument. Where there is no periodic timer it is refused, which is as well.
        let _ = unsafe { vcpu_op::<()>(VCPUOP_stop_periodic_timer, 0, ptr::null_mut()) };
        set(clock, LONGEST)?;
        let channel = Channel::virtual_interrupt(VIRQ_TIMER)?;
        channel.bind(thread::timer_fired);
        Ok(Box::leak(Box::new(XenTimer { clock, _channel: channel })))
    }
}

/// Has the timer fire in so many nanoseconds.
fn set(clock: &PvClock, left: u64) -> Result<(), xen_sys::Error> {
    // A clock that cannot be read makes the timer fire at once, and whoever waits looks again.
    let now = clock.system_time().unwrap_or(0);
    let mut request = vcpu_set_singleshot_timer { timeout_abs_ns: now.saturating_add(left), flags: 0 };
    // SAFETY: the structure of this command.
    unsafe { vcpu_op(VCPUOP_set_singleshot_timer, 0, &mut request) }.map(drop)
}

impl Timer for XenTimer {
    fn arm(&self, deadline: u64) -> bool {
        static REFUSED: AtomicBool = AtomicBool::new(false);
        let left = deadline.saturating_sub(clock::monotonic()).min(LONGEST);
        let result = set(self.clock, left);
        if let Err(error) = result
            && !REFUSED.swap(true, Ordering::Relaxed)
        {
            log::error!("xen: the timer cannot be set any more: {error}: what waits for a time may wait longer");
        }
        result.is_ok()
    }
}
