//! Sending to local sockets and receiving: bytes or messages, and what goes along with them.

use super::{Locals, Place, Socket};
use crate::{no_buffers, slab::Key};
use alloc::{sync::Arc, vec::Vec};
use rumpkin_collections::{ChargedQueue, TryVec, Weigh, try_to_vec, try_with_capacity};
use rumpkin_spine::{
    Errno,
    abi::linux::net,
    file::OpenFile,
    io::{Sink, Source},
    wait::Events,
};
use spin::Mutex;

/// What a message takes beyond its bytes, at least.
const OVERHEAD: usize = 64;
/// The longest piece of a stream.
const PIECE: usize = 16 * 1024;

/// Process, user and group (`struct ucred`).
pub type Credentials = [u32; 3];

/// A message; of a stream, a piece.
pub struct Message {
    data: Vec<u8>,
    /// Open files that go along, until they have been received, and how many those were. They are never dropped here: that may
    /// close a local socket, which takes the lock.
    rights: Mutex<Vec<Arc<OpenFile>>>,
    files: usize,
    /// Who sent it, and the name of the socket.
    sender: Credentials,
    name: Vec<u8>,
}

impl Weigh for Message {
    fn weight(&self) -> usize {
        // A write that ended at a bad address leaves it longer than its content.
        let bytes = self.data.capacity().saturating_add(self.name.capacity());
        bytes.saturating_add(self.files.saturating_mul(size_of::<Arc<OpenFile>>()))
    }
}

impl Message {
    /// The open files, which are another's then; `peek`: and stay.
    fn take_rights(&self, peek: bool) -> Result<Vec<Arc<OpenFile>>, Errno> {
        let mut rights = self.rights.lock();
        if peek { Ok(try_to_vec(&rights).map_err(no_buffers)?) } else { Ok(core::mem::take(&mut rights)) }
    }
}

/// What was received.
pub struct Taken {
    /// Bytes that were stored, and that the message had.
    pub stored: usize,
    pub length: usize,
    pub rights: Vec<Arc<OpenFile>>,
    /// Who sent it; nobody at the end.
    pub sender: Option<Credentials>,
    /// From which name; empty without one.
    pub name: Vec<u8>,
}

impl Taken {
    const END: Taken = Taken { stored: 0, length: 0, rights: Vec::new(), sender: None, name: Vec::new() };
}

/// What is sent besides the bytes.
pub struct Along<'a> {
    pub rights: &'a [Arc<OpenFile>],
    pub credentials: Option<Credentials>,
}

impl Locals {
    /// Sends a part of a stream, or a message, to the peer or to a place. `EAGAIN` if there is no room.
    pub fn send(
        &mut self,
        key: Key,
        source: &mut dyn Source,
        to: Option<&Place>,
        along: &Along<'_>,
    ) -> Result<usize, Errno> {
        let target = self.target(key, to)?;
        let socket = self.socket(key)?;
        let (stream, most) = (socket.kind == net::SOCK_STREAM, socket.send_buffer);
        let sender = along.credentials.unwrap_or(socket.owner);
        let name = if stream { Vec::new() } else { try_to_vec(&socket.name).map_err(no_buffers)? };
        let mut rest = Some((try_to_vec(along.rights).map_err(no_buffers)?, name));
        let queue = &mut self.socket(target)?.queue;
        let mut done = 0usize;
        let result = loop {
            let left = source.left();
            if stream && left == 0 {
                break Ok(());
            }
            let length = if stream { left.min(most.saturating_sub(queue.charged())).min(PIECE) } else { left };
            if !stream && length > most.saturating_sub(OVERHEAD) {
                break Err(Errno::EMSGSIZE);
            }
            let charged = queue.charged().saturating_add(ChargedQueue::<Message>::cost(length));
            // A message that is as long as there may be has to fit when there is no other.
            if stream && length == 0 || !stream && charged > most && !queue.is_empty() {
                break Err(Errno::EAGAIN);
            }
            // Open files go with the first piece.
            let (rights, name) = rest.take().unwrap_or_default();
            match push(
                queue,
                source,
                length,
                Message { data: Vec::new(), files: rights.len(), rights: Mutex::new(rights), sender, name },
            ) {
                Ok(count) => done = done.saturating_add(count),
                Err(error) => break Err(error),
            }
            if !stream {
                break Ok(());
            }
        };
        if done > 0 || result.is_ok() {
            self.refresh(target, Events::READ | Events::READ_NORMAL);
            self.refresh(key, Events::empty());
            return Ok(done);
        }
        if result == Err(Errno::EAGAIN) && !self.socket(key)?.has_ends() {
            self.block(key, target)?;
        }
        result.map(|()| 0)
    }

    /// Whom a message goes to.
    fn target(&mut self, key: Key, to: Option<&Place>) -> Result<Key, Errno> {
        let place = to.map(|place| self.places.at(place));
        let socket = self.socket(key)?;
        let (kind, peer) = (socket.kind, socket.peer);
        if kind == net::SOCK_STREAM && to.is_some() {
            return Err(if socket.is_connected() { Errno::EISCONN } else { Errno::EOPNOTSUPP });
        }
        if let Some(error) = socket.error.take() {
            self.refresh(key, Events::empty());
            return Err(error);
        }
        if !socket.is_connected() && (socket.has_ends() || to.is_none()) {
            return Err(Errno::ENOTCONN);
        }
        if socket.write_shutdown {
            return Err(Errno::EPIPE);
        }
        let target = match place {
            Some(place) if kind == net::SOCK_DGRAM => place.ok_or(Errno::ECONNREFUSED)?,
            _ => peer.ok_or(Errno::EPIPE)?,
        };
        let Some(other) = self.sockets.get(target) else {
            // A peer of datagrams is gone; as in Linux, what it has sent before is lost with it.
            let queue = ChargedQueue::new(&self.account);
            let socket = self.socket(key)?;
            socket.peer = None;
            socket.role = super::Role::Idle;
            self.trash = Some(core::mem::replace(&mut socket.queue, queue));
            self.refresh(key, Events::empty());
            return Err(Errno::ECONNREFUSED);
        };
        match other {
            other if other.kind != kind => Err(Errno::EPROTOTYPE),
            other if !other.has_ends() && other.peer.is_some_and(|peer| peer != key) => Err(Errno::EPERM),
            other if other.read_shutdown => Err(Errno::EPIPE),
            _ => Ok(target),
        }
    }

