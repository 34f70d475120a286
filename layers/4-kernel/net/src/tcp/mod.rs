//! TCP (RFC 9293): sockets, listeners, and the table that finds the connection of a segment in O(1).
//!
//! ```text
//!   segment ──4-tuple──▶ connection ──▶ smoltcp (a set of one) ──▶ readiness
//!       │ none ──▶ TIME-WAIT? ──▶ SYN: listener by port ──▶ new connection, in its handshake
//!       └──────────────────────────────────────────────────▶ RST
//! ```
//! A connection that has nothing to send, receive or wait for is in no list and has no timer: it costs its memory alone.

mod budget;
mod connection;
mod engine;
mod info;
mod input;
mod keeping;
mod measure;
mod options;
mod table;
mod time_wait;
mod tuples;
mod vet;

use crate::{
    deadlines::{Deadline, Deadlines, Timed},
    ip::{Ip, wire::Address},
    list::{Links, List},
    no_buffers,
    ports::Ports,
    shared::{Notices, Shared},
    slab::{Key, Slab},
};
use alloc::{boxed::Box, sync::Arc};
use budget::Budget;
use connection::{Connection, Obstacle, Progress};
use engine::{Engine, One, Tuple};
pub use options::Options;
use rumpkin_collections::{try_arc, try_box};
use rumpkin_spine::{
    Errno,
    abi::linux::net,
    io::{Sink, Source},
    wait::Events,
};
use rumpuser::memory;
use smoltcp::socket::tcp::State;
pub use table::{addresses_overlap, ephemeral_port};
use time_wait::TimeWait;
use tuples::{Reuse, Tuples};

/// An address and a port.
pub type Endpoint = (Address, u16);

/// Accepts connections.
#[derive(Default)]
struct Listener {
    backlog: usize,
    /// In their handshake, oldest first.
    half_open: List,
    /// Waiting to be accepted.
    ready: List,
}

enum Role {
    Idle,
    Listening(Listener),
    Connection(Box<Connection>),
}

/// A TCP socket: of a program, or not accepted yet, or left behind by its program.
struct Socket {
    shared: Arc<Shared>,
    /// A program has it open.
    owned: bool,
    /// What it is bound to; the address is unspecified for any.
    bound: Option<Endpoint>,
    options: Options,
    role: Role,
    /// Why it has no connection any more, until the program has been told.
    error: Option<Errno>,
    /// When its connection is to be looked at.
    deadline: Deadline,
    /// Its places in lists: of those to look at, of its listener, of those that could not send.
    dirty: Links,
    queued: Links,
    stalled: Links,
}

impl Socket {
    /// Readiness of a socket that is neither connected nor listening: as Linux has it, writable and hung up.
    fn idle(&self) -> Events {
        let error = if self.error.is_some() { Events::ERROR } else { Events::empty() };
        Events::WRITE | Events::WRITE_NORMAL | Events::HANG_UP | error
    }

    fn tell_idle(&self, notices: &mut Notices) {
        self.shared.update(self.idle(), self.idle(), notices);
    }

    fn dirty(&mut self) -> &mut Links {
        &mut self.dirty
    }

    fn queued(&mut self) -> &mut Links {
        &mut self.queued
    }

    fn stalled(&mut self) -> &mut Links {
        &mut self.stalled
    }
}

impl Timed for Socket {
    fn deadline(&mut self) -> &mut Deadline {
        &mut self.deadline
    }
}

/// All of TCP.
pub struct Tcp {
    engine: Engine,
    sockets: Slab<Socket>,
    tuples: Tuples,
    /// Sockets that are bound, by port.
    ports: Ports,
    /// What is left of those that have ended.
    pub time_wait: TimeWait,
    /// When connections are to be looked at.
    deadlines: Deadlines,
    /// Connections to look at.
    dirty: List,
    /// Connections that could not send.
    stalled: List,
    budget: Budget,
    half_open: usize,
    /// Attempts of peers to connect that came to nothing.
    pub dropped: Dropped,
    /// Segments that were looked at, and sockets that were for their sake; for tests of what a packet costs.
    pub work: Work,
}

