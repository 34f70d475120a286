//! Local sockets (unix(7)): streams, datagrams and packets in a row between programs of this machine, by pairs or by names.
//!
//! ```text
//!   sockets ── peer ──▶ socket          each keeps what was sent to it until it is read
//!      ▲
//!   names: abstract, or an inode's
//! ```
//! One lock holds them all. Messages that nobody reads any more are dropped outside it: with them go open files, perhaps other
//! sockets.

mod messages;
mod names;

use crate::{
    no_buffers,
    shared::{Notices, Shared},
    slab::{Key, Slab},
};
use alloc::{sync::Arc, vec::Vec};
pub use messages::{Along, Credentials, Message};
pub use names::Place;
use names::Places;
use rumpkin_collections::{Account, ChargedQueue, Queue, TryVec, try_arc, try_to_vec};
use rumpkin_spine::{Errno, abi::linux::net, file::File, wait::Events};

/// Bytes that wait for a socket, with what the allocator adds, unless their sender says otherwise (Linux's `wmem_default`).
const CAPACITY: usize = 212_992;

/// What a socket does.
enum Role {
    Idle,
    Listening {
        backlog: usize,
        /// Connected to their peers, waiting to be accepted.
        ready: Queue<Key>,
    },
    Connected,
}

struct Socket {
    shared: Arc<Shared>,
    kind: u32,
    role: Role,
    /// Not one that waits to be accepted.
    owned: bool,
    /// As it is told: a path, or an abstract name; empty without one.
    name: Vec<u8>,
    /// Where others find it, and the inode of that.
    place: Option<Place>,
    inode: Option<Arc<dyn File>>,
    peer: Option<Key>,
    peer_name: Vec<u8>,
    /// Who made it, and who made its peer.
    owner: Credentials,
    peer_owner: Option<Credentials>,
    /// What was sent to it.
    queue: ChargedQueue<Message>,
    /// Bytes of the first message that have been read, of a stream.
    read: usize,
    send_buffer: usize,
    receive_buffer: usize,
    read_shutdown: bool,
    write_shutdown: bool,
    error: Option<Errno>,
    /// Those who could not send to it, or connect, and are to be told of room.
    waiting: Vec<Key>,
    /// It is in such a list.
    blocked: bool,
}

impl Socket {
    fn is_connected(&self) -> bool {
        matches!(self.role, Role::Connected)
    }

    /// Datagrams know nothing of their peer's end.
    fn has_ends(&self) -> bool {
        self.kind != net::SOCK_DGRAM
    }
}

/// All local sockets.
pub struct Locals {
    sockets: Slab<Socket>,
    places: Places,
    account: Arc<Account>,
    notices: Notices,
    /// What was sent to a socket that does not want it any more.
    trash: Option<ChargedQueue<Message>>,
}

impl Locals {
    /// None; what waits in sockets is charged to the account.
    pub fn new(account: Arc<Account>) -> Locals {
        Locals {
            sockets: Slab::default(),
            places: Places::default(),
            account,
            notices: Notices::default(),
            trash: None,
        }
    }

    /// Bytes that wait.
    pub fn memory(&self) -> usize {
        self.account.used()
    }

    /// What is to be announced, and to be dropped, once the lock is free.
    pub fn leave(&mut self) -> (Notices, Option<ChargedQueue<Message>>) {
        (core::mem::take(&mut self.notices), self.trash.take())
    }

    /// A new socket of this kind.
    pub fn open(&mut self, kind: u32, owner: Credentials) -> Result<(Key, Arc<Shared>), Errno> {
        let shared = try_arc(Shared::default()).map_err(no_buffers)?;
        let socket = Socket {
            shared: shared.clone(),
            kind,
            role: Role::Idle,
            owned: true,
            name: Vec::new(),
            place: None,
            inode: None,
            peer: None,
            peer_name: Vec::new(),
            owner,
            peer_owner: None,
            queue: ChargedQueue::new(&self.account),
            read: 0,
            send_buffer: CAPACITY,
            receive_buffer: CAPACITY,
            read_shutdown: false,
            write_shutdown: false,
            error: None,
            waiting: Vec::new(),
            blocked: false,
        };
        let key = self.sockets.try_insert(socket).map_err(no_buffers)?;
        self.refresh(key, Events::empty());
        Ok((key, shared))
    }

