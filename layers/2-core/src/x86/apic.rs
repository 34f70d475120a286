//! The local APIC and its timer (Intel SDM vol. 3, chapter 10): x2APIC where offered, else memory-mapped.

use super::{cpuid::cpuid, instructions};
use crate::{clock, mmio, sync::Once};
use core::arch::asm;
use x86_64::registers::model_specific::{ApicBase, ApicBaseFlags, Msr};

/// Vector of the timer: above all devices.
pub(crate) const TIMER_VECTOR: u8 = 0xef;
/// Vector of interrupts that went away.
pub(crate) const SPURIOUS_VECTOR: u8 = 0xff;

const END_OF_INTERRUPT: usize = 0xb0;
const SPURIOUS: usize = 0xf0;
/// The first of eight registers with a bit for each vector.
const IN_SERVICE: usize = 0x100;
const TIMER: usize = 0x320;
const LINT0: usize = 0x350;
const LINT1: usize = 0x360;
const INITIAL_COUNT: usize = 0x380;
const CURRENT_COUNT: usize = 0x390;
const DIVIDE: usize = 0x3e0;

const ENABLE: u32 = 1 << 8;
const MASKED: u32 = 1 << 16;
const TSC_DEADLINE_MODE: u32 = 2 << 17;
const DIVIDE_BY_16: u32 = 3;

const TSC_DEADLINE: u32 = 0x6e0;

/// How the timer is set.
#[derive(Clone, Copy)]
enum Timer {
    /// By the time-stamp counter: ticks per nanosecond, as a fraction of 2^32.
    Deadline(u64),
    /// By counting down: ticks per nanosecond, as a fraction of 2^32.
    Count(u64),
}

static REGISTERS: Once<Option<mmio::Region>> = Once::new();
static TIMER_KIND: Once<Timer> = Once::new();
/// When the counter was started, by the time-stamp counter.
static STARTED: Once<Moment> = Once::new();

/// Nanoseconds for which the counter is measured at the least.
const MEASUREMENT: u64 = 300_000;
/// How often it is measured anew after the host has held us up.
const ATTEMPTS: usize = 4;

/// Something happened not before the one and not after the other reading of a clock.
#[derive(Clone, Copy)]
struct Moment {
    before: u64,
    after: u64,
}

impl Moment {
    /// Does something, and takes note of when.
    fn of<T>(now: fn() -> u64, what: impl FnOnce() -> T) -> (Moment, T) {
        let before = now();
        let result = what();
        (Moment { before, after: now() }, result)
    }
}

fn x2apic(register: usize) -> Msr {
    Msr::new(0x800 + (register >> 4) as u32)
}

fn read(register: usize) -> u32 {
    match REGISTERS.get() {
        Some(Some(registers)) => registers.read_u32(register),
        // SAFETY: this register exists in x2APIC mode, and reading it has no effect.
        _ => unsafe { x2apic(register).read() as u32 },
    }
}

fn write(register: usize, value: u32) {
    match REGISTERS.get() {
        Some(Some(registers)) => registers.write_u32(register, value),
        // SAFETY: this register exists in x2APIC mode; this module programs only what belongs to this kernel.
        _ => unsafe { x2apic(register).write(u64::from(value)) },
    }
}

/// Enables the calling CPU's local APIC, everything in it masked. Its counter starts, to be measured when the clock runs.
///
/// # Panics
/// If its registers cannot be mapped.
pub(crate) fn initialize() {
    const X2APIC: u32 = 1 << 21;
    let (base, flags) = ApicBase::read();
    if cpuid(1, 0).ecx & X2APIC != 0 {
        let flags = flags | ApicBaseFlags::LAPIC_ENABLE | ApicBaseFlags::X2APIC_ENABLE;
        // SAFETY: only the mode changes, and `read` and `write` follow.
        unsafe { ApicBase::write(base, flags) };
        REGISTERS.call_once(|| None);
    } else {
        REGISTERS.call_once(|| {
            let registers = mmio::map(base.start_address().as_u64(), 0x400);
            Some(registers.expect("no memory to map the local APIC"))
        });
    }
    for register in [TIMER, LINT0, LINT1] {
        write(register, MASKED);
    }
    write(SPURIOUS, ENABLE | u32::from(SPURIOUS_VECTOR));
    write(DIVIDE, DIVIDE_BY_16);
    STARTED.call_once(|| Moment::of(instructions::tsc, start_counter).0);
}

