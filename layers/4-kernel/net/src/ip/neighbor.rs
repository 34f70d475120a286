//! The neighbor cache: which Ethernet address an IPv4 address on the link has, and what waits to know (RFC 826, RFC 1122 §2.3.2).
//!
//! Entries are made only for addresses that we send to, or that ask for ours; there are at most [`MAX_ENTRIES`], and the one
//! confirmed longest ago makes room. An entry that has not been confirmed for a minute is used on, but asked for again.

use super::{
    Packet, Packets,
    wire::{Address, Mac},
};
use alloc::sync::Arc;
use rumpkin_collections::{Account, OrderedMap, OutOfMemory};

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
        /// When it is asked again, or given up.
        due: u64,
        waiting: Packets,
    },
}

/// What is to be done about a neighbor that has not answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Due {
    /// Ask again.
    Ask(Address),
    /// It has been asked often enough, and what waited for it is lost.
    GivenUp(Address),
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
pub struct Neighbors {
    entries: OrderedMap<u64, Entry>,
    /// No request is due earlier.
    due: Option<u64>,
    account: Arc<Account>,
}

impl Neighbors {
    /// Nobody is known. The account is charged for packets that wait.
    pub fn new(account: Arc<Account>) -> Self {
        Neighbors { entries: OrderedMap::new(), due: None, account }
    }

    /// Looks a neighbor up for sending. After `Unknown` it is wanted.
    pub fn find(&mut self, address: Address, now: u64) -> Result<Answer, OutOfMemory> {
        match self.entries.get_mut(key(address)) {
            Some(Entry::Known { mac, confirmed, requests, asked }) => {
                if now.saturating_sub(*confirmed) < FRESH || now.saturating_sub(*asked) < RETRY {
                    return Ok(Answer::Known(*mac));
                }
                if *requests < MAX_REQUESTS {
                    *requests = requests.saturating_add(1);
                    *asked = now;
                    return Ok(Answer::Stale(*mac));
                }
            }
            Some(Entry::Wanted { .. }) => return Ok(Answer::Wanted),
            None => {}
        }
        let due = now.saturating_add(RETRY);
        self.insert(address, Entry::Wanted { requests: 1, due, waiting: Packets::new(&self.account) })?;
        self.due = Some(self.due.map_or(due, |earliest| earliest.min(due)));
        Ok(Answer::Unknown)
    }

    fn insert(&mut self, address: Address, entry: Entry) -> Result<(), OutOfMemory> {
        if self.entries.len() >= MAX_ENTRIES && !self.entries.contains_key(key(address)) {
            let oldest = self.entries.iter().filter_map(|(address, entry)| match entry {
                Entry::Known { confirmed, .. } => Some((*confirmed, address)),
                Entry::Wanted { .. } => None,
            });
            // With nothing but unanswered requests any of them goes.
            let victim =
                oldest.min().map(|(_, address)| address).or_else(|| self.entries.first().map(|(address, _)| address));
            if let Some(victim) = victim {
                self.entries.remove(victim);
            }
        }
        self.entries.try_insert(key(address), entry).map(|_| ())
    }

    /// Keeps a packet until a wanted neighbor answers. False if it is lost.
    pub fn keep(&mut self, address: Address, packet: Packet) -> bool {
        let Some(Entry::Wanted { waiting, .. }) = self.entries.get_mut(key(address)) else { return false };
        if waiting.len() >= MAX_WAITING {
            waiting.pop();
        }
        waiting.try_push(packet).is_ok()
    }

    /// A neighbor told its address. What waited for it comes back. `create`: remember it even if nobody asked.
    pub fn learn(&mut self, address: Address, mac: Mac, now: u64, create: bool) -> Option<Packets> {
        let known = Entry::Known { mac, confirmed: now, requests: 0, asked: 0 };
        match self.entries.get_mut(key(address)) {
            Some(entry) => match core::mem::replace(entry, known) {
                Entry::Wanted { waiting, .. } => {
                    self.find_due();
                    Some(waiting)
                }
                Entry::Known { .. } => None,
            },
            None => {
                if create {
                    // If there is no memory for it, it is asked for when it is needed.
                    let _ = self.insert(address, known);
                }
                None
            }
        }
    }

