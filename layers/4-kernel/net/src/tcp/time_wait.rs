//! Connections in TIME-WAIT (RFC 9293 §3.6.1): what is left of them is a few numbers, so thousands cost little.

use super::{
    engine::{Sent, Tuple},
    tuples::{Holders, Reuse},
};
use crate::ip::wire::{TCP_ACK, TCP_RST, TCP_SYN, TcpHeader};
use rumpkin_collections::{OrderedMap, OutOfMemory, Queue};

/// How long a tuple is kept, in nanoseconds (Linux's `TCP_TIMEWAIT_LEN`).
const LIFETIME: u64 = 60_000_000_000;
/// Most entries; the oldest makes room. They take no more than a share of memory (Linux's `tcp_max_tw_buckets`).
const MAX_ENTRIES: usize = 8192;
const SHARE: usize = 16;
/// Bytes that an entry takes in both collections.
const FOOTPRINT: usize = 160;

#[derive(Clone, Copy)]
struct Entry {
    sent: Sent,
    reuse: Reuse,
    deadline: u64,
}

/// What to do with a segment for a tuple in TIME-WAIT.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The tuple is not in TIME-WAIT (any more): treat the segment as any other.
    Free,
    /// Say again what has been received.
    Acknowledge {
        /// Our sequence number.
        sequence: u32,
        /// The acknowledgment number.
        acknowledgment: u32,
        /// The window.
        window: u16,
    },
    /// Nothing.
    Drop,
}

/// The tuples.
pub struct TimeWait {
    entries: OrderedMap<Tuple, Entry>,
    /// In order of deadline; an entry whose deadline differs has been replaced.
    order: Queue<(u64, Tuple)>,
    /// The ports that they hold.
    pub holders: Holders,
    most: usize,
    /// Connections that found no memory here, and are forgotten (Linux's `TCPTimeWaitOverflow`).
    pub overflowed: u64,
}

impl TimeWait {
    /// For a machine with this many bytes of memory.
    pub fn new(memory: usize) -> Self {
        let most = (memory / SHARE / FOOTPRINT).min(MAX_ENTRIES);
        TimeWait { entries: OrderedMap::new(), order: Queue::new(), holders: Holders::default(), most, overflowed: 0 }
    }

    /// A connection that both sides have closed, and that sent this last. Without memory it is forgotten.
    pub fn insert(&mut self, tuple: Tuple, sent: Sent, reuse: Reuse, now: u64) {
        while self.order.len() >= self.most && !self.order.is_empty() {
            self.pop();
        }
        self.remove(tuple);
        if self.try_insert(tuple, Entry { sent, reuse, deadline: now.saturating_add(LIFETIME) }).is_err() {
            self.overflowed = self.overflowed.wrapping_add(1);
        }
    }

    fn try_insert(&mut self, tuple: Tuple, entry: Entry) -> Result<(), OutOfMemory> {
        let Entry { reuse, deadline, .. } = entry;
        // First what does no harm alone.
        self.order.try_push((deadline, tuple))?;
        self.holders.add(tuple.local, reuse)?;
        self.entries.try_insert(tuple, entry).inspect_err(|_| self.holders.remove(tuple.local, reuse))?;
        Ok(())
    }

    fn pop(&mut self) {
        if let Some((deadline, tuple)) = self.order.pop()
            && self.entries.get(tuple).is_some_and(|entry| entry.deadline == deadline)
        {
            self.remove(tuple);
        }
    }

    fn remove(&mut self, tuple: Tuple) {
        if let Some(entry) = self.entries.remove(tuple) {
            self.holders.remove(tuple.local, entry.reuse);
        }
    }

    /// Whether a tuple must not be used for a new connection of ours.
    pub fn contains(&self, tuple: Tuple) -> bool {
        self.entries.contains_key(tuple)
    }

    /// Looks at a segment that takes `length` of the sequence space.
    pub fn receive(&mut self, tuple: Tuple, header: &TcpHeader, length: u32) -> Verdict {
        let Some(entry) = self.entries.get(tuple) else { return Verdict::Free };
        let sent = entry.sent;
        if header.flags & TCP_RST != 0 {
            // As in Linux, an exact reset ends it: it is how a peer that wants the tuple again answers our acknowledgment.
            if header.sequence.get() == sent.acknowledged {
                self.remove(tuple);
            }
            return Verdict::Drop;
        }
        let ahead = header.sequence.get().wrapping_sub(sent.acknowledged) as i32 > 0;
        if header.flags & (TCP_SYN | TCP_ACK) == TCP_SYN && ahead {
            // A new incarnation whose sequence numbers lie beyond the old one's (RFC 9293 §3.10.7.4).
            self.remove(tuple);
            return Verdict::Free;
        }
        if length == 0 {
            // To answer an acknowledgment with one would never end when the peer is in TIME-WAIT too (RFC 9293 §3.10.7.4:
            // what is acceptable and empty gets no answer).
            return Verdict::Drop;
        }
        Verdict::Acknowledge { sequence: sent.next, acknowledgment: sent.acknowledged, window: sent.window }
    }

    /// When the oldest entry goes.
    pub fn deadline(&self) -> Option<u64> {
        self.order.front().map(|(deadline, _)| *deadline)
    }

    /// Lets go of what has waited long enough.
    pub fn expire(&mut self, now: u64) {
        while self.deadline().is_some_and(|deadline| deadline <= now) {
            self.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumpuser_hosted as _;
    use zerocopy::FromZeros;

    fn tuple(port: u16) -> Tuple {
        Tuple { local: ([10, 0, 0, 1].into(), 80), remote: ([10, 0, 0, 2].into(), port) }
    }

    fn segment(flags: u8, sequence: u32) -> TcpHeader {
        TcpHeader { flags, sequence: sequence.into(), ..TcpHeader::new_zeroed() }
    }

    #[test]
    fn a_repeated_fin_is_acknowledged_and_a_blind_reset_ignored() {
        let mut table = TimeWait::new(64 << 20);
        let sent = Sent { next: 10, acknowledged: 20, window: 30, ..Sent::default() };
        table.insert(tuple(1), sent, Reuse::default(), 0);
        let again = Verdict::Acknowledge { sequence: 10, acknowledgment: 20, window: 30 };
        assert_eq!(table.receive(tuple(1), &segment(TCP_ACK | 1, 19), 1), again);
        assert_eq!(table.receive(tuple(1), &segment(TCP_ACK, 20), 0), Verdict::Drop);
        assert_eq!(table.receive(tuple(1), &segment(TCP_RST, 21), 0), Verdict::Drop);
        assert_eq!(table.receive(tuple(1), &segment(TCP_SYN, 19), 1), again);
        assert_eq!(table.receive(tuple(1), &segment(TCP_SYN, 21), 1), Verdict::Free);
        assert!(!table.contains(tuple(1)));
        table.insert(tuple(2), sent, Reuse::default(), 0);
        assert_eq!(table.receive(tuple(2), &segment(TCP_RST, 20), 0), Verdict::Drop);
        assert!(!table.contains(tuple(2)));
    }

    #[test]
    fn entries_are_bounded_and_end() {
        let mut table = TimeWait::new(64 << 20);
        for port in 0..20_000 {
            table.insert(tuple(port), Sent::default(), Reuse::default(), u64::from(port));
        }
        assert_eq!(table.entries.len(), MAX_ENTRIES);
        table.expire(LIFETIME + 20_000);
        assert_eq!((table.entries.len(), table.order.len()), (0, 0));
        assert!(table.holders.is_empty());
    }
}
