//! UDP (RFC 768): sockets found by port, datagrams queued up to a limit, fragments where a datagram is longer than the MTU.

use crate::{
    hash::Seed,
    ip::{Ip, icmp::Problem, wire::*},
    ports::Ports,
    shared::{Notices, Shared},
    slab::{Key, Slab},
    tcp::{Endpoint, addresses_overlap, ephemeral_port},
};
use alloc::{collections::VecDeque, sync::Arc, vec::Vec};
use core::hash::BuildHasher;
use rumpkin_kernel::{Errno, wait::Events};
use rumpuser::{device::Checksum, memory};
use zerocopy::IntoBytes;

/// Longest payload: what fits in an IPv4 packet.
pub const MAX_PAYLOAD: usize = 65_507;
/// Bytes that a socket queues unless told otherwise (Linux's `rmem_default`).
const DEFAULT_BUFFER: usize = 212_992;
const LARGEST_BUFFER: usize = 4 * 1024 * 1024;
/// What a queued datagram costs beyond its bytes.
const OVERHEAD: usize = 64;

/// What a program has set.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Options {
    pub reuse_address: bool,
    pub reuse_port: bool,
    pub broadcast: bool,
    pub receive_buffer: usize,
    pub send_buffer: usize,
    pub time_to_live: u8,
    pub multicast_time_to_live: u8,
    pub service: u8,
    /// IP_RECVERR: every error that a datagram met is told, not only "nobody listens there".
    pub report_errors: bool,
}

/// A datagram that waits to be read.
pub struct Datagram {
    /// Who sent it.
    pub source: Endpoint,
    /// Its payload.
    pub data: Vec<u8>,
}

struct Socket {
    shared: Arc<Shared>,
    bound: Option<Endpoint>,
    /// The program has chosen the port; one that was chosen for it goes when it forgets its peer.
    own_port: bool,
    /// The address that the program has chosen, or any.
    own_address: Address,
    peer: Option<Endpoint>,
    options: Options,
    queue: VecDeque<Datagram>,
    queued: usize,
    error: Option<Errno>,
    read_shutdown: bool,
    write_shutdown: bool,
}

/// All of UDP.
pub struct Udp {
    sockets: Slab<Socket>,
    ports: Ports,
    /// What chooses among sockets that share a port.
    choice: Seed,
}

impl Udp {
    /// Without sockets.
    pub fn new() -> Self {
        Udp { sockets: Slab::default(), ports: Ports::default(), choice: Seed::new() }
    }

    /// A new socket.
    pub fn open(&mut self) -> (Key, Arc<Shared>) {
        let shared = Arc::<Shared>::default();
        shared.update(Events::WRITE | Events::WRITE_NORMAL, Events::empty(), &mut Notices::new());
        let options = Options {
            reuse_address: false,
            reuse_port: false,
            broadcast: false,
            receive_buffer: DEFAULT_BUFFER,
            send_buffer: DEFAULT_BUFFER,
            time_to_live: 64,
            multicast_time_to_live: 1,
            service: 0,
            report_errors: false,
        };
        let key = self.sockets.insert(Socket {
            shared: shared.clone(),
            bound: None,
            own_port: false,
            own_address: Address::UNSPECIFIED,
            peer: None,
            options,
            queue: VecDeque::new(),
            queued: 0,
            error: None,
            read_shutdown: false,
            write_shutdown: false,
        });
        (key, shared)
    }

    fn socket(&mut self, key: Key) -> Result<&mut Socket, Errno> {
        self.sockets.get_mut(key).ok_or(Errno::EBADF)
    }

    /// Closes a socket.
    pub fn close(&mut self, key: Key) {
        self.unbind(key);
        self.sockets.remove(key);
    }

    fn unbind(&mut self, key: Key) {
        let Some((_, port)) = self.sockets.get_mut(key).and_then(|socket| socket.bound.take()) else { return };
        self.ports.remove(port, key);
    }