/// Attempts to connect that were not answered, by reason.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// The listener had enough (Linux's `ListenOverflows`).
    pub listener: u64,
    /// All connections together had enough, or there was no memory (the rest of Linux's `ListenDrops`).
    pub memory: u64,
}

/// Counts of what has been done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Segments received.
    pub segments: u64,
    /// Times that some connection was looked at.
    pub visits: u64,
}

impl Tcp {
    /// Without sockets, for a link of this MTU and a machine of this many bytes of memory.
    pub fn new(mtu: usize, memory: usize) -> Self {
        Tcp {
            engine: Engine::new(mtu),
            sockets: Slab::default(),
            tuples: Tuples::new(),
            ports: Ports::default(),
            time_wait: TimeWait::new(memory),
            deadlines: Deadlines::default(),
            dirty: List::default(),
            stalled: List::default(),
            budget: Budget::new(memory),
            half_open: 0,
            dropped: Dropped::default(),
            work: Work::default(),
        }
    }

    /// A new socket of a program. `ENOBUFS` if there is no memory for it.
    pub fn open(&mut self) -> Result<(Key, Arc<Shared>), Errno> {
        let key = self.insert(true, Options::default(), Role::Idle)?;
        let socket = self.sockets.get(key).ok_or(Errno::EBADF)?;
        socket.shared.set(socket.idle());
        Ok((key, socket.shared.clone()))
    }

    fn insert(&mut self, owned: bool, options: Options, role: Role) -> Result<Key, Errno> {
        let shared = try_arc(Shared::default()).map_err(no_buffers)?;
        let [dirty, queued, stalled] = [Links::default(); 3];
        let (bound, error, deadline) = (None, None, Deadline::default());
        let socket = Socket { shared, owned, bound, options, role, error, deadline, dirty, queued, stalled };
        self.sockets.try_insert(socket).map_err(no_buffers)
    }

    /// Takes a socket out that is bound to nothing, and in no listener's queue any more.
    fn remove(&mut self, key: Key) {
        self.leave_lists(key);
        self.sockets.remove(key);
    }

    /// Nothing is to be done for a connection any more.
    fn leave_lists(&mut self, key: Key) {
        self.deadlines.clear(&mut self.sockets, key);
        self.dirty.remove(&mut self.sockets, key, Socket::dirty);
        self.stalled.remove(&mut self.sockets, key, Socket::stalled);
    }

    /// Binds to a local endpoint; port 0 takes a free one.
    pub fn bind(&mut self, key: Key, endpoint: Endpoint) -> Result<(), Errno> {
        let socket = self.sockets.get(key).ok_or(Errno::EBADF)?;
        if socket.bound.is_some_and(|(_, port)| port != 0) || !matches!(socket.role, Role::Idle) {
            return Err(Errno::EINVAL);
        }
        if endpoint.1 == 0 && socket.options.ip.has(net::IP_BIND_ADDRESS_NO_PORT) {
            // The port is chosen when the peer is known, or to listen.
            return self.set_bound(key, endpoint);
        }
        self.bind_now(key, endpoint)
    }

    fn bind_now(&mut self, key: Key, endpoint: Endpoint) -> Result<(), Errno> {
        let socket = self.sockets.get(key).ok_or(Errno::EBADF)?;
        let port = match endpoint.1 {
            0 => self.free_port(endpoint.0, Reuse::of(&socket.options))?,
            port if self.may_bind(key, (endpoint.0, port), false) => port,
            _ => return Err(Errno::EADDRINUSE),
        };
        self.set_bound(key, (endpoint.0, port))
    }

