//! Options of the IP level that sockets of every protocol have (ip(7)).

use rumpkin_spine::{Errno, abi::linux::net};

/// What `IP_TTL` of -1 sets (Linux's `ip_default_ttl`).
const DEFAULT_TIME_TO_LIVE: u8 = 64;
/// The last of `IP_PMTUDISC_*`.
const LAST_DISCOVERY: i32 = 5;
/// The bits of the type of service that say something of congestion: TCP's, not the program's.
const CONGESTION: u8 = 0b11;

/// Options that are on or off, in the order of their bits.
const SWITCHES: [u32; 9] = [
    net::IP_RECVERR,
    net::IP_PKTINFO,
    net::IP_RECVTTL,
    net::IP_RECVTOS,
    net::IP_FREEBIND,
    net::IP_TRANSPARENT,
    net::IP_BIND_ADDRESS_NO_PORT,
    net::IP_MULTICAST_LOOP,
    net::IP_MULTICAST_ALL,
];

fn switch(name: u32) -> Option<u32> {
    let index = SWITCHES.iter().position(|other| *other == name)?;
    1u32.checked_shl(index as u32)
}

/// What a program has set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub time_to_live: u8,
    pub multicast_time_to_live: u8,
    /// The type-of-service byte.
    pub service: u8,
    /// `IP_PMTUDISC_*`.
    discovery: u8,
    switches: u32,
}

impl Default for Options {
    fn default() -> Self {
        let on = [net::IP_MULTICAST_LOOP, net::IP_MULTICAST_ALL];
        Options {
            time_to_live: DEFAULT_TIME_TO_LIVE,
            multicast_time_to_live: 1,
            service: 0,
            discovery: net::IP_PMTUDISC_WANT as u8,
            switches: on.into_iter().filter_map(switch).fold(0, |all, one| all | one),
        }
    }
}

impl Options {
    /// Whether an option is on.
    pub fn has(&self, name: u32) -> bool {
        switch(name).is_some_and(|bit| self.switches & bit != 0)
    }

    /// Whether a socket may be bound to an address that is not ours.
    pub fn binds_anywhere(&self) -> bool {
        self.has(net::IP_FREEBIND) || self.has(net::IP_TRANSPARENT)
    }

    /// Whether a datagram that does not fit into one packet is refused, not cut.
    pub fn is_whole(&self) -> bool {
        let whole = [net::IP_PMTUDISC_DO, net::IP_PMTUDISC_PROBE, net::IP_PMTUDISC_INTERFACE];
        whole.contains(&self.discovery.into())
    }

    /// Whether nobody on the way may cut a datagram.
    pub fn is_uncuttable(&self) -> bool {
        [net::IP_PMTUDISC_DO, net::IP_PMTUDISC_PROBE].contains(&self.discovery.into())
    }

    /// The value of an option.
    pub fn get(&self, name: u32) -> Result<i32, Errno> {
        Ok(match name {
            net::IP_TTL => self.time_to_live.into(),
            net::IP_MULTICAST_TTL => self.multicast_time_to_live.into(),
            net::IP_TOS => self.service.into(),
            net::IP_MTU_DISCOVER => self.discovery.into(),
            _ => i32::from(self.switches & switch(name).ok_or(Errno::ENOPROTOOPT)? != 0),
        })
    }

    /// Sets an option of a socket; `stream`: of TCP.
    pub fn set(&mut self, name: u32, value: &[u8], stream: bool) -> Result<(), Errno> {
        // As in Linux: an int, or one byte, or nothing for 0.
        let number = match (value.first_chunk(), value.first()) {
            (Some(bytes), _) => i32::from_le_bytes(*bytes),
            (None, byte) => byte.copied().unwrap_or(0).into(),
        };
        match name {
            net::IP_TTL if value.is_empty() => return Err(Errno::EINVAL),
            net::IP_TTL if number == -1 => self.time_to_live = DEFAULT_TIME_TO_LIVE,
            net::IP_TTL if (1..=255).contains(&number) => self.time_to_live = number as u8,
            net::IP_MULTICAST_TTL if stream || value.is_empty() => return Err(Errno::EINVAL),
            net::IP_MULTICAST_TTL if number == -1 => self.multicast_time_to_live = 1,
            net::IP_MULTICAST_TTL if (0..=255).contains(&number) => self.multicast_time_to_live = number as u8,
            net::IP_TOS if stream => self.service = number as u8 & !CONGESTION | self.service & CONGESTION,
            net::IP_TOS => self.service = number as u8,
            net::IP_MTU_DISCOVER if (0..=LAST_DISCOVERY).contains(&number) => self.discovery = number as u8,
            net::IP_TTL | net::IP_MULTICAST_TTL | net::IP_MTU_DISCOVER => return Err(Errno::EINVAL),
            net::IP_MULTICAST_ALL if !(0..=1).contains(&number) => return Err(Errno::EINVAL),
            _ => {
                let bit = switch(name).ok_or(Errno::ENOPROTOOPT)?;
                self.switches = if number == 0 { self.switches & !bit } else { self.switches | bit };
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumpuser_hosted as _;

    #[test]
    fn a_byte_will_do_and_nothing_is_zero() {
        let mut options = Options::default();
        assert_eq!(options.set(net::IP_TOS, &[0x13], false), Ok(()));
        assert_eq!(options.get(net::IP_TOS), Ok(0x13));
        assert_eq!(options.set(net::IP_TOS, &0x20i32.to_le_bytes(), true), Ok(()));
        assert_eq!(options.get(net::IP_TOS), Ok(0x23));
        assert_eq!(options.set(net::IP_MULTICAST_LOOP, &[], false), Ok(()));
        assert!(!options.has(net::IP_MULTICAST_LOOP) && options.has(net::IP_MULTICAST_ALL));
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let mut options = Options::default();
        let bad = [(net::IP_TTL, 0), (net::IP_TTL, 256), (net::IP_MTU_DISCOVER, 6), (net::IP_MULTICAST_ALL, 2)];
        for (name, value) in bad {
            assert_eq!(options.set(name, &i32::to_le_bytes(value), false), Err(Errno::EINVAL), "{name}");
        }
        assert_eq!(options.set(9999, &[1, 0, 0, 0], false), Err(Errno::ENOPROTOOPT));
        assert_eq!(options.get(9999), Err(Errno::ENOPROTOOPT));
    }
}
