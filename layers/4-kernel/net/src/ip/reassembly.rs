//! Putting fragmented datagrams together (RFC 791 §3.2, RFC 5722's rule that overlaps void the datagram).
//!
//! At most [`MAX_DATAGRAMS`] are under way, for at most [`LIFETIME`], and with no more than a share of memory; the oldest makes
//! room. A datagram that finds no memory is void.

use crate::ip::wire::*;
use alloc::{collections::VecDeque, sync::Arc, vec::Vec};
use rumpkin_collections::{Account, Charge, TryDeque, TryVec, footprint, try_to_vec};
use zerocopy::IntoBytes;

const MAX_DATAGRAMS: usize = 16;
const MAX_PIECES: usize = 64;
/// What all fragments may take, as a share of memory.
const SHARE: usize = 64;
/// It is not less than the longest datagram needs, in pieces of the usual size.
const LEAST_SHARE: usize = 128 * 1024;
/// Nanoseconds from the first fragment to giving up.
const LIFETIME: u64 = 30_000_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    source: [u8; 4],
    destination: [u8; 4],
    protocol: u8,
    identification: u16,
}

struct Datagram {
    identity: Identity,
    deadline: u64,
    header: Ipv4Header,
    /// Offset and bytes, sorted.
    pieces: Vec<(usize, Vec<u8>)>,
    /// Known once the last fragment is there.
    length: Option<usize>,
    charge: Charge,
}

/// Datagrams of which some fragments are missing, oldest first.
pub struct Reassembly {
    datagrams: VecDeque<Datagram>,
    account: Arc<Account>,
    /// Datagrams that were void: fragments did not fit together, did not all come, or found no room.
    pub failed: u64,
}

impl Reassembly {
    /// Of a machine with so many bytes of memory.
    #[expect(clippy::disallowed_methods, reason = "once, when the machine boots")]
    pub fn new(memory: usize) -> Self {
        Reassembly {
            datagrams: VecDeque::new(),
            account: Arc::new(Account::new((memory / SHARE).max(LEAST_SHARE))),
            failed: 0,
        }
    }

    /// Takes a fragment; the whole packet, without IP options, if it was the last missing one.
    pub fn add(&mut self, header: &Ipv4Header, payload: &[u8], now: u64) -> Option<Vec<u8>> {
        let identity = Identity {
            source: header.source,
            destination: header.destination,
            protocol: header.protocol,
            identification: header.identification.get(),
        };
        let known = self.datagrams.iter().position(|datagram| datagram.identity == identity);
        let index = match known {
            Some(index) => index,
            None => {
                if self.datagrams.len() >= MAX_DATAGRAMS {
                    self.fail(0);
                }
                let deadline = now.saturating_add(LIFETIME);
                let charge = Charge::new(&self.account);
                let datagram =
                    Datagram { identity, deadline, header: *header, pieces: Vec::new(), length: None, charge };
                self.datagrams.try_push_back(datagram).ok()?;
                self.datagrams.len().saturating_sub(1)
            }
        };
        let complete = self.datagrams.get_mut(index)?.add(header, payload);
        if complete == Ok(true) {
            let whole = self.datagrams.remove(index).and_then(Datagram::join);
            self.failed = self.failed.wrapping_add(u64::from(whole.is_none()));
            return whole;
        }
        if complete.is_err() {
            self.fail(index);
        }
        // One datagram fits in any case, so that it is an older one that goes.
        while self.account.used() > self.account.limit().saturating_sub(self.account.limit() / 4)
            && self.datagrams.len() > 1
        {
            self.fail(0);
        }
        None
    }

    fn fail(&mut self, index: usize) {
        if self.datagrams.remove(index).is_some() {
            self.failed = self.failed.wrapping_add(1);
        }
        if self.datagrams.is_empty() {
            self.datagrams = VecDeque::new();
        }
    }

    /// Bytes that fragments take.
    pub fn memory(&self) -> usize {
        self.account.used()
    }

    /// When the oldest datagram is given up.
    pub fn deadline(&self) -> Option<u64> {
        self.datagrams.front().map(|datagram| datagram.deadline)
    }

