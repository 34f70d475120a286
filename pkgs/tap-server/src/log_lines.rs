//! What the kernel logs, as lines on standard error.

use log::{LevelFilter, Log, Metadata, Record};

struct Lines;

impl Log for Lines {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        eprintln!("{:5} {}", record.level(), record.args());
    }

    fn flush(&self) {}
}

/// Has what is at least as urgent as `level` shown.
pub fn show(level: LevelFilter) {
    // It fails only when somebody else shows it already.
    let _ = log::set_logger(&Lines);
    log::set_max_level(level);
}
