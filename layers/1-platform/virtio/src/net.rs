//! Network device (VIRTIO 1.2 §5.1): a receive and a transmit queue over preallocated buffers.
//!
//! Each buffer of the receive queue belongs to one descriptor for good, so giving it back is one store into the available ring.
//! Receiving is interrupt-driven only while the kernel sleeps ([`Link::arm`]). A frame that is sent takes as many buffers in a
//! row as it needs; they are reclaimed when new ones are needed, and interrupt only when someone waits for room.

use crate::{
    Error, Handler, Queue, Region, Result,
    queue::Segment,
    transport::{self, Transport, queue_size, read_configuration},
};
use alloc::{sync::Arc, vec, vec::Vec};
use rumpkin_core::for_platform::{
    interface::{Checksum, Link, LinkInfo, Notify},
    services::Services,
    slots::Slots,
};

/// Feature bits (§5.1.3).
pub mod feature {
    crate::transport::features! {
        CSUM 0 "the device makes checksums of frames that are sent"
        GUEST_CSUM 1 "checksums of frames that never left the host are not made"
        MTU 3 "up to 9000"
        MAC 5 "required"
        GUEST_TSO4 7 "TCP segments arrive joined, where buffers may be too"
        HOST_TSO4 11 "TCP segments are sent joined, up to 64 KiB"
        MRG_RXBUF 15 "a frame may take several buffers"
    }
}

const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;
/// `struct virtio_net_hdr`, whose last field is the number of buffers (§5.1.6).
const HEADER: usize = 12;
const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;
/// The kind of segments, in the header's second byte.
const GSO_TCPV4: u8 = 1;
const ETHERNET_HEADER: usize = 14;
const SMALLEST_MTU: usize = 68;
const LARGEST_MTU: usize = 9000;
/// The longest frame that joining can give: an IPv4 datagram and its Ethernet header.
const LARGEST_FRAME: usize = 65535 + ETHERNET_HEADER;
/// Bytes of one buffer: a header, and a frame of the usual MTU with room for a tag.
const BUFFER: usize = 2048;

/// How much memory a link may take.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Buffers for receiving.
    pub receive: u16,
    /// Buffers for transmitting.
    pub transmit: u16,
}

/// A network card.
pub struct Net {
    transport: Arc<dyn Transport>,
    info: LinkInfo,
    merging: bool,
    /// The longest frame that the device cuts into segments; 0 if it does not.
    segmentation: usize,
    receive: Ring,
    transmit: Transmit,
    /// The frame that is being joined from several buffers.
    joined: Vec<u8>,
    /// Buffers that a frame needs which did not fit, if nobody has been told of room since; else 0.
    wanted: usize,
    /// The device broke the rules and was put out of service.
    down: bool,
    notify: Arc<rumpkin_core::for_platform::sync::Once<Notify>>,
}

/// A queue and the buffers of its descriptors: id `i` is the buffer at `i * stride`.
struct Ring {
    queue: Queue,
    buffers: Region,
    stride: usize,
}

impl Ring {
    fn new(
        services: &dyn Services,
        transport: &dyn Transport,
        index: u16,
        size: u16,
        stride: usize,
        event_index: bool,
    ) -> Result<Self> {
        let size = queue_size(transport, index, size, 2)?;
        let buffers = Region::new(services, usize::from(size) * stride).ok_or(Error::Memory)?;
        let queue =
            Queue::new(services, size, event_index, |addresses| transport.enable_queue(index, size, addresses))?;
        Ok(Self { queue, buffers, stride })
    }

    fn offset(&self, id: u16) -> usize {
        usize::from(id) * self.stride
    }
}

/// The transmit queue and its buffers.
struct Transmit {
    queue: Queue,
    buffers: Region,
    slots: Slots,
    /// The first buffer of each descriptor's frame.
    firsts: Vec<usize>,
    /// The longest frame that may be sent, with the device's header.
    longest: usize,
}

impl Transmit {
    fn new(
        services: &dyn Services,
        transport: &dyn Transport,
        size: u16,
        longest: usize,
        event_index: bool,
    ) -> Result<Self> {
        let size = queue_size(transport, TRANSMIT, size, 2)?;
        let count = usize::from(size).max(longest.div_ceil(BUFFER));
        let buffers = Region::new(services, count * BUFFER).ok_or(Error::Memory)?;
        let enable = |addresses| transport.enable_queue(TRANSMIT, size, addresses);
        let queue = Queue::new(services, size, event_index, enable)?;
        Ok(Self { queue, buffers, slots: Slots::new(count), firsts: vec![0; usize::from(size)], longest })
    }

    /// Whether a frame of so many buffers can be queued.
    fn has_room(&self, count: usize) -> bool {
        self.queue.next_id().is_some() && self.slots.fits(count)
    }

    /// Takes back what the device has sent.
    fn reclaim(&mut self) -> Result<()> {
        while let Some((id, _)) = self.queue.take()? {
            self.slots.give(self.firsts[usize::from(id)]);
        }
        self.queue.disarm();
        Ok(())
    }
}

