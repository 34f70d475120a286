//! KVM's paravirtual clock (Linux, Documentation/virt/kvm/x86/msr.rst and cpuid.rst).
//!
//! The hypervisor keeps a page with the rate of the time-stamp counter, which spares measuring it. If the counter is good
//! on its own (stable bit, or invariant by CPUID), core and the vDSO then read the counter alone, by that rate; else each
//! reading goes through the page.

use crate::clock;
use core::{
    arch::x86_64::__cpuid,
    ptr,
    sync::atomic::{AtomicU64, Ordering, fence},
};
use rumpkin_core::{
    clock::tsc,
    dma,
    interface::{Clock, TscScale},
};
use x86_64::registers::model_specific::Msr;

const HYPERVISOR: u32 = 0x4000_0000;
const FEATURES: u32 = 0x4000_0001;
/// The signature "KVMKVMKVM" in EBX, ECX, EDX.
pub const SIGNATURE: [u32; 3] = [0x4b4d_564b, 0x564b_4d56, 0x0000_004d];
const CLOCKSOURCE2: u32 = 1 << 3;
const WALL_CLOCK: u32 = 0x4b56_4d00;
const SYSTEM_TIME: u32 = 0x4b56_4d01;
const ENABLE: u64 = 1;
/// In the flags: the counters of all processors agree.
const STABLE: u8 = 1;
/// Where the wall clock's structure lies in our page.
const WALL_OFFSET: usize = 64;
const NANOSECONDS: u64 = 1_000_000_000;

/// `struct pvclock_vcpu_time_info`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct TimeInfo {
    version: u32,
    padding: u32,
    tsc_timestamp: u64,
    system_time: u64,
    multiplier: u32,
    shift: i8,
    flags: u8,
    padding2: [u8; 2],
}

/// `struct pvclock_wall_clock`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct WallClock {
    version: u32,
    seconds: u32,
    nanoseconds: u32,
}

/// The clock.
pub struct PvClock {
    page: dma::Buffer,
    /// The page's time at boot.
    boot: u64,
    scale: Option<TscScale>,
    realtime_at_boot: u64,
    /// The latest answer, so that none is before it.
    last: AtomicU64,
}

impl PvClock {
    /// Turns it on; `None` if the hypervisor is not KVM or does not offer it.
    pub fn start(entered_at: u64) -> Option<Self> {
        if __cpuid(1).ecx >> 31 == 0 {
            return None;
        }
        let leaf = __cpuid(HYPERVISOR);
        if [leaf.ebx, leaf.ecx, leaf.edx] != SIGNATURE || __cpuid(FEATURES).eax & CLOCKSOURCE2 == 0 {
            return None;
        }
        let page = dma::Buffer::new(WALL_OFFSET + size_of::<WallClock>()).ok()?;
        // SAFETY: CPUID offers the register; the page is ours for good.
        unsafe { Msr::new(SYSTEM_TIME).write(page.physical() | ENABLE) };
        // SAFETY: As above. The hypervisor fills the structure in once.
        unsafe { Msr::new(WALL_CLOCK).write(page.physical() + WALL_OFFSET as u64) };
        let mut clock = Self { page, boot: 0, scale: None, realtime_at_boot: 0, last: AtomicU64::new(0) };
        let Some(info) = clock.time_info().filter(|info| info.multiplier != 0) else {
            // The page is freed, so the hypervisor must write it no more.
            // SAFETY: As above.
            unsafe { Msr::new(SYSTEM_TIME).write(0) };
            return None;
        };
        let rate = scale_of(&info);
        // How long ago boot was, by the page's own rate.
        let now = tsc();
        let since_boot = TscScale { tsc: entered_at, nanoseconds: 0, ..rate };
        clock.boot = rate.nanoseconds_at(now).saturating_sub(since_boot.nanoseconds_at(now));
        if info.flags & STABLE != 0 || clock::is_invariant() {
            clock.scale = Some(since_boot);
        }
        let wall = clock.wall_clock();
        clock.realtime_at_boot = wall.wrapping_add(clock.boot);
        Some(clock)
    }

    fn time_info(&self) -> Option<TimeInfo> {
        let at = self.page.as_ptr().cast::<TimeInfo>().as_ptr();
        for _ in 0..1_000_000 {
            // SAFETY: The page holds the structure; the hypervisor writes it, hence volatile and the version.
            let info = unsafe { ptr::read_volatile(at) };
            fence(Ordering::Acquire);
            // SAFETY: As above.
            let version = unsafe { ptr::read_volatile(&raw const (*at).version) };
            if version == info.version && version & 1 == 0 && version != 0 {
                return Some(info);
            }
            core::hint::spin_loop();
        }
        None
    }

    /// Nanoseconds from 1970 to the page's zero.
    fn wall_clock(&self) -> u64 {
        // SAFETY: Within the page, aligned.
        let at = unsafe { self.page.as_ptr().byte_add(WALL_OFFSET) }.cast::<WallClock>();
        // SAFETY: As above; the hypervisor filled it in when it was asked to.
        let wall = unsafe { ptr::read_volatile(at.as_ptr()) };
        u64::from(wall.seconds) * NANOSECONDS + u64::from(wall.nanoseconds)
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

impl Clock for PvClock {
    fn monotonic(&self) -> u64 {
        let last = self.last.load(Ordering::Relaxed);
        let Some(info) = self.time_info() else {
            return last;
        };
        let now = scale_of(&info).nanoseconds_at(tsc()).saturating_sub(self.boot);
        self.last.fetch_max(now, Ordering::Relaxed).max(now)
    }

    fn tsc_scale(&self) -> Option<TscScale> {
        self.scale
    }

    fn realtime_at_boot(&self) -> u64 {
        self.realtime_at_boot
    }
}