    /// Gives up what has waited too long.
    pub fn expire(&mut self, now: u64) {
        while self.deadline().is_some_and(|deadline| deadline <= now) {
            self.fail(0);
        }
    }
}

impl Datagram {
    /// True if nothing is missing any more. `Err` if the fragments do not fit together.
    fn add(&mut self, header: &Ipv4Header, payload: &[u8]) -> Result<bool, ()> {
        let field = header.fragment.get();
        let start = usize::from(field & FRAGMENT_OFFSET).saturating_mul(8);
        let end = start.saturating_add(payload.len());
        let last = field & MORE_FRAGMENTS == 0;
        let too_long = end > usize::from(u16::MAX).saturating_sub(IPV4_HEADER);
        if too_long || payload.is_empty() || !last && !payload.len().is_multiple_of(8) {
            return Err(());
        }
        if last && self.length.replace(end).is_some_and(|length| length != end) {
            return Err(());
        }
        let at = self.pieces.partition_point(|(offset, _)| *offset < start);
        let before = at.checked_sub(1).and_then(|index| self.pieces.get(index));
        let overlaps_before = before.is_some_and(|(offset, bytes)| offset.saturating_add(bytes.len()) > start);
        match self.pieces.get(at) {
            // The same fragment again is no overlap.
            Some((offset, bytes)) if *offset == start && bytes.len() == payload.len() => {}
            Some((offset, _)) if *offset < end => return Err(()),
            _ if overlaps_before || self.pieces.len() >= MAX_PIECES => return Err(()),
            _ => {
                self.charge
                    .add(footprint(payload.len()).saturating_add(size_of::<(usize, Vec<u8>)>()))
                    .map_err(|_| ())?;
                let copy = try_to_vec(payload).map_err(|_| ())?;
                self.pieces.try_insert(at, (start, copy)).map_err(|_| ())?;
            }
        }
        let total = self.pieces.iter().fold(0usize, |sum, (_, bytes)| sum.saturating_add(bytes.len()));
        match self.length {
            Some(length) if total > length => Err(()),
            Some(length) => Ok(total == length),
            None => Ok(false),
        }
    }

