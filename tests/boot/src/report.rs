//! What has been found to hold, and what not.
use crate::guest::PATIENCE;
use std::time::Instant;

/// Prints each result and counts the failures.
#[derive(Debug, Default)]
pub struct Report {
    failures: u32,
}

impl Report {
    /// `holds` is whether what `name` says is so; `detail` is asked for the reason if it is not.
    pub fn ok(&mut self, holds: bool, name: &str, detail: impl FnOnce() -> String) {
        if holds {
            println!("ok {name}");
        } else {
            self.failures += 1;
            println!("not ok {name}");
            for line in detail().lines() {
                println!("# {line}");
            }
        }
    }

    /// Does and reports a check that gives its reason if it fails. An error if it failed for want of time: whatever did not answer
    /// would cost each further check as much.
    pub fn check(&mut self, name: &str, check: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
        let begin = Instant::now();
        let result = check();
        let in_vain = result.is_err() && begin.elapsed() >= PATIENCE;
        let holds = result.is_ok();
        self.ok(holds, name, || result.err().unwrap_or_default());
        if in_vain { Err(format!("no further checks, since one has waited in vain: {name}")) } else { Ok(()) }
    }

    pub fn all_hold(&self) -> bool {
        self.failures == 0
    }
}
