//! Connected pairs of local sockets (unix(7), socketpair(2)). Names in the file system are not there.

use super::{Operations, Received, address::SocketAddress, options::integer};
use crate::shared::{self, Notices, Shared};
use alloc::{collections::VecDeque, sync::Arc, vec, vec::Vec};
use rumpkin_kernel::{
    Errno,
    abi::linux::net,
    io::{Sink, Source},
    wait::Events,
};
use rumpuser::{
    memory,
    sync::{Mutex, MutexGuard},
};

/// Bytes that one direction holds (Linux's `wmem_default`).
const CAPACITY: usize = 212_992;
/// What a message costs beyond its bytes.
const OVERHEAD: usize = 64;

/// One direction.
#[derive(Default)]
struct Direction {
    /// Messages; of a stream, pieces.
    messages: VecDeque<Vec<u8>>,
    /// Bytes of the first message that have been read.
    read: usize,
    bytes: usize,
    /// The reader reads no more (SHUT_RD).
    unread: bool,
    /// The reader has closed its end.
    gone: bool,
    /// The writer is gone, or writes no more (SHUT_WR).
    ended: bool,
    /// The writer has been told that the reader is gone, and has no peer since (datagrams).
    parted: bool,
}

impl Direction {
    fn clear(&mut self) {
        self.messages.clear();
        self.read = 0;
        self.bytes = 0;
    }
}

struct Pair {
    stream: bool,
    kind: u32,
    /// What end 0 reads, and what end 1 reads.
    directions: Mutex<[Direction; 2]>,
    ends: [Arc<Shared>; 2],
}

/// One end of a pair.
pub struct End {
    pair: Arc<Pair>,
    /// 0 or 1.
    side: Side,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    One,
    Other,
}

/// Two connected ends.
pub fn pair(kind: u32) -> (End, End) {
    let pair = Arc::new(Pair {
        stream: kind == net::SOCK_STREAM,
        kind,
        directions: Mutex::default(),
        ends: Default::default(),
    });
    let ends = (End { pair: pair.clone(), side: Side::One }, End { pair, side: Side::Other });
    ends.0.work(|_, _| ());
    ends
}

impl Pair {
    /// Whether ends hear of each other's end. Those of datagrams do not: any other socket might send, too.
    fn is_connected(&self) -> bool {
        self.kind != net::SOCK_DGRAM
    }

    fn read_ended(&self, incoming: &Direction) -> bool {
        incoming.unread || self.is_connected() && incoming.ended
    }

    fn readiness(&self, incoming: &Direction, outgoing: &Direction) -> Events {
        let mut events = Events::empty();
        let read_ended = self.read_ended(incoming);
        let write_ended = outgoing.ended || self.is_connected() && (outgoing.unread || outgoing.gone);
        if !incoming.messages.is_empty() || read_ended {
            events |= Events::READ | Events::READ_NORMAL;
        }
        if read_ended {
            events |= Events::READ_HANG_UP;
        }
        if outgoing.bytes < CAPACITY / 4 * 3 || outgoing.gone || write_ended {
            events |= Events::WRITE | Events::WRITE_NORMAL;
        }
        if read_ended && write_ended {
            events |= Events::HANG_UP;
        }
        events
    }
}

impl End {
    /// Works on what comes in and what goes out, then tells both ends' readiness.
    fn work<R>(&self, work: impl FnOnce(&mut Direction, &mut Direction) -> R) -> R {
        let mut directions = self.pair.directions.lock();
        let (incoming, outgoing) = self.sides(&mut directions);
        let before = outgoing.bytes;
        let result = work(incoming, outgoing);
        self.tell(directions, before);
        result
    }

    /// What comes in and what goes out.
    fn sides<'a>(&self, directions: &'a mut [Direction; 2]) -> (&'a mut Direction, &'a mut Direction) {
        let [one, other] = directions;
        match self.side {
            Side::One => (one, other),
            Side::Other => (other, one),
        }
    }

    #[inline(never)]
    fn tell(&self, mut directions: MutexGuard<'_, [Direction; 2]>, bytes_before: usize) {
        let mut notices = Notices::new();
        let (incoming, outgoing) = self.sides(&mut directions);
        let more = outgoing.bytes > bytes_before;
        let again = if more { Events::READ | Events::READ_NORMAL } else { Events::empty() };
        let mine = self.pair.readiness(incoming, outgoing);
        let theirs = self.pair.readiness(outgoing, incoming);
        let [one, other] = &self.pair.ends;
        let (me, peer) = match self.side {
            Side::One => (one, other),
            Side::Other => (other, one),
        };
        me.update(mine, Events::empty(), &mut notices);
        peer.update(theirs, again, &mut notices);
        drop(directions);
        shared::announce(notices);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.work(|incoming, outgoing| {
            incoming.gone = true;
            incoming.clear();
            outgoing.ended = true;
        });
    }
}