    /// Starts to accept connections. Again: changes the backlog.
    pub fn listen(&mut self, key: Key, backlog: usize) -> Result<(), Errno> {
        let socket = self.sockets.get_mut(key).ok_or(Errno::EBADF)?;
        match &mut socket.role {
            Role::Listening(listener) => {
                listener.backlog = backlog;
                return Ok(());
            }
            Role::Connection(_) => return Err(Errno::EINVAL),
            Role::Idle => {}
        }
        let bound = socket.bound;
        match bound {
            None => self.bind_now(key, (Address::UNSPECIFIED, 0))?,
            Some((address, 0)) => self.bind_now(key, (address, 0))?,
            Some(endpoint) if !self.may_bind(key, endpoint, true) => return Err(Errno::EADDRINUSE),
            Some(_) => {}
        }
        let socket = self.sockets.get_mut(key).ok_or(Errno::EBADF)?;
        socket.role = Role::Listening(Listener { backlog, ..Listener::default() });
        socket.shared.set(Events::empty());
        Ok(())
    }

    /// Takes a connection that is ready, with its readiness and the peer's endpoint. `EAGAIN` if there is none.
    pub fn accept(&mut self, key: Key) -> Result<(Key, Arc<Shared>, Endpoint), Errno> {
        while let Some(accepted) = self.pop_ready(key)? {
            if let Some(socket) = self.sockets.get_mut(accepted)
                && let Role::Connection(connection) = &mut socket.role
            {
                connection.listener = None;
                connection.reported = true;
                socket.owned = true;
                return Ok((accepted, socket.shared.clone(), connection.tuple.remote));
            }
        }
        Err(Errno::EAGAIN)
    }

    fn pop_ready(&mut self, key: Key) -> Result<Option<Key>, Errno> {
        let pop = |queues: &mut Listener, sockets: &mut Slab<Socket>| {
            (queues.ready.pop(sockets, Socket::queued), queues.ready.is_empty())
        };
        let (ready, none_left) = self.with_queues(key, pop).ok_or(Errno::EINVAL)?;
        if let Some(socket) = self.sockets.get(key).filter(|_| none_left) {
            socket.shared.set(Events::empty());
        }
        Ok(ready)
    }

    /// Works on the queues of a listener, and on the table that their links are in. `None` if it is not one.
    fn with_queues<R>(&mut self, key: Key, work: impl FnOnce(&mut Listener, &mut Slab<Socket>) -> R) -> Option<R> {
        fn queues(sockets: &mut Slab<Socket>, key: Key) -> Option<&mut Listener> {
            match &mut sockets.get_mut(key)?.role {
                Role::Listening(queues) => Some(queues),
                _ => None,
            }
        }
        let mut taken = core::mem::take(queues(&mut self.sockets, key)?);
        let result = work(&mut taken, &mut self.sockets);
        *queues(&mut self.sockets, key)? = taken;
        Some(result)
    }

