//! One reading, and how it is written.

use alloc::{format, string::String};
use rumpuser::{clock, memory};

/// What the sensor measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Readings are counted from 1; the answer to a query has the number 0.
    pub number: u64,
    /// Seconds since 1970-01-01 UTC.
    pub time: u64,
    /// Microseconds since the machine was started.
    pub uptime: u64,
    /// Bytes of memory that are free.
    pub free: usize,
}

impl Reading {
    /// Reads everything now.
    pub fn take(number: u64) -> Reading {
        Reading {
            number,
            time: clock::realtime() / 1_000_000_000,
            uptime: clock::monotonic() / 1000,
            free: memory::free_frames().saturating_mul(memory::PAGE_SIZE),
        }
    }

    /// One line of text.
    pub fn text(&self) -> String {
        let Reading { number, time, uptime, free } = self;
        format!("reading {number} time {time} uptime {uptime} free {free}\n")
    }
}
