//! A ring of bytes in a shared page, as the console and the store have them: each side owns one of two free-running indices.
//!
//! ```text
//!            consumer's index        producer's index        (each modulo the size)
//!   ─────────────▼───────────────────────▼─────────────
//!      free      │    bytes on the way   │    free
//! ```
//!
//! Our own index is kept here and only written to the page, so the other side can do no more than lie about its own; an
//! index that says more bytes are on the way than fit is an error.

use crate::page::SharedPage;
use core::sync::atomic::{Ordering, fence};

/// The other side's index cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt;

/// Where a ring lies in its page.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Offset of the first byte.
    pub bytes: usize,
    /// How many there are: a power of two.
    pub size: u32,
    /// Offset of the consumer's index.
    pub consumer: usize,
    /// Offset of the producer's index.
    pub producer: usize,
}

impl Place {
    fn byte(&self, index: u32) -> usize {
        self.bytes + (index & (self.size - 1)) as usize
    }
}

/// The side that puts bytes in.
pub struct Producer {
    page: SharedPage,
    place: Place,
    index: u32,
}

/// The side that takes bytes out.
pub struct Consumer {
    page: SharedPage,
    place: Place,
    index: u32,
}

impl Producer {
    /// Goes on where the page says.
    pub fn new(page: SharedPage, place: Place) -> Self {
        Self { page, place, index: page.load(place.producer) }
    }

    /// Bytes that the other side has not taken yet.
    pub fn pending(&self) -> Result<u32, Corrupt> {
        let pending = self.index.wrapping_sub(self.page.load(self.place.consumer));
        if pending > self.place.size { Err(Corrupt) } else { Ok(pending) }
    }

    /// Puts in what fits, and says how much that was.
    pub fn push(&mut self, bytes: &[u8]) -> Result<usize, Corrupt> {
        let free = self.place.size - self.pending()?;
        let count = bytes.len().min(free as usize);
        // What the other side read there is read before it is overwritten.
        fence(Ordering::SeqCst);
        for &byte in bytes.iter().take(count) {
            self.page.store(self.place.byte(self.index), byte);
            self.index = self.index.wrapping_add(1);
        }
        fence(Ordering::Release);
        self.page.store(self.place.producer, self.index);
        // Whoever looks next whether there is room sees it not before the other side can see the bytes.
        fence(Ordering::SeqCst);
        Ok(count)
    }
}

impl Consumer {
    /// Goes on where the page says.
    pub fn new(page: SharedPage, place: Place) -> Self {
        Self { page, place, index: page.load(place.consumer) }
    }

    /// Bytes that can be taken.
    pub fn available(&self) -> Result<u32, Corrupt> {
        let available = self.page.load::<u32>(self.place.producer).wrapping_sub(self.index);
        if available > self.place.size { Err(Corrupt) } else { Ok(available) }
    }

    /// Takes what is there and fits, and says how much that was.
    pub fn pop(&mut self, buffer: &mut [u8]) -> Result<usize, Corrupt> {
        let count = buffer.len().min(self.available()? as usize);
        fence(Ordering::Acquire);
        for slot in buffer.iter_mut().take(count) {
            *slot = self.page.load(self.place.byte(self.index));
            self.index = self.index.wrapping_add(1);
        }
        fence(Ordering::SeqCst);
        self.page.store(self.place.consumer, self.index);
        fence(Ordering::SeqCst);
        Ok(count)
    }

    /// Takes everything that is there, whatever it is, and begins anew where the other side claims to be.
    pub fn drain(&mut self) {
        self.index = self.page.load(self.place.producer);
        self.page.store(self.place.consumer, self.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::test_page;

    const PLACE: Place = Place { bytes: 1024, size: 1024, consumer: 2048, producer: 2052 };

    #[test]
    fn bytes_arrive_in_order_across_the_wrap_of_ring_and_index() {
        let page = test_page();
        page.store(PLACE.consumer, u32::MAX - 5);
        page.store(PLACE.producer, u32::MAX - 5);
        let (mut producer, mut consumer) = (Producer::new(page, PLACE), Consumer::new(page, PLACE));
        let mut next = 0u8;
        let mut expected = 0u8;
        for round in 0..200usize {
            let piece: alloc::vec::Vec<u8> = (0..round % 97).map(|i| next.wrapping_add(i as u8)).collect();
            assert_eq!(producer.push(&piece), Ok(piece.len()));
            next = next.wrapping_add(piece.len() as u8);
            let mut buffer = [0; 97];
            let count = consumer.pop(&mut buffer).unwrap();
            assert_eq!(count, piece.len());
            for byte in &buffer[..count] {
                assert_eq!(*byte, expected);
                expected = expected.wrapping_add(1);
            }
        }
    }

    #[test]
    fn a_full_ring_takes_nothing_more() {
        let page = test_page();
        let mut producer = Producer::new(page, PLACE);
        assert_eq!(producer.push(&[7; 2000]), Ok(1024));
        assert_eq!(producer.push(&[7; 10]), Ok(0));
        assert_eq!(producer.pending(), Ok(1024));
        page.store(PLACE.consumer, 24u32);
        assert_eq!(producer.push(&[7; 2000]), Ok(24));
    }

    #[test]
    fn hostile_indices_are_errors_and_touch_nothing_outside_the_ring() {
        let page = test_page();
        let (mut producer, mut consumer) = (Producer::new(page, PLACE), Consumer::new(page, PLACE));
        for index in [1u32, 1025, 0x8000_0000, 0u32.wrapping_sub(1025)] {
            page.store(PLACE.consumer, index);
            assert_eq!(producer.push(b"x"), Err(Corrupt), "{index:#x}");
        }
        for index in [1025u32, 0x8000_0000, u32::MAX] {
            page.store(PLACE.producer, index);
            assert_eq!(consumer.pop(&mut [0; 4]), Err(Corrupt), "{index:#x}");
        }
        for offset in (0..1024).chain(2056..4096) {
            assert_eq!(page.load::<u8>(offset), 0, "{offset}");
        }
        consumer.drain();
        assert_eq!(consumer.pop(&mut [0; 4]), Ok(0));
    }

    #[test]
    fn a_rewritten_index_of_ours_is_not_believed() {
        let page = test_page();
        let mut producer = Producer::new(page, PLACE);
        producer.push(b"abc").unwrap();
        page.store(PLACE.producer, 0xdead_beefu32);
        assert_eq!(producer.push(b"d"), Ok(1));
        assert_eq!(page.load::<u32>(PLACE.producer), 4);
        assert_eq!(page.load::<u8>(PLACE.bytes + 3), b'd');
    }
}
