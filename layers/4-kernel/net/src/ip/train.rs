//! The frame that is being made for the link: one packet, or several segments of a TCP connection, which a device that can do so
//! cuts apart again.
//!
//! ```text
//!   the frame            | Ethernet | IPv4 | TCP | payload | payload | payload |
//!   the next packet                                             | IPv4 | TCP | payload |
//! ```
//! A packet that may follow is written so that its payload lies where it belongs at once. Its headers then lie over the end of the
//! frame, which is put back when they have been looked at.

use super::wire::*;
use alloc::vec::Vec;
use core::ops::Range;
use rumpkin_collections::TryVec;
use zerocopy::{FromBytes, IntoBytes};

/// A frame and its room.
pub struct Train {
    bytes: Vec<u8>,
    /// Bytes of the frame; 0 if there is none.
    length: usize,
    /// Bytes of payload of each of its segments, if it is of segments that others may follow; the last one may have fewer.
    size: usize,
    /// It has several segments.
    joined: bool,
    /// It may become longer.
    open: bool,
    /// The end of the frame, while headers lie over it.
    covered: [u8; SEGMENT_HEADERS],
}

impl Train {
    /// Room for packets of up to `mtu` bytes.
    #[expect(clippy::disallowed_macros, reason = "once, when the machine boots")]
    pub fn new(mtu: usize) -> Self {
        let bytes = alloc::vec![0; mtu.saturating_add(ETHERNET_HEADER)];
        Train { bytes, length: 0, size: 0, joined: false, open: false, covered: [0; SEGMENT_HEADERS] }
    }

    /// Bytes of the longest frame that there is room for, if possible so many.
    fn room(&mut self, longest: usize) -> usize {
        if longest > self.bytes.len() && self.bytes.try_reserve_all(longest).is_ok() {
            // There is room for it, so that it is not refused.
            let _ = self.bytes.try_resize(longest, 0);
        }
        self.bytes.len().min(longest)
    }

    /// Begins a frame, whose packet of `length` bytes is to be written to the place given; `None` if it is too long.
    pub fn begin(&mut self, header: &EthernetHeader, length: usize) -> Option<Range<usize>> {
        let place = ETHERNET_HEADER..ETHERNET_HEADER.saturating_add(length);
        self.bytes.get(place.clone())?;
        self.bytes.get_mut(..ETHERNET_HEADER)?.copy_from_slice(header.as_bytes());
        (self.length, self.joined, self.open) = (place.end, false, false);
        Some(place)
    }

    /// Lets segments follow the one in the frame, if it is one that others may follow.
    pub fn couple(&mut self) {
        self.size = self.length.saturating_sub(ETHERNET_HEADER).saturating_sub(SEGMENT_HEADERS);
        self.open = self.size > 0
            && self.headers().is_some_and(|headers| {
                let plain = headers.ip.version_and_length == 0x45 && headers.ip.protocol == PROTOCOL_TCP;
                plain && headers.tcp.offset == 5 << 4 && headers.tcp.flags == TCP_ACK
            });
    }

    /// Where a packet of `length` bytes is to be written that may be the next segment to the same neighbor; `None` if it cannot
    /// be. The frame becomes no longer than `longest`. [`Train::join`] must follow.
    pub fn next(&mut self, to: Mac, length: usize, longest: usize) -> Option<Range<usize>> {
        let payload = length.checked_sub(SEGMENT_HEADERS)?;
        let fits = self.open && (1..=self.size).contains(&payload) && self.bytes.starts_with(&to);
        let end = self.length.checked_add(payload)?;
        if !fits || end > self.room(longest.min(ETHERNET_HEADER.saturating_add(usize::from(u16::MAX)))) {
            return None;
        }
        let place = end.checked_sub(length)?..end;
        let (covered, _) = self.bytes.get(place.clone())?.split_first_chunk()?;
        self.covered = *covered;
        Some(place)
    }

    /// Takes the packet that was written to `place` into the frame. False if it is not the next segment: the frame is then as it was
    /// before, and when it has been taken the packet may begin another one ([`Train::begin_with_rest`]).
    pub fn join(&mut self, place: Range<usize>) -> bool {
        let gathered = self.length.saturating_sub(ETHERNET_HEADER).saturating_sub(SEGMENT_HEADERS);
        let next = self.packet(place.clone()).and_then(parse::<SegmentHeaders>).map(|(headers, _)| *headers);
        let joins = next.filter(|next| self.headers().is_some_and(|first| follows(first, next, gathered)));
        self.swap_covered(place.start);
        let Some(next) = joins else { return false };
        let payload = place.len().saturating_sub(SEGMENT_HEADERS);
        // What goes with the last segment goes behind none.
        self.open = next.tcp.flags == TCP_ACK && payload == self.size;
        (self.length, self.joined) = (place.end, true);
        if let Some(first) = self.headers() {
            first.tcp.flags |= next.tcp.flags;
        }
        true
    }

