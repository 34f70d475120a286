//! The neighbor cache: which Ethernet address an IPv4 address on the link has, and who waits to know (RFC 826, RFC 1122 §2.3.2).
//!
//! Entries are made only for addresses that we send to, or that ask for ours; there are at most [`MAX_ENTRIES`], and the one
//! confirmed longest ago makes room. An entry that has not been confirmed for a minute is used on, but asked for again.

use crate::{
    ip::wire::{Address, Mac},
    slab::Key,
};
use alloc::{collections::VecDeque, vec::Vec};
use rumpkin_collections::OrderedMap;

const MAX_ENTRIES: usize = 512;
/// Datagrams kept for a neighbor that has not answered; the oldest goes first.
const MAX_WAITING: usize = 16;
/// How long an entry is trusted, in nanoseconds.
const FRESH: u64 = 60_000_000_000;
/// Between two requests, in nanoseconds.
const RETRY: u64 = 1_000_000_000;
/// Requests without an answer before giving up.
const MAX_REQUESTS: u32 = 3;

enum Entry {
    Known {
        mac: Mac,
        confirmed: u64,
        /// Requests since then, and when the last one went out.
        requests: u32,
        asked: u64,
    },
    Wanted {
        requests: u32,
        timer: Option<u64>,
        waiting: Waiting,
    },
}

/// What waits for a neighbor.
#[derive(Default)]
pub struct Waiting {
    /// IP packets.
    pub packets: VecDeque<Vec<u8>>,
    /// TCP connections, which send when they are told.
    pub connections: Vec<Key>,
}

/// What is known of a neighbor.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its address.
    Known(Mac),
    /// Its address, which is to be asked for again.
    Stale(Mac),
    /// Asked for already.
    Wanted,
    /// Not known: ask now.
    Unknown,
}

/// The cache.
pub struct Neighbors(OrderedMap<u64, Entry>);

impl Neighbors {
    pub fn new() -> Self {
        Neighbors(OrderedMap::new())
    }

    /// Looks a neighbor up for sending. After `Unknown` the entry is wanted.
    pub fn find(&mut self, address: Address, now: u64) -> Answer {
        match self.0.get_mut(key(address)) {
            Some(Entry::Known { mac, confirmed, requests, asked }) => {
                if now.saturating_sub(*confirmed) < FRESH || now.saturating_sub(*asked) < RETRY {
                    return Answer::Known(*mac);
                }
                if *requests < MAX_REQUESTS {
                    *requests = requests.saturating_add(1);
                    *asked = now;
                    return Answer::Stale(*mac);
                }
            }
            Some(Entry::Wanted { .. }) => return Answer::Wanted,
            None => {}
        }
        self.insert(address, Entry::Wanted { requests: 1, timer: None, waiting: Waiting::default() });
        Answer::Unknown
    }

    fn insert(&mut self, address: Address, entry: Entry) {
        if self.0.len() >= MAX_ENTRIES && !self.0.contains_key(key(address)) {
            let oldest = self.0.iter().filter_map(|(address, entry)| match entry {
                Entry::Known { confirmed, .. } => Some((*confirmed, address)),
                Entry::Wanted { .. } => None,
            });
            // With nothing but unanswered requests any of them goes.
            let victim =
                oldest.min().map(|(_, address)| address).or_else(|| self.0.first().map(|(address, _)| address));
            if let Some(victim) = victim {
                self.0.remove(victim);
            }
        }
        self.0.insert(key(address), entry);
    }

    /// What waits for a wanted neighbor.
    pub fn waiting(&mut self, address: Address) -> Option<&mut Waiting> {
        match self.0.get_mut(key(address))? {
            Entry::Wanted { waiting, .. } => Some(waiting),
            Entry::Known { .. } => None,
        }
    }

    /// The slot of a wanted neighbor's timer, and the deadline for the next request.
    pub fn timer(&mut self, address: Address, now: u64) -> Option<(&mut Option<u64>, u64)> {
        match self.0.get_mut(key(address))? {
            Entry::Wanted { timer, .. } => Some((timer, now.saturating_add(RETRY))),
            Entry::Known { .. } => None,
        }
    }

    /// A neighbor told its address. What waited for it comes back. `create`: remember it even if nobody asked.
    pub fn learn(&mut self, address: Address, mac: Mac, now: u64, create: bool) -> Option<(Waiting, Option<u64>)> {
        let known = Entry::Known { mac, confirmed: now, requests: 0, asked: 0 };
        match self.0.get_mut(key(address)) {
            Some(entry) => match core::mem::replace(entry, known) {
                Entry::Wanted { waiting, timer, .. } => Some((waiting, timer)),
                Entry::Known { .. } => None,
            },
            None => {
                if create {
                    self.insert(address, known);
                }
                None
            }
        }
    }

    /// A request's time is over. True: ask again. False: it has been given up, and what waited comes back.
    pub fn expire(&mut self, address: Address) -> Result<bool, Waiting> {
        match self.0.get_mut(key(address)) {
            Some(Entry::Wanted { requests, timer, .. }) => {
                *timer = None;
                if *requests < MAX_REQUESTS {
                    *requests = requests.saturating_add(1);
                    return Ok(true);
                }
            }
            _ => return Ok(false),
        }
        match self.0.remove(key(address)) {
            Some(Entry::Wanted { waiting, .. }) => Err(waiting),
            _ => Ok(false),
        }
    }
}

fn key(address: Address) -> u64 {
    u32::from(address).into()
}

impl Waiting {
    /// Keeps a packet until the neighbor answers.
    pub fn keep(&mut self, packet: Vec<u8>) {
        if self.packets.len() >= MAX_WAITING {
            self.packets.pop_front();
        }
        self.packets.push_back(packet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumpuser_hosted as _;

    const PEER: Address = Address::new(10, 0, 0, 2);

    #[test]
    fn what_waits_comes_back_with_the_answer() {
        let mut neighbors = Neighbors::new();
        assert_eq!(neighbors.find(PEER, 0), Answer::Unknown);
        assert_eq!(neighbors.find(PEER, 0), Answer::Wanted);
        neighbors.waiting(PEER).unwrap().keep(b"packet".to_vec());
        let (waiting, _) = neighbors.learn(PEER, [2; 6], 5, false).unwrap();
        assert_eq!(waiting.packets, [b"packet"]);
        assert_eq!(neighbors.find(PEER, 5), Answer::Known([2; 6]));
        assert_eq!(neighbors.find(PEER, FRESH + 5), Answer::Stale([2; 6]));
        assert_eq!(neighbors.find(PEER, FRESH + 6), Answer::Known([2; 6]));
    }

    #[test]
    fn a_silent_neighbor_is_given_up() {
        let mut neighbors = Neighbors::new();
        neighbors.find(PEER, 0);
        assert!(matches!(neighbors.expire(PEER), Ok(true)));
        assert!(matches!(neighbors.expire(PEER), Ok(true)));
        assert!(neighbors.expire(PEER).is_err());
    }

    #[test]
    fn the_cache_is_bounded_and_strangers_do_not_fill_it() {
        let mut neighbors = Neighbors::new();
        for index in 0..2000u32 {
            neighbors.learn(Address::from(index), [1; 6], 0, false);
        }
        assert_eq!(neighbors.0.len(), 0);
        for index in 0..2000u32 {
            neighbors.find(Address::from(index), 0);
        }
        assert_eq!(neighbors.0.len(), MAX_ENTRIES);
    }
}
