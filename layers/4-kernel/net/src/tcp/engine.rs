//! Running smoltcp's TCP for one connection at a time.
//!
//! smoltcp offers each packet to every socket of a set, so each connection has a set of its own with one socket in it, and
//! our own table finds the connection. One interface serves all: it is only context (time, MTU, a source of initial
//! sequence numbers), for addresses, routes and neighbors are ours.

use super::measure::{Departure, Measure};
use crate::ip::{Hop, Ip, wire::*};
use alloc::vec::Vec;
use rumpkin_collections::{OutOfMemory, TryVec, try_with_capacity};
use rumpkin_spine::Errno;
use smoltcp::{
    iface::{Config, Interface, PollResult, SocketHandle, SocketSet, SocketStorage},
    phy::{self, Checksum, Device, DeviceCapabilities, Medium},
    socket::tcp::{self, State},
    time::Instant,
    wire::{HardwareAddress, IpAddress, IpEndpoint},
};
use zerocopy::{FromBytes, IntoBytes};

/// Segments that one connection may send before others have their turn.
const MAX_BURST: usize = 64;
/// Bytes that a connection's set of one socket takes, besides its buffers.
pub const STORAGE: usize = size_of::<SocketStorage<'static>>();

/// The last segment that a connection sent, for what outlives the connection (TIME-WAIT).
#[derive(Debug, Clone, Copy, Default)]
pub struct Sent {
    /// Sequence number behind it.
    pub next: u32,
    /// What it acknowledged.
    pub acknowledged: u32,
    /// The window that it announced, as in the header.
    pub window: u16,
    /// The sequence number up to which the peer may send by that.
    pub edge: u32,
    /// By how many bits our windows are shifted (RFC 7323 §2).
    pub scale: u8,
}

impl Sent {
    /// Looks at a segment that is being sent, and gives an empty one the sequence number that it must have, that of what has
    /// never been sent: smoltcp goes back with the others when it sends again, and its acknowledgments would then be too old
    /// for a peer that has received all (RFC 9293 §3.10.7.4: `<SEQ=SND.NXT>`).
    fn observe(&mut self, packet: &mut [u8]) -> Option<Departure> {
        let (_, segment) = Ipv4Header::mut_from_prefix(packet).ok()?;
        let length = segment.len();
        let (header, _) = TcpHeader::mut_from_prefix(segment).ok()?;
        let data = data_length(header, length);
        let taken = sequence_length(header, length);
        let synchronizes = header.flags & TCP_SYN != 0;
        let (acknowledged, window) = (header.acknowledgment.get(), header.window.get());
        let next = header.sequence.get().wrapping_add(taken);
        // A retransmission lies behind what was sent before.
        let fresh = self.next == 0 || next.wrapping_sub(self.next) as i32 > 0;
        if fresh {
            self.next = next;
        } else if taken == 0 && header.flags & TCP_ACK != 0 {
            header.sequence.set(self.next);
        }
        self.acknowledged = acknowledged;
        self.window = window;
        self.edge = acknowledged.wrapping_add(u32::from(window) << if synchronizes { 0 } else { self.scale });
        if synchronizes {
            self.scale = window_scale(segment).unwrap_or(0);
        }
        Some(Departure { next, taken, data, fresh })
    }
}

/// What is in an option of a segment (RFC 9293 §3.1).
fn option(segment: &[u8], wanted: u8) -> Option<&[u8]> {
    let (header, _) = parse::<TcpHeader>(segment)?;
    let mut options = segment.get(size_of::<TcpHeader>()..header_length(header))?;
    loop {
        options = match *options {
            [1, ref rest @ ..] => rest,
            [0, ..] | [] | [_] => return None,
            [kind, length, ref rest @ ..] if kind == wanted => return rest.get(..usize::from(length).checked_sub(2)?),
            [_, length, ..] => options.get(usize::from(length.max(2))..)?,
        };
    }
}

/// The window scale option of a segment (RFC 7323 §2.2).
fn window_scale(segment: &[u8]) -> Option<u8> {
    option(segment, 3)?.first().map(|scale| (*scale).min(14))
}

/// Bytes of a header, options included.
fn header_length(header: &TcpHeader) -> usize {
    usize::from(header.offset >> 4).saturating_mul(4)
}

/// Bytes of data in a segment of `length` bytes, header included.
fn data_length(header: &TcpHeader, length: usize) -> u32 {
    length.saturating_sub(header_length(header)) as u32
}

