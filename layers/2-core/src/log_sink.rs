//! The log: lines with a time stamp, to whatever console there is.

use crate::{clock, console};
use core::fmt::{self, Write};
use log::{Level, LevelFilter, Log, Metadata, Record};

struct Sink;

static SINK: Sink = Sink;

/// Takes the log into use. Warnings and errors are shown until the configuration says otherwise, or the command line does:
/// `log=error`, `warn`, `info`, `debug` or `trace`.
pub(crate) fn initialize(command_line: &str) {
    let level = command_line
        .split_ascii_whitespace()
        .find_map(|word| word.strip_prefix("log="))
        .and_then(|level| level.parse().ok())
        .unwrap_or(LevelFilter::Warn);
    if log::set_logger(&SINK).is_ok() {
        log::set_max_level(level);
    }
}

impl Log for Sink {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let now = clock::monotonic() / 1000;
        let (seconds, micros) = (now / 1_000_000, now % 1_000_000);
        let mut line = Line::new();
        // Writing to a line cannot fail.
        let _ = writeln!(line, "[{seconds:5}.{micros:06}] {}: {}", level_name(record.level()), record.args());
        line.finish();
    }

    fn flush(&self) {}
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// A line that is put together before it goes to the console, so that lines do not mix; what does not fit goes out in
/// pieces.
pub(crate) struct Line {
    bytes: [u8; 256],
    length: usize,
}

impl Line {
    pub(crate) fn new() -> Line {
        Line { bytes: [0; 256], length: 0 }
    }

    pub(crate) fn finish(mut self) {
        self.flush();
    }

    fn flush(&mut self) {
        console::write(self.bytes.get(..self.length).unwrap_or_default());
        self.length = 0;
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if self.length == self.bytes.len() {
                self.flush();
            }
            if let Some(slot) = self.bytes.get_mut(self.length) {
                *slot = byte;
                self.length += 1;
            }
        }
        Ok(())
    }
}