    /// Binds to a local endpoint; port 0 takes a free one.
    pub fn bind(&mut self, key: Key, endpoint: Endpoint) -> Result<(), Errno> {
        let socket = self.sockets.get(key).ok_or(Errno::EBADF)?;
        if socket.bound.is_some() {
            return Err(Errno::EINVAL);
        }
        let port = match endpoint.1 {
            0 => ephemeral_port(|port| self.ports.is_free(port))?,
            port => {
                let others = self.ports.of(port).iter().filter_map(|other| self.sockets.get(*other));
                let mut conflicts = others.filter(|other| {
                    other.bound.is_some_and(|bound| addresses_overlap(bound.0, endpoint.0))
                        && !(socket.options.reuse_address && other.options.reuse_address)
                        && !(socket.options.reuse_port && other.options.reuse_port)
                });
                if conflicts.next().is_some() {
                    return Err(Errno::EADDRINUSE);
                }
                port
            }
        };
        let socket = self.socket(key)?;
        socket.bound = Some((endpoint.0, port));
        socket.own_port = endpoint.1 != 0;
        socket.own_address = endpoint.0;
        self.ports.add(port, key);
        Ok(())
    }

    /// What sends or has a peer is bound.
    fn bind_if_unbound(&mut self, key: Key) -> Result<(), Errno> {
        let socket = self.socket(key)?;
        if socket.bound.is_some() {
            return Ok(());
        }
        let address = socket.own_address;
        self.bind(key, (address, 0))
    }

    /// Sets, or with `None` forgets, the peer.
    pub fn connect(&mut self, key: Key, peer: Option<Endpoint>, ip: &Ip) -> Result<(), Errno> {
        let Some(peer) = peer else {
            let socket = self.socket(key)?;
            socket.peer = None;
            if !socket.own_port {
                self.unbind(key);
            } else if let Some((address, _)) = &mut socket.bound {
                *address = socket.own_address;
            }
            return Ok(());
        };
        let local = ip.source_for(peer.0)?;
        self.bind_if_unbound(key)?;
        let socket = self.socket(key)?;
        if ip.is_broadcast(peer.0) && !socket.options.broadcast {
            return Err(Errno::EACCES);
        }
        if let Some((address, _)) = &mut socket.bound
            && address.is_unspecified()
        {
            *address = local;
        }
        socket.peer = Some(peer);
        Ok(())
    }

    /// Sends a datagram to an endpoint, or to the peer.
    pub fn send(&mut self, key: Key, data: &[u8], to: Option<Endpoint>, ip: &mut Ip) -> Result<usize, Errno> {
        if data.len() > MAX_PAYLOAD {
            return Err(Errno::EMSGSIZE);
        }
        self.bind_if_unbound(key)?;
        let socket = self.socket(key)?;
        if socket.write_shutdown {
            return Err(Errno::EPIPE);
        }
        if let Some(error) = socket.error.take() {
            self.refresh(key, Events::empty(), &mut Notices::new());
            return Err(error);
        }
        let remote = to.or(socket.peer).ok_or(Errno::EDESTADDRREQ)?;
        if remote.1 == 0 {
            return Err(Errno::EINVAL);
        }
        if ip.is_broadcast(remote.0) && !socket.options.broadcast {
            return Err(Errno::EACCES);
        }
        let (bound, port) = socket.bound.ok_or(Errno::EINVAL)?;
        let source = if bound.is_unspecified() { ip.source_for(remote.0)? } else { bound };
        let options = &socket.options;
        let time_to_live = if remote.0.is_multicast() { options.multicast_time_to_live } else { options.time_to_live };
        let route = Route { source, destination: remote.0, time_to_live, service: options.service };
        send_datagram(ip, route, port, remote.1, data)?;
        Ok(data.len())
    }

    /// Takes the next datagram, or looks at it. `EAGAIN` if there is none; `None` after SHUT_RD.
    pub fn receive<R>(
        &mut self,
        key: Key,
        peek: bool,
        take: impl FnOnce(&Datagram) -> Result<R, Errno>,
    ) -> Result<Option<R>, Errno> {
        let socket = self.socket(key)?;
        if let Some(error) = socket.error.take() {
            self.refresh(key, Events::empty(), &mut Notices::new());
            return Err(error);
        }
        let Some(datagram) = socket.queue.front() else {
            return if socket.read_shutdown { Ok(None) } else { Err(Errno::EAGAIN) };
        };
        let result = take(datagram);
        if !peek && let Some(datagram) = socket.queue.pop_front() {
            socket.queued = socket.queued.saturating_sub(datagram.data.len().saturating_add(OVERHEAD));
            if socket.queue.is_empty() {
                self.refresh(key, Events::empty(), &mut Notices::new());
            }
        }
        result.map(Some)
    }