/// The link's interrupt handler: it acknowledges, and wakes whoever serves the link.
struct Interrupt {
    transport: Arc<dyn Transport>,
    notify: Arc<rumpkin_core::for_platform::sync::Once<Notify>>,
}

impl Handler for Interrupt {
    fn interrupt(&self) -> bool {
        let ours = self.transport.acknowledge();
        if ours && let Some(notify) = self.notify.get() {
            notify();
        }
        ours
    }
}

impl Net {
    /// Sets the device up and gives it all receive buffers.
    #[cold]
    pub fn new(services: &dyn Services, transport: Arc<dyn Transport>, sizes: Sizes) -> Result<Self> {
        use feature::{CSUM, GUEST_CSUM, GUEST_TSO4, HOST_TSO4, MAC, MRG_RXBUF, MTU};
        let device = &*transport;
        let offered = device.device_features();
        let mut wanted = CSUM | GUEST_CSUM | MAC | MTU | MRG_RXBUF;
        // Joined segments come in many buffers or need buffers of 64 KiB, which we don't give.
        if offered & MRG_RXBUF != 0 && offered & GUEST_CSUM != 0 {
            wanted |= GUEST_TSO4;
        }
        // Segments need checksums (§5.1.3.1).
        if offered & CSUM != 0 {
            wanted |= HOST_TSO4;
        }
        let chosen = transport::negotiate(device, wanted)?;
        let event_index = chosen & transport::EVENT_INDEX != 0;
        let mac = if chosen & MAC != 0 {
            read_configuration(device, 0)?
        } else {
            return Err(Error::Broken("a network card without an address"));
        };
        let mut mtu = 1500;
        if chosen & MTU != 0 {
            mtu = usize::from(u16::from_le_bytes(read_configuration(device, 10)?)).min(LARGEST_MTU);
            if mtu < SMALLEST_MTU {
                return Err(Error::Broken("an MTU below 68"));
            }
        }
        let merging = chosen & MRG_RXBUF != 0;
        let whole = HEADER + ETHERNET_HEADER + 4 + mtu;
        let stride = if merging { BUFFER } else { whole.next_multiple_of(BUFFER) };
        let mut receive = Ring::new(services, device, RECEIVE, sizes.receive, stride, event_index)?;
        let mut transmit = Transmit::new(services, device, sizes.transmit, whole, event_index)?;
        let mut segmentation = 0;
        if chosen & HOST_TSO4 != 0 {
            // While the device works on one frame the next ones are written.
            transmit.longest = whole.max((transmit.slots.count() / 4 * BUFFER).min(HEADER + LARGEST_FRAME));
            segmentation = transmit.longest - HEADER;
        }
        receive.queue.disarm();
        transmit.queue.disarm();
        let mut order = 0;
        while order < receive.queue.size() {
            // Ids come in ascending order from a new queue, so id and buffer agree.
            let id = receive.queue.add(&[Segment {
                physical: receive.buffers.physical(usize::from(order) * stride),
                length: stride as u32,
                writable: true,
            }]);
            if id != Some(order) {
                return Err(Error::Memory);
            }
            order += 1;
        }
        transport::start(device);
        receive.queue.publish();
        Ok(Self {
            info: LinkInfo { mac, mtu, transmit_checksum: chosen & CSUM != 0 },
            transport,
            merging,
            segmentation,
            receive,
            transmit,
            joined: Vec::new(),
            wanted: 0,
            down: false,
            notify: Arc::new(rumpkin_core::for_platform::sync::Once::new()),
        })
    }

    /// What is to be called when the device interrupts.
    pub fn handler(&self) -> Arc<dyn Handler> {
        Arc::new(Interrupt { transport: self.transport.clone(), notify: self.notify.clone() })
    }

    /// Puts a device that breaks the rules out of service: it is reset, so that it writes no memory any more.
    #[cold]
    fn stop(&mut self, error: Error) {
        if !self.down {
            self.down = true;
            log::error!("virtio-net: {error}; the link is down");
            let _ = transport::reset(&*self.transport);
        }
    }

