//! The real-time clock in CMOS memory (MC146818), read once for the date.

use x86_64::instructions::port::Port;

const SECONDS: u8 = 0x00;
const MINUTES: u8 = 0x02;
const HOURS: u8 = 0x04;
const DAY: u8 = 0x07;
const MONTH: u8 = 0x08;
const YEAR: u8 = 0x09;
const STATUS_A: u8 = 0x0a;
const STATUS_B: u8 = 0x0b;

/// What ports read that have nothing behind them.
const NOTHING: u8 = 0xff;
const UPDATING: u8 = 1 << 7;
const BINARY: u8 = 1 << 2;
const HOURS_24: u8 = 1 << 1;
const AFTERNOON: u8 = 1 << 7;

/// What the clock's registers hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Registers {
    seconds: u8,
    minutes: u8,
    hours: u8,
    day: u8,
    month: u8,
    year: u8,
    /// `None` if there is no such register.
    century: Option<u8>,
    status: u8,
}

fn cmos(index: u8) -> u8 {
    // SAFETY: The ports of CMOS memory. Bit 7 of the index keeps non-maskable interrupts off; we leave it clear.
    unsafe {
        Port::new(0x70).write(index & 0x7f);
        Port::new(0x71).read()
    }
}

fn read(century: u8) -> Registers {
    Registers {
        seconds: cmos(SECONDS),
        minutes: cmos(MINUTES),
        hours: cmos(HOURS),
        day: cmos(DAY),
        month: cmos(MONTH),
        year: cmos(YEAR),
        century: (century != 0).then(|| cmos(century)),
        status: cmos(STATUS_B),
    }
}

/// Seconds since 1970-01-01 UTC; `None` if there is no clock or it shows no date. `century` is the index of the register
/// that holds it (from the FADT), or 0.
pub fn seconds(century: u8) -> Option<u64> {
    if [STATUS_A, STATUS_B].map(cmos) == [NOTHING; 2] {
        return None;
    }
    // An update takes 2 ms at most, and registers that were read twice alike were not in one.
    for _ in 0..10_000 {
        if cmos(STATUS_A) & UPDATING != 0 {
            core::hint::spin_loop();
            continue;
        }
        let first = read(century);
        if cmos(STATUS_A) & UPDATING == 0 && first == read(century) {
            return decode(first);
        }
    }
    None
}

fn decode(registers: Registers) -> Option<u64> {
    let binary = registers.status & BINARY != 0;
    let value = |byte: u8| -> Option<u64> {
        if binary {
            return Some(u64::from(byte));
        }
        let (tens, ones) = (byte >> 4, byte & 0x0f);
        (tens <= 9 && ones <= 9).then(|| u64::from(tens * 10 + ones))
    };
    let hours = if registers.status & HOURS_24 != 0 {
        value(registers.hours)?
    } else {
        let twelve = value(registers.hours & !AFTERNOON)? % 12;
        twelve + if registers.hours & AFTERNOON != 0 { 12 } else { 0 }
    };
    let year = value(registers.year)?;
    let century = match registers.century.map(value) {
        Some(Some(century @ 19..=29)) => century,
        // No register, or one that holds something else: the century in which this was written.
        _ => 20,
    };
    let (month, day) = (value(registers.month)?, value(registers.day)?);
    let (minutes, seconds) = (value(registers.minutes)?, value(registers.seconds)?);
    let sound = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && year <= 99
        && hours <= 23
        && minutes <= 59
        && seconds <= 60;
    let days = days(century * 100 + year, month, day)?;
    sound.then_some(days * 86_400 + hours * 3600 + minutes * 60 + seconds)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; the year is counted from March, so that leap days end it.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day.checked_sub(1)?;
    let days_since_0 = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
    days_since_0.checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: Registers = Registers {
        seconds: 0x59,
        minutes: 0x07,
        hours: 0x23,
        day: 0x29,
        month: 0x02,
        year: 0x24,
        century: Some(0x20),
        status: HOURS_24,
    };

    #[test]
    fn decimal_24_hours_with_century() {
        // date -u -d '2024-02-29 23:07:59' +%s
        assert_eq!(decode(SAMPLE), Some(1_709_248_079));
    }

    #[test]
    fn binary_12_hours_without_century() {
        let registers = Registers {
            seconds: 59,
            minutes: 7,
            hours: 11 | AFTERNOON,
            day: 29,
            month: 2,
            year: 24,
            century: None,
            status: BINARY,
        };
        assert_eq!(decode(registers), Some(1_709_248_079));
        let midnight = Registers { hours: 12, ..registers };
        assert_eq!(decode(midnight), Some(1_709_248_079 - 23 * 3600));
    }

    #[test]
    fn no_clock_reads_all_ones_and_gives_none() {
        let registers = Registers {
            seconds: 0xff,
            minutes: 0xff,
            hours: 0xff,
            day: 0xff,
            month: 0xff,
            year: 0xff,
            century: Some(0xff),
            status: 0xff,
        };
        assert_eq!(decode(registers), None);
    }

    #[test]
    fn any_registers_decode_without_a_panic() {
        for month in 0..=255 {
            for day in [0, 1, 0x31, 0x32, 255] {
                for status in [0, BINARY, HOURS_24, 0xff] {
                    let _ = decode(Registers { month, day, status, ..SAMPLE });
                }
            }
        }
    }
}
