//! Network front end (`io/netif.h`): a link whose back end may go away and come back.
//!
//! ```text
//!   the kernel's thread            the handshake's thread
//!   Net ── queues                  Port: sets queues up, tears them down
//!     \        a mailbox          /
//!      `────── Shared ───────────'
//! ```
//!
//! The queues belong to the thread that uses the link. The handshake hands new ones over, or tells that there are none, and wakes
//! it. While there are none, frames are lost, as on any link whose cable is out.

mod receive;
mod transmit;

use crate::devices::{
    error::{Error, Result},
    machine::{Channel, Machine},
    xenbus::{Driver, Peer, State},
};
use alloc::{boxed::Box, format, string::String, sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicBool, Ordering};
use receive::Receive;
use rumpkin_core::for_platform::{
    interface::{Checksum, Link, LinkInfo, Notify},
    services::Event,
};
use transmit::Transmit;

/// What we and back ends can do (`io/netif.h`).
pub mod feature {
    crate::devices::features! {
        COPY "request-rx-copy" "the back end copies frames to our pages"
        NOTIFY "feature-rx-notify" "we tell when there are pages again"
        GATHER "feature-sg" "frames of several pages, both ways; required for an MTU above 4082"
        SEGMENTS "feature-gso-tcpv4" "TCP segments are sent joined, up to 64 KiB, and arrive so"
        NO_CHECKSUM "feature-no-csum-offload" "checksums are made here; else the back end leaves and gets them blank"
        QUEUES "multi-queue-max-queues" "a queue for each processor, up to 4"
    }
}

const ETHERNET_HEADER: usize = 14;
const SMALLEST_MTU: usize = 68;
const LARGEST_MTU: usize = 9000;
/// More queues than processors are of no use, and more than this are not worth their memory.
const MOST_QUEUES: usize = 4;

/// How much memory a queue may take.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Pages for receiving.
    pub receive: u16,
    /// Frames for transmitting.
    pub transmit: u16,
}

/// A receive and a transmit ring. The channel is first, so that it is closed first.
struct Queue {
    channel: Box<dyn Channel>,
    receive: Receive,
    transmit: Transmit,
}

/// What a back end and we agreed on.
struct Connection {
    queues: Vec<Queue>,
    /// The back end fills in checksums.
    checksum: bool,
    /// The longest frame that the back end cuts into segments; 0 if it does not.
    segmentation: usize,
}

/// What both threads and the event's handler know.
struct Shared {
    notify: rumpkin_core::for_platform::sync::Once<Notify>,
    /// There is something in the mailbox.
    news: AtomicBool,
    mailbox: spin::Mutex<Option<Connection>>,
    broken: AtomicBool,
    /// Wakes the handshake's thread.
    bus: Arc<dyn Event>,
}

impl Shared {
    fn wake(&self) {
        if let Some(notify) = self.notify.get() {
            notify();
        }
    }

    /// Hands queues over, or tells that there are none.
    fn post(&self, connection: Option<Connection>) {
        let old = core::mem::replace(&mut *self.mailbox.lock(), connection);
        self.news.store(true, Ordering::Release);
        drop(old);
        self.wake();
    }
}

/// A network interface.
pub struct Net {
    machine: &'static dyn Machine,
    shared: Arc<Shared>,
    info: LinkInfo,
    connection: Option<Connection>,
    /// The frame that is being put together from several pages.
    joined: Vec<u8>,
    /// The queue that is looked at first; they take turns.
    first: usize,
}

/// The link's part in the handshake.
pub struct Port {
    machine: &'static dyn Machine,
    shared: Arc<Shared>,
    sizes: Sizes,
    mtu: usize,
    /// What has been offered and not yet been connected.
    offered: Option<Connection>,
}

