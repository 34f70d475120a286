//! Time: the time-stamp counter, whose rate the processor or hypervisor tells, or which is measured.

use crate::{acpi::Acpi, pit, pvclock, rtc};
use alloc::{boxed::Box, string::ToString};
use core::arch::x86_64::__cpuid;
use rumpkin_core::for_platform::{
    clock::tsc,
    interface::{Clock, PlatformError, TscScale},
};
use x86_64::instructions::port::Port;

/// How long the counter is measured, in nanoseconds.
const MEASUREMENT: u64 = 5_000_000;
/// How often a measurement is repeated that other work on the host has disturbed.
const ATTEMPTS: usize = 8;
/// A measurement is good if it is known to within one part in so many.
const PRECISION: u64 = 2000;
/// How often a clock is read to find one reading that nothing delayed.
const READINGS: usize = 5;
const NANOSECONDS: u64 = 1_000_000_000;
/// Ticks a second of ACPI's power management timer, and its width.
const ACPI_TIMER: u64 = 3_579_545;
const ACPI_TIMER_MASK: u64 = 0x00ff_ffff;

/// The signature "VMwareVMware" in EBX, ECX, EDX.
const VMWARE: [u32; 3] = [0x6177_4d56, 0x4d65_7261, 0x6572_6177];

/// A reading of a clock, and the counter at about that moment.
#[derive(Clone, Copy)]
struct Reading {
    clock: u64,
    counter: u64,
    /// Counter ticks that the reading took.
    delay: u64,
}

impl Reading {
    /// The least delayed of several readings; `None` if the clock gives none.
    fn take(read: &dyn Fn() -> Option<u64>) -> Option<Self> {
        let mut best: Option<Self> = None;
        for _ in 0..READINGS {
            let before = tsc();
            let clock = read()?;
            let delay = tsc().wrapping_sub(before);
            if best.is_none_or(|best| delay < best.delay) {
                best = Some(Self { clock, counter: before.wrapping_add(delay / 2), delay });
            }
        }
        best
    }

    /// The counter's frequency between two readings of a clock, in hertz, and by how much it may be wrong.
    fn until(self, end: Self, clock: u64) -> Option<(u64, u64)> {
        let ticks = u128::from(end.counter.checked_sub(self.counter)?);
        let elapsed = u128::from(end.clock.checked_sub(self.clock)?);
        let frequency = u64::try_from((ticks * u128::from(clock)).checked_div(elapsed)?).ok()?;
        let doubt = u128::from(self.delay / 2 + end.delay / 2) * u128::from(frequency);
        Some((plausible(frequency)?, u64::try_from(doubt.checked_div(ticks)?).ok()?))
    }
}

/// A measurement under way.
#[derive(Clone, Copy)]
pub struct Calibration {
    /// The frequency, if something tells it; then nothing is measured.
    told: Option<u64>,
    /// The interval timer at the beginning.
    start: Option<Reading>,
}

impl Calibration {
    /// Begins it.
    pub fn begin() -> Self {
        let told = told_frequency();
        let start = if told.is_none() { start_pit() } else { None };
        Self { told, start }
    }

    /// The counter's frequency in hertz.
    fn finish(self, acpi: &Acpi) -> Option<u64> {
        if let Some(frequency) = self.told {
            return Some(frequency);
        }
        let measured = against_pit(self.start);
        pit::stop();
        measured.or_else(|| against_acpi_timer(acpi.timer?))
    }
}

fn start_pit() -> Option<Reading> {
    pit::start();
    Reading::take(&pit::elapsed)
}

/// What the processor (CPUID 0x15, Intel SDM vol. 2A) or the hypervisor (0x40000010; pvclock) says, in hertz.
fn told_frequency() -> Option<u64> {
    let highest = __cpuid(0).eax;
    if highest >= 0x15 {
        let leaf = __cpuid(0x15);
        if leaf.eax != 0 && leaf.ebx != 0 && leaf.ecx != 0 {
            let frequency = u64::from(leaf.ecx) * u64::from(leaf.ebx) / u64::from(leaf.eax);
            return plausible(frequency);
        }
    }
    // Others number their leaves differently.
    let leaf = __cpuid(0x4000_0000);
    let known = [pvclock::SIGNATURE, VMWARE].contains(&[leaf.ebx, leaf.ecx, leaf.edx]);
    if __cpuid(1).ecx >> 31 != 0 && known && leaf.eax >= 0x4000_0010 {
        return plausible(u64::from(__cpuid(0x4000_0010).eax) * 1000);
    }
    None
}

/// Between 100 MHz and 100 GHz.
fn plausible(frequency: u64) -> Option<u64> {
    (100_000_000..100_000_000_000).contains(&frequency).then_some(frequency)
}

/// The best of several measurements; the first good one ends it.
fn best_of(measure: impl Fn(usize) -> Option<(u64, u64)>) -> Option<u64> {
    let mut best: Option<(u64, u64)> = None;
    for attempt in 0..ATTEMPTS {
        let Some((frequency, doubt)) = measure(attempt) else { continue };
        if best.is_none_or(|(_, least)| doubt < least) {
            best = Some((frequency, doubt));
        }
        if doubt <= frequency / PRECISION {
            break;
        }
    }
    best.map(|(frequency, _)| frequency)
}

