//! Segments from the network: which connection they belong to, and what becomes of those that belong to none.

use super::{
    Role, Tcp,
    connection::HANDSHAKE_TIMEOUT,
    engine::{Tuple, sequence_length},
    time_wait::Verdict,
    tuples::Reuse,
    vet::Vetted,
};
use crate::{
    ip::{Ip, icmp::Problem, wire::*},
    slab::Key,
};
use alloc::{boxed::Box, vec::Vec};
use rumpkin_kernel::Errno;
use rumpuser::device::Checksum;
use zerocopy::{FromBytes, IntoBytes};

/// A handshake that is this old may be dropped for a newer one, in nanoseconds.
const STALE_HANDSHAKE: u64 = 500_000_000;

impl Tcp {
    /// Takes a packet that was sent to us alone.
    pub fn input(&mut self, ip: &mut Ip, header: &Ipv4Header, packet: &[u8], segment: &[u8], known: Checksum) {
        let Some((tcp, _)) = parse::<TcpHeader>(segment) else { return };
        let (source, destination) = (header.source(), header.destination());
        let header_length = usize::from(tcp.offset >> 4).saturating_mul(4);
        if header_length < size_of::<TcpHeader>() || header_length > segment.len() || tcp.source.get() == 0 {
            return;
        }
        if known == Checksum::Unknown
            && checksum(pseudo_header(source, destination, PROTOCOL_TCP, segment.len()), segment) != 0xffff
        {
            return;
        }
        self.work.segments = self.work.segments.wrapping_add(1);
        let tuple = Tuple { local: (destination, tcp.destination.get()), remote: (source, tcp.source.get()) };
        if let Some(key) = self.tuples.get(&tuple) {
            self.feed(key, ip, tcp, packet, segment);
            return;
        }
        match self.time_wait.receive(tuple, tcp, sequence_length(tcp, segment.len())) {
            Verdict::Free => {}
            Verdict::Drop => return,
            Verdict::Acknowledge { sequence, acknowledgment, window } => {
                reply(ip, &tuple, TCP_ACK, sequence, acknowledgment, window);
                return;
            }
        }
        if tcp.flags & (TCP_SYN | TCP_ACK | TCP_RST) == TCP_SYN
            && let Some(listener) = self.find_listener(&tuple)
        {
            self.begin(listener, tuple, ip, packet);
            return;
        }
        refuse(ip, &tuple, tcp, segment.len());
    }

