//! UDP (RFC 768): sockets found by port, datagrams queued up to a limit, fragments where a datagram is longer than the MTU.

use crate::{
    hash::Seed,
    ip::{self, Ip, icmp::Problem, wire::*},
    no_buffers,
    ports::Ports,
    shared::{Notices, Shared},
    slab::{Key, Slab},
    socket::control::{Arrival, Outgoing},
    tcp::{Endpoint, addresses_overlap, ephemeral_port},
};
use alloc::{sync::Arc, vec::Vec};
use core::hash::BuildHasher;
use rumpkin_collections::{Account, ChargedQueue, Weigh, try_arc, try_to_vec};
use rumpkin_spine::{Errno, abi::linux::net, wait::Events};
use rumpuser::device::Checksum;
use zerocopy::IntoBytes;

/// Longest payload: what fits in an IPv4 packet.
pub const MAX_PAYLOAD: usize = 65_507;
/// Bytes that a socket queues unless told otherwise (Linux's `rmem_default`).
const DEFAULT_BUFFER: usize = 212_992;
/// What all sockets' queues may take, as a share of memory (Linux's `udp_mem`).
const SHARE: usize = 8;

/// What a program has set.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Options {
    pub reuse_address: bool,
    pub reuse_port: bool,
    pub broadcast: bool,
    pub receive_buffer: usize,
    pub send_buffer: usize,
    pub ip: ip::options::Options,
}

/// A datagram that waits to be read.
pub struct Datagram {
    /// Who sent it.
    pub source: Endpoint,
    /// How it came.
    pub arrival: Arrival,
    /// Its payload.
    pub data: Vec<u8>,
}

impl Weigh for Datagram {
    fn weight(&self) -> usize {
        self.data.len()
    }
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
    queue: ChargedQueue<Datagram>,
    error: Option<Errno>,
    read_shutdown: bool,
    write_shutdown: bool,
}

impl Socket {
    fn ready(&self) -> Events {
        let mut ready = Events::WRITE | Events::WRITE_NORMAL;
        if !self.queue.is_empty() || self.read_shutdown {
            ready |= Events::READ | Events::READ_NORMAL;
        }
        if self.read_shutdown {
            ready |= Events::READ_HANG_UP;
        }
        if self.read_shutdown && self.write_shutdown {
            ready |= Events::HANG_UP;
        }
        if self.error.is_some() {
            ready |= Events::ERROR;
        }
        ready
    }

    /// How well a datagram fits that went to `destination`, or to all: the better, the more the socket asks for. `None` if it is
    /// not for it.
    fn rank(&self, source: Endpoint, destination: Address, to_all: bool) -> Option<u8> {
        let (address, _) = self.bound?;
        let for_it = address == destination || address.is_unspecified() || to_all;
        let from_peer = self.peer.is_none_or(|peer| peer == source);
        let rank = u8::from(self.peer.is_some()).wrapping_mul(2).wrapping_add(u8::from(!address.is_unspecified()));
        (for_it && from_peer).then_some(rank)
    }
}

/// All of UDP.
pub struct Udp {
    sockets: Slab<Socket>,
    ports: Ports,
    /// What chooses among sockets that share a port.
    choice: Seed,
    /// What is charged for datagrams that wait.
    account: Arc<Account>,
    /// What became of datagrams that were not kept.
    pub dropped: Dropped,
}

/// Datagrams that were not kept, by reason.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// Their socket had enough (Linux's `RcvbufErrors`).
    pub buffer: u64,
    /// All sockets together had enough, or there was no memory (Linux's `MemErrors`).
    pub memory: u64,
}

impl Udp {
    /// Without sockets, for a machine of this many bytes of memory.
    #[expect(clippy::disallowed_methods, reason = "once, when the machine boots")]
    pub fn new(memory: usize) -> Self {
        Udp {
            sockets: Slab::default(),
            ports: Ports::default(),
            choice: Seed::new(),
            account: Arc::new(Account::new(memory / SHARE)),
            dropped: Dropped::default(),
        }
    }

    /// A new socket. `ENOBUFS` if there is no memory for it.
    pub fn open(&mut self) -> Result<(Key, Arc<Shared>), Errno> {
        let shared = try_arc(Shared::new(Events::WRITE | Events::WRITE_NORMAL)).map_err(no_buffers)?;
        let options = Options {
            reuse_address: false,
            reuse_port: false,
            broadcast: false,
            receive_buffer: DEFAULT_BUFFER,
            send_buffer: DEFAULT_BUFFER,
            ip: ip::options::Options::default(),
        };
        let socket = Socket {
            shared: shared.clone(),
            bound: None,
            own_port: false,
            own_address: Address::UNSPECIFIED,
            peer: None,
            options,
            queue: ChargedQueue::new(&self.account),
            error: None,
            read_shutdown: false,
            write_shutdown: false,
        };
        Ok((self.sockets.try_insert(socket).map_err(no_buffers)?, shared))
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
        if endpoint.1 == 0 && socket.options.ip.has(net::IP_BIND_ADDRESS_NO_PORT) {
            // The port is chosen when something is sent or a peer known.
            self.socket(key)?.own_address = endpoint.0;
            return Ok(());
        }
        self.bind_now(key, endpoint)
    }