/// Makes the link of the front end at `path`, and its part in the handshake, which wakes `bus`.
pub fn open(machine: &'static dyn Machine, path: &str, sizes: Sizes, bus: &Arc<dyn Event>) -> Result<(Net, Port)> {
    let own = |key: &str| machine.read(&format!("{path}/{key}"));
    let mac = own("mac").and_then(|text| parse_mac(&text)).ok_or(Error::Value("mac"))?;
    let mtu = match own("mtu") {
        Some(text) => text.parse().ok().filter(|mtu| *mtu >= SMALLEST_MTU).ok_or(Error::Value("mtu"))?,
        None => 1500,
    };
    let mtu = mtu.min(LARGEST_MTU);
    let shared = Arc::new(Shared {
        notify: rumpkin_core::for_platform::sync::Once::new(),
        news: AtomicBool::new(false),
        mailbox: spin::Mutex::new(None),
        broken: AtomicBool::new(false),
        bus: bus.clone(),
    });
    let port = Port { machine, shared: shared.clone(), sizes, mtu, offered: None };
    // What the back end does not fill in, we do.
    let info = LinkInfo { mac, mtu, transmit_checksum: true };
    Ok((Net { machine, shared, info, connection: None, joined: Vec::new(), first: 0 }, port))
}

fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let digits =
            parts.next().filter(|part| part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    let group = mac[0] & 1 != 0;
    (parts.next().is_none() && !group).then_some(mac)
}

impl Driver for Port {
    fn offer(&mut self, peer: &mut Peer) -> Result<State> {
        let most = peer.number(feature::QUEUES)?;
        let count = most.unwrap_or(1).clamp(1, self.machine.services().cpus().min(MOST_QUEUES) as u64) as usize;
        let checksum = !peer.has(feature::NO_CHECKSUM)?;
        let (gathers, largest) = (peer.has(feature::GATHER)?, self.mtu + ETHERNET_HEADER);
        // Frames of several pages need a back end that gathers them.
        if largest > crate::devices::machine::PAGE && !gathers {
            return Err(Error::Value(feature::GATHER));
        }
        let cuts = gathers && checksum && peer.has(feature::SEGMENTS)?;
        let mut queues = Vec::new();
        for number in 0..count {
            let shared = self.shared.clone();
            let channel = self.machine.channel(peer.domain, Arc::new(move || shared.wake())).ok_or(Error::NoChannel)?;
            let queue = Queue {
                channel,
                receive: Receive::new(self.machine, peer.domain, self.sizes.receive)?,
                transmit: Transmit::new(self.machine, peer.domain, self.sizes.transmit, largest, cuts)?,
            };
            // One queue stands where it stood before there could be several.
            let place = if count == 1 { String::new() } else { format!("queue-{number}/") };
            peer.publish_number(&format!("{place}tx-ring-ref"), queue.transmit.reference())?;
            peer.publish_number(&format!("{place}rx-ring-ref"), queue.receive.reference())?;
            peer.publish_number(&format!("{place}event-channel"), queue.channel.port())?;
            queues.push(queue);
        }
        if most.is_some() {
            peer.publish_number("multi-queue-num-queues", count as u32)?;
        }
        // Frames are copied to us, we tell when there are pages again, and take joined segments and blank checksums.
        for feature in [feature::COPY, feature::NOTIFY, feature::GATHER, feature::SEGMENTS] {
            peer.publish(feature, "1")?;
        }
        let longest = queues.iter().map(|queue| queue.transmit.longest()).min().unwrap_or(0);
        let segmentation = if cuts { longest } else { 0 };
        self.offered = Some(Connection { queues, checksum, segmentation });
        Ok(State::Connected)
    }

    fn connect(&mut self, _peer: &Peer) -> Result<()> {
        let connection = self.offered.take();
        // The back end may have missed what was published before it looked.
        for queue in connection.iter().flat_map(|connection| &connection.queues) {
            queue.channel.notify();
        }
        self.shared.post(connection);
        Ok(())
    }

    fn disconnect(&mut self, _back: bool) {
        self.offered = None;
        self.shared.broken.store(false, Ordering::Relaxed);
        self.shared.post(None);
    }

    fn is_broken(&self) -> bool {
        self.shared.broken.load(Ordering::Relaxed)
    }
}

impl Net {
    /// Takes what the handshake has for us.
    fn look(&mut self) {
        if self.shared.news.load(Ordering::Relaxed) && self.shared.news.swap(false, Ordering::Acquire) {
            let connection = self.shared.mailbox.lock().take();
            self.connection = connection;
        }
    }

    /// Lets go of a back end that breaks the rules, and has the handshake know.
    #[cold]
    fn stop(&mut self, error: Error) {
        log::error!("a network back end: {error}");
        self.connection = None;
        self.shared.broken.store(true, Ordering::Relaxed);
        self.shared.bus.set();
    }