impl Operations for End {
    fn shared(&self) -> &Shared {
        let [one, other] = &self.pair.ends;
        match self.side {
            Side::One => one,
            Side::Other => other,
        }
    }

    fn bind(&self, _address: &SocketAddress) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn connect(&self, _address: &SocketAddress) -> Result<(), Errno> {
        Err(Errno::EISCONN)
    }

    fn send(&self, source: &mut dyn Source, to: Option<&SocketAddress>) -> Result<usize, Errno> {
        if to.is_some() {
            return Err(Errno::EISCONN);
        }
        let stream = self.pair.stream;
        self.work(|incoming, outgoing| {
            if outgoing.parted {
                return Err(Errno::ENOTCONN);
            }
            if outgoing.gone && !self.pair.is_connected() {
                // As in Linux, what the peer has sent before is lost with it.
                outgoing.parted = true;
                incoming.clear();
                return Err(Errno::ECONNREFUSED);
            }
            if outgoing.ended || outgoing.unread || outgoing.gone {
                return Err(Errno::EPIPE);
            }
            let room = CAPACITY.saturating_sub(outgoing.bytes);
            let wanted = source.left();
            if stream && wanted == 0 {
                return Ok(0);
            }
            if !stream && wanted > CAPACITY.saturating_sub(OVERHEAD) {
                return Err(Errno::EMSGSIZE);
            }
            if room == 0 || !stream && room < wanted.saturating_add(OVERHEAD) {
                return Err(Errno::EAGAIN);
            }
            if !memory::kernel_has_room() {
                return Err(Errno::ENOBUFS);
            }
            let mut data = Vec::new();
            data.try_reserve_exact(wanted.min(room)).map_err(|_| Errno::ENOBUFS)?;
            data.resize(wanted.min(room), 0);
            let taken = source.take(&mut data)?;
            data.truncate(taken);
            let cost = if stream { taken } else { taken.saturating_add(OVERHEAD) };
            outgoing.bytes = outgoing.bytes.saturating_add(cost);
            outgoing.messages.push_back(data);
            Ok(taken)
        })
    }

    fn receive(&self, destination: &mut dyn Sink, peek: bool) -> Result<Received, Errno> {
        let stream = self.pair.stream;
        self.work(|incoming, _| {
            if incoming.messages.is_empty() {
                let none = Received { stored: 0, length: 0, source: None };
                return if self.pair.read_ended(incoming) { Ok(none) } else { Err(Errno::EAGAIN) };
            }
            if stream { take_bytes(incoming, destination, peek) } else { take_message(incoming, destination, peek) }
        })
    }

    fn shutdown(&self, read: bool, write: bool) -> Result<(), Errno> {
        self.work(|incoming, outgoing| {
            incoming.unread |= read;
            outgoing.ended |= write;
        });
        Ok(())
    }

    fn local(&self) -> SocketAddress {
        SocketAddress::Unix(Vec::new())
    }

    fn remote(&self) -> Result<SocketAddress, Errno> {
        if self.work(|_, outgoing| outgoing.parted) {
            return Err(Errno::ENOTCONN);
        }
        Ok(SocketAddress::Unix(Vec::new()))
    }

    fn option(&self, level: u32, name: u32) -> Result<Vec<u8>, Errno> {
        option(level, name)
    }

    fn set_option(&self, level: u32, name: u32, value: &[u8]) -> Result<(), Errno> {
        set_option(level, name, value)
    }

    fn queued(&self) -> Result<(usize, usize), Errno> {
        Ok(self.work(|incoming, outgoing| {
            let readable =
                if self.pair.stream { incoming.bytes } else { incoming.messages.front().map_or(0, Vec::len) };
            (readable, outgoing.bytes)
        }))
    }
}