    fn bind_now(&mut self, key: Key, endpoint: Endpoint) -> Result<(), Errno> {
        let socket = self.sockets.get(key).ok_or(Errno::EBADF)?;
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
        self.ports.add(port, key).map_err(no_buffers)?;
        let socket = self.socket(key)?;
        socket.bound = Some((endpoint.0, port));
        socket.own_port = endpoint.1 != 0;
        socket.own_address = endpoint.0;
        Ok(())
    }

    /// What sends or has a peer is bound.
    fn bind_if_unbound(&mut self, key: Key) -> Result<(), Errno> {
        let socket = self.socket(key)?;
        if socket.bound.is_some() {
            return Ok(());
        }
        let address = socket.own_address;
        self.bind_now(key, (address, 0))
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
    pub fn send(
        &mut self,
        key: Key,
        data: &[u8],
        to: Option<Endpoint>,
        along: &Outgoing,
        ip: &mut Ip,
    ) -> Result<usize, Errno> {
        if data.len() > MAX_PAYLOAD {
            return Err(Errno::EMSGSIZE);
        }
        self.bind_if_unbound(key)?;
        let socket = self.socket(key)?;
        if socket.write_shutdown {
            return Err(Errno::EPIPE);
        }
        if let Some(error) = socket.error.take() {
            self.set_ready(key);
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
        let settings = &socket.options.ip;
        let source = match along.source {
            Some(source) if ip.is_own(source) || settings.binds_anywhere() => source,
            Some(_) => return Err(Errno::EINVAL),
            None if bound.is_unspecified() => ip.source_for(remote.0)?,
            None => bound,
        };
        let usual = if remote.0.is_multicast() { settings.multicast_time_to_live } else { settings.time_to_live };
        let length = data.len().saturating_add(UDP_HEADER).saturating_add(IPV4_HEADER);
        if settings.is_whole() && length > ip.mtu() && !ip.is_own(remote.0) {
            return Err(Errno::EMSGSIZE);
        }
        let route = Route {
            source,
            destination: remote.0,
            time_to_live: along.time_to_live.unwrap_or(usual),
            service: along.service.unwrap_or(settings.service),
        };
        let fragment = if settings.is_uncuttable() { DONT_FRAGMENT } else { 0 };
        send_datagram(ip, route, (port, remote.1), fragment, data)?;
        Ok(data.len())
    }

    /// Takes the next datagram, or looks at it. `EAGAIN` if there is none; `None` after SHUT_RD.
    pub fn receive<R>(
        &mut self,
        key: Key,
        peek: bool,
        take: impl FnOnce(&Datagram, &Options) -> Result<R, Errno>,
    ) -> Result<Option<R>, Errno> {
        let socket = self.socket(key)?;
        if let Some(error) = socket.error.take() {
            self.set_ready(key);
            return Err(error);
        }
        let Some(datagram) = socket.queue.front() else {
            return if socket.read_shutdown { Ok(None) } else { Err(Errno::EAGAIN) };
        };
        let result = take(datagram, &socket.options);
        if !peek && socket.queue.pop().is_some() && socket.queue.is_empty() {
            self.set_ready(key);
        }
        result.map(Some)
    }

    /// Bytes that datagrams take which wait.
    pub fn memory(&self) -> usize {
        self.account.used()
    }

    /// Bytes of the next datagram (FIONREAD).
    pub fn queued(&self, key: Key) -> usize {
        self.sockets.get(key).and_then(|socket| socket.queue.front()).map_or(0, |datagram| datagram.data.len())
    }

    /// Tells readiness where nothing has become ready.
    fn set_ready(&self, key: Key) {
        if let Some(socket) = self.sockets.get(key) {
            socket.shared.set(socket.ready());
        }
    }

    fn refresh(&self, key: Key, again: Events, notices: &mut Notices) {
        if let Some(socket) = self.sockets.get(key) {
            socket.shared.update(socket.ready(), again, notices);
        }
    }

    /// Takes a packet. False if nobody has its port.
    pub fn input(
        &mut self,
        ip: &Ip,
        header: &Ipv4Header,
        segment: &[u8],
        known: Checksum,
        interface: u32,
        notices: &mut Notices,
    ) -> bool {
        let Some((source, destination, data)) = parse_datagram(header, segment, known) else { return true };
        let to_all = ip.is_broadcast(destination.0) || destination.0.is_multicast();
        let port = destination.1;
        let arrival = Arrival {
            destination: destination.0,
            interface,
            time_to_live: header.time_to_live,
            service: header.service,
            time: ip.now,
        };
        if self.ports.is_free(port) {
            return false;
        }
        let rank = |udp: &Self, key: &Key| udp.sockets.get(*key)?.rank(source, destination.0, to_all);
        if to_all {
            let mut index = 0usize;
            while let Some(key) = self.ports.of(port).get(index).copied() {
                index = index.saturating_add(1);
                if rank(self, &key).is_some() {
                    self.deliver(key, source, arrival, data, notices);
                }
            }
            return true;
        }
        let keys = self.ports.of(port).iter();
        let Some(best) = keys.clone().filter_map(|key| rank(self, key)).max() else { return false };
        let best = keys.filter(|key| rank(self, key) == Some(best));
        let choice = match best.clone().count() {
            0 | 1 => 0,
            count => (self.choice.hash_one(source) as usize).checked_rem(count).unwrap_or(0),
        };
        if let Some(key) = best.copied().nth(choice) {
            self.deliver(key, source, arrival, data, notices);
        }
        true
    }

    fn deliver(&mut self, key: Key, source: Endpoint, arrival: Arrival, data: &[u8], notices: &mut Notices) {
        let Some(socket) = self.sockets.get_mut(key).filter(|socket| !socket.read_shutdown) else { return };
        // As in Linux one datagram may exceed the limit, so that any can be received at all.
        if socket.queue.charged() > socket.options.receive_buffer {
            self.dropped.buffer = self.dropped.buffer.wrapping_add(1);
            return;
        }
        let kept = try_to_vec(data).and_then(|data| socket.queue.try_push(Datagram { source, arrival, data }));
        match kept {
            Ok(()) => self.refresh(key, Events::READ | Events::READ_NORMAL, notices),
            Err(_) => self.dropped.memory = self.dropped.memory.wrapping_add(1),
        }
    }

    /// A datagram of ours met an error on its way: its sender hears of it if it has that peer alone (udp(7)).
    pub fn problem(&mut self, problem: &Problem, notices: &mut Notices) {
        let mut index = 0usize;
        while let Some(key) = self.ports.of(problem.local.1).get(index).copied() {
            index = index.saturating_add(1);
            if let Ok(socket) = self.socket(key)
                && socket.peer == Some(problem.remote)
                && (problem.refused || socket.options.ip.has(net::IP_RECVERR))
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
        self.set_ready(key);
        error
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

/// The headers of a UDP packet of `length` bytes of payload, without its checksum.
pub fn headers(
    route: Route,
    (source, destination): (u16, u16),
    identification: u16,
    fragment: u16,
    length: usize,
) -> DatagramHeaders {
    let length = UDP_HEADER.saturating_add(length);
    let ip = Ipv4Header::new(route, PROTOCOL_UDP, length, identification, fragment);
    let length = (length as u16).into();
    let udp = UdpHeader { source: source.into(), destination: destination.into(), length, checksum: 0.into() };
    DatagramHeaders { ip, udp }
}

fn send_datagram(ip: &mut Ip, route: Route, ports: (u16, u16), fragment: u16, data: &[u8]) -> Result<(), Errno> {
    let identification = ip.next_identification();
    let headers = headers(route, ports, identification, fragment, data.len());
    let length = UDP_HEADER.saturating_add(data.len());
    if length.saturating_add(IPV4_HEADER) <= ip.mtu() || ip.is_own(route.destination) {
        return ip.send_packet(&[headers.as_bytes(), data]);
    }
    // A fragment cannot carry its own checksum, so the whole datagram's is made here.
    let mut udp = headers.udp;
    let sum = checksum(pseudo_header(route.source, route.destination, PROTOCOL_UDP, length), udp.as_bytes());
    let sum = !checksum(sum, data);
    udp.checksum.set(if sum == 0 { 0xffff } else { sum });
    let piece = (ip.mtu().saturating_sub(IPV4_HEADER) & !7).max(UDP_HEADER);
    let (mut offset, mut rest) = (0usize, data);
    while offset < length {
        // The first fragment begins with the header.
        let front = if offset == 0 { udp.as_bytes() } else { &[] };
        let (bytes, behind) = rest.split_at(rest.len().min(piece.saturating_sub(front.len())));
        let more = if behind.is_empty() { 0 } else { MORE_FRAGMENTS };
        let field = (offset / 8) as u16 | more;
        let header =
            Ipv4Header::new(route, PROTOCOL_UDP, front.len().saturating_add(bytes.len()), identification, field);
        ip.send_packet(&[header.as_bytes(), front, bytes])?;
        offset = offset.saturating_add(piece);
        rest = behind;
    }
    Ok(())
}