fn start_counter() {
    write(INITIAL_COUNT, u32::MAX);
}

/// Tells the local APIC that the interrupt has been dealt with.
pub(crate) fn end_of_interrupt() {
    write(END_OF_INTERRUPT, 0);
}

/// Whether an interrupt of this vector has been delivered and not been dealt with: it is not in service if `int` made it.
pub(crate) fn is_in_service(vector: u8) -> bool {
    let (register, bit) = (usize::from(vector / 32), vector % 32);
    read(IN_SERVICE + 16 * register) >> bit & 1 != 0
}

/// Prepares the timer; the clock runs.
pub(crate) fn initialize_timer() {
    const DEADLINE: u32 = 1 << 24;
    let kind = *TIMER_KIND.call_once(|| match clock::tsc_ticks_per_nanosecond() {
        Some(ticks) if cpuid(1, 0).ecx & DEADLINE != 0 => Timer::Deadline(ticks),
        _ => Timer::Count(measure()),
    });
    stop_counter();
    let mode = match kind {
        Timer::Deadline(_) => TSC_DEADLINE_MODE,
        Timer::Count(_) => 0,
    };
    write(TIMER, mode | u32::from(TIMER_VECTOR));
    // The mode must be in force before the first deadline is written (SDM vol. 3, §10.5.4.1).
    // SAFETY: a fence has no other effect.
    unsafe { asm!("mfence", options(nostack, preserves_flags)) };
}

/// Stops the counter, which nobody measures any more.
pub(crate) fn stop_counter() {
    write(INITIAL_COUNT, 0);
}

/// Ticks of the counter per nanosecond, as a fraction of 2^32: from the hypervisor, else against the clock.
fn measure() -> u64 {
    const FREQUENCIES: u32 = 0x4000_0010;
    let bus = u64::from(cpuid(FREQUENCIES, 0).ebx);
    if bus != 0 {
        return (bus << 32) / 16 / 1_000_000;
    }
    // Since it was started the platform has set up its clock, which as a rule took long enough.
    let mut started = clock::tsc_scale().zip(STARTED.get()).map(|(scale, moment)| Moment {
        before: scale.nanoseconds_at(moment.before),
        after: scale.nanoseconds_at(moment.after),
    });
    let mut rate = 1;
    for _ in 0..ATTEMPTS {
        let start = started.take().unwrap_or_else(|| Moment::of(clock::monotonic, start_counter).0);
        while clock::monotonic().saturating_sub(start.after) < MEASUREMENT {}
        let (end, count) = Moment::of(clock::monotonic, || read(CURRENT_COUNT));
        // The longest that it may have been: a timer that fires early is armed again, one that fires late is late.
        let (least, most) = (end.before.saturating_sub(start.after).max(1), end.after - start.before);
        rate = (u64::from(u32::MAX - count) << 32) / most;
        if most - least <= least / 64 {
            break;
        }
    }
    rate.max(1)
}

/// Makes the timer interrupt in so many nanoseconds, or somewhat earlier if that is very far.
pub(crate) fn arm(nanoseconds: u64) {
    match TIMER_KIND.get() {
        Some(Timer::Deadline(ticks)) => {
            let delta = ((u128::from(nanoseconds) * u128::from(*ticks)) >> 32) as u64;
            let deadline = instructions::tsc().saturating_add(delta.max(1));
            // SAFETY: the register exists (CPUID), and the timer is in deadline mode.
            unsafe { Msr::new(TSC_DEADLINE).write(deadline) };
        }
        Some(Timer::Count(ticks)) => {
            let count = ((u128::from(nanoseconds) * u128::from(*ticks)) >> 32) + 1;
            write(INITIAL_COUNT, count.min(u128::from(u32::MAX)) as u32);
        }
        None => {}
    }
}