    /// When [`Neighbors::due`] has something to say.
    pub fn deadline(&self) -> Option<u64> {
        self.due
    }

    fn find_due(&mut self) {
        let due = |(_, entry): (u64, &Entry)| match entry {
            Entry::Wanted { due, .. } => Some(*due),
            Entry::Known { .. } => None,
        };
        self.due = self.entries.iter().filter_map(due).min();
    }

    /// What is to be done now about one of those that have not answered.
    pub fn due(&mut self, now: u64) -> Option<Due> {
        self.due.filter(|due| *due <= now)?;
        let is_due = |entry: &Entry| matches!(entry, Entry::Wanted { due, .. } if *due <= now);
        let found = self.entries.iter().find(|(_, entry)| is_due(entry)).map(|(number, _)| number);
        let Some(number) = found else {
            self.find_due();
            return None;
        };
        let address = Address::from(number as u32);
        if let Some(Entry::Wanted { requests, due, .. }) = self.entries.get_mut(number)
            && *requests < MAX_REQUESTS
        {
            *requests = requests.saturating_add(1);
            *due = now.saturating_add(RETRY);
            return Some(Due::Ask(address));
        }
        self.entries.remove(number);
        Some(Due::GivenUp(address))
    }
}

fn key(address: Address) -> u64 {
    u32::from(address).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip::wire::IPV4_HEADER;
    use rumpuser::device::Checksum;
    use rumpuser_hosted::{Machine, Requests};

    const PEER: Address = Address::new(10, 0, 0, 2);

    fn neighbors() -> Neighbors {
        Neighbors::new(Arc::new(Account::new(4096)))
    }

    fn packet() -> Packet {
        Packet { bytes: alloc::vec![7; IPV4_HEADER], checksum: Checksum::Unknown }
    }

    #[test]
    fn what_waits_comes_back_with_the_answer() {
        let mut neighbors = neighbors();
        assert_eq!(neighbors.find(PEER, 0), Ok(Answer::Unknown));
        assert_eq!(neighbors.find(PEER, 0), Ok(Answer::Wanted));
        assert!(neighbors.keep(PEER, packet()));
        let mut waiting = neighbors.learn(PEER, [2; 6], 5, false).unwrap();
        assert_eq!((waiting.pop().unwrap().bytes, waiting.len()), (packet().bytes, 0));
        assert_eq!(neighbors.deadline(), None);
        assert_eq!(neighbors.find(PEER, 5), Ok(Answer::Known([2; 6])));
        assert_eq!(neighbors.find(PEER, FRESH + 5), Ok(Answer::Stale([2; 6])));
        assert_eq!(neighbors.find(PEER, FRESH + 6), Ok(Answer::Known([2; 6])));
    }

    #[test]
    fn a_silent_neighbor_is_given_up() {
        let mut neighbors = neighbors();
        neighbors.find(PEER, 0).unwrap();
        for expected in [Due::Ask(PEER), Due::Ask(PEER), Due::GivenUp(PEER)] {
            let due = neighbors.deadline().unwrap();
            assert_eq!((neighbors.due(due - 1), neighbors.due(due)), (None, Some(expected)));
            assert_eq!(neighbors.due(due), None);
        }
        assert_eq!(neighbors.deadline(), None);
    }

    #[test]
    fn the_cache_is_bounded_and_strangers_do_not_fill_it() {
        let mut neighbors = neighbors();
        for index in 0..2000u32 {
            neighbors.learn(Address::from(index), [1; 6], 0, false);
        }
        assert_eq!(neighbors.entries.len(), 0);
        for index in 0..2000u32 {
            neighbors.find(Address::from(index), 0).unwrap();
            neighbors.keep(Address::from(index), packet());
            assert!(neighbors.account.used() <= neighbors.account.limit());
        }
        assert_eq!(neighbors.entries.len(), MAX_ENTRIES);
    }

    #[test]
    fn without_memory_nobody_is_wanted() {
        let machine = Machine { requests: Arc::new(Requests::refusing(1, 1)), ..Machine::default() };
        machine.simulate(1, || {
            let mut neighbors = neighbors();
            assert_eq!((neighbors.find(PEER, 0), neighbors.deadline()), (Err(OutOfMemory), None));
            assert_eq!(neighbors.find(PEER, 0), Ok(Answer::Unknown));
        });
    }
}