    /// Puts the covered end of the frame back, and keeps the headers that lay over it; or the reverse.
    fn swap_covered(&mut self, at: usize) {
        if let Some(end) = self.bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            core::mem::swap(end, &mut self.covered);
        }
    }

    /// Begins a frame with the packet that was not taken into the last one.
    pub fn begin_with_rest(&mut self, header: &EthernetHeader, place: Range<usize>) {
        let start = place.start;
        let payload = start.saturating_add(SEGMENT_HEADERS)..place.end;
        if payload.end > self.bytes.len() || self.begin(header, place.len()).is_none() {
            return;
        }
        self.bytes.copy_within(payload, ETHERNET_HEADER.saturating_add(SEGMENT_HEADERS));
        self.swap_covered(ETHERNET_HEADER);
    }

    /// Forgets the frame.
    pub fn clear(&mut self) {
        (self.length, self.joined, self.open) = (0, false, false);
    }

    /// A packet as it is written.
    pub fn packet(&self, place: Range<usize>) -> Option<&[u8]> {
        self.bytes.get(place)
    }

    /// The same, to write it.
    pub fn packet_mut(&mut self, place: Range<usize>) -> Option<&mut [u8]> {
        self.bytes.get_mut(place)
    }

    fn headers(&mut self) -> Option<&mut SegmentHeaders> {
        SegmentHeaders::mut_from_prefix(self.bytes.get_mut(ETHERNET_HEADER..)?).ok().map(|(headers, _)| headers)
    }

    /// Takes the frame, with its lengths; and how many bytes of payload its segments have if it has several. Its transport checksum
    /// is to be made.
    pub fn take(&mut self) -> Option<(&mut [u8], Option<u16>)> {
        let length = core::mem::take(&mut self.length);
        let joined = core::mem::take(&mut self.joined);
        self.open = false;
        if joined && let Some(headers) = self.headers() {
            headers.ip.total_length.set(length.saturating_sub(ETHERNET_HEADER) as u16);
            headers.ip.checksum.set(0);
            headers.ip.checksum.set(!checksum(0, headers.ip.as_bytes()));
        }
        let size = joined.then_some(self.size as u16);
        self.bytes.get_mut(..length).filter(|frame| !frame.is_empty()).map(|frame| (frame, size))
    }
}