/// Against the interval timer, which was started at `begun`, or starts anew if that came to nothing.
fn against_pit(begun: Option<Reading>) -> Option<u64> {
    best_of(|attempt| {
        let start = if attempt == 0 { begun? } else { start_pit()? };
        let wanted = start.clock + MEASUREMENT * pit::FREQUENCY / NANOSECONDS;
        wait(&pit::elapsed, |now| now >= wanted)?;
        start.until(Reading::take(&pit::elapsed)?, pit::FREQUENCY)
    })
}

/// Against ACPI's timer at this port, which wraps after 4.7 s.
fn against_acpi_timer(port: u16) -> Option<u64> {
    // SAFETY: The timer's register, as the tables say; reading it changes nothing.
    let read = || u64::from(unsafe { Port::<u32>::new(port).read() }) & ACPI_TIMER_MASK;
    best_of(|_| {
        let zero = read();
        let elapsed = || Some(read().wrapping_sub(zero) & ACPI_TIMER_MASK);
        let start = Reading::take(&elapsed)?;
        let wanted = start.clock + MEASUREMENT * ACPI_TIMER / NANOSECONDS;
        wait(&elapsed, |now| now >= wanted)?;
        start.until(Reading::take(&elapsed)?, ACPI_TIMER)
    })
}

/// Reads until `done`; `None` if the clock stands still or gives nothing.
fn wait(read: &dyn Fn() -> Option<u64>, done: impl Fn(u64) -> bool) -> Option<()> {
    let mut last = read()?;
    let mut still = 0;
    while !done(last) {
        let now = read()?;
        still = if now == last { still + 1 } else { 0 };
        if still > 10_000 {
            return None;
        }
        last = now;
    }
    Some(())
}

/// The scale of a counter with this frequency (at least 1 Hz), whose value was `start` at time 0.
fn scale(frequency: u64, start: u64) -> TscScale {
    // Shifted ticks are between 0.5 and 1 ns long, which gives the multiplier all of its 32 bits.
    let mut shift = 0;
    let mut shifted = u128::from(frequency.max(1));
    while shifted <= u128::from(NANOSECONDS) {
        shifted <<= 1;
        shift += 1;
    }
    let mut nanoseconds = u128::from(NANOSECONDS) << 32;
    while shifted > 2 * u128::from(NANOSECONDS) {
        // Instead of halving the frequency, which may be odd.
        nanoseconds <<= 1;
        shift -= 1;
        if nanoseconds / shifted >= 1 << 31 {
            break;
        }
    }
    TscScale { tsc: start, nanoseconds: 0, multiplier: u32::try_from(nanoseconds / shifted).unwrap_or(u32::MAX), shift }
}

/// Starts the machine's clock; `entered_at` is the counter at boot.
pub fn start(calibration: Calibration, entered_at: u64, acpi: &Acpi) -> Result<Box<dyn Clock>, PlatformError> {
    if let Some(clock) = pvclock::start(entered_at) {
        let realtime_at_boot = clock.realtime_at_boot();
        log::info!(
            "clock: kvmclock, {}",
            if clock.tsc_scale().is_some() { "by the time-stamp counter" } else { "by its page" }
        );
        if calibration.start.is_some() {
            pit::stop();
        }
        log::debug!("clock: booted at {realtime_at_boot} ns since 1970");
        return Ok(Box::new(clock));
    }
    let how = if calibration.told.is_some() { "as told" } else { "measured" };
    let frequency = calibration.finish(acpi).ok_or_else(|| {
        PlatformError(
            "nothing tells how fast the time-stamp counter runs: no CPUID leaf, no interval timer, no ACPI timer"
                .to_string(),
        )
    })?;
    let scale = scale(frequency, entered_at);
    let elapsed = scale.nanoseconds_at(tsc());
    let seconds = rtc::seconds(acpi.century);
    if seconds.is_none() {
        log::warn!("clock: there is no real-time clock; the date is 1970");
    }
    log::info!("clock: time-stamp counter at {}.{:03} MHz, {how}", frequency / 1_000_000, frequency / 1000 % 1000);
    Ok(Box::new(TscClock {
        realtime_at_boot: seconds.unwrap_or(0).saturating_mul(NANOSECONDS).saturating_sub(elapsed),
        scale,
    }))
}

/// The time-stamp counter as the clock.
struct TscClock {
    scale: TscScale,
    realtime_at_boot: u64,
}

impl Clock for TscClock {
    fn monotonic(&self) -> u64 {
        self.scale.nanoseconds_at(tsc())
    }

    fn tsc_scale(&self) -> Option<TscScale> {
        Some(self.scale)
    }

    fn realtime_at_boot(&self) -> u64 {
        self.realtime_at_boot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_of_any_plausible_frequency_is_exact_to_a_billionth() {
        for frequency in
            [100_000_000, 999_999_999, 1_000_000_000, 1_000_000_001, 2_394_454_123, 5_000_000_001, 99_999_999_999]
        {
            let scale = scale(frequency, 10);
            let day = scale.nanoseconds_at(10 + 86_400 * frequency);
            assert!(day.abs_diff(86_400 * NANOSECONDS) < 100_000, "{frequency}: {day} {scale:?}");
        }
    }

    #[test]
    fn implausible_frequencies_are_refused() {
        assert_eq!(plausible(0), None);
        assert_eq!(plausible(u64::MAX), None);
        assert_eq!(plausible(2_000_000_000), Some(2_000_000_000));
    }
}
