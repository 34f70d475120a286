//! Connected pairs of local sockets (unix(7), socketpair(2)). Names in the file system are not there.

use super::{Operations, Received, Setting, address::SocketAddress, control::Outgoing, options::Value};
use crate::{
    no_buffers,
    shared::{Notices, Shared},
};
use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicUsize, Ordering};
use rumpkin_collections::{Account, ChargedQueue, TryVec, Weigh, try_arc, try_with_capacity};
use rumpkin_kernel::{
    Errno,
    abi::linux::net,
    io::{Sink, Source},
    wait::Events,
};
use rumpuser::sync::{Mutex, MutexGuard};

/// Bytes that one direction holds, with what the allocator adds, unless its writer says otherwise (Linux's `wmem_default`).
const CAPACITY: usize = 212_992;
/// What a message takes beyond its bytes, at least.
const OVERHEAD: usize = 64;
/// The longest piece of a stream.
const PIECE: usize = 16 * 1024;

/// A message; of a stream, a piece.
struct Message(Vec<u8>);

impl Weigh for Message {
    fn weight(&self) -> usize {
        // A write that ended at a bad address leaves it longer than its content.
        self.0.capacity()
    }
}

/// One direction.
struct Direction {
    /// Bytes that it holds: the writer's SO_SNDBUF.
    capacity: usize,
    /// The reader's SO_RCVBUF, which is only kept (unix(7)).
    reader_capacity: usize,
    /// Messages; of a stream, pieces.
    messages: ChargedQueue<Message>,
    /// Bytes of the first message that have been read.
    read: usize,
    /// Bytes that have not been read, of all messages.
    unread_bytes: usize,
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
    fn new(account: &Arc<Account>) -> Direction {
        Direction {
            capacity: CAPACITY,
            reader_capacity: CAPACITY,
            messages: ChargedQueue::new(account),
            read: 0,
            unread_bytes: 0,
            unread: false,
            gone: false,
            ended: false,
            parted: false,
        }
    }

    fn clear(&mut self) {
        self.messages.clear();
        self.read = 0;
        self.unread_bytes = 0;
    }

    /// Takes a message, or a piece, of `length` bytes.
    fn push(&mut self, source: &mut dyn Source, length: usize) -> Result<usize, Errno> {
        let mut data: Vec<u8> = try_with_capacity(length).map_err(no_buffers)?;
        data.try_resize(length, 0).map_err(no_buffers)?;
        let taken = source.take(&mut data)?;
        data.truncate(taken);
        self.messages.try_push(Message(data)).map_err(no_buffers)?;
        self.unread_bytes = self.unread_bytes.saturating_add(taken);
        Ok(taken)
    }