/// Whether a segment is the next one after so many bytes of payload, and like the first in all that a device repeats.
fn follows(first: &SegmentHeaders, next: &SegmentHeaders, gathered: usize) -> bool {
    let mut expected = *first;
    expected.ip.total_length = next.ip.total_length;
    expected.ip.identification = next.ip.identification;
    expected.ip.checksum = next.ip.checksum;
    expected.tcp.sequence.set(first.tcp.sequence.get().wrapping_add(gathered as u32));
    expected.tcp.flags |= next.tcp.flags & (TCP_PSH | TCP_FIN);
    expected.tcp.checksum = next.tcp.checksum;
    expected.as_bytes() == next.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::network_endian::U16;

    const TO: Mac = [2, 0, 0, 0, 0, 2];
    const LONGEST: usize = 5000;

    fn header() -> EthernetHeader {
        EthernetHeader { destination: TO, source: [2, 0, 0, 0, 0, 1], kind: U16::new(ETHERTYPE_IPV4) }
    }

    /// A segment, changed as a test wants, with a payload of so many bytes that say where they belong.
    fn segment(sequence: u32, payload: usize, change: impl FnOnce(&mut SegmentHeaders)) -> Vec<u8> {
        let route = Route::new(Address::new(10, 0, 0, 1), Address::new(10, 0, 0, 2));
        let tcp = TcpHeader {
            source: 1.into(),
            destination: 2.into(),
            sequence: sequence.into(),
            acknowledgment: 7.into(),
            offset: 5 << 4,
            flags: TCP_ACK,
            window: 8.into(),
            checksum: 0.into(),
            urgent: 0.into(),
        };
        let ip = Ipv4Header::new(route, PROTOCOL_TCP, size_of::<TcpHeader>() + payload, 0, DONT_FRAGMENT);
        let mut headers = SegmentHeaders { ip, tcp };
        change(&mut headers);
        let mut packet = headers.as_bytes().to_vec();
        packet.extend((0..payload).map(|at| (sequence as usize + at) as u8));
        packet
    }

    /// A frame of one segment, of 1000 bytes of payload from sequence number 0.
    fn train(change: impl FnOnce(&mut SegmentHeaders)) -> Train {
        let mut train = Train::new(1500);
        let packet = segment(0, 1000, change);
        let place = train.begin(&header(), packet.len()).unwrap();
        train.packet_mut(place).unwrap().copy_from_slice(&packet);
        train.couple();
        train
    }

    /// Has a segment follow: whether there was a place for it, and where it lies if it was not taken.
    fn follow(train: &mut Train, packet: &[u8]) -> Option<Result<(), Range<usize>>> {
        let place = train.next(TO, packet.len(), LONGEST)?;
        train.packet_mut(place.clone()).unwrap().copy_from_slice(packet);
        Some(if train.join(place.clone()) { Ok(()) } else { Err(place) })
    }

    #[test]
    fn segments_lie_behind_each_other() {
        let mut train = train(|_| ());
        assert_eq!(follow(&mut train, &segment(1000, 1000, |_| ())), Some(Ok(())));
        assert_eq!(
            follow(&mut train, &segment(2000, 500, |headers| headers.tcp.flags |= TCP_PSH | TCP_FIN)),
            Some(Ok(()))
        );
        assert_eq!(follow(&mut train, &segment(2500, 500, |_| ())), None, "nothing goes behind an end");
        let (frame, size) = train.take().unwrap();
        assert_eq!((frame.len(), size), (14 + 40 + 2500, Some(1000)));
        let (headers, payload) = parse::<SegmentHeaders>(&frame[14..]).unwrap();
        assert_eq!(headers.ip.total_length.get(), 40 + 2500);
        assert_eq!(checksum(0, headers.ip.as_bytes()), 0xffff);
        assert_eq!((headers.tcp.sequence.get(), headers.tcp.flags), (0, TCP_ACK | TCP_PSH | TCP_FIN));
        assert!(payload.iter().enumerate().all(|(at, byte)| *byte == at as u8));
        assert!(train.take().is_none());
    }

    #[test]
    fn a_frame_grows_no_longer_than_the_link_takes() {
        let mut train = train(|_| ());
        for number in 1..4 {
            assert_eq!(follow(&mut train, &segment(number * 1000, 1000, |_| ())), Some(Ok(())));
        }
        assert_eq!(follow(&mut train, &segment(4000, 1000, |_| ())), None, "5054 bytes");
        assert_eq!(follow(&mut train, &segment(4000, 946, |_| ())), Some(Ok(())));
        assert_eq!(train.take().unwrap().0.len(), LONGEST);
    }

    #[test]
    fn what_does_not_follow_leaves_the_frame_as_it_was_and_begins_another() {
        let others: [fn(&mut SegmentHeaders); 10] = [
            |headers| headers.tcp.sequence.set(999),
            |headers| headers.tcp.sequence.set(0),
            |headers| headers.tcp.acknowledgment.set(8),
            |headers| headers.tcp.window.set(9),
            |headers| headers.tcp.source.set(3),
            |headers| headers.tcp.flags |= TCP_RST,
            |headers| headers.tcp.offset = 6 << 4,
            |headers| headers.ip.destination = [10, 0, 0, 3],
            |headers| headers.ip.service = 4,
            |headers| headers.ip.time_to_live = 1,
        ];
        for other in others {
            let mut train = train(|_| ());
            let packet = segment(1000, 1000, other);
            let place = follow(&mut train, &packet).unwrap().unwrap_err();
            let (frame, size) = train.take().unwrap();
            assert_eq!((frame.len(), size), (14 + 40 + 1000, None));
            assert!(frame[14..] == segment(0, 1000, |_| ()));
            train.begin_with_rest(&header(), place);
            let (frame, size) = train.take().unwrap();
            assert!((&frame[14..], size) == (&packet[..], None));
        }
    }

    #[test]
    fn nothing_follows_what_ends_or_is_no_segment() {
        let others: [fn(&mut SegmentHeaders); 5] = [
            |headers| headers.tcp.flags |= TCP_PSH,
            |headers| headers.tcp.flags |= TCP_FIN,
            |headers| headers.tcp.flags |= TCP_SYN,
            |headers| headers.tcp.offset = 6 << 4,
            |headers| headers.ip.protocol = PROTOCOL_UDP,
        ];
        for other in others {
            assert_eq!(follow(&mut train(other), &segment(1000, 1000, |_| ())), None);
        }
        let mut train = train(|_| ());
        assert_eq!(follow(&mut train, &segment(1000, 1001, |_| ())), None, "longer than the first");
        assert_eq!(follow(&mut train, &segment(1000, 0, |_| ())), None, "an acknowledgment");
        assert_eq!(train.next([2, 0, 0, 0, 0, 3], 1040, LONGEST), None, "another neighbor");
        assert_eq!(train.next(TO, 1040, 0), None, "a link that does not cut frames");
    }
}
