//! The transmit ring of a network queue (`io/netif.h`, "Guest transmit"): buffers that the back end reads frames from.
//!
//! The buffers are granted for reading once and stay granted. A frame lies in one buffer; one that is longer than a page takes a
//! request for each page, and the buffer is free again when all of them are answered.

use crate::devices::{
    error::Result,
    grant::{Access, Memory, Message},
    machine::{Machine, PAGE},
    ring::Ring,
};
use alloc::{vec, vec::Vec};
use rumpkin_core::interface::Checksum;
use xen_sys::{NETTXF_csum_blank, NETTXF_data_validated, NETTXF_more_data, netif_tx_request, netif_tx_response};

/// Buffers that are not longer share a page.
const HALF: usize = PAGE / 2;

// SAFETY: Integers.
unsafe impl Message for netif_tx_request {}
// SAFETY: Integers.
unsafe impl Message for netif_tx_response {}

/// A ring and its buffers.
pub struct Transmit {
    ring: Ring<netif_tx_request, netif_tx_response>,
    buffers: Memory,
    /// Bytes of a buffer: half a page, or whole pages.
    stride: usize,
    /// Buffers that hold nothing.
    free: Vec<u16>,
    /// Requests of each buffer that are not answered.
    pending: Vec<u8>,
}

impl Transmit {
    /// Grants `count` buffers for frames of up to `largest` bytes to the back end, or as many as can be sent at once.
    #[cold]
    pub fn new(machine: &'static dyn Machine, domain: u16, count: u16, largest: usize) -> Result<Self> {
        let stride = if largest <= HALF { HALF } else { largest.next_multiple_of(PAGE) };
        let slots = Ring::<netif_tx_request, netif_tx_response>::slots(1) as usize;
        let count = count.min((slots / stride.div_ceil(PAGE)) as u16);
        let pages = (usize::from(count) * stride).div_ceil(PAGE);
        Ok(Self {
            ring: Ring::new(machine, domain, 1)?,
            buffers: Memory::new(machine, domain, pages, Access::Read)?,
            stride,
            free: (0..count).rev().collect(),
            pending: vec![0; usize::from(count)],
        })
    }

    /// The grant reference of the ring.
    pub fn reference(&self) -> u32 {
        self.ring.reference(0)
    }

    /// Takes buffers back whose frames have been sent.
    fn reclaim(&mut self) -> Result<()> {
        while let Some((_, response)) = self.ring.take()? {
            // Whatever the status: a frame that the back end could not send is lost, as on any link.
            match self.pending.get_mut(usize::from(response.id)) {
                Some(pending) if *pending > 0 => {
                    *pending -= 1;
                    if *pending == 0 {
                        self.free.push(response.id);
                    }
                }
                _ => return Err(self.ring.fail("an answer for a frame that was not sent")),
            }
        }
        Ok(())
    }

    /// Whether a frame can be queued, perhaps after taking buffers back.
    pub fn has_room(&mut self) -> Result<bool> {
        if self.free.is_empty() {
            self.reclaim()?;
        }
        Ok(!self.free.is_empty())
    }

    /// Queues a frame that `fill` writes, if there is room ([`Transmit::has_room`]). One that is too long is lost, as on any link.
    pub fn send(&mut self, length: usize, checksum: Checksum, fill: &mut dyn FnMut(&mut [u8])) {
        if length == 0 || length > self.stride {
            return;
        }
        let Some(id) = self.free.pop() else { return };
        let start = usize::from(id) * self.stride;
        self.buffers.fill(start, length, fill);
        let mut flags = match checksum {
            Checksum::Partial { .. } => NETTXF_csum_blank | NETTXF_data_validated,
            _ => 0,
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
                id,
                size: size as u16,
            });
            self.pending[usize::from(id)] += 1;
            flags = 0;
            sent += part;
        }
    }

    /// Shows the back end what was queued; true if it wants to be told.
    pub fn publish(&mut self) -> bool {
        self.ring.publish()
    }

    /// Asks for an event when half of what is out has been sent; true if there is room already.
    pub fn arm(&mut self) -> bool {
        // Room for half a ring is worth an event; room for one frame is not.
        !self.free.is_empty() || self.ring.arm(self.ring.in_flight() / 2)
    }
}
