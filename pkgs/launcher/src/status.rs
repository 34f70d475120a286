//! How a guest ended, and the exit status that the launcher makes of it.
/// Exit status when the kernel panicked (`EX_SOFTWARE` of sysexits.h).
pub const PANICKED: u8 = 70;
/// Exit status when the guest ended and left no word (`EX_OSERR`).
pub const SILENT: u8 = 71;
/// Exit status when the guest asked to be started anew (`EX_TEMPFAIL`).
pub const REBOOT: u8 = 75;
/// Exit status when the guest was killed because it did not stop in time, as of a process that SIGKILL ended.
pub const KILLED: u8 = 137;

/// What the guest said about its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Report {
    /// The program ended with this status.
    Exit(u8),
    /// The kernel panicked.
    Panic,
    /// The program asked for a restart.
    Reboot,
}

impl Report {
    /// Reads the last whole line of `text` that is a report; firmware may have written to the same place before.
    pub fn parse(text: &str) -> Option<Report> {
        text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).rev().find_map(|line| match line {
            "panic" => Some(Report::Panic),
            "reboot" => Some(Report::Reboot),
            _ => line.strip_prefix("exit ")?.parse().ok().map(Report::Exit),
        })
    }
}

/// The launcher's exit status, and what to tell the user about it.
///
/// `remark` is what the hypervisor says.
pub fn conclude(report: Option<Report>, killed: bool, remark: &str) -> (u8, Option<String>) {
    match report {
        Some(Report::Exit(status)) => (status, None),
        Some(Report::Panic) => (PANICKED, Some("the kernel panicked; its last words are above".into())),
        Some(Report::Reboot) => (REBOOT, Some("the guest asked to be restarted".into())),
        None if killed => (KILLED, Some("the guest did not stop in time and was killed".into())),
        None => (SILENT, Some(format!("the guest ended without a status ({remark})"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_whole_lines() {
        assert_eq!(Report::parse("exit 0\n"), Some(Report::Exit(0)));
        assert_eq!(Report::parse("exit 143\n"), Some(Report::Exit(143)));
        assert_eq!(Report::parse("SeaBIOS (version 1)\nexit 3\n"), Some(Report::Exit(3)));
        assert_eq!(Report::parse("panic\n"), Some(Report::Panic));
        assert_eq!(Report::parse("reboot\n"), Some(Report::Reboot));
        for text in ["", "exit 1", "exit\n", "exit 256\n", "exit -1\n", "noise\n"] {
            assert_eq!(Report::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_guests_status_is_the_launchers() {
        assert_eq!(conclude(Some(Report::Exit(9)), true, "x"), (9, None));
        assert_eq!(conclude(Some(Report::Panic), false, "x").0, PANICKED);
        assert_eq!(conclude(None, true, "x").0, KILLED);
        assert_eq!(conclude(None, false, "x"), (SILENT, Some("the guest ended without a status (x)".into())));
    }
}