/// How much of the sequence space a segment of `length` bytes, header included, takes.
pub fn sequence_length(header: &TcpHeader, length: usize) -> u32 {
    let data = data_length(header, length);
    let flags = u32::from(header.flags & TCP_SYN != 0).wrapping_add(u32::from(header.flags & TCP_FIN != 0));
    data.wrapping_add(flags)
}

/// Why a connection could not send all that it wants to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// There is nothing more to send now.
    Done,
    /// This neighbor has to answer first; the connection will be told.
    Neighbor(Address),
    /// The device has no room; the connection will be told.
    Room,
    /// Others have their turn.
    Turn,
    /// There is no way to the peer.
    Unreachable(Errno),
}

/// The interface that connections run in.
pub struct Engine {
    interface: Interface,
    /// Another one, of a smaller MTU, for a peer whose window is smaller than a segment.
    narrow: Option<(usize, Interface)>,
    mtu: usize,
}

impl Engine {
    pub fn new(mtu: usize) -> Self {
        Engine { interface: interface(mtu), narrow: None, mtu }
    }

    /// Seeds the next initial sequence number from the cryptographic generator: smoltcp's own generator could be predicted
    /// from its output (RFC 6528).
    pub fn reseed(&mut self) {
        self.interface = interface(self.mtu);
    }

    /// Starts a connection attempt. The SYN goes out with the next [`Engine::pump`].
    pub fn connect(&mut self, socket: &mut tcp::Socket<'static>, tuple: &Tuple) -> Result<(), Errno> {
        self.reseed();
        let endpoint = |(address, port): (Address, u16)| IpEndpoint::new(IpAddress::Ipv4(address), port);
        socket
            .connect(self.interface.context(), endpoint(tuple.remote), endpoint(tuple.local))
            .map_err(|_| Errno::EADDRNOTAVAIL)
    }

    /// The interface for a connection. smoltcp's fast retransmission heeds the largest segment alone, not the peer's window;
    /// what it sends beyond that would count as under way, and when the window then closed and opened again no timer would be
    /// left. So no segment is larger than the window, nor larger than the program wants (TCP_MAXSEG).
    fn interface_for(&mut self, one: &One) -> &mut Interface {
        let synchronizing = matches!(one.socket().state(), State::Listen | State::SynSent | State::SynReceived);
        let window = if synchronizing { usize::MAX } else { one.peer_window.max(1) };
        let largest = one.largest_segment.map_or(window, |largest| window.min(largest.into()));
        let mtu = largest.saturating_add(SEGMENT_HEADERS);
        if mtu >= self.mtu {
            return &mut self.interface;
        }
        if self.narrow.as_ref().is_none_or(|(narrow, _)| *narrow != mtu) {
            self.narrow = None;
        }
        &mut self.narrow.get_or_insert_with(|| (mtu, interface(mtu))).1
    }

    /// Hands a packet to the connection that it belongs to. The transport checksum has been verified.
    pub fn feed(&mut self, ip: &mut Ip, one: &mut One, packet: &[u8]) {
        one.observe(packet, ip.now);
        let now = instant(ip.now);
        // A reply that has no way back is dropped, and made again when the peer repeats itself.
        let hop = ip.hop(one.peer).ok();
        let trace = Trace { sent: &mut one.sent, measure: &mut one.measure };
        let mut phy = Phy { ip, hop, service: one.service, trace, received: Some(packet) };
        self.interface.poll_ingress_single(now, &mut phy, &mut one.set);
        ip.depart();
    }

    /// Sends what the connection has to send now.
    ///
    /// smoltcp is asked only when its packet will be taken: one that it made and could not hand over it would count as sent
    /// when that was a fast retransmission, with no timer left to send it again.
    pub fn pump(&mut self, ip: &mut Ip, one: &mut One) -> Stop {
        let stop = self.pump_train(ip, one);
        ip.depart();
        stop
    }