    fn feed(&mut self, key: Key, ip: &mut Ip, header: &TcpHeader, packet: &[u8], segment: &[u8]) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let Role::Connection(connection) = &mut socket.role else { return };
        match connection.vet(header, segment.len(), ip.now) {
            Vetted::Take => {}
            Vetted::TakeWithoutSyn => {
                let packet = without(packet, TCP_SYN);
                connection.receive(&mut self.engine, ip, &packet);
                self.touch(key);
                return;
            }
            Vetted::TakeWithoutFin => {
                let packet = without(packet, TCP_FIN);
                connection.receive(&mut self.engine, ip, &packet);
                self.touch(key);
                return;
            }
            Vetted::Challenge => {
                let sent = connection.one.sent;
                reply(ip, &connection.tuple, TCP_ACK, sent.next, sent.acknowledged, sent.window);
                return;
            }
            Vetted::Drop => return,
        }
        if header.flags & TCP_FIN != 0 {
            connection.peer_end = Some(header.sequence.get().wrapping_add(sequence_length(header, segment.len())));
        }
        connection.receive(&mut self.engine, ip, packet);
        self.touch(key);
    }

    /// A peer wants to connect. Where there is no room the SYN is dropped: the peer repeats it, as Linux's would.
    fn begin(&mut self, listener: Key, tuple: Tuple, ip: &mut Ip, packet: &[u8]) {
        let limit = self.budget.half_open_limit();
        let Some(socket) = self.sockets.get_mut(listener) else { return };
        let Role::Listening(queues) = &mut socket.role else { return };
        if queues.ready.len() > queues.backlog {
            return;
        }
        if self.half_open >= limit || queues.half_open.len() > queues.backlog.max(8) {
            match queues.half_open.front() {
                Some((since, _)) if ip.now.saturating_sub(*since) >= STALE_HANDSHAKE => {}
                _ => return,
            }
            let Some((_, oldest)) = queues.half_open.pop_front() else { return };
            if let Ok(connection) = self.connection(oldest) {
                connection.fail(Errno::ETIMEDOUT);
                self.touch(oldest);
            }
        }
        let Some(options) = self.sockets.get(listener).map(|socket| socket.options.clone()) else { return };
        let Ok(mut connection) = self.make_connection(tuple, &options) else { return };
        connection.apply(&options);
        connection.listener = Some(listener);
        connection.deadline = Some(ip.now.saturating_add(HANDSHAKE_TIMEOUT));
        if connection.one.socket_mut().listen(tuple.local.1).is_err() {
            self.budget.give(connection.memory);
            return;
        }
        self.engine.reseed();
        connection.receive(&mut self.engine, ip, packet);
        let reuse = Reuse::of(&options);
        let key = self.insert(false, options, Role::Connection(Box::new(connection)));
        self.tuples.enter(tuple, key, reuse);
        self.half_open = self.half_open.saturating_add(1);
        if let Some(socket) = self.sockets.get_mut(listener)
            && let Role::Listening(queues) = &mut socket.role
        {
            queues.half_open.push_back((ip.now, key));
        }
        self.touch(key);
    }

    /// A segment of ours met an error on its way. Only attempts to connect end by it (RFC 5461): an established connection
    /// goes on, for anyone can make such a message up.
    pub fn problem(&mut self, problem: &Problem) {
        let tuple = Tuple { local: problem.local, remote: problem.remote };
        if let Some(key) = self.tuples.get(&tuple)
            && let Ok(connection) = self.connection(key)
            && connection.connecting()
            && connection.listener.is_none()
        {
            connection.fail(problem.error);
            self.touch(key);
        }
    }
}

/// A packet without one of its flags; where that is the SYN, with the sequence number behind it. Nobody looks at its checksum
/// any more.
fn without(packet: &[u8], flag: u8) -> Vec<u8> {
    let mut packet = packet.to_vec();
    if let Ok((_, segment)) = Ipv4Header::mut_from_prefix(&mut packet)
        && let Ok((header, _)) = TcpHeader::mut_from_prefix(segment)
    {
        header.flags &= !flag;
        if flag == TCP_SYN {
            header.sequence.set(header.sequence.get().wrapping_add(1));
        }
    }
    packet
}

/// Answers a segment that belongs to no connection with a reset (RFC 9293 §3.10.7.1).
fn refuse(ip: &mut Ip, tuple: &Tuple, header: &TcpHeader, length: usize) {
    if header.flags & TCP_RST != 0 {
        return;
    }
    if header.flags & TCP_ACK != 0 {
        reply(ip, tuple, TCP_RST, header.acknowledgment.get(), 0, 0);
    } else {
        let end = header.sequence.get().wrapping_add(sequence_length(header, length));
        reply(ip, tuple, TCP_RST | TCP_ACK, 0, end, 0);
    }
}

/// Sends a segment without data.
pub fn reply(ip: &mut Ip, tuple: &Tuple, flags: u8, sequence: u32, acknowledgment: u32, window: u16) {
    let segment = TcpHeader {
        source: tuple.local.1.into(),
        destination: tuple.remote.1.into(),
        sequence: sequence.into(),
        acknowledgment: acknowledgment.into(),
        offset: 5 << 4,
        flags,
        window: window.into(),
        checksum: 0.into(),
        urgent: 0.into(),
    };
    let route = Route::new(tuple.local.0, tuple.remote.0);
    let header = Ipv4Header::new(route, PROTOCOL_TCP, segment.as_bytes().len(), 0, DONT_FRAGMENT);
    let mut packet = [0; size_of::<Ipv4Header>() + size_of::<TcpHeader>()];
    let parts = header.as_bytes().iter().chain(segment.as_bytes());
    packet.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
    // A reply that finds no way back is lost.
    let _ = ip.send_packet(&packet);
}