fn take_bytes(incoming: &mut Direction, destination: &mut dyn Sink, peek: bool) -> Result<Received, Errno> {
    let mut stored = 0usize;
    let mut skip = incoming.read;
    let mut finished = 0usize;
    for piece in &incoming.messages {
        let rest = piece.get(skip..).unwrap_or_default();
        let cut = rest.get(..rest.len().min(destination.room())).unwrap_or_default();
        if cut.is_empty() {
            break;
        }
        let count = match destination.put(cut) {
            Ok(count) => count,
            Err(error) if stored == 0 => return Err(error),
            Err(_) => break,
        };
        stored = stored.saturating_add(count);
        skip = skip.saturating_add(count);
        if skip < piece.len() {
            break;
        }
        finished = finished.saturating_add(1);
        skip = 0;
    }
    if !peek {
        incoming.messages.drain(..finished);
        incoming.read = skip;
        incoming.bytes = incoming.bytes.saturating_sub(stored);
    }
    Ok(Received { stored, length: stored, source: None })
}

fn take_message(incoming: &mut Direction, destination: &mut dyn Sink, peek: bool) -> Result<Received, Errno> {
    let Some(message) = incoming.messages.front() else { return Err(Errno::EAGAIN) };
    let length = message.len();
    let cut = message.get(..length.min(destination.room())).unwrap_or_default();
    let stored = if cut.is_empty() { 0 } else { destination.put(cut)? };
    if !peek {
        incoming.messages.pop_front();
        incoming.bytes = incoming.bytes.saturating_sub(length.saturating_add(OVERHEAD));
    }
    Ok(Received { stored, length, source: None })
}

fn option(level: u32, name: u32) -> Result<Vec<u8>, Errno> {
    let value = match (level, name) {
        (net::SOL_SOCKET, net::SO_ERROR | net::SO_ACCEPTCONN | net::SO_REUSEADDR | net::SO_KEEPALIVE) => 0,
        (net::SOL_SOCKET, net::SO_SNDBUF | net::SO_RCVBUF) => CAPACITY as i32,
        (net::SOL_SOCKET, net::SO_LINGER) => return Ok(vec![0; 8]),
        (net::SOL_SOCKET, _) => return Err(Errno::ENOPROTOOPT),
        _ => return Err(Errno::EOPNOTSUPP),
    };
    Ok(value.to_le_bytes().to_vec())
}

fn set_option(level: u32, name: u32, value: &[u8]) -> Result<(), Errno> {
    integer(value)?;
    match (level, name) {
        // A request for other sizes is a hint: the size stays.
        (net::SOL_SOCKET, net::SO_SNDBUF | net::SO_RCVBUF) => Ok(()),
        (net::SOL_SOCKET, _) => Err(Errno::ENOPROTOOPT),
        _ => Err(Errno::EOPNOTSUPP),
    }
}

/// A socket that cannot be joined to anything, for names are not there: connecting finds nobody.
pub struct Unconnected(Arc<Shared>);

impl Unconnected {
    /// A new one.
    pub fn new() -> Self {
        let shared = Arc::<Shared>::default();
        let ready = Events::WRITE | Events::WRITE_NORMAL | Events::HANG_UP;
        shared.update(ready, Events::empty(), &mut Notices::new());
        Unconnected(shared)
    }
}

impl Operations for Unconnected {
    fn shared(&self) -> &Shared {
        &self.0
    }

    fn bind(&self, _address: &SocketAddress) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn connect(&self, address: &SocketAddress) -> Result<(), Errno> {
        match address {
            SocketAddress::Unix(path) if path.first() == Some(&0) => Err(Errno::ECONNREFUSED),
            SocketAddress::Unix(path) if path.is_empty() => Err(Errno::EINVAL),
            SocketAddress::Unix(_) => Err(Errno::ENOENT),
            _ => Err(Errno::EINVAL),
        }
    }

    fn send(&self, _source: &mut dyn Source, _to: Option<&SocketAddress>) -> Result<usize, Errno> {
        Err(Errno::ENOTCONN)
    }

    fn receive(&self, _destination: &mut dyn Sink, _peek: bool) -> Result<Received, Errno> {
        Err(Errno::EINVAL)
    }

    fn shutdown(&self, _read: bool, _write: bool) -> Result<(), Errno> {
        Err(Errno::ENOTCONN)
    }

    fn local(&self) -> SocketAddress {
        SocketAddress::Unix(Vec::new())
    }

    fn remote(&self) -> Result<SocketAddress, Errno> {
        Err(Errno::ENOTCONN)
    }

    fn option(&self, level: u32, name: u32) -> Result<Vec<u8>, Errno> {
        option(level, name)
    }

    fn set_option(&self, level: u32, name: u32, value: &[u8]) -> Result<(), Errno> {
        set_option(level, name, value)
    }

    fn queued(&self) -> Result<(usize, usize), Errno> {
        Ok((0, 0))
    }
}