    /// Two sockets that are connected.
    pub fn pair(&mut self, kind: u32, owner: Credentials) -> Result<[(Key, Arc<Shared>); 2], Errno> {
        let one = self.open(kind, owner)?;
        let other = self.open(kind, owner).inspect_err(|_| drop(self.close(one.0)))?;
        self.join(one.0, other.0);
        Ok([one, other])
    }

    fn join(&mut self, one: Key, other: Key) {
        for (key, peer) in [(one, other), (other, one)] {
            let owner = self.sockets.get(peer).map(|socket| socket.owner);
            if let Some(socket) = self.sockets.get_mut(key) {
                socket.peer = Some(peer);
                socket.peer_owner = owner;
                socket.role = Role::Connected;
            }
            self.refresh(key, Events::empty());
        }
    }

    fn socket(&mut self, key: Key) -> Result<&mut Socket, Errno> {
        self.sockets.get_mut(key).ok_or(Errno::EBADF)
    }

    /// Gives a socket a name; without one, an abstract name is chosen.
    pub fn bind(&mut self, key: Key, name: &[u8], inode: Option<Arc<dyn File>>) -> Result<(), Errno> {
        let socket = self.socket(key)?;
        let kind = socket.kind;
        if !socket.name.is_empty() {
            return Err(Errno::EINVAL);
        }
        let name = if name.is_empty() { self.places.free_name(kind)? } else { try_to_vec(name).map_err(no_buffers)? };
        let place = || match &inode {
            Some(inode) => inode.stat().map(|stat| Place::Inode(stat.device, stat.inode)),
            None => Ok(Place::Abstract(kind, try_to_vec(&name).map_err(no_buffers)?)),
        };
        let (entry, kept) = (place()?, place()?);
        self.places.add(entry, key)?;
        let socket = self.socket(key)?;
        (socket.name, socket.place, socket.inode) = (name, Some(kept), inode);
        Ok(())
    }

    /// Starts to accept connections, or changes how many may wait.
    pub fn listen(&mut self, key: Key, most: usize) -> Result<(), Errno> {
        let socket = self.socket(key)?;
        if !socket.has_ends() {
            return Err(Errno::EOPNOTSUPP);
        }
        match &mut socket.role {
            _ if socket.place.is_none() => return Err(Errno::EINVAL),
            Role::Connected => return Err(Errno::EINVAL),
            Role::Listening { backlog, .. } => *backlog = most,
            Role::Idle => socket.role = Role::Listening { backlog: most, ready: Queue::new() },
        }
        self.refresh(key, Events::empty());
        Ok(())
    }

    /// Connects a socket. `EAGAIN` while a listener has too many who wait.
    pub fn connect(&mut self, key: Key, place: Option<&Place>) -> Result<(), Errno> {
        let socket = self.socket(key)?;
        let kind = socket.kind;
        let Some(place) = place else {
            if kind != net::SOCK_DGRAM {
                return Err(Errno::EINVAL);
            }
            socket.peer = None;
            socket.role = Role::Idle;
            self.refresh(key, Events::empty());
            return Ok(());
        };
        match socket.role {
            Role::Connected if kind != net::SOCK_DGRAM => return Err(Errno::EISCONN),
            Role::Listening { .. } => return Err(Errno::EINVAL),
            _ => {}
        }
        let target = self.places.at(place).ok_or(Errno::ECONNREFUSED)?;
        let other = self.socket(target)?;
        if other.kind != kind {
            return Err(Errno::EPROTOTYPE);
        }
        if kind == net::SOCK_DGRAM {
            if other.peer.is_some_and(|peer| peer != key) {
                return Err(Errno::EPERM);
            }
            let (name, owner) = (try_to_vec(&other.name).map_err(no_buffers)?, other.owner);
            let socket = self.socket(key)?;
            (socket.peer, socket.peer_name, socket.peer_owner) = (Some(target), name, Some(owner));
            socket.role = Role::Connected;
            self.refresh(key, Events::empty());
            return Ok(());
        }
        self.knock(key, target)
    }

