//! Layer 1: the paravirtual clock, whose structures KVM and Xen share (Xen, `public/xen.h`, `struct vcpu_time_info`; Linux,
//! Documentation/virt/kvm/x86/msr.rst).
//!
//! The hypervisor keeps the rate of the time-stamp counter in a page of the guest, which spares measuring it. If the counter
//! is good on its own (stable bit, or invariant by CPUID), core and the vDSO then read the counter alone, by that rate; else
//! each reading goes through the page. The platforms differ in how they ask for the page, and give it to [`PvClock`].
#![no_std]

use core::{
    arch::x86_64::{__cpuid, __cpuid_count},
    ptr::{self, NonNull},
    sync::atomic::{AtomicU64, Ordering, fence},
};
use rumpkin_core::for_platform::{
    clock::tsc,
    interface::{Clock, TscScale},
};

/// In the flags: the counters of all processors agree, and the rate does not change.
const STABLE: u8 = 1;
const NANOSECONDS: u64 = 1_000_000_000;
/// How often a structure is read that the hypervisor is changing.
const PATIENCE: u32 = 1_000_000;

/// `struct pvclock_vcpu_time_info`, Xen's `struct vcpu_time_info`. An odd version says that it is being changed.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct TimeInfo {
    version: u32,
    padding: u32,
    tsc_timestamp: u64,
    system_time: u64,
    multiplier: u32,
    shift: i8,
    flags: u8,
    padding2: [u8; 2],
}

/// `struct pvclock_wall_clock`, the `wc_…` fields of Xen's `struct shared_info`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct WallClock {
    version: u32,
    seconds: u32,
    nanoseconds: u32,
}

/// A structure that begins with its version.
trait Versioned: Copy {
    fn version(&self) -> u32;
}

impl Versioned for TimeInfo {
    fn version(&self) -> u32 {
        self.version
    }
}

impl Versioned for WallClock {
    fn version(&self) -> u32 {
        self.version
    }
}

/// A copy of the structure from between two changes; `None` if it never rests.
///
/// # Safety
/// The structure lies at `at`, aligned and readable.
unsafe fn consistent<T: Versioned>(at: *const T) -> Option<T> {
    for _ in 0..PATIENCE {
        // SAFETY: the caller's promise; volatile, since the hypervisor writes it.
        let copy = unsafe { ptr::read_volatile(at) };
        fence(Ordering::Acquire);
        // SAFETY: as above; the version is the first word.
        let version = unsafe { ptr::read_volatile(at.cast::<u32>()) };
        if version == copy.version() && version & 1 == 0 {
            return Some(copy);
        }
        core::hint::spin_loop();
    }
    None
}

/// Nanoseconds from 1970 to the zero of the hypervisor's system time; 0 if they cannot be read.
///
/// # Safety
/// The structure lies at `at`, aligned and readable.
pub unsafe fn wall_clock(at: *const WallClock) -> u64 {
    // SAFETY: the caller's promise.
    let wall = unsafe { consistent(at) };
    wall.map_or(0, |wall| u64::from(wall.seconds) * NANOSECONDS + u64::from(wall.nanoseconds))
}

/// The clock.
pub struct PvClock {
    info: NonNull<TimeInfo>,
    /// The system time at boot.
    boot: u64,
    scale: Option<TscScale>,
    realtime_at_boot: u64,
    /// The latest answer, so that none is before it.
    last: AtomicU64,
}

// SAFETY: the structure is only read, volatile.
unsafe impl Send for PvClock {}
// SAFETY: as above.
unsafe impl Sync for PvClock {}

