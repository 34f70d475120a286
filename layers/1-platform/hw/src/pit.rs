//! The interval timer (8254), channel 0, as a yardstick for the time-stamp counter.
//!
//! Channel 0 and not 2, because microvm has no port 0x61 to gate channel 2 with. It counts once from 65535 down (mode 0,
//! 55 ms); its output then tells that it has passed 0, so that a guest that was not run for a while notices.

use x86_64::instructions::port::Port;

/// Ticks a second.
pub const FREQUENCY: u64 = 1_193_182;

const CHANNEL: u16 = 0x40;
const COMMAND: u16 = 0x43;
/// Channel 0, both bytes, mode 0.
const COUNT_ONCE: u8 = 0x30;
/// Keep status and count of channel 0 for reading.
const LATCH: u8 = 0xc2;
/// In the status: the output, which is high once the count has passed 0.
const OUTPUT: u8 = 1 << 7;
/// In the status: the count has not been loaded yet.
const NOT_LOADED: u8 = 1 << 6;

fn write(port: u16, value: u8) {
    // SAFETY: Nothing else uses the timer, and its interrupt is masked.
    unsafe { Port::new(port).write(value) }
}

fn read_channel() -> u8 {
    // SAFETY: As above.
    unsafe { Port::new(CHANNEL).read() }
}

/// Starts counting from 65535.
pub fn start() {
    write(COMMAND, COUNT_ONCE);
    write(CHANNEL, 0xff);
    write(CHANNEL, 0xff);
}

/// Ticks since the start; `None` if it has run out, or there is no timer (which reads as all ones).
pub fn elapsed() -> Option<u64> {
    write(COMMAND, LATCH);
    let status = read_channel();
    let count = u16::from_le_bytes([read_channel(), read_channel()]);
    match status & (OUTPUT | NOT_LOADED) {
        0 => Some(u64::from(u16::MAX - count)),
        NOT_LOADED => Some(0),
        _ => None,
    }
}

/// Lets it run out, so that the host has no timer to serve for us.
pub fn stop() {
    write(COMMAND, COUNT_ONCE);
    write(CHANNEL, 1);
    write(CHANNEL, 0);
}