    /// Puts a connection into the queue of a listener.
    fn knock(&mut self, key: Key, target: Key) -> Result<(), Errno> {
        let listener = self.socket(target)?;
        let Role::Listening { backlog, ready } = &mut listener.role else { return Err(Errno::ECONNREFUSED) };
        if listener.read_shutdown {
            return Err(Errno::ECONNREFUSED);
        }
        if ready.len() > *backlog {
            self.block(key, target)?;
            return Err(Errno::EAGAIN);
        }
        let (kind, owner) = (listener.kind, listener.owner);
        let (receive_buffer, send_buffer) = (listener.receive_buffer, listener.send_buffer);
        let name = try_to_vec(&listener.name).map_err(no_buffers)?;
        let known = try_to_vec(&name).map_err(no_buffers)?;
        let callers = try_to_vec(&self.socket(key)?.name).map_err(no_buffers)?;
        let (accepted, _) = self.open(kind, owner)?;
        let socket = self.socket(accepted)?;
        (socket.owned, socket.name, socket.peer_name) = (false, name, callers);
        (socket.receive_buffer, socket.send_buffer) = (receive_buffer, send_buffer);
        if let Role::Listening { ready, .. } = &mut self.socket(target)?.role
            && ready.try_push(accepted).is_err()
        {
            drop(self.close(accepted));
            return Err(Errno::ENOBUFS);
        }
        self.socket(key)?.peer_name = known;
        self.join(key, accepted);
        self.refresh(target, Events::READ | Events::READ_NORMAL);
        Ok(())
    }

    /// Takes a connection that waits. `EAGAIN` if there is none.
    pub fn accept(&mut self, key: Key) -> Result<(Key, Arc<Shared>, Vec<u8>), Errno> {
        let socket = self.socket(key)?;
        if !socket.has_ends() {
            return Err(Errno::EOPNOTSUPP);
        }
        let ended = socket.read_shutdown;
        let Role::Listening { ready, .. } = &mut socket.role else { return Err(Errno::EINVAL) };
        let accepted = ready.pop().ok_or(if ended { Errno::EINVAL } else { Errno::EAGAIN })?;
        self.refresh(key, Events::empty());
        self.unblock(key);
        let socket = self.socket(accepted)?;
        socket.owned = true;
        Ok((accepted, socket.shared.clone(), try_to_vec(&socket.peer_name).map_err(no_buffers)?))
    }

    /// The program has closed it. What comes back waited to be accepted there, and is to be closed, too.
    #[must_use]
    pub fn close(&mut self, key: Key) -> Queue<Key> {
        let Some(socket) = self.sockets.remove(key) else { return Queue::new() };
        if let Some(place) = &socket.place {
            self.places.remove(place);
        }
        if let Some(peer) = socket.peer.and_then(|peer| self.sockets.get_mut(peer))
            && peer.peer == Some(key)
            && peer.has_ends()
        {
            (peer.read_shutdown, peer.write_shutdown, peer.peer) = (true, true, None);
            // What it has sent was not read.
            if !socket.queue.is_empty() || !socket.owned {
                peer.error = Some(Errno::ECONNRESET);
            }
        }
        if let Some(peer) = socket.peer {
            self.refresh(peer, Events::empty());
        }
        for waiting in socket.waiting {
            self.wake(waiting);
        }
        self.trash = Some(socket.queue);
        match socket.role {
            Role::Listening { ready, .. } => ready,
            _ => Queue::new(),
        }
    }

    /// Ends one or both directions.
    pub fn shutdown(&mut self, key: Key, read: bool, write: bool) -> Result<(), Errno> {
        let socket = self.socket(key)?;
        socket.read_shutdown |= read;
        socket.write_shutdown |= write;
        let peer = socket.peer.filter(|_| socket.has_ends());
        if let Some(peer) = peer {
            if let Ok(peer) = self.socket(peer) {
                peer.read_shutdown |= write;
                peer.write_shutdown |= read;
            }
            self.refresh(peer, Events::empty());
        }
        self.refresh(key, Events::empty());
        if read {
            self.unblock(key);
        }
        Ok(())
    }