    /// Takes as much of a stream as there is room for.
    fn push_stream(&mut self, source: &mut dyn Source) -> Result<usize, Errno> {
        let mut done = 0usize;
        while source.left() > 0 {
            let room = self.capacity.saturating_sub(self.messages.charged());
            let pushed = match source.left().min(room).min(PIECE) {
                0 => Err(Errno::EAGAIN),
                length => self.push(source, length),
            };
            match pushed {
                Ok(0) => break,
                Ok(count) => done = done.saturating_add(count),
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn push_message(&mut self, source: &mut dyn Source) -> Result<usize, Errno> {
        let length = source.left();
        if length > self.capacity.saturating_sub(OVERHEAD) {
            return Err(Errno::EMSGSIZE);
        }
        let charged = self.messages.charged().saturating_add(ChargedQueue::<Message>::cost(length));
        // A message that is as long as the direction holds has to fit when there is no other.
        if charged > self.capacity && !self.messages.is_empty() {
            return Err(Errno::EAGAIN);
        }
        self.push(source, length)
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

/// Two connected ends; what waits between them is charged to the account. `ENOBUFS` if there is no memory for them.
pub fn pair(kind: u32, account: &Arc<Account>) -> Result<(End, End), Errno> {
    let end = || try_arc(Shared::default());
    let pair = Pair {
        stream: kind == net::SOCK_STREAM,
        kind,
        directions: Mutex::new([Direction::new(account), Direction::new(account)]),
        ends: [end().map_err(no_buffers)?, end().map_err(no_buffers)?],
    };
    let pair = try_arc(pair).map_err(no_buffers)?;
    let ends = (End { pair: pair.clone(), side: Side::One }, End { pair, side: Side::Other });
    ends.0.work(|_, _| ());
    Ok(ends)
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
        if outgoing.messages.charged() < (outgoing.capacity / 4).saturating_mul(3) || outgoing.gone || write_ended {
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
        let before = outgoing.messages.len();
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
    fn tell(&self, mut directions: MutexGuard<'_, [Direction; 2]>, messages_before: usize) {
        let mut notices = Notices::default();
        let (incoming, outgoing) = self.sides(&mut directions);
        let more = outgoing.messages.len() > messages_before;
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
        notices.announce();
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

    fn send(&self, source: &mut dyn Source, to: Option<&SocketAddress>, _along: &Outgoing) -> Result<usize, Errno> {
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
            if stream { outgoing.push_stream(source) } else { outgoing.push_message(source) }
        })
    }

    fn receive(&self, destination: &mut dyn Sink, peek: bool) -> Result<Received, Errno> {
        let stream = self.pair.stream;
        self.work(|incoming, _| {
            if incoming.messages.is_empty() {
                let none = Received::bytes(0, 0);
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

    fn option(&self, level: u32, name: u32) -> Result<Value, Errno> {
        match (level, name) {
            (net::SOL_SOCKET, net::SO_SNDBUF) => Ok(self.work(|_, outgoing| outgoing.capacity as i32).into()),
            (net::SOL_SOCKET, net::SO_RCVBUF) => Ok(self.work(|incoming, _| incoming.reader_capacity as i32).into()),
            _ => option(level, name),
        }
    }

    /// There are no levels above that of every socket.
    fn set_option(&self, _level: u32, _name: u32, _value: &[u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn follow(&self, setting: Setting) -> Result<(), Errno> {
        self.work(|incoming, outgoing| match setting {
            Setting::SendBuffer(bytes) => outgoing.capacity = bytes,
            Setting::ReceiveBuffer(bytes) => incoming.reader_capacity = bytes,
            _ => {}
        });
        Ok(())
    }

    fn queued(&self) -> Result<(usize, usize), Errno> {
        Ok(self.work(|incoming, outgoing| {
            let first = incoming.messages.front().map_or(0, |message| message.0.len());
            let readable = if self.pair.stream { incoming.unread_bytes } else { first };
            (readable, outgoing.messages.charged())
        }))
    }
}

fn take_bytes(incoming: &mut Direction, destination: &mut dyn Sink, peek: bool) -> Result<Received, Errno> {
    let mut stored = 0usize;
    let mut skip = incoming.read;
    let mut finished = 0usize;
    for Message(piece) in incoming.messages.iter() {
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
        for _ in 0..finished {
            incoming.messages.pop();
        }
        incoming.read = skip;
        incoming.unread_bytes = incoming.unread_bytes.saturating_sub(stored);
    }
    Ok(Received::bytes(stored, stored))
}

fn take_message(incoming: &mut Direction, destination: &mut dyn Sink, peek: bool) -> Result<Received, Errno> {
    let Some(Message(message)) = incoming.messages.front() else { return Err(Errno::EAGAIN) };
    let length = message.len();
    let cut = message.get(..length.min(destination.room())).unwrap_or_default();
    let stored = if cut.is_empty() { 0 } else { destination.put(cut)? };
    if !peek {
        incoming.messages.pop();
        incoming.unread_bytes = incoming.unread_bytes.saturating_sub(length);
    }
    Ok(Received::bytes(stored, length))
}

fn option(level: u32, name: u32) -> Result<Value, Errno> {
    match (level, name) {
        (net::SOL_SOCKET, net::SO_ERROR | net::SO_ACCEPTCONN) => Ok(0.into()),
        (net::SOL_SOCKET, _) => Err(Errno::ENOPROTOOPT),
        _ => Err(Errno::EOPNOTSUPP),
    }
}

/// A socket that cannot be joined to anything, for names are not there: connecting finds nobody.
pub struct Unconnected {
    shared: Arc<Shared>,
    send_buffer: AtomicUsize,
    receive_buffer: AtomicUsize,
}

impl Unconnected {
    /// A new one. `ENOBUFS` if there is no memory for it.
    pub fn new() -> Result<Self, Errno> {
        let shared = Shared::new(Events::WRITE | Events::WRITE_NORMAL | Events::HANG_UP);
        Ok(Unconnected {
            shared: try_arc(shared).map_err(no_buffers)?,
            send_buffer: AtomicUsize::new(CAPACITY),
            receive_buffer: AtomicUsize::new(CAPACITY),
        })
    }
}

impl Operations for Unconnected {
    fn shared(&self) -> &Shared {
        &self.shared
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

    fn send(&self, _source: &mut dyn Source, _to: Option<&SocketAddress>, _along: &Outgoing) -> Result<usize, Errno> {
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

    fn option(&self, level: u32, name: u32) -> Result<Value, Errno> {
        match (level, name) {
            (net::SOL_SOCKET, net::SO_SNDBUF) => Ok((self.send_buffer.load(Ordering::Relaxed) as i32).into()),
            (net::SOL_SOCKET, net::SO_RCVBUF) => Ok((self.receive_buffer.load(Ordering::Relaxed) as i32).into()),
            _ => option(level, name),
        }
    }

    /// There are no levels above that of every socket.
    fn set_option(&self, _level: u32, _name: u32, _value: &[u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn follow(&self, setting: Setting) -> Result<(), Errno> {
        match setting {
            Setting::SendBuffer(bytes) => self.send_buffer.store(bytes, Ordering::Relaxed),
            Setting::ReceiveBuffer(bytes) => self.receive_buffer.store(bytes, Ordering::Relaxed),
            _ => {}
        }
        Ok(())
    }

    fn queued(&self) -> Result<(usize, usize), Errno> {
        Ok((0, 0))
    }
}
