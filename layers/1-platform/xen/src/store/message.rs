//! Messages to and from the store (`io/xs_wire.h`): a header of four words, and up to 4096 bytes behind it.

use crate::byte_ring::{Consumer, Corrupt};
use alloc::vec::Vec;
use xen_sys::XENSTORE_PAYLOAD_MAX;

/// Bytes of a header.
pub const HEADER: usize = 16;
/// Bytes behind it, at most.
pub const PAYLOAD: usize = XENSTORE_PAYLOAD_MAX as usize;

/// `struct xsd_sockmsg`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// `XS_…`.
    pub kind: u32,
    /// The request that this is or answers; 0 for events.
    pub id: u32,
    /// The transaction that it is a part of; 0 for none.
    pub transaction: u32,
    /// Bytes behind the header.
    pub length: u32,
}

impl Header {
    fn decode(bytes: &[u8; HEADER]) -> Self {
        let mut words = bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap_or_default()));
        let mut next = || words.next().unwrap_or_default();
        Self { kind: next(), id: next(), transaction: next(), length: next() }
    }

    /// Appends it.
    pub fn encode(&self, to: &mut Vec<u8>) {
        for word in [self.kind, self.id, self.transaction, self.length] {
            to.extend_from_slice(&word.to_le_bytes());
        }
    }
}

/// Puts messages together from the pieces that the ring holds. Never allocates after it was made.
pub struct Receiver {
    header: [u8; HEADER],
    /// Bytes of the message that are here.
    have: usize,
    /// As long as the header says.
    pub body: Vec<u8>,
}

impl Receiver {
    /// With room for the longest message.
    pub fn new() -> Self {
        Self { header: [0; HEADER], have: 0, body: Vec::with_capacity(PAYLOAD) }
    }

    /// Takes from the ring up to the end of a message: then its header, with what is behind it in `body` until the next
    /// call. `None` if the rest is not there yet. Also says how many bytes it took.
    pub fn receive(&mut self, ring: &mut Consumer) -> (usize, Result<Option<Header>, Corrupt>) {
        let mut taken = 0;
        let result = self.advance(ring, &mut taken);
        (taken, result)
    }

    fn advance(&mut self, ring: &mut Consumer, taken: &mut usize) -> Result<Option<Header>, Corrupt> {
        let mut take = |have: &mut usize, bytes: &mut [u8]| -> Result<(), Corrupt> {
            let count = ring.pop(bytes)?;
            *taken += count;
            *have += count;
            Ok(())
        };
        if let Some(rest) = self.header.get_mut(self.have..) {
            if !rest.is_empty() {
                take(&mut self.have, rest)?;
            }
            if self.have < HEADER {
                return Ok(None);
            }
            let length = Header::decode(&self.header).length as usize;
            if length > PAYLOAD {
                return Err(Corrupt);
            }
            self.body.resize(length, 0);
        }
        let header = Header::decode(&self.header);
        let length = self.body.len();
        if let Some(rest) = self.body.get_mut(self.have - HEADER..)
            && !rest.is_empty()
        {
            take(&mut self.have, rest)?;
        }
        if self.have - HEADER < length {
            return Ok(None);
        }
        self.have = 0;
        Ok(Some(header))
    }
}

/// The number of the watch that an `XS_WATCH_EVENT` is about: path and token, each with a NUL behind it.
pub fn token(body: &[u8]) -> Option<u32> {
    let token = body.split(|&byte| byte == 0).nth(1)?;
    str::from_utf8(token).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        byte_ring::{Place, Producer},
        tests::{random, test_page},
    };

    const PLACE: Place = Place { bytes: 0, size: 1024, consumer: 2048, producer: 2052 };

    fn message(kind: u32, id: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        Header { kind, id, transaction: 0, length: body.len() as u32 }.encode(&mut bytes);
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn messages_arrive_whole_however_they_are_cut() {
        let page = test_page();
        let (mut producer, mut consumer) = (Producer::new(page, PLACE), Consumer::new(page, PLACE));
        let long = alloc::vec![b'x'; PAYLOAD];
        let mut stream = message(2, 1, b"abc");
        stream.extend(message(4, 2, b""));
        stream.extend(message(2, 3, &long));
        let mut receiver = Receiver::new();
        let mut seen = Vec::new();
        let mut sent = 0;
        for step in 1.. {
            let piece = &stream[sent..stream.len().min(sent + step % 41)];
            sent += producer.push(piece).unwrap();
            while let Some(header) = receiver.receive(&mut consumer).1.unwrap() {
                assert_eq!(header.length as usize, receiver.body.len());
                seen.push((header.id, receiver.body.clone()));
            }
            if sent == stream.len() {
                break;
            }
        }
        assert_eq!(seen, [(1, b"abc".to_vec()), (2, Vec::new()), (3, long)]);
    }

    #[test]
    fn a_length_beyond_the_limit_is_an_error() {
        let page = test_page();
        let (mut producer, mut consumer) = (Producer::new(page, PLACE), Consumer::new(page, PLACE));
        let mut bytes = Vec::new();
        Header { kind: 2, id: 1, transaction: 0, length: PAYLOAD as u32 + 1 }.encode(&mut bytes);
        producer.push(&bytes).unwrap();
        assert_eq!(Receiver::new().receive(&mut consumer).1, Err(Corrupt));
    }

    #[test]
    fn random_bytes_and_indices_never_leave_the_buffer() {
        let mut numbers = random();
        for _ in 0..2000 {
            let page = test_page();
            let mut consumer = Consumer::new(page, PLACE);
            let mut receiver = Receiver::new();
            for _ in 0..20 {
                for offset in 0..1024 {
                    page.store(offset, if numbers().is_multiple_of(3) { numbers() as u8 } else { 0 });
                }
                page.store(
                    PLACE.producer,
                    if numbers().is_multiple_of(4) { numbers() as u32 } else { numbers() as u32 % 1025 },
                );
                while let (_, Ok(Some(_))) = receiver.receive(&mut consumer) {
                    assert!(receiver.body.len() <= PAYLOAD && receiver.body.capacity() == PAYLOAD);
                    token(&receiver.body);
                }
            }
        }
    }

    #[test]
    fn tokens_are_the_second_string() {
        assert_eq!(token(b"control/shutdown\x0017\0"), Some(17));
        for bad in [&b""[..], b"path", b"path\0", b"path\0x\0", b"path\0-1\0", b"path\x0099999999999\0", b"\0\xff\0"] {
            assert_eq!(token(bad), None, "{bad:?}");
        }
    }
}