    /// Begins to connect. `EINPROGRESS` until [`Tcp::connect_result`] says otherwise, `EALREADY` if it was under way.
    pub fn connect(&mut self, key: Key, remote: Endpoint, ip: &mut Ip) -> Result<(), Errno> {
        let socket = self.sockets.get_mut(key).ok_or(Errno::EBADF)?;
        match &mut socket.role {
            Role::Idle => {}
            Role::Listening(_) => return Err(Errno::EISCONN),
            Role::Connection(connection) if connection.connecting() => return Err(Errno::EALREADY),
            Role::Connection(connection) if !connection.established => return self.connect_result(key),
            Role::Connection(connection) if !connection.reported => {
                connection.reported = true;
                return Ok(());
            }
            Role::Connection(_) => return Err(Errno::EISCONN),
        }
        if remote.1 == 0 || remote.0.is_multicast() || ip.is_broadcast(remote.0) {
            return Err(if remote.1 == 0 { Errno::ECONNREFUSED } else { Errno::ENETUNREACH });
        }
        let (options, bound) = (socket.options.clone(), socket.bound);
        let address = match bound {
            Some((address, _)) if !address.is_unspecified() => address,
            _ => ip.source_for(remote.0)?,
        };
        let local = (address, self.local_port(address, bound.map(|(_, port)| port).filter(|port| *port != 0), remote)?);
        let tuple = Tuple { local, remote };
        let mut connection = self.make_connection(tuple, &options)?;
        connection.apply(&options);
        connection.connect(&mut self.engine, &options, ip.now)?;
        let connection = try_box(connection).map_err(no_buffers)?;
        self.tuples.enter(tuple, key, Reuse::of(&options)).map_err(no_buffers)?;
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.role = Role::Connection(connection);
            socket.error = None;
        }
        self.touch(key);
        Err(Errno::EINPROGRESS)
    }

    /// How the attempt to connect ended; `EAGAIN` while it has not. After a failure the socket is as new.
    pub fn connect_result(&mut self, key: Key) -> Result<(), Errno> {
        let socket = self.sockets.get_mut(key).ok_or(Errno::EBADF)?;
        let Role::Connection(connection) = &mut socket.role else {
            return Err(self.without_connection(key, Errno::ENOTCONN));
        };
        if connection.connecting() {
            return Err(Errno::EAGAIN);
        }
        if connection.established {
            connection.reported = true;
            return Ok(());
        }
        let error = connection.error.take().unwrap_or(Errno::ECONNABORTED);
        let (tuple, detached) = (connection.tuple, connection.detached);
        socket.role = Role::Idle;
        socket.shared.set(socket.idle());
        self.leave_lists(key);
        if detached {
            self.tuples.leave(&tuple, key);
        }
        Err(error)
    }

    /// Forgets the peer, or that it listens (connect(2) to `AF_UNSPEC`). A peer is told by a reset; the socket is as new, and
    /// keeps what it was bound to.
    pub fn disconnect(&mut self, key: Key, ip: &mut Ip, notices: &mut Notices) -> Result<(), Errno> {
        self.stop_listening(key, ip);
        let socket = self.sockets.get_mut(key).ok_or(Errno::EBADF)?;
        if let Role::Connection(mut connection) = core::mem::replace(&mut socket.role, Role::Idle) {
            let alive = connection.connecting() || connection.established && !connection.detached;
            socket.error = connection.error.take().or(alive.then_some(Errno::ECONNRESET));
            let (tuple, options) = (connection.tuple, socket.options.clone());
            let known = self.tuples.get(&tuple) == Some(key);
            self.leave_lists(key);
            self.tuples.leave(&tuple, key);
            let reuse = Reuse::of(&options);
            // What is left of the connection ends by itself, as that of a closed socket does. Without memory for that, a peer hears
            // of it when it sends something.
            if let Ok(orphan) = self.insert(false, options, Role::Connection(connection)) {
                if known {
                    let _ = self.tuples.enter(tuple, orphan, reuse);
                }
                self.abandon(orphan, true, ip);
            }
        }
        if let Some(socket) = self.sockets.get(key) {
            socket.tell_idle(notices);
        }
        Ok(())
    }

    /// The error of a call that needs a connection, on a socket without one: why it has none, or `otherwise`.
    fn without_connection(&mut self, key: Key, otherwise: Errno) -> Errno {
        self.take_error(key).unwrap_or(otherwise)
    }

    fn make_connection(&self, tuple: Tuple, options: &Options) -> Result<Connection, Errno> {
        let (receive, send) = self.buffer_sizes(options);
        let charge = self.budget.charge(receive, send).map_err(no_buffers)?;
        let one = One::new(tuple.remote.0, receive, send).map_err(no_buffers)?;
        Ok(Connection::new(tuple, one, charge))
    }

    fn is_connection(&self, key: Key) -> bool {
        self.sockets.get(key).is_some_and(|socket| matches!(socket.role, Role::Connection(_)))
    }

    fn connection(&mut self, key: Key) -> Result<&mut Connection, Errno> {
        connection(&mut self.sockets, key)
    }

    /// Takes data to send. `EAGAIN` if there is no room, `EPIPE` after the end.
    pub fn send(&mut self, key: Key, source: &mut dyn Source) -> Result<usize, Errno> {
        let cork = self.sockets.get(key).is_some_and(|socket| socket.options.cork);
        if !self.is_connection(key) {
            // Linux: not connected is a broken pipe.
            return Err(self.without_connection(key, Errno::EPIPE));
        }
        let connection = self.connection(key)?;
        if let Some(error) = connection.error.take_if(|_| !connection.write_shutdown) {
            connection.detached = true;
            return Err(error);
        }
        let done = connection.send(source)?;
        // Corked, what does not fill a segment waits for more, or for the acknowledgment of what is under way.
        if !cork || connection.one.socket().send_queue() >= 1024 {
            self.touch(key);
        }
        Ok(done)
    }

    /// Gives received data; how, `read` says. `EAGAIN` if there is none yet, 0 at the end.
    fn read(&mut self, key: Key, read: impl FnOnce(&mut Connection) -> Result<usize, Errno>) -> Result<usize, Errno> {
        if !self.is_connection(key) {
            return Err(self.without_connection(key, Errno::ENOTCONN));
        }
        let connection = self.connection(key)?;
        let had_data = connection.one.socket().can_recv();
        if !had_data && let Some(error) = connection.error.take() {
            connection.detached = true;
            return Err(error);
        }
        let done = read(connection)?;
        if connection.window_may_open(done) || had_data && !connection.one.socket().can_recv() {
            self.touch(key);
        }
        Ok(done)
    }

    /// Gives received data. `EAGAIN` if there is none yet, 0 at the end.
    pub fn receive(&mut self, key: Key, destination: &mut dyn Sink) -> Result<usize, Errno> {
        self.read(key, |connection| connection.take(destination))
    }

    /// Gives received data and keeps it.
    pub fn peek(&mut self, key: Key, destination: &mut dyn Sink) -> Result<usize, Errno> {
        self.read(key, |connection| connection.peek(destination))
    }

    /// Ends one or both directions. A listener whose reading side is ended accepts no more, and is as new.
    pub fn shutdown(
        &mut self,
        key: Key,
        read: bool,
        write: bool,
        ip: &mut Ip,
        notices: &mut Notices,
    ) -> Result<(), Errno> {
        if self.is_listening(key) {
            return if read { self.disconnect(key, ip, notices) } else { Ok(()) };
        }
        let connection = self.connection(key)?;
        if connection.state() == State::SynSent && !connection.over {
            return self.disconnect(key, ip, notices);
        }
        if write {
            connection.finish();
        }
        connection.read_shutdown |= read;
        self.touch(key);
        Ok(())
    }

    /// The program has closed the socket.
    pub fn close(&mut self, key: Key, ip: &mut Ip) {
        self.unbind(key);
        let Some(socket) = self.sockets.get_mut(key) else { return };
        socket.owned = false;
        match &mut socket.role {
            Role::Idle => {
                self.remove(key);
            }
            Role::Listening(_) => {
                self.stop_listening(key, ip);
                self.remove(key);
            }
            Role::Connection(_) => {
                let reset = socket.options.linger == Some(0);
                self.abandon(key, reset, ip);
            }
        }
    }

    /// Resets everyone who waits for a listener; the socket is idle then.
    fn stop_listening(&mut self, key: Key, ip: &mut Ip) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let Role::Listening(listener) = &mut socket.role else { return };
        let mut listener = core::mem::take(listener);
        socket.role = Role::Idle;
        for queue in [&mut listener.half_open, &mut listener.ready] {
            while let Some(key) = queue.pop(&mut self.sockets, Socket::queued) {
                self.abandon(key, true, ip);
            }
        }
    }

    fn abandon(&mut self, key: Key, reset: bool, ip: &mut Ip) {
        let Ok(connection) = self.connection(key) else { return };
        if connection.listener.take().is_some() && !connection.established {
            self.half_open = self.half_open.saturating_sub(1);
        }
        let Ok(connection) = self.connection(key) else { return };
        if connection.state() == State::SynSent {
            // Nobody knows of it yet.
            connection.detached = true;
        } else if !connection.detached {
            connection.abandon(reset, ip.now);
        }
        self.touch(key);
    }

    /// The local endpoint; all zeroes if there is none yet.
    pub fn local(&self, key: Key) -> Endpoint {
        let none = (Address::UNSPECIFIED, 0);
        self.sockets.get(key).map_or(none, |socket| match &socket.role {
            Role::Connection(connection) => connection.tuple.local,
            _ => socket.bound.unwrap_or(none),
        })
    }

    /// The peer's endpoint.
    pub fn remote(&self, key: Key) -> Result<Endpoint, Errno> {
        match self.sockets.get(key).map(|socket| &socket.role) {
            Some(Role::Connection(connection))
                if connection.established && connection.error.is_none() && connection.state() != State::Closed =>
            {
                Ok(connection.tuple.remote)
            }
            _ => Err(Errno::ENOTCONN),
        }
    }

    /// Reads and changes the options; a connection follows at once.
    pub fn with_options<R>(&mut self, key: Key, change: impl FnOnce(&mut Options) -> R) -> Result<R, Errno> {
        let socket = self.sockets.get_mut(key).ok_or(Errno::EBADF)?;
        let before = socket.options.clone();
        let result = change(&mut socket.options);
        if let Role::Connection(connection) = &mut socket.role {
            if let Err(refusal) = self.tuples.change(&connection.tuple, key, Reuse::of(&socket.options)) {
                socket.options = before;
                return Err(no_buffers(refusal));
            }
            connection.apply(&socket.options);
            self.touch(key);
        }
        Ok(result)
    }

    /// The options.
    pub fn options(&self, key: Key) -> Result<&Options, Errno> {
        self.sockets.get(key).map(|socket| &socket.options).ok_or(Errno::EBADF)
    }

    /// The pending error, which is then forgotten (SO_ERROR).
    pub fn take_error(&mut self, key: Key) -> Option<Errno> {
        if !self.is_connection(key) {
            let socket = self.sockets.get_mut(key)?;
            let error = socket.error.take()?;
            socket.shared.set(socket.idle());
            return Some(error);
        }
        let connection = self.connection(key).ok()?;
        let error = connection.error.take()?;
        connection.detached = true;
        self.touch(key);
        Some(error)
    }

    /// Whether it accepts connections.
    pub fn is_listening(&self, key: Key) -> bool {
        self.sockets.get(key).is_some_and(|socket| matches!(socket.role, Role::Listening(_)))
    }

    /// Bytes that can be read, and bytes that have been written and not acknowledged.
    pub fn queued(&self, key: Key) -> Result<(usize, usize), Errno> {
        match &self.sockets.get(key).ok_or(Errno::EBADF)?.role {
            Role::Connection(connection) => {
                let socket = connection.one.socket();
                Ok((socket.recv_queue(), socket.send_queue()))
            }
            // Linux: a listener has no queue to speak of.
            Role::Listening(_) => Err(Errno::EINVAL),
            Role::Idle => Ok((0, 0)),
        }
    }

    /// Sizes of the receive and the send buffer.
    pub fn buffers(&self, key: Key) -> (usize, usize) {
        let Some(socket) = self.sockets.get(key) else { return (0, 0) };
        let (receive, send) = match &socket.role {
            Role::Connection(connection) => {
                let socket = connection.one.socket();
                (socket.recv_capacity(), socket.send_capacity())
            }
            _ => self.buffer_sizes(&socket.options),
        };
        (socket.options.receive_buffer.unwrap_or(receive), socket.options.send_buffer.unwrap_or(send))
    }

    /// Whether it is neither connected, nor about to be, nor listening.
    pub fn is_idle(&self, key: Key) -> bool {
        self.sockets.get(key).is_some_and(|socket| matches!(socket.role, Role::Idle))
    }

    fn buffer_sizes(&self, options: &Options) -> (usize, usize) {
        let free = memory::free_frames().saturating_mul(memory::PAGE_SIZE);
        (self.budget.choose(options.receive_buffer, free), self.budget.choose(options.send_buffer, free))
    }

    /// Largest segment that is sent; without a connection, what TCP begins with (RFC 9293 §3.7.1).
    pub fn maximum_segment(&self, key: Key, ip: &Ip) -> usize {
        let Some(socket) = self.sockets.get(key) else { return 0 };
        match &socket.role {
            Role::Connection(connection) => connection.one.segment_size(ip.mtu()),
            _ => socket.options.largest_segment.unwrap_or(engine::DEFAULT_SEGMENT).into(),
        }
    }

    /// How many sockets there are, of programs or not.
    pub fn count(&self) -> usize {
        self.sockets.len()
    }

    /// Bytes that connections take.
    pub fn memory(&self) -> usize {
        self.budget.used()
    }

    /// What a connection sent last.
    #[cfg(test)]
    pub fn sent(&mut self, key: Key) -> Option<engine::Sent> {
        self.connection(key).ok().map(|connection| connection.one.sent)
    }

    /// Has a connection looked at.
    fn touch(&mut self, key: Key) {
        if self.connection(key).is_ok() {
            self.dirty.push(&mut self.sockets, key, Socket::dirty);
        }
    }

    /// Looks at every connection that something has happened to. False if some have to be looked at again soon.
    pub fn settle(&mut self, ip: &mut Ip, notices: &mut Notices) -> bool {
        if core::mem::take(&mut ip.room_again) {
            self.resume(|obstacle| obstacle == Obstacle::Room, None);
        }
        let mut again = List::default();
        while let Some(key) = self.dirty.pop(&mut self.sockets, Socket::dirty) {
            if self.settle_one(key, ip, notices) == Progress::Again {
                again.push(&mut self.sockets, key, Socket::dirty);
            }
        }
        self.dirty = again;
        self.dirty.is_empty()
    }

    /// A neighbor has answered, or, with an error, been given up.
    pub fn neighbor_news(&mut self, neighbor: Address, error: Option<Errno>) {
        self.resume(|obstacle| obstacle == Obstacle::Neighbor(neighbor), error);
    }

    /// Has the connections looked at whose obstacle is gone. With an error, attempts to connect fail.
    fn resume(&mut self, gone: impl Fn(Obstacle) -> bool, error: Option<Errno>) {
        let mut next = self.stalled.first();
        while let Some(key) = next {
            next = self.stalled.after(&mut self.sockets, key, Socket::stalled);
            if let Ok(connection) = self.connection(key)
                && connection.obstacle.is_some_and(&gone)
            {
                if let Some(error) = error.filter(|_| connection.connecting()) {
                    connection.fail(error);
                }
                self.touch(key);
            }
        }
    }

    /// When [`Tcp::expire`] has something to do.
    pub fn deadline(&self) -> Option<u64> {
        [self.deadlines.next(), self.time_wait.deadline()].into_iter().flatten().min()
    }

    /// How many deadlines there are, those of TIME-WAIT counted as one.
    pub fn deadlines(&self) -> usize {
        self.deadlines.len().saturating_add(usize::from(self.time_wait.deadline().is_some()))
    }

    /// Does what the time has come for.
    pub fn expire(&mut self, now: u64) {
        while let Some(key) = self.deadlines.take_expired(&mut self.sockets, now) {
            self.touch(key);
        }
        self.time_wait.expire(now);
    }
}

fn connection(sockets: &mut Slab<Socket>, key: Key) -> Result<&mut Connection, Errno> {
    match &mut sockets.get_mut(key).ok_or(Errno::EBADF)?.role {
        Role::Connection(connection) => Ok(connection),
        _ => Err(Errno::ENOTCONN),
    }
}