    fn receive_from(&mut self, number: usize, budget: usize, sink: &mut dyn FnMut(&[u8], Checksum)) -> Result<usize> {
        let Some(queue) = self.connection.as_mut().and_then(|connection| connection.queues.get_mut(number)) else {
            return Ok(0);
        };
        let Queue { channel, receive, .. } = queue;
        let mut count = 0;
        while count < budget && receive.take(&mut self.joined, sink)? {
            count += 1;
            // Half of the pages: early enough that the back end does not run dry, late enough to be a batch.
            if count.is_multiple_of(receive.batch().max(1)) && receive.publish() {
                channel.notify();
            }
        }
        if receive.publish() {
            channel.notify();
        }
        Ok(count)
    }

    /// Queues a frame; `None` if there is no room.
    fn send(&mut self, length: usize, checksum: Checksum, fill: &mut dyn FnMut(&mut [u8])) -> Result<bool> {
        let Some(Connection { queues, checksum: offload, segmentation }) = &mut self.connection else {
            return Ok(true);
        };
        let number = self.machine.services().cpu() % queues.len().max(1);
        let Some(Queue { transmit, .. }) = queues.get_mut(number) else {
            return Ok(true);
        };
        if !transmit.has_room(length)? {
            return Ok(false);
        }
        match checksum {
            // Asked for when there was another back end; lost, as what was sent before.
            Checksum::Segments { .. } if *segmentation == 0 => {}
            Checksum::Partial { start, offset } if !*offload => {
                transmit.send(length, Checksum::Unknown, &mut |frame| {
                    fill(frame);
                    complete(frame, usize::from(start), usize::from(offset));
                });
            }
            _ => transmit.send(length, checksum, fill),
        }
        Ok(true)
    }
}

/// Computes a checksum that was left to the device.
fn complete(frame: &mut [u8], start: usize, offset: usize) {
    let Some(data) = frame.get_mut(start..) else { return };
    let sum: u64 =
        data.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0))).sum();
    let mut sum = sum;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // In UDP 0 would say that there is none; for TCP both are the same number.
    let sum = if sum == 0xffff { sum as u16 } else { !(sum as u16) };
    if let Some(field) = data.get_mut(offset..).and_then(|field| field.first_chunk_mut()) {
        *field = sum.to_be_bytes();
    }
}

impl Link for Net {
    fn info(&self) -> LinkInfo {
        self.info.clone()
    }

    fn receive(&mut self, budget: usize, sink: &mut dyn FnMut(&[u8], Checksum)) -> usize {
        self.look();
        let mut count = 0;
        let queues = self.connection.as_ref().map_or(0, |connection| connection.queues.len());
        self.first = self.first.wrapping_add(1);
        for turn in 0..queues {
            let number = self.first.wrapping_add(turn) % queues;
            match self.receive_from(number, budget - count, sink) {
                Ok(taken) => count += taken,
                Err(error) => {
                    self.stop(error);
                    break;
                }
            }
        }
        count
    }

    fn transmit(&mut self, length: usize, checksum: Checksum, fill: &mut dyn FnMut(&mut [u8])) -> bool {
        self.look();
        match self.send(length, checksum, fill) {
            Ok(sent) => sent,
            Err(error) => {
                self.stop(error);
                true
            }
        }
    }

    fn segmentation(&self) -> usize {
        self.connection.as_ref().map_or(0, |connection| connection.segmentation)
    }

    fn flush(&mut self) {
        for queue in self.connection.iter_mut().flat_map(|connection| &mut connection.queues) {
            if queue.transmit.publish() {
                queue.channel.notify();
            }
        }
    }

    fn arm(&mut self) -> bool {
        let mut ready = self.shared.news.load(Ordering::Acquire);
        for queue in self.connection.iter_mut().flat_map(|connection| &mut connection.queues) {
            if queue.transmit.is_full() {
                if queue.transmit.publish() {
                    queue.channel.notify();
                }
                ready |= queue.transmit.arm();
            }
            ready |= queue.receive.arm();
        }
        ready
    }

    fn set_notify(&mut self, notify: Notify) {
        self.shared.notify.call_once(|| notify);
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let left = self.shared.mailbox.lock().take();
        drop(left);
    }
}