    /// Receives a part of a stream, or a message; `peek`: and keeps it. `EAGAIN` if there is none yet.
    pub fn receive(&mut self, key: Key, sink: &mut dyn Sink, peek: bool) -> Result<Taken, Errno> {
        let socket = self.socket(key)?;
        if socket.queue.is_empty() {
            return self.nothing(key);
        }
        let taken = if socket.kind == net::SOCK_STREAM {
            take_bytes(socket, sink, peek)?
        } else {
            take_message(socket, sink, peek)?
        };
        if !peek {
            let (peer, ends) = (socket.peer, socket.has_ends());
            self.refresh(key, Events::empty());
            match peer {
                // There is more room, though there may have been some before: a long message waits for enough.
                Some(peer) if ends => self.refresh(peer, Events::WRITE | Events::WRITE_NORMAL),
                _ => self.unblock(key),
            }
        }
        Ok(taken)
    }

    /// What a receive says when nothing is there.
    fn nothing(&mut self, key: Key) -> Result<Taken, Errno> {
        let socket = self.socket(key)?;
        if let Some(error) = socket.error.take() {
            self.refresh(key, Events::empty());
            return Err(error);
        }
        match socket.kind {
            _ if socket.read_shutdown => Ok(Taken::END),
            net::SOCK_DGRAM => Err(Errno::EAGAIN),
            _ if socket.is_connected() => Err(Errno::EAGAIN),
            net::SOCK_STREAM => Err(Errno::EINVAL),
            _ => Err(Errno::ENOTCONN),
        }
    }

    /// Bytes that can be read next, and that the peer has not read.
    pub fn queued(&self, key: Key) -> Result<(usize, usize), Errno> {
        let socket = self.sockets.get(key).ok_or(Errno::EBADF)?;
        let bytes = |socket: &Socket| {
            socket
                .queue
                .iter()
                .map(|message| message.data.len())
                .fold(0, usize::saturating_add)
                .saturating_sub(socket.read)
        };
        let readable = match socket.kind {
            net::SOCK_STREAM => bytes(socket),
            _ => socket.queue.front().map_or(0, |message| message.data.len()),
        };
        let peer = socket.peer.filter(|_| socket.has_ends()).and_then(|peer| self.sockets.get(peer));
        Ok((readable, peer.map_or(0, bytes)))
    }
}

/// Takes a message, or a piece, of `length` bytes.
fn push(
    queue: &mut ChargedQueue<Message>,
    source: &mut dyn Source,
    length: usize,
    message: Message,
) -> Result<usize, Errno> {
    let mut data: Vec<u8> = try_with_capacity(length).map_err(no_buffers)?;
    data.try_resize(length, 0).map_err(no_buffers)?;
    let taken = source.take(&mut data)?;
    data.truncate(taken);
    queue.try_push(Message { data, ..message }).map_err(no_buffers)?;
    Ok(taken)
}

fn take_bytes(socket: &mut Socket, sink: &mut dyn Sink, peek: bool) -> Result<Taken, Errno> {
    let mut taken = Taken { sender: socket.queue.front().map(|piece| piece.sender), ..Taken::END };
    let mut skip = socket.read;
    let mut finished = 0usize;
    for piece in socket.queue.iter() {
        // What came from others, or with open files, is told apart.
        if Some(piece.sender) != taken.sender || finished > 0 && piece.files > 0 {
            break;
        }
        let rest = piece.data.get(skip..).unwrap_or_default();
        let cut = rest.get(..rest.len().min(sink.room())).unwrap_or_default();
        if cut.is_empty() {
            break;
        }
        let count = match sink.put(cut) {
            Ok(count) => count,
            Err(error) if taken.stored == 0 => return Err(error),
            Err(_) => break,
        };
        if finished == 0 && skip == 0 {
            taken.rights = piece.take_rights(peek)?;
        }
        taken.stored = taken.stored.saturating_add(count);
        skip = skip.saturating_add(count);
        if skip < piece.data.len() {
            break;
        }
        finished = finished.saturating_add(1);
        skip = 0;
        // As in Linux, what follows open files is received after them.
        if !taken.rights.is_empty() {
            break;
        }
    }
    taken.length = taken.stored;
    if !peek {
        for _ in 0..finished {
            socket.queue.pop();
        }
        socket.read = skip;
    }
    Ok(taken)
}

fn take_message(socket: &mut Socket, sink: &mut dyn Sink, peek: bool) -> Result<Taken, Errno> {
    let Some(message) = socket.queue.front() else { return Err(Errno::EAGAIN) };
    let length = message.data.len();
    let name = try_to_vec(&message.name).map_err(no_buffers)?;
    let cut = message.data.get(..length.min(sink.room())).unwrap_or_default();
    let stored = if cut.is_empty() { 0 } else { sink.put(cut)? };
    let (rights, sender) = (message.take_rights(peek)?, Some(message.sender));
    if !peek {
        socket.queue.pop();
    }
    Ok(Taken { stored, length, rights, sender, name })
}