    /// Has a socket told of room in another.
    fn block(&mut self, key: Key, target: Key) -> Result<(), Errno> {
        if !core::mem::replace(&mut self.socket(key)?.blocked, true) {
            let waiting = &mut self.socket(target)?.waiting;
            waiting.try_push(key).map_err(no_buffers)?;
        }
        self.refresh(key, Events::empty());
        Ok(())
    }

    /// Tells those who wait for room in a socket.
    fn unblock(&mut self, key: Key) {
        let Ok(socket) = self.socket(key) else { return };
        for waiting in core::mem::take(&mut socket.waiting) {
            self.wake(waiting);
        }
    }

    fn wake(&mut self, key: Key) {
        if let Ok(socket) = self.socket(key) {
            socket.blocked = false;
            self.refresh(key, Events::WRITE | Events::WRITE_NORMAL);
        }
    }

    /// Tells a socket's readiness.
    fn refresh(&mut self, key: Key, again: Events) {
        let Some(socket) = self.sockets.get(key) else { return };
        let mut ready = Events::empty();
        let (read_ended, write_ended) = (socket.read_shutdown, socket.write_shutdown);
        let acceptable = matches!(&socket.role, Role::Listening { ready, .. } if !ready.is_empty());
        if acceptable || read_ended || !socket.queue.is_empty() {
            ready |= Events::READ | Events::READ_NORMAL;
        }
        if read_ended {
            ready |= Events::READ_HANG_UP;
        }
        let peer = socket.peer.filter(|_| socket.has_ends()).and_then(|peer| self.sockets.get(peer));
        let room = peer.is_none_or(|peer| peer.queue.charged() < (socket.send_buffer / 4).saturating_mul(3));
        let listening = matches!(socket.role, Role::Listening { .. });
        if write_ended || room && !socket.blocked && !listening {
            ready |= Events::WRITE | Events::WRITE_NORMAL;
        }
        let unconnected = socket.has_ends() && matches!(socket.role, Role::Idle);
        if unconnected || read_ended && write_ended {
            ready |= Events::HANG_UP;
        }
        if socket.error.is_some() {
            ready |= Events::ERROR;
        }
        socket.shared.update(ready, again, &mut self.notices);
    }

    /// Its name; empty without one.
    pub fn name(&self, key: Key) -> Result<Vec<u8>, Errno> {
        let socket = self.sockets.get(key).ok_or(Errno::EBADF)?;
        try_to_vec(&socket.name).map_err(no_buffers)
    }

    /// Its peer's name; `ENOTCONN` without a peer.
    pub fn peer_name(&self, key: Key) -> Result<Vec<u8>, Errno> {
        let socket = self.sockets.get(key).ok_or(Errno::EBADF)?;
        if !socket.is_connected() {
            return Err(Errno::ENOTCONN);
        }
        try_to_vec(&socket.peer_name).map_err(no_buffers)
    }

    /// Who made its peer.
    pub fn peer_owner(&self, key: Key) -> Option<Credentials> {
        self.sockets.get(key)?.peer_owner
    }

    /// The pending error, which is then forgotten (SO_ERROR).
    pub fn take_error(&mut self, key: Key) -> Option<Errno> {
        let error = self.socket(key).ok()?.error.take();
        self.refresh(key, Events::empty());
        error
    }

    /// Whether it accepts connections.
    pub fn is_listening(&self, key: Key) -> bool {
        self.sockets.get(key).is_some_and(|socket| matches!(socket.role, Role::Listening { .. }))
    }

    /// Sizes of the receive and the send buffer: that of the sender counts, the receiver's is only kept (unix(7)).
    pub fn buffers(&mut self, key: Key) -> Result<(&mut usize, &mut usize), Errno> {
        let socket = self.socket(key)?;
        Ok((&mut socket.receive_buffer, &mut socket.send_buffer))
    }
}