    /// Bytes of the next datagram (FIONREAD).
    pub fn queued(&self, key: Key) -> usize {
        self.sockets.get(key).and_then(|socket| socket.queue.front()).map_or(0, |datagram| datagram.data.len())
    }

    fn refresh(&mut self, key: Key, again: Events, notices: &mut Notices) {
        let Some(socket) = self.sockets.get(key) else { return };
        let mut ready = Events::WRITE | Events::WRITE_NORMAL;
        if !socket.queue.is_empty() || socket.read_shutdown {
            ready |= Events::READ | Events::READ_NORMAL;
        }
        if socket.read_shutdown {
            ready |= Events::READ_HANG_UP;
        }
        if socket.read_shutdown && socket.write_shutdown {
            ready |= Events::HANG_UP;
        }
        if socket.error.is_some() {
            ready |= Events::ERROR;
        }
        socket.shared.update(ready, again, notices);
    }

    /// Takes a packet. False if nobody has its port.
    pub fn input(
        &mut self,
        ip: &Ip,
        header: &Ipv4Header,
        segment: &[u8],
        known: Checksum,
        notices: &mut Notices,
    ) -> bool {
        let Some((source, destination, data)) = parse_datagram(header, segment, known) else { return true };
        let to_all = ip.is_broadcast(destination.0) || destination.0.is_multicast();
        let keys = self.ports.of(destination.1);
        if keys.is_empty() {
            return false;
        }
        let fits = |key: &Key| {
            let socket = self.sockets.get(*key)?;
            let (address, _) = socket.bound?;
            let for_it = address == destination.0 || address.is_unspecified() || to_all;
            let from_peer = socket.peer.is_none_or(|peer| peer == source);
            // The more a socket asks for, the better it fits.
            let rank =
                u8::from(socket.peer.is_some()).wrapping_mul(2).wrapping_add(u8::from(!address.is_unspecified()));
            (for_it && from_peer).then_some((rank, *key))
        };
        let mut takers: Vec<(u8, Key)> = keys.iter().filter_map(fits).collect();
        if !to_all {
            let best = takers.iter().map(|(rank, _)| *rank).max();
            takers.retain(|(rank, _)| Some(*rank) == best);
            if takers.len() > 1 {
                let choice = self.choice.hash_one(source) as usize;
                takers = takers.get(choice.checked_rem(takers.len()).unwrap_or(0)).copied().into_iter().collect();
            }
        }
        for (_, key) in &takers {
            self.deliver(*key, source, data, notices);
        }
        !takers.is_empty() || to_all
    }

    fn deliver(&mut self, key: Key, source: Endpoint, data: &[u8], notices: &mut Notices) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let queued = socket.queued.saturating_add(data.len()).saturating_add(OVERHEAD);
        if queued > socket.options.receive_buffer || socket.read_shutdown || !memory::kernel_has_room() {
            return;
        }
        let mut copy = Vec::new();
        if copy.try_reserve_exact(data.len()).is_err() {
            return;
        }
        copy.extend_from_slice(data);
        socket.queued = queued;
        socket.queue.push_back(Datagram { source, data: copy });
        self.refresh(key, Events::READ | Events::READ_NORMAL, notices);
    }

    /// A datagram of ours met an error on its way: its sender hears of it if it has that peer alone (udp(7)).
    pub fn problem(&mut self, problem: &Problem, notices: &mut Notices) {
        let keys = self.ports.of(problem.local.1).to_vec();
        for key in keys {
            if let Ok(socket) = self.socket(key)
                && socket.peer == Some(problem.remote)
                && (problem.refused || socket.options.report_errors)
            {
                socket.error = Some(problem.error);
                self.refresh(key, Events::ERROR, notices);
            }
        }
    }

    /// Ends one or both directions.
    pub fn shutdown(&mut self, key: Key, read: bool, write: bool, notices: &mut Notices) -> Result<(), Errno> {
        let socket = self.socket(key)?;
        if socket.peer.is_none() {
            return Err(Errno::ENOTCONN);
        }
        socket.read_shutdown |= read;
        socket.write_shutdown |= write;
        self.refresh(key, Events::empty(), notices);
        Ok(())
    }

    /// The local endpoint; all zeroes if there is none yet.
    pub fn local(&self, key: Key) -> Endpoint {
        self.sockets
            .get(key)
            .map_or((Address::UNSPECIFIED, 0), |socket| socket.bound.unwrap_or((socket.own_address, 0)))
    }

    /// The peer's endpoint.
    pub fn remote(&self, key: Key) -> Result<Endpoint, Errno> {
        self.sockets.get(key).and_then(|socket| socket.peer).ok_or(Errno::ENOTCONN)
    }

    /// The options.
    pub fn options(&mut self, key: Key) -> Result<&mut Options, Errno> {
        self.socket(key).map(|socket| &mut socket.options)
    }

    /// The pending error, which is then forgotten (SO_ERROR).
    pub fn take_error(&mut self, key: Key) -> Option<Errno> {
        let error = self.socket(key).ok()?.error.take();
        self.refresh(key, Events::empty(), &mut Notices::new());
        error
    }
}

