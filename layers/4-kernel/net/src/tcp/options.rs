//! Options of TCP sockets (tcp(7)), with Linux's limits.

use crate::ip;
use rumpkin_spine::{Errno, abi::linux::net};

/// The longest `TCP_LINGER2`, and what it is when nothing was set, in seconds (Linux's `tcp_fin_timeout`).
const LONGEST_LINGER: i32 = 120;
const USUAL_LINGER: i32 = 60;
/// Limits of `TCP_MAXSEG`.
const SMALLEST_SEGMENT: i32 = 88;
const LARGEST_SEGMENT: i32 = 32767;
/// A repetition waits at most this long, in seconds (Linux's `TCP_RTO_MAX`).
const LONGEST_REPETITION: u32 = 120;

/// What a program has set.
#[derive(Debug, Clone)]
pub struct Options {
    pub ip: ip::options::Options,
    pub reuse_address: bool,
    pub reuse_port: bool,
    pub keep_alive: bool,
    /// Seconds, if lingering is on.
    pub linger: Option<u32>,
    pub send_buffer: Option<usize>,
    pub receive_buffer: Option<usize>,
    /// Bytes that make it readable.
    pub receive_least: usize,
    pub no_delay: bool,
    pub cork: bool,
    pub keep_idle: u32,
    pub keep_interval: u32,
    pub keep_count: u32,
    /// Milliseconds; 0 for the usual.
    pub user_timeout: u32,
    /// How often a SYN is repeated.
    pub syn_count: u32,
    /// Acknowledgments go out at once.
    pub quick_acknowledgment: Option<bool>,
    /// No segments larger than this.
    pub largest_segment: Option<u16>,
    /// Bytes that have not been sent, from which on it is not writable.
    pub unsent_most: u32,
    /// How often a peer may repeat the end of its handshake before it is accepted without data; 0 for at once.
    defer_accept: u32,
    /// Seconds that an end of the peer is waited for after ours; negative for not at all.
    linger_after: i32,
    /// TCP Fast Open is not for servers unless the administrator wants it (`tcp_fastopen`), and without it clients have no cookie:
    /// as in Linux, both are kept, and connections are made in the usual way.
    fast_open: i32,
    fast_open_connect: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            ip: ip::options::Options::default(),
            reuse_address: false,
            reuse_port: false,
            keep_alive: false,
            linger: None,
            send_buffer: None,
            receive_buffer: None,
            receive_least: 1,
            no_delay: false,
            cork: false,
            keep_idle: 7200,
            keep_interval: 75,
            keep_count: 9,
            user_timeout: 0,
            syn_count: 6,
            quick_acknowledgment: None,
            largest_segment: None,
            unsent_most: u32::MAX,
            defer_accept: 0,
            linger_after: 0,
            fast_open: 0,
            fast_open_connect: false,
        }
    }
}

/// Seconds until so many repetitions are over, each twice as long after the one before.
fn seconds(repetitions: u32) -> u32 {
    (0..repetitions)
        .map(|index| 1u32.checked_shl(index).unwrap_or(u32::MAX).min(LONGEST_REPETITION))
        .fold(0, u32::saturating_add)
}

impl Options {
    /// How long an accepted connection without data is kept back, in seconds.
    pub fn defer_seconds(&self) -> u32 {
        seconds(self.defer_accept)
    }

    /// How long an attempt to connect lasts, in seconds.
    pub fn connect_seconds(&self) -> u32 {
        seconds(self.syn_count.saturating_add(1))
    }

    /// How long an end of the peer is waited for after ours, in seconds.
    pub fn linger_seconds(&self) -> u32 {
        match self.linger_after {
            0 => USUAL_LINGER as u32,
            seconds => seconds.max(0) as u32,
        }
    }

    /// The value of an option of this level.
    pub fn get(&self, name: u32) -> Result<i32, Errno> {
        Ok(match name {
            net::TCP_NODELAY => self.no_delay.into(),
            net::TCP_CORK => self.cork.into(),
            net::TCP_KEEPIDLE => self.keep_idle as i32,
            net::TCP_KEEPINTVL => self.keep_interval as i32,
            net::TCP_KEEPCNT => self.keep_count as i32,
            net::TCP_SYNCNT => self.syn_count as i32,
            net::TCP_LINGER2 if self.linger_after == 0 => USUAL_LINGER,
            net::TCP_LINGER2 => self.linger_after,
            net::TCP_DEFER_ACCEPT => self.defer_seconds() as i32,
            net::TCP_QUICKACK => self.quick_acknowledgment.unwrap_or(true).into(),
            net::TCP_USER_TIMEOUT => self.user_timeout as i32,
            net::TCP_NOTSENT_LOWAT => self.unsent_most as i32,
            net::TCP_FASTOPEN => self.fast_open,
            net::TCP_FASTOPEN_CONNECT => self.fast_open_connect.into(),
            _ => return Err(Errno::ENOPROTOOPT),
        })
    }

