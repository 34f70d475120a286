//! The interval timer (8254), channel 0, as a yardstick for the time-stamp counter.
//!
//! Channel 0 and not 2, because microvm has no port 0x61 to gate channel 2 with.

use x86_64::instructions::port::Port;

/// Ticks a second.
pub const FREQUENCY: u64 = 1_193_182;

const CHANNEL: u16 = 0x40;
const COMMAND: u16 = 0x43;
/// Channel 0, both bytes, mode 2 (counts down from 65536, again and again).
const RATE_GENERATOR: u8 = 0x34;
/// Channel 0, both bytes, mode 0 (counts down once).
const ONE_SHOT: u8 = 0x30;
/// Keep the present count for reading.
const LATCH: u8 = 0x00;

fn write(port: u16, value: u8) {
    // SAFETY: Nothing else uses the timer, and its interrupt is masked.
    unsafe { Port::new(port).write(value) }
}

fn read_channel() -> u8 {
    // SAFETY: As above.
    unsafe { Port::new(CHANNEL).read() }
}

/// Starts counting.
pub fn start() {
    write(COMMAND, RATE_GENERATOR);
    write(CHANNEL, 0);
    write(CHANNEL, 0);
}

/// The present count, going down.
pub fn count() -> u16 {
    write(COMMAND, LATCH);
    u16::from_le_bytes([read_channel(), read_channel()])
}

/// Stops it, so that the host has no timer to serve for us.
pub fn stop() {
    write(COMMAND, ONE_SHOT);
    write(CHANNEL, 1);
    write(CHANNEL, 0);
}
