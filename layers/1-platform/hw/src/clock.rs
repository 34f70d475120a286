//! Time: the time-stamp counter, whose rate the processor or hypervisor tells, or which is measured.

use crate::{acpi::Acpi, pit, pvclock, rtc};
use alloc::{boxed::Box, string::ToString};
use core::arch::x86_64::{__cpuid, __cpuid_count};
use rumpkin_core::{
    clock::tsc,
    interface::{Clock, PlatformError, TscScale},
};
use x86_64::instructions::port::Port;

/// How long the counter is measured, in nanoseconds: the ends are known to within about a microsecond, so the rate to within
/// two in ten thousand.
const MEASUREMENT: u64 = 5_000_000;
const NANOSECONDS: u64 = 1_000_000_000;
/// Ticks a second of ACPI's power management timer.
const ACPI_TIMER: u64 = 3_579_545;
/// How often a clock is read to find one reading that nothing delayed.
const READINGS: usize = 5;

/// A reading of a clock, and the counter at about that moment.
#[derive(Clone, Copy)]
struct Reading {
    clock: u64,
    counter: u64,
    /// Counter ticks that the reading took.
    delay: u64,
}

impl Reading {
    /// The least delayed of several readings.
    fn take(read: &dyn Fn() -> u64) -> Self {
        let mut best = Self { clock: 0, counter: 0, delay: u64::MAX };
        for _ in 0..READINGS {
            let before = tsc();
            let clock = read();
            let delay = tsc().wrapping_sub(before);
            if delay < best.delay {
                best = Self { clock, counter: before.wrapping_add(delay / 2), delay };
            }
        }
        best
    }
}

/// A measurement under way.
#[derive(Clone, Copy)]
pub struct Calibration {
    /// The frequency, if something tells it; then nothing is measured.
    told: Option<u64>,
    pit: Option<Reading>,
}

impl Calibration {
    /// Begins it.
    pub fn begin() -> Self {
        let told = told_frequency();
        let pit = told.is_none().then(|| {
            pit::start();
            Reading::take(&|| u64::from(pit::count()))
        });
        Self { told, pit }
    }

    /// The counter's frequency in hertz.
    fn finish(self, acpi: &Acpi) -> Option<u64> {
        if let Some(frequency) = self.told {
            return Some(frequency);
        }
        let measured = self.pit.and_then(against_pit);
        pit::stop();
        measured.or_else(|| against_acpi_timer(acpi.timer?))
    }
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
    let hypervisor = __cpuid(1).ecx >> 31 != 0;
    if hypervisor && __cpuid(0x4000_0000).eax >= 0x4000_0010 {
        return plausible(u64::from(__cpuid(0x4000_0010).eax) * 1000);
    }
    None
}

/// Between 100 MHz and 100 GHz.
fn plausible(frequency: u64) -> Option<u64> {
    (100_000_000..100_000_000_000).contains(&frequency).then_some(frequency)
}

fn against_pit(start: Reading) -> Option<u64> {
    let wanted = MEASUREMENT * pit::FREQUENCY / NANOSECONDS;
    let read = || u64::from(pit::count());
    // The timer wraps after 55 ms, and what ran meanwhile took less.
    let elapsed = |clock: u64| start.clock.wrapping_sub(clock) & 0xffff;
    wait(&read, |clock| elapsed(clock) >= wanted)?;
    let end = Reading::take(&read);
    frequency(elapsed(end.clock), pit::FREQUENCY, start, end)
}

fn against_acpi_timer(port: u16) -> Option<u64> {
    let wanted = MEASUREMENT * ACPI_TIMER / NANOSECONDS;
    // SAFETY: The timer's register, as the tables say; reading it changes nothing.
    let read = || u64::from(unsafe { Port::<u32>::new(port).read() } & 0x00ff_ffff);
    let start = Reading::take(&read);
    let elapsed = |clock: u64| clock.wrapping_sub(start.clock) & 0x00ff_ffff;
    wait(&read, |clock| elapsed(clock) >= wanted)?;
    let end = Reading::take(&read);
    frequency(elapsed(end.clock), ACPI_TIMER, start, end)
}

/// Reads until `done`; `None` if the clock stands still.
fn wait(read: &dyn Fn() -> u64, done: impl Fn(u64) -> bool) -> Option<()> {
    let mut last = read();
    let mut still = 0;
    while !done(last) {
        let now = read();
        still = if now == last { still + 1 } else { 0 };
        if still > 10_000 {
            return None;
        }
        last = now;
    }
    Some(())
}

fn frequency(elapsed: u64, clock: u64, start: Reading, end: Reading) -> Option<u64> {
    let ticks = u128::from(end.counter.checked_sub(start.counter)?);
    let frequency = (ticks * u128::from(clock)).checked_div(u128::from(elapsed))?;
    plausible(u64::try_from(frequency).ok()?)
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
    if let Some(clock) = pvclock::PvClock::start(entered_at) {
        let realtime_at_boot = clock.realtime_at_boot();
        log::info!(
            "clock: kvmclock, {}",
            if clock.tsc_scale().is_some() { "by the time-stamp counter" } else { "by its page" }
        );
        if calibration.pit.is_some() {
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
    Ok(Box::new(TscClock { realtime_at_boot: (seconds.unwrap_or(0) * NANOSECONDS).saturating_sub(elapsed), scale }))
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

/// Whether CPUID says that the counter runs at one rate, whatever the processor does (leaf 0x80000007).
pub fn is_invariant() -> bool {
    __cpuid(0x8000_0000).eax >= 0x8000_0007 && __cpuid_count(0x8000_0007, 0).edx & 1 << 8 != 0
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
