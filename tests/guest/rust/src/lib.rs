//! Test results as lines: `ok 1 name` or `not ok 2 name`, then the plan `1..2`; the exit status says if all passed.
#![forbid(unsafe_code)]
use std::process::ExitCode;
use std::time::Duration;

/// How late an event may be on a busy, emulated machine.
pub const LATE: Duration = Duration::from_secs(3);

/// Counts results.
#[derive(Debug, Default)]
pub struct Tap {
    count: u32,
    failures: u32,
}

impl Tap {
    /// The condition `passed` holds.
    pub fn ok(&mut self, passed: bool, name: &str) {
        self.count += 1;
        self.failures += u32::from(!passed);
        println!("{}ok {} {name}", if passed { "" } else { "not " }, self.count);
    }

    /// `value` is what is expected.
    pub fn is<T: PartialEq + std::fmt::Debug>(&mut self, value: T, expected: T, name: &str) {
        let passed = value == expected;
        self.ok(passed, name);
        if !passed {
            println!("# {value:?}, expected {expected:?}");
        }
    }

    /// Prints the plan.
    #[must_use]
    pub fn done(self) -> ExitCode {
        println!("1..{}", self.count);
        if self.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