    /// Sets an option of this level. `idle`: the socket is not connected, nor about to be; `listening`: it listens.
    pub fn set(&mut self, name: u32, number: i32, idle: bool, listening: bool) -> Result<(), Errno> {
        let on = number != 0;
        let within = |most: i32| {
            if (1..=most).contains(&number) { Ok(number as u32) } else { Err(Errno::EINVAL) }
        };
        match name {
            net::TCP_NODELAY => self.no_delay = on,
            net::TCP_CORK => self.cork = on,
            net::TCP_KEEPIDLE => self.keep_idle = within(32767)?,
            net::TCP_KEEPINTVL => self.keep_interval = within(32767)?,
            net::TCP_KEEPCNT => self.keep_count = within(127)?,
            net::TCP_SYNCNT => self.syn_count = within(127)?,
            net::TCP_MAXSEG if !on => self.largest_segment = None,
            net::TCP_MAXSEG if (SMALLEST_SEGMENT..=LARGEST_SEGMENT).contains(&number) => {
                self.largest_segment = Some(number as u16);
            }
            net::TCP_LINGER2 => self.linger_after = number.clamp(-1, LONGEST_LINGER),
            net::TCP_DEFER_ACCEPT => {
                let wanted = number.max(0) as u32;
                self.defer_accept = (0..u32::from(u8::MAX)).find(|count| seconds(*count) >= wanted).unwrap_or(255);
            }
            net::TCP_QUICKACK => self.quick_acknowledgment = Some(on),
            net::TCP_USER_TIMEOUT if number >= 0 => self.user_timeout = number as u32,
            net::TCP_NOTSENT_LOWAT => self.unsent_most = number as u32,
            net::TCP_FASTOPEN if number >= 0 && (idle || listening) => self.fast_open = number,
            net::TCP_FASTOPEN_CONNECT if (0..=1).contains(&number) && idle => self.fast_open_connect = on,
            net::TCP_MAXSEG | net::TCP_USER_TIMEOUT | net::TCP_FASTOPEN | net::TCP_FASTOPEN_CONNECT => {
                return Err(Errno::EINVAL);
            }
            _ => return Err(Errno::ENOPROTOOPT),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumpuser_hosted as _;

    #[test]
    fn seconds_of_deferred_accepts_are_those_of_whole_repetitions() {
        let mut options = Options::default();
        for (set, got) in [(1, 1), (2, 3), (3, 3), (30, 31), (0, 0), (-5, 0), (200, 247)] {
            options.set(net::TCP_DEFER_ACCEPT, set, true, false).unwrap();
            assert_eq!(options.get(net::TCP_DEFER_ACCEPT), Ok(got), "{set}");
        }
    }

    #[test]
    fn an_attempt_to_connect_lasts_as_long_as_its_repetitions() {
        let mut options = Options::default();
        assert_eq!(options.connect_seconds(), 127);
        options.set(net::TCP_SYNCNT, 1, true, false).unwrap();
        assert_eq!(options.connect_seconds(), 3);
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let mut options = Options::default();
        let bad = [
            (net::TCP_KEEPIDLE, 0),
            (net::TCP_KEEPCNT, 128),
            (net::TCP_MAXSEG, 87),
            (net::TCP_USER_TIMEOUT, -1),
            (net::TCP_FASTOPEN, -1),
            (net::TCP_FASTOPEN_CONNECT, 2),
        ];
        for (name, value) in bad {
            assert_eq!(options.set(name, value, true, false), Err(Errno::EINVAL), "{name}");
        }
        assert_eq!(options.set(net::TCP_FASTOPEN, 5, false, false), Err(Errno::EINVAL));
        assert_eq!(options.set(9999, 1, true, false), Err(Errno::ENOPROTOOPT));
    }
}
