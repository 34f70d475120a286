//! Segments from the network: which connection they belong to, and what becomes of those that belong to none.

use super::{
    Listener, Role, Socket, Tcp, connection,
    connection::{Connection, HANDSHAKE_TIMEOUT},
    engine::{Tuple, sequence_length},
    time_wait::Verdict,
    tuples::Reuse,
    vet::Vetted,
};
use crate::{
    ip::{Ip, icmp::Problem, wire::*},
    no_buffers,
    slab::Key,
};
use alloc::vec::Vec;
use rumpkin_collections::{OutOfMemory, try_box, try_to_vec};
use rumpkin_spine::Errno;
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
            vetted @ (Vetted::TakeWithoutSyn | Vetted::TakeWithoutFin) => {
                let flag = if vetted == Vetted::TakeWithoutSyn { TCP_SYN } else { TCP_FIN };
                // Without memory it is lost, and sent again like all that is lost.
                if let Ok(packet) = without(packet, flag) {
                    connection.receive(&mut self.engine, ip, &packet);
                    self.touch(key);
                }
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
        if !self.make_place(listener, ip.now) {
            self.dropped.listener = self.dropped.listener.wrapping_add(1);
            return;
        }
        match self.begin_handshake(listener, tuple, ip.now) {
            Ok(key) => {
                self.engine.reseed();
                if let Ok(connection) = connection(&mut self.sockets, key) {
                    connection.receive(&mut self.engine, ip, packet);
                }
                self.touch(key);
            }
            Err(_) => self.dropped.memory = self.dropped.memory.wrapping_add(1),
        }
    }

    /// Whether one more handshake may begin for a listener; a stale one makes place.
    fn make_place(&mut self, listener: Key, now: u64) -> bool {
        let limit = self.budget.half_open_limit();
        let Some(Socket { role: Role::Listening(queues), .. }) = self.sockets.get(listener) else { return false };
        let Listener { backlog, half_open, ready } = queues;
        if ready.len() > *backlog {
            return false;
        }
        if self.half_open < limit && half_open.len() <= (*backlog).max(8) {
            return true;
        }
        let Some(oldest) = half_open.first() else { return false };
        let stale = now.saturating_add(HANDSHAKE_TIMEOUT).saturating_sub(STALE_HANDSHAKE);
        let is_stale = |connection: &mut Connection| connection.deadline.is_none_or(|deadline| deadline <= stale);
        if !connection(&mut self.sockets, oldest).is_ok_and(is_stale) {
            return false;
        }
        self.with_queues(listener, |queues, sockets| queues.half_open.pop(sockets, Socket::queued));
        if let Ok(connection) = self.connection(oldest) {
            connection.fail(Errno::ETIMEDOUT);
            self.touch(oldest);
        }
        true
    }

    /// A connection in its handshake, which has not received anything.
    fn begin_handshake(&mut self, listener: Key, tuple: Tuple, now: u64) -> Result<Key, Errno> {
        let options = self.options(listener)?.clone();
        let mut connection = self.make_connection(tuple, &options)?;
        connection.apply(&options);
        connection.listener = Some(listener);
        let deferred = u64::from(options.defer_seconds()).saturating_mul(1_000_000_000);
        connection.deferred_until = (deferred > 0).then(|| now.saturating_add(deferred));
        connection.deadline = Some(now.saturating_add(HANDSHAKE_TIMEOUT).saturating_add(deferred));
        connection.one.socket_mut().listen(tuple.local.1).map_err(|_| Errno::EINVAL)?;
        let connection = try_box(connection).map_err(no_buffers)?;
        let reuse = Reuse::of(&options);
        let key = self.insert(false, options, Role::Connection(connection))?;
        if let Err(refusal) = self.tuples.enter(tuple, key, reuse) {
            self.remove(key);
            return Err(no_buffers(refusal));
        }
        self.half_open = self.half_open.saturating_add(1);
        self.with_queues(listener, |queues, sockets| queues.half_open.push(sockets, key, Socket::queued));
        Ok(key)
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
fn without(packet: &[u8], flag: u8) -> Result<Vec<u8>, OutOfMemory> {
    let mut packet = try_to_vec(packet)?;
    if let Ok((_, segment)) = Ipv4Header::mut_from_prefix(&mut packet)
        && let Ok((header, _)) = TcpHeader::mut_from_prefix(segment)
    {
        header.flags &= !flag;
        if flag == TCP_SYN {
            header.sequence.set(header.sequence.get().wrapping_add(1));
        }
    }
    Ok(packet)
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
    // A reply that finds no way back is lost.
    let _ = ip.send_packet(&[header.as_bytes(), segment.as_bytes()]);
}