    fn join(self) -> Option<Vec<u8>> {
        let length = self.length?;
        let old = self.header;
        let route = Route {
            source: old.source(),
            destination: old.destination(),
            time_to_live: old.time_to_live,
            service: old.service,
        };
        let header = Ipv4Header::new(route, old.protocol, length, old.identification.get(), 0);
        let mut packet = Vec::new();
        packet.try_resize(IPV4_HEADER.saturating_add(length), 0).ok()?;
        let (head, body) = packet.split_at_mut_checked(IPV4_HEADER)?;
        head.copy_from_slice(header.as_bytes());
        for (offset, bytes) in &self.pieces {
            body.get_mut(*offset..)?.get_mut(..bytes.len())?.copy_from_slice(bytes);
        }
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rumpuser_hosted as _;

    const MEMORY: usize = 64 << 20;

    fn fragment(offset: usize, more: bool, length: usize) -> (Ipv4Header, Vec<u8>) {
        let field = (offset / 8) as u16 | if more { MORE_FRAGMENTS } else { 0 };
        let route = Route::new(Address::new(10, 0, 0, 1), Address::new(10, 0, 0, 2));
        let payload: Vec<u8> = (offset..offset + length).map(|byte| byte as u8).collect();
        (Ipv4Header::new(route, PROTOCOL_UDP, length, 9, field), payload)
    }

    #[test]
    fn fragments_join_in_any_order() {
        let mut pieces = [fragment(0, true, 16), fragment(16, true, 8), fragment(24, false, 5)];
        for turn in 0..3 {
            pieces.rotate_left(turn);
            let mut reassembly = Reassembly::new(MEMORY);
            let whole = pieces.iter().filter_map(|(header, bytes)| reassembly.add(header, bytes, 0)).next().unwrap();
            let (header, body) = parse_ipv4(&whole).unwrap();
            assert!(!header.is_fragment());
            assert!(body.iter().enumerate().all(|(index, byte)| index as u8 == *byte) && body.len() == 29);
        }
    }

    #[test]
    fn overlaps_void_the_datagram() {
        let mut reassembly = Reassembly::new(MEMORY);
        for (header, bytes) in [fragment(0, true, 16), fragment(8, true, 16)] {
            assert!(reassembly.add(&header, &bytes, 0).is_none());
        }
        assert_eq!(reassembly.deadline(), None);
    }

    #[test]
    fn memory_is_bounded_and_old_pieces_go() {
        let mut reassembly = Reassembly::new(MEMORY);
        for identification in 0..100 {
            let (mut header, bytes) = fragment(0, true, 16);
            header.identification.set(identification);
            reassembly.add(&header, &bytes, u64::from(identification));
        }
        assert_eq!(reassembly.datagrams.len(), MAX_DATAGRAMS);
        reassembly.expire(LIFETIME + 100);
        assert_eq!(reassembly.datagrams.len(), 0);
    }

    #[test]
    fn fragments_take_no_more_than_their_share() {
        let mut reassembly = Reassembly::new(0);
        for identification in 0..100 {
            for offset in (0..48 * 1024).step_by(1024) {
                let (mut header, bytes) = fragment(offset, true, 1024);
                header.identification.set(identification);
                reassembly.add(&header, &bytes, 0);
            }
            assert!(reassembly.account.used() <= LEAST_SHARE && !reassembly.datagrams.is_empty());
        }
        reassembly.expire(LIFETIME);
        assert_eq!((reassembly.account.used(), reassembly.failed), (0, 100));
    }

    /// A cut into pieces of whole eights, the last one of any length; and an order in which they come, some twice.
    fn cuts() -> impl Strategy<Value = (Vec<usize>, usize, Vec<usize>)> {
        (prop::collection::vec(1..20usize, 1..12), 1..100usize).prop_flat_map(|(eights, last)| {
            let count = eights.len() + 1;
            let order = (Just((0..count).collect::<Vec<_>>()).prop_shuffle(), prop::collection::vec(0..count, 0..6))
                .prop_map(|(mut order, again)| {
                    for (place, index) in again.into_iter().enumerate() {
                        order.insert((place * 7) % order.len(), index);
                    }
                    order
                });
            (Just(eights), Just(last), order)
        })
    }

    proptest! {
        /// Pieces that fit together give the datagram once, with the last that was missing, in whatever order and however often
        /// they come.
        #[test]
        fn pieces_that_fit_give_the_whole((eights, last, order) in cuts()) {
            let mut reassembly = Reassembly::new(MEMORY);
            let mut pieces: Vec<_> = Vec::new();
            let mut offset = 0;
            for length in eights.iter().map(|eights| eights * 8) {
                pieces.push(fragment(offset, true, length));
                offset += length;
            }
            pieces.push(fragment(offset, false, last));
            let mut missing: Vec<usize> = (0..pieces.len()).collect();
            for index in order {
                missing.retain(|other| *other != index);
                let (header, bytes) = &pieces[index];
                let whole = reassembly.add(header, bytes, 0);
                prop_assert_eq!(whole.is_some(), missing.is_empty());
                let Some(whole) = whole else { continue };
                let (header, body) = parse_ipv4(&whole).unwrap();
                prop_assert!(!header.is_fragment());
                prop_assert_eq!(body.len(), offset + last);
                prop_assert!(body.iter().enumerate().all(|(index, byte)| index as u8 == *byte));
                prop_assert_eq!(reassembly.deadline(), None);
                break;
            }
        }

        /// Pieces that do not fit never give more than was sent, and keep little.
        #[test]
        fn any_pieces_are_harmless(pieces in prop::collection::vec((0..64usize, any::<bool>(), 0..80usize), 1..60)) {
            let mut reassembly = Reassembly::new(MEMORY);
            for (eights, more, length) in pieces {
                let (header, bytes) = fragment(eights * 8, more, length);
                if let Some(whole) = reassembly.add(&header, &bytes, 0) {
                    let (_, body) = parse_ipv4(&whole).unwrap();
                    prop_assert!(body.iter().enumerate().all(|(index, byte)| index as u8 == *byte));
                }
                let kept = reassembly.datagrams.iter().map(|datagram| datagram.pieces.len()).max();
                prop_assert!(kept.unwrap_or(0) <= MAX_PIECES);
            }
        }
    }
}
