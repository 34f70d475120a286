//! KVM's paravirtual clock: how it is asked for (Linux, Documentation/virt/kvm/x86/msr.rst and cpuid.rst).

use core::arch::x86_64::__cpuid;
use rumpkin_core::for_platform::dma;
use rumpkin_pvclock::{PvClock, WallClock, wall_clock};
use x86_64::registers::model_specific::Msr;

const HYPERVISOR: u32 = 0x4000_0000;
const FEATURES: u32 = 0x4000_0001;
/// The signature "KVMKVMKVM" in EBX, ECX, EDX.
pub const SIGNATURE: [u32; 3] = [0x4b4d_564b, 0x564b_4d56, 0x0000_004d];
const CLOCKSOURCE2: u32 = 1 << 3;
const WALL_CLOCK: u32 = 0x4b56_4d00;
const SYSTEM_TIME: u32 = 0x4b56_4d01;
const ENABLE: u64 = 1;
/// Where the wall clock's structure lies in our page.
const WALL_OFFSET: usize = 64;

/// Turns it on; `None` if the hypervisor is not KVM or does not offer it. `entered_at` is the time-stamp counter at boot.
pub fn start(entered_at: u64) -> Option<PvClock> {
    if __cpuid(1).ecx >> 31 == 0 {
        return None;
    }
    let leaf = __cpuid(HYPERVISOR);
    if [leaf.ebx, leaf.ecx, leaf.edx] != SIGNATURE || __cpuid(FEATURES).eax & CLOCKSOURCE2 == 0 {
        return None;
    }
    let page = dma::Buffer::new(WALL_OFFSET + size_of::<WallClock>()).ok()?;
    // SAFETY: CPUID offers the register; the page is ours until it is turned off.
    unsafe { Msr::new(SYSTEM_TIME).write(page.physical() | ENABLE) };
    // SAFETY: As above. The hypervisor fills the structure in once.
    unsafe { Msr::new(WALL_CLOCK).write(page.physical() + WALL_OFFSET as u64) };
    // SAFETY: Within the page, aligned.
    let wall = unsafe { wall_clock(page.as_ptr().byte_add(WALL_OFFSET).cast().as_ptr()) };
    // SAFETY: The page is kept for good if there is a clock.
    let clock = unsafe { PvClock::new(page.as_ptr().cast(), wall, entered_at) };
    if clock.is_some() {
        core::mem::forget(page);
    } else {
        // The page is freed, so the hypervisor must write it no more.
        // SAFETY: As above.
        unsafe { Msr::new(SYSTEM_TIME).write(0) };
    }
    clock
}
