//! The transmit ring of a network queue (`io/netif.h`, "Guest transmit"): buffers that the back end reads frames from.
//!
//! The buffers are granted for reading once and stay granted. A frame lies in as many of them in a row as it needs, takes a request
//! for each page that it touches, and one for what is to be said of it beyond that; its buffers are free again when all of those
//! are answered.

use crate::devices::{
    error::Result,
    grant::{Access, Memory, Message},
    machine::{Machine, PAGE},
    ring::Ring,
};
use alloc::{vec, vec::Vec};
use rumpkin_core::for_platform::{interface::Checksum, slots::Slots};
use xen_sys::{
    NETIF_RSP_NULL, NETTXF_csum_blank, NETTXF_data_validated, NETTXF_extra_info, NETTXF_more_data,
    XEN_NETIF_EXTRA_TYPE_GSO, XEN_NETIF_GSO_TYPE_TCPV4, XEN_NETIF_MAX_TX_SIZE, netif_tx_request, netif_tx_response,
};

/// Bytes of a buffer: two share a page.
const BUFFER: usize = PAGE / 2;

// SAFETY: Integers.
unsafe impl Message for netif_tx_request {}
// SAFETY: Integers.
unsafe impl Message for netif_tx_response {}

/// A ring and its buffers.
pub struct Transmit {
    ring: Ring<netif_tx_request, netif_tx_response>,
    buffers: Memory,
    slots: Slots,
    /// Requests that are not answered, of the frame that begins in a buffer.
    pending: Vec<u8>,
    /// The longest frame.
    longest: usize,
    /// Buffers that a frame needs which did not fit, if nobody has been told of room since; else 0.
    wanted: usize,
}

impl Transmit {
    /// Grants `count` buffers for frames of up to `largest` bytes to the back end, or as many as can be sent at once. Where the
    /// back end cuts frames into segments they may be longer ([`Transmit::longest`]).
    #[cold]
    pub fn new(machine: &'static dyn Machine, domain: u16, count: u16, largest: usize, cuts: bool) -> Result<Self> {
        // A buffer is worth two requests at most: its own, and one that says how its frame is to be cut.
        let requests = Ring::<netif_tx_request, netif_tx_response>::slots(1) as usize;
        let count = usize::from(count).max(largest.div_ceil(BUFFER)).next_multiple_of(2).min(requests / 2);
        // While the back end works on one frame the next ones are written.
        let cut = if cuts { (count / 4 * BUFFER).min(XEN_NETIF_MAX_TX_SIZE as usize) } else { 0 };
        Ok(Self {
            ring: Ring::new(machine, domain, 1)?,
            buffers: Memory::new(machine, domain, count * BUFFER / PAGE, Access::Read)?,
            slots: Slots::new(count),
            pending: vec![0; count],
            longest: largest.max(cut),
            wanted: 0,
        })
    }

    /// The grant reference of the ring.
    pub fn reference(&self) -> u32 {
        self.ring.reference(0)
    }

    /// The longest frame that is taken.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Takes buffers back whose frames have been sent.
    fn reclaim(&mut self) -> Result<()> {
        while let Some((_, response)) = self.ring.take()? {
            // In the place of a request that was no request of its own.
            if response.status == NETIF_RSP_NULL as i16 {
                continue;
            }
            // Whatever else the status: a frame that the back end could not send is lost, as on any link.
            let first = usize::from(response.id);
            match self.pending.get_mut(first) {
                Some(pending) if *pending > 0 => {
                    *pending -= 1;
                    if *pending == 0 {
                        self.slots.give(first);
                    }
                }
                _ => return Err(self.ring.fail("an answer for a frame that was not sent")),
            }
        }
        Ok(())
    }

    /// Whether a frame can be queued, perhaps after taking buffers back, or is too long anyway.
    pub fn has_room(&mut self, length: usize) -> Result<bool> {
        let count = length.div_ceil(BUFFER);
        if !self.slots.fits(count) {
            self.reclaim()?;
        }
        let room = self.slots.fits(count) || length > self.longest;
        self.wanted = if room { 0 } else { count };
        Ok(room)
    }

    /// Queues a frame that `fill` writes, if there is room ([`Transmit::has_room`]). One that is too long is lost, as on any link.
    pub fn send(&mut self, length: usize, checksum: Checksum, fill: &mut dyn FnMut(&mut [u8])) {
        if length == 0 || length > self.longest {
            return;
        }
        let Some(id) = self.slots.take(length.div_ceil(BUFFER)) else { return };
        let start = id * BUFFER;
        self.buffers.fill(start, length, fill);
        let (mut flags, mut cut) = match checksum {
            Checksum::Unknown | Checksum::Verified => (0, None),
            Checksum::Partial { .. } => (NETTXF_csum_blank | NETTXF_data_validated, None),
            Checksum::Segments { size, .. } => {
                (NETTXF_csum_blank | NETTXF_data_validated | NETTXF_extra_info, Some(segments_of(size)))
            }
        };
        let mut sent = 0;
        while sent < length {
            let at = start + sent;
            let part = (length - sent).min(PAGE - at % PAGE);
            let more = if sent + part < length { NETTXF_more_data } else { 0 };
            // The first request of a frame tells the length of the whole.
            let size = if sent == 0 { length } else { part };
            let gref = self.buffers.reference(at / PAGE);
            self.ring.push(netif_tx_request {
                gref,
                offset: (at % PAGE) as u16,
                flags: (flags | more) as u16,
                id: id as u16,
                size: size as u16,
            });
            self.pending[id] += 1;
            if let Some(extra) = cut.take() {
                self.ring.push(extra);
            }
            flags = 0;
            sent += part;
        }
    }

    /// Shows the back end what was queued; true if it wants to be told.
    pub fn publish(&mut self) -> bool {
        self.ring.publish()
    }

    /// Whether a frame found no room.
    pub fn is_full(&self) -> bool {
        self.wanted > 0
    }

    /// Asks for an event when half of what is out has been sent; true if there is room already.
    pub fn arm(&mut self) -> bool {
        // Room for half a ring is worth an event; room for one frame is not.
        let room = self.slots.fits(self.wanted) || self.ring.arm(self.ring.in_flight() / 2);
        if room {
            self.wanted = 0;
        }
        room
    }
}

/// `struct netif_extra_info` in the place of a request: the frame is TCP over IPv4, to be cut into segments of this size.
fn segments_of(size: u16) -> netif_tx_request {
    let [low, high] = size.to_le_bytes();
    netif_tx_request {
        gref: u32::from_le_bytes([XEN_NETIF_EXTRA_TYPE_GSO as u8, 0, low, high]),
        offset: XEN_NETIF_GSO_TYPE_TCPV4 as u16,
        flags: 0,
        id: 0,
        size: 0,
    }
}
