//! What has been found to hold, and what not.

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

    /// Reports a check that gives its reason if it fails.
    pub fn check(&mut self, name: &str, result: Result<(), String>) {
        let holds = result.is_ok();
        self.ok(holds, name, || result.err().unwrap_or_default());
    }

    pub fn all_hold(&self) -> bool {
        self.failures == 0
    }
}
