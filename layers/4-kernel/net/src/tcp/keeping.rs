//! When a silent peer is asked whether it is still there (RFC 9293 §3.8.4, tcp(7)): Linux's order of probes.

use super::Options;

const SECOND: u64 = 1_000_000_000;

/// What is remembered of a connection whose peer is asked. Times are monotonic nanoseconds.
#[derive(Debug, Default)]
pub struct Keeping {
    /// When asking was begun.
    pub since: Option<u64>,
    /// When the peer was last heard.
    heard_at: u64,
    /// Questions since then, and when the last one was asked.
    pub probes: u32,
    asked_at: u64,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until then.
    Wait(u64),
    /// Ask, and look again then.
    Ask(u64),
    /// Nobody is there.
    GiveUp,
}

impl Keeping {
    /// The peer has said something.
    pub fn heard(&mut self, now: u64) {
        self.heard_at = now;
        self.probes = 0;
    }

    /// What is to be done.
    pub fn step(&mut self, options: &Options, now: u64) -> Step {
        let seconds = |count: u32| u64::from(count).saturating_mul(SECOND);
        let quiet_since = self.heard_at.max(*self.since.get_or_insert(now));
        let due = match self.probes {
            0 => quiet_since.saturating_add(seconds(options.keep_idle)),
            _ => self.asked_at.saturating_add(seconds(options.keep_interval)),
        };
        if now < due {
            return Step::Wait(due);
        }
        let patience = u64::from(options.user_timeout).saturating_mul(1_000_000);
        let too_many = match patience {
            0 => self.probes >= options.keep_count,
            _ => self.probes > 0 && now.saturating_sub(quiet_since) >= patience,
        };
        if too_many {
            return Step::GiveUp;
        }
        self.probes = self.probes.saturating_add(1);
        self.asked_at = now;
        Step::Ask(now.saturating_add(seconds(options.keep_interval)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumpuser_hosted as _;

    fn options(user_timeout: u32) -> Options {
        let mut options = Options::default();
        (options.keep_idle, options.keep_interval, options.keep_count) = (10, 3, 2);
        options.user_timeout = user_timeout;
        options
    }

    #[test]
    fn a_silent_peer_is_asked_and_given_up() {
        let (mut keeping, options) = (Keeping::default(), options(0));
        keeping.heard(SECOND);
        // Silence from before the option was set does not count.
        assert_eq!(keeping.step(&options, 50 * SECOND), Step::Wait(60 * SECOND));
        assert_eq!(keeping.step(&options, 60 * SECOND), Step::Ask(63 * SECOND));
        assert_eq!(keeping.step(&options, 61 * SECOND), Step::Wait(63 * SECOND));
        keeping.heard(62 * SECOND);
        assert_eq!(keeping.step(&options, 63 * SECOND), Step::Wait(72 * SECOND));
        assert_eq!(keeping.step(&options, 72 * SECOND), Step::Ask(75 * SECOND));
        assert_eq!(keeping.step(&options, 75 * SECOND), Step::Ask(78 * SECOND));
        assert_eq!(keeping.step(&options, 78 * SECOND), Step::GiveUp);
    }

    #[test]
    fn a_time_out_of_the_programs_counts_instead_of_probes() {
        let (mut keeping, options) = (Keeping::default(), options(12_000));
        assert_eq!(keeping.step(&options, 0), Step::Wait(10 * SECOND));
        assert_eq!(keeping.step(&options, 10 * SECOND), Step::Ask(13 * SECOND));
        assert_eq!(keeping.step(&options, 13 * SECOND), Step::GiveUp);
    }
}
