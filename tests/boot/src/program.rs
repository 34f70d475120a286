//! Programs that run to their end: by status and console, or by the results they print themselves.
use crate::guest::Rig;
use crate::report::Report;
use std::fs::File;
use std::path::Path;

/// The program in `image` ends with `status`, and its console has lines with each of `expect`, in that order.
pub fn ends(
    rig: &Rig,
    image: &Path,
    status: u8,
    expect: &[String],
    arguments: &[String],
    report: &mut Report,
) -> Result<(), String> {
    let outcome = rig.run(image, &[], arguments)?;
    let machine = rig.machine();
    report.ok(outcome.code() == i32::from(status), &format!("{machine}: exit status {status}"), || {
        format!("{}\n{}", outcome.status, outcome.console)
    });
    expected(machine, &outcome.console, expect, report);
    Ok(())
}

/// The console has lines with each of `expect`, in that order.
fn expected(machine: &str, console: &str, expect: &[String], report: &mut Report) {
    let mut lines = console.lines();
    for piece in expect {
        let found = lines.any(|line| line.contains(piece.as_str()));
        report.ok(found, &format!("{machine}: a line with {piece:?}"), || console.to_owned());
    }
}

/// A disk of zeros for one guest.
#[derive(Clone, Copy, Debug)]
pub struct FreshDisk {
    /// In MiB.
    pub size: u64,
    pub read_only: bool,
}

/// What a guest has.
#[derive(Clone, Copy, Debug)]
pub struct Devices {
    pub disk: Option<FreshDisk>,
    /// A link, where a guest does not have one anyway.
    pub link: bool,
}

/// The guest test program in `image` says of everything that it holds.
pub fn passes(
    rig: &Rig,
    image: &Path,
    devices: Devices,
    expect: &[String],
    arguments: &[String],
    report: &mut Report,
) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| format!("temporary folder: {error}"))?;
    let mut options = if devices.link { rig.link() } else { vec![] };
    if let Some(FreshDisk { size, read_only }) = devices.disk {
        let path = folder.path().join("disk");
        let made = File::create(&path).and_then(|file| file.set_len(size << 20));
        made.map_err(|error| format!("{}: {error}", path.display()))?;
        let mode = if read_only { ":ro" } else { "" };
        options.extend(["--disk".to_owned(), format!("{}{mode}", path.display())]);
    }
    let outcome = rig.run(image, &options, arguments)?;
    let result = judge(&outcome.console).and_then(|()| match outcome.code() {
        0 => Ok(()),
        _ => Err(format!("{}\n{}", outcome.status, outcome.console)),
    });
    let plan = outcome.console.lines().find(|line| line.starts_with("1..")).unwrap_or("no plan");
    report.check(&format!("{}: {} ({plan})", rig.machine(), image.display()), || result)?;
    expected(rig.machine(), &outcome.console, expect, report);
    Ok(())
}

/// Reads results: they are numbered from 1, all ok, and as many as planned. Other lines are the kernel's log.
fn judge(console: &str) -> Result<(), String> {
    let mut count = 0u32;
    let mut failures = String::new();
    let mut plan = None;
    let mut after_failure = false;
    for line in console.lines() {
        if let Some(result) = line.strip_prefix("ok ") {
            count += 1;
            after_failure = false;
            let number = result.split(' ').next().and_then(|number| number.parse().ok());
            if number != Some(count) {
                return Err(format!("result {count} is missing:\n{console}"));
            }
        } else if line.starts_with("not ok ") || line.starts_with("Bail out!") {
            count += 1;
            after_failure = true;
            failures.push_str(&format!("{line}\n"));
        } else if let Some(total) = line.strip_prefix("1..") {
            plan = total.parse::<u32>().ok();
        } else if after_failure && line.starts_with('#') {
            failures.push_str(&format!("{line}\n"));
        }
    }
    match plan {
        _ if !failures.is_empty() => Err(failures),
        None => Err(format!("no plan after {count} results:\n{console}")),
        Some(total) if total != count => Err(format!("{count} results of {total}:\n{console}")),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn complete_results_pass() {
        assert_eq!(judge("log\nok 1 a\nok 2 b\n1..2\n"), Ok(()));
    }

    #[test]
    fn whatever_is_missing_or_wrong_fails() {
        assert_eq!(judge("ok 1 a\nnot ok 2 b\n# why\n1..2\n"), Err("not ok 2 b\n# why\n".into()));
        for console in ["", "ok 1 a\n", "ok 1 a\n1..2\n", "ok 2 a\n1..1\n", "1..x\n", "ok 1 a\nBail out! b\n1..2\n"] {
            assert!(judge(console).is_err(), "{console:?}");
        }
    }
}