impl Options {
    /// Sets a buffer's size the way Linux does: twice what is asked for, within limits.
    pub fn buffer(requested: usize) -> usize {
        requested.saturating_mul(2).clamp(2304, LARGEST_BUFFER)
    }
}

/// Source, destination and payload of a UDP packet. `None` if it is malformed.
pub fn parse_datagram<'a>(
    header: &Ipv4Header,
    segment: &'a [u8],
    known: Checksum,
) -> Option<(Endpoint, Endpoint, &'a [u8])> {
    let (udp, _) = parse::<UdpHeader>(segment)?;
    let segment = segment.get(..usize::from(udp.length.get()))?;
    let data = segment.get(UDP_HEADER..)?;
    let (source, destination) = (header.source(), header.destination());
    let pseudo = pseudo_header(source, destination, PROTOCOL_UDP, segment.len());
    if known == Checksum::Unknown && udp.checksum.get() != 0 && checksum(pseudo, segment) != 0xffff {
        return None;
    }
    Some(((source, udp.source.get()), (destination, udp.destination.get()), data))
}

/// A whole UDP packet without its checksum.
pub fn make_packet(route: Route, source: u16, destination: u16, identification: u16, data: &[u8]) -> Vec<u8> {
    let length = UDP_HEADER.saturating_add(data.len());
    let header = Ipv4Header::new(route, PROTOCOL_UDP, length, identification, 0);
    let udp = udp_header(source, destination, length);
    [header.as_bytes(), udp.as_bytes(), data].concat()
}

fn udp_header(source: u16, destination: u16, length: usize) -> UdpHeader {
    UdpHeader {
        source: source.into(),
        destination: destination.into(),
        length: (length as u16).into(),
        checksum: 0.into(),
    }
}

fn send_datagram(ip: &mut Ip, route: Route, source: u16, destination: u16, data: &[u8]) -> Result<(), Errno> {
    let identification = ip.next_identification();
    let length = UDP_HEADER.saturating_add(data.len());
    if length.saturating_add(IPV4_HEADER) <= ip.mtu() || ip.is_own(route.destination) {
        return ip.send_packet(&make_packet(route, source, destination, identification, data));
    }
    // A fragment cannot carry its own checksum, so the whole datagram's is made here.
    let mut udp = udp_header(source, destination, length);
    let sum = checksum(pseudo_header(route.source, route.destination, PROTOCOL_UDP, length), udp.as_bytes());
    let sum = !checksum(sum, data);
    udp.checksum.set(if sum == 0 { 0xffff } else { sum });
    let whole = [udp.as_bytes(), data].concat();
    let piece = ip.mtu().saturating_sub(IPV4_HEADER) & !7;
    let count = whole.len().div_ceil(piece.max(8));
    for (index, bytes) in whole.chunks(piece.max(8)).enumerate() {
        let offset = index.saturating_mul(piece) / 8;
        let more = if index.saturating_add(1) < count { MORE_FRAGMENTS } else { 0 };
        let header = Ipv4Header::new(route, PROTOCOL_UDP, bytes.len(), identification, offset as u16 | more);
        ip.send_packet(&[header.as_bytes(), bytes].concat())?;
    }
    Ok(())
}