    /// Takes one frame, which lies in one buffer or in several. False if there is none.
    fn take_frame(&mut self, sink: &mut dyn FnMut(&[u8], Checksum)) -> Result<bool> {
        let ring = &mut self.receive;
        let Some((id, length)) = ring.queue.take_keeping()? else {
            return Ok(false);
        };
        let length = length as usize;
        let offset = ring.offset(id);
        let flags: u8 = ring.buffers.load(offset);
        let count: u16 = if self.merging { ring.buffers.load(offset + 10) } else { 1 };
        let checksum = if flags & (NEEDS_CSUM | DATA_VALID) != 0 { Checksum::Verified } else { Checksum::Unknown };
        if length < HEADER + ETHERNET_HEADER || count == 0 {
            ring.queue.requeue(id);
            return Ok(true);
        }
        // SAFETY: The device has given this buffer back, and it is requeued only below.
        let first = unsafe { ring.buffers.bytes(offset + HEADER..offset + length) };
        if count == 1 {
            sink(first, checksum);
            ring.queue.requeue(id);
            return Ok(true);
        }
        self.joined.clear();
        let mut whole = self.joined.try_reserve(LARGEST_FRAME).is_ok();
        if whole {
            self.joined.extend_from_slice(first);
        }
        ring.queue.requeue(id);
        for _ in 1..count {
            // The device writes the used index of a frame once, behind its last buffer (§5.1.6.4).
            let Some((id, length)) = ring.queue.take_keeping()? else {
                return Err(Error::Broken("a frame without its end"));
            };
            let offset = ring.offset(id);
            // SAFETY: As above.
            let part = unsafe { ring.buffers.bytes(offset..offset + length as usize) };
            whole &= self.joined.len() + part.len() <= LARGEST_FRAME;
            if whole {
                self.joined.extend_from_slice(part);
            }
            ring.queue.requeue(id);
        }
        if whole {
            sink(&self.joined, checksum);
        }
        Ok(true)
    }
}

/// Writes what the device shall do to a frame into its header, which is zero.
fn describe(header: &mut [u8], frame: &[u8], checksum: Checksum) {
    let mut put = |at: usize, value: u16| header[at..at + 2].copy_from_slice(&value.to_le_bytes());
    match checksum {
        Checksum::Unknown | Checksum::Verified => {}
        Checksum::Partial { start, offset } => {
            put(0, u16::from(NEEDS_CSUM));
            put(6, start);
            put(8, offset);
        }
        Checksum::Segments { start, offset, size } => {
            // Whoever cuts the frame wants to know how long its headers are; TCP tells in words, in the high half of a byte.
            let tcp = frame.get(usize::from(start) + 12).map_or(0, |words| u16::from(words >> 4) * 4);
            put(0, u16::from_le_bytes([NEEDS_CSUM, GSO_TCPV4]));
            put(2, start.saturating_add(tcp));
            put(4, size);
            put(6, start);
            put(8, offset);
        }
    }
}

impl Link for Net {
    fn info(&self) -> LinkInfo {
        self.info.clone()
    }

    fn receive(&mut self, budget: usize, sink: &mut dyn FnMut(&[u8], Checksum)) -> usize {
        let mut count = 0;
        self.receive.queue.disarm();
        while count < budget && !self.down {
            match self.take_frame(sink) {
                Ok(true) => count += 1,
                Ok(false) => break,
                Err(error) => {
                    self.stop(error);
                    break;
                }
            }
            // Half of the buffers: early enough that the device does not run dry, late enough to be a batch.
            if count.is_multiple_of(usize::from(self.receive.queue.size() / 2)) {
                self.receive.queue.publish();
            }
        }
        self.receive.queue.publish();
        count
    }

    fn transmit(&mut self, length: usize, checksum: Checksum, fill: &mut dyn FnMut(&mut [u8])) -> bool {
        let whole = HEADER + length;
        let count = whole.div_ceil(BUFFER);
        if !self.transmit.has_room(count)
            && let Err(error) = self.transmit.reclaim()
        {
            self.stop(error);
        }
        if whole > self.transmit.longest || self.down {
            // It can never be sent; the frame is lost, as on any link.
            return true;
        }
        let Transmit { queue, buffers, slots, firsts, .. } = &mut self.transmit;
        let (Some(id), Some(first)) = (queue.next_id(), slots.take(count)) else {
            self.wanted = count;
            return false;
        };
        self.wanted = 0;
        firsts[usize::from(id)] = first;
        let offset = first * BUFFER;
        let physical = buffers.physical(offset);
        // SAFETY: The slots are free: the device does not have these buffers.
        let buffer = unsafe { buffers.bytes_mut(offset..offset + whole) };
        let (header, frame) = buffer.split_at_mut(HEADER);
        header.fill(0);
        fill(frame);
        describe(header, frame, checksum);
        let chain = queue.add(&[Segment { physical, length: whole as u32, writable: false }]);
        debug_assert_eq!(chain, Some(id));
        true
    }

    fn segmentation(&self) -> usize {
        self.segmentation
    }

    fn flush(&mut self) {
        self.transmit.queue.publish();
    }

    fn arm(&mut self) -> bool {
        if self.down {
            // Whatever its rings say: nothing will ever be taken out of them.
            return false;
        }
        let mut ready = false;
        if self.wanted > 0 {
            self.transmit.queue.publish();
            // Room for half a ring is worth an interrupt; room for one frame is not.
            let enough = self.transmit.queue.in_flight() / 2;
            if self.transmit.has_room(self.wanted) || self.transmit.queue.arm(enough) {
                self.wanted = 0;
                ready = true;
            }
        }
        ready | self.receive.queue.arm(0)
    }

    fn set_notify(&mut self, notify: Notify) {
        self.notify.call_once(|| notify);
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let _ = transport::reset(&*self.transport);
    }
}