    fn pump_train(&mut self, ip: &mut Ip, one: &mut One) -> Stop {
        for _ in 0..MAX_BURST {
            if self.next(ip.now, one).is_none_or(|at| at > ip.now) {
                return Stop::Done;
            }
            let hop = ip.hop(one.peer);
            let stop = match hop {
                Ok(hop) if !ip.has_room(hop) => return Stop::Room,
                // One packet waits for the neighbor's answer; the others are made when that has come.
                Ok(Hop::Pending(next)) => Some(Stop::Neighbor(next)),
                Ok(_) => None,
                // What has no way is lost, and sent again like all that is lost, until the connection times out.
                Err(error) => Some(Stop::Unreachable(error)),
            };
            let now = instant(ip.now);
            let interface = self.interface_for(one);
            let trace = Trace { sent: &mut one.sent, measure: &mut one.measure };
            let mut phy = Phy { ip, hop: hop.ok(), service: one.service, trace, received: None };
            let result = interface.poll_egress(now, &mut phy, &mut one.set);
            match stop {
                Some(stop) => return stop,
                None if result == PollResult::None => return Stop::Done,
                None => {}
            }
        }
        Stop::Turn
    }

    /// When the connection wants to be pumped again, in monotonic nanoseconds.
    pub fn next(&mut self, now: u64, one: &One) -> Option<u64> {
        let at = self.interface_for(one).poll_at(instant(now), &one.set)?;
        u64::try_from(at.total_micros()).ok().map(|micros| micros.saturating_mul(1000))
    }
}

fn interface(mtu: usize) -> Interface {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = rumpuser::random::next_u64();
    let mut interface = Interface::new(config, &mut Shape(mtu), Instant::ZERO);
    interface.set_any_ip(true);
    interface
}

fn instant(nanoseconds: u64) -> Instant {
    Instant::from_micros((nanoseconds / 1000) as i64)
}

/// Local and remote endpoint of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuple {
    pub local: (Address, u16),
    pub remote: (Address, u16),
}

impl core::hash::Hash for Tuple {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(u32::from(self.local.0)) << 32 | u64::from(u32::from(self.remote.0)));
        state.write_u32(u32::from(self.local.1) << 16 | u32::from(self.remote.1));
    }
}

impl rumpkin_collections::Key for Tuple {
    fn number(self) -> u128 {
        let end = |(address, port): (Address, u16)| u64::from(u32::from(address)) << 16 | u64::from(port);
        (end(self.local), end(self.remote)).number()
    }

    fn from_number(number: u128) -> Self {
        let end = |end: u64| (Address::from((end >> 16) as u32), end as u16);
        let (local, remote) = rumpkin_collections::Key::from_number(number);
        Tuple { local: end(local), remote: end(remote) }
    }
}

/// The smoltcp side of one connection.
pub struct One {
    set: SocketSet<'static>,
    handle: SocketHandle,
    /// Where its packets go.
    pub peer: Address,
    /// The type-of-service byte of its packets.
    pub service: u8,
    /// What it sent last.
    pub sent: Sent,
    /// The peer's window, in bytes, and by how many bits it shifts it.
    pub peer_window: usize,
    pub peer_scale: u8,
    /// The largest segment that the peer takes (RFC 9293 §3.7.1), and the largest that our program wants.
    pub peer_segment: u16,
    pub largest_segment: Option<u16>,
    /// The peer would take selective acknowledgments (RFC 2018 §2).
    pub peer_selects: bool,
    /// What its segments tell.
    pub measure: Measure,
}

/// The largest segment of a peer that does not say (RFC 9293 §3.7.1).
pub const DEFAULT_SEGMENT: u16 = 536;

impl One {
    /// Looks at a packet of the peer.
    fn observe(&mut self, packet: &[u8], now: u64) {
        let Some((_, segment)) = parse::<Ipv4Header>(packet) else { return };
        let Some((header, _)) = parse::<TcpHeader>(segment) else { return };
        self.measure.received(header, data_length(header, segment.len()), self.sent.next, now);
        let window = usize::from(header.window.get());
        if header.flags & TCP_SYN == 0 {
            self.peer_window = window << self.peer_scale;
            return;
        }
        // Scaling needs both (RFC 7323 §2.2).
        let scale = window_scale(segment);
        self.peer_scale = scale.unwrap_or(0);
        self.peer_window = window;
        if scale.is_none() {
            self.sent.scale = 0;
        }
        let size = option(segment, 2).and_then(|option| option.first_chunk::<2>());
        self.peer_segment = size.map_or(DEFAULT_SEGMENT, |size| u16::from_be_bytes(*size));
        self.peer_selects = option(segment, 4).is_some();
    }

    /// The largest segment that is sent, on a link of this MTU.
    pub fn segment_size(&self, mtu: usize) -> usize {
        let most = mtu.saturating_sub(SEGMENT_HEADERS).min(self.peer_segment.into());
        self.largest_segment.map_or(most, |largest| most.min(largest.into()))
    }