impl PvClock {
    /// Reads the clock of the boot processor. `entered_at` is the time-stamp counter at boot, `wall` what [`wall_clock`]
    /// gave. `None` if the hypervisor keeps no rate there.
    ///
    /// # Safety
    /// The structure lies at `info`, aligned and readable, as long as the result lives.
    pub unsafe fn new(info: NonNull<TimeInfo>, wall: u64, entered_at: u64) -> Option<Self> {
        let mut clock = Self { info, boot: 0, scale: None, realtime_at_boot: 0, last: AtomicU64::new(0) };
        let info = clock.time_info()?;
        // How long ago boot was, by the page's own rate.
        let rate = scale_of(&info);
        let now = tsc();
        let since_boot = TscScale { tsc: entered_at, nanoseconds: 0, ..rate };
        clock.boot = rate.nanoseconds_at(now).saturating_sub(since_boot.nanoseconds_at(now));
        if info.flags & STABLE != 0 || is_invariant() {
            clock.scale = Some(since_boot);
        }
        clock.realtime_at_boot = wall.wrapping_add(clock.boot);
        Some(clock)
    }

    /// The hypervisor's system time, in nanoseconds; `None` if it cannot be read.
    pub fn system_time(&self) -> Option<u64> {
        Some(scale_of(&self.time_info()?).nanoseconds_at(tsc()))
    }

    fn time_info(&self) -> Option<TimeInfo> {
        // SAFETY: the promise to `new`.
        unsafe { consistent(self.info.as_ptr()) }.filter(|info| info.version != 0 && info.multiplier != 0)
    }
}

fn scale_of(info: &TimeInfo) -> TscScale {
    TscScale {
        tsc: info.tsc_timestamp,
        nanoseconds: info.system_time,
        multiplier: info.multiplier,
        shift: i32::from(info.shift),
    }
}

/// Whether CPUID says that the counter runs at one rate, whatever the processor does (leaf 0x80000007).
fn is_invariant() -> bool {
    __cpuid(0x8000_0000).eax >= 0x8000_0007 && __cpuid_count(0x8000_0007, 0).edx & 1 << 8 != 0
}

impl Clock for PvClock {
    fn monotonic(&self) -> u64 {
        let last = self.last.load(Ordering::Relaxed);
        let Some(now) = self.system_time() else {
            return last;
        };
        let now = now.saturating_sub(self.boot);
        self.last.fetch_max(now, Ordering::Relaxed).max(now)
    }

    fn tsc_scale(&self) -> Option<TscScale> {
        self.scale
    }

    fn realtime_at_boot(&self) -> u64 {
        self.realtime_at_boot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(version: u32, multiplier: u32, flags: u8) -> TimeInfo {
        // 2^31 / 2^32 ns a tick: the counter runs at 2 GHz.
        TimeInfo {
            version,
            padding: 0,
            tsc_timestamp: tsc(),
            system_time: 5_000_000_000,
            multiplier,
            shift: 0,
            flags,
            padding2: [0; 2],
        }
    }

    fn clock(info: &TimeInfo) -> Option<PvClock> {
        // SAFETY: the structure outlives the clock, as the callers keep it.
        unsafe { PvClock::new(NonNull::from(info), 1_000_000_000_000, info.tsc_timestamp) }
    }

    #[test]
    fn time_counts_from_boot_and_the_date_from_the_wall_clock() {
        let info = info(2, 1 << 31, STABLE);
        let clock = clock(&info).unwrap();
        let scale = clock.tsc_scale().expect("the counter is stable");
        assert_eq!(scale.nanoseconds_at(info.tsc_timestamp + 2_000_000_000), 1_000_000_000);
        assert!(clock.realtime_at_boot().abs_diff(1_005_000_000_000) < 2, "{}", clock.realtime_at_boot());
        let first = clock.monotonic();
        assert!(clock.monotonic() >= first && clock.system_time().unwrap() >= 5_000_000_000);
    }

    #[test]
    fn what_never_rests_or_has_no_rate_is_no_clock() {
        assert!(clock(&info(3, 1 << 31, 0)).is_none(), "being changed");
        assert!(clock(&info(2, 0, 0)).is_none(), "no rate");
        assert!(clock(&info(0, 1 << 31, 0)).is_none(), "never filled in");
        let wall = WallClock { version: 1, seconds: 7, nanoseconds: 0 };
        // SAFETY: a local.
        assert_eq!(unsafe { wall_clock(&raw const wall) }, 0);
    }
}