    /// Bytes that are under way: sent, but not acknowledged.
    pub fn under_way(&self) -> usize {
        self.measure.under_way(self.sent.next) as usize
    }

    /// A closed socket with buffers of these sizes.
    pub fn new(peer: Address, receive_buffer: usize, send_buffer: usize) -> Result<One, OutOfMemory> {
        let buffer = |size| {
            let mut bytes: Vec<u8> = try_with_capacity(size)?;
            bytes.try_resize(size, 0)?;
            Ok(tcp::SocketBuffer::new(bytes))
        };
        let socket = tcp::Socket::new(buffer(receive_buffer)?, buffer(send_buffer)?);
        let mut set = SocketSet::new(try_with_capacity(1)?);
        let handle = set.add(socket);
        Ok(One {
            set,
            handle,
            peer,
            service: 0,
            sent: Sent::default(),
            peer_window: 0,
            peer_scale: 0,
            peer_segment: DEFAULT_SEGMENT,
            largest_segment: None,
            peer_selects: false,
            measure: Measure::default(),
        })
    }

    /// The socket, and what is measured of it.
    pub fn parts(&mut self) -> (&tcp::Socket<'static>, &mut Measure) {
        (self.set.get(self.handle), &mut self.measure)
    }

    pub fn socket(&self) -> &tcp::Socket<'static> {
        self.set.get(self.handle)
    }

    pub fn socket_mut(&mut self) -> &mut tcp::Socket<'static> {
        self.set.get_mut(self.handle)
    }
}

fn capabilities(mtu: usize) -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ip;
    capabilities.max_transmission_unit = mtu;
    // Headers are verified before they come here; transport checksums are made below, by the device if it can.
    capabilities.checksum.ipv4 = Checksum::Tx;
    capabilities.checksum.tcp = Checksum::None;
    capabilities
}

/// A device that only tells its shape, for making an interface.
struct Shape(usize);

impl Device for Shape {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Transmit<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Received<'_>, Transmit<'_>)> {
        None
    }

    fn transmit(&mut self, _now: Instant) -> Option<Transmit<'_>> {
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities(self.0)
    }
}

/// Where what a connection sends is written down.
struct Trace<'a> {
    sent: &'a mut Sent,
    measure: &'a mut Measure,
}

impl Trace<'_> {
    fn observe(&mut self, packet: &mut [u8], now: u64) {
        if let Some(segment) = self.sent.observe(packet) {
            self.measure.sent(segment, now);
        }
    }
}

/// The IP layer as the device of one connection.
struct Phy<'a> {
    ip: &'a mut Ip,
    /// Where packets go; nowhere, if there is no way.
    hop: Option<Hop>,
    service: u8,
    trace: Trace<'a>,
    received: Option<&'a [u8]>,
}

impl Phy<'_> {
    fn token(&mut self) -> Transmit<'_> {
        let trace = Trace { sent: self.trace.sent, measure: self.trace.measure };
        Transmit { ip: self.ip, hop: self.hop, service: self.service, trace }
    }
}

impl Device for Phy<'_> {
    type RxToken<'a>
        = Received<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Transmit<'a>
    where
        Self: 'a;

    fn receive(&mut self, _now: Instant) -> Option<(Received<'_>, Transmit<'_>)> {
        let packet = self.received.take()?;
        Some((Received(packet), self.token()))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Transmit<'_>> {
        Some(self.token())
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities(self.ip.mtu())
    }
}

struct Received<'a>(&'a [u8]);

impl phy::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, process: F) -> R {
        process(self.0)
    }
}

struct Transmit<'a> {
    ip: &'a mut Ip,
    hop: Option<Hop>,
    service: u8,
    trace: Trace<'a>,
}

impl phy::TxToken for Transmit<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let Transmit { ip, hop, service, mut trace } = self;
        let now = ip.now;
        let mut draft = ip.draft(hop, length);
        let result = write(ip.room(&mut draft));
        if hop.is_some() {
            let packet = ip.room(&mut draft);
            trace.observe(packet, now);
            set_service(packet, service);
        }
        ip.send_draft(draft);
        result
    }
}

/// smoltcp leaves the type of service zero.
fn set_service(packet: &mut [u8], service: u8) {
    if service != 0
        && let Ok((header, _)) = Ipv4Header::mut_from_prefix(packet)
    {
        header.service = service;
        header.checksum.set(0);
        header.checksum.set(!checksum(0, header.as_bytes()));
    }
}
