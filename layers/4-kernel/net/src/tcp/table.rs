//! Ports, and what becomes of a connection after each change: accepted, moved to TIME-WAIT, removed.

use super::{Endpoint, Progress, Role, Socket, Tcp, engine::Tuple, tuples::Reuse};
use crate::{
    ip::{Ip, wire::Address},
    no_buffers,
    shared::Notices,
    slab::Key,
};
use rumpkin_spine::{Errno, wait::Events};
use smoltcp::socket::tcp::State;

/// Ephemeral ports (Linux's `ip_local_port_range`).
const FIRST_EPHEMERAL: u16 = 32768;
const EPHEMERAL: usize = 28232;
/// Random ports that are tried before giving up.
const MAX_TRIES: usize = 4096;

/// A random ephemeral port that `free` accepts (RFC 6056 §3.3.2).
pub fn ephemeral_port(mut free: impl FnMut(u16) -> bool) -> Result<u16, Errno> {
    let start = rumpuser::random::next_u64() as usize;
    // Steps of an odd prime that does not divide the number of ports: every port comes once.
    let ports = (0..MAX_TRIES).map(|step| start.wrapping_add(step.wrapping_mul(7919)) % EPHEMERAL);
    let mut ports = ports.map(|offset| FIRST_EPHEMERAL.wrapping_add(offset as u16));
    ports.find(|port| free(*port)).ok_or(Errno::EADDRINUSE)
}

/// Whether two bindings could receive the same thing.
pub fn addresses_overlap(one: Address, other: Address) -> bool {
    one.is_unspecified() || other.is_unspecified() || one == other
}

impl Tcp {
    pub(super) fn free_port(&self, address: Address, reuse: Reuse) -> Result<u16, Errno> {
        ephemeral_port(|port| self.ports.is_free(port) && !self.is_held((address, port), reuse))
    }

    /// Whether connections, or what is left of them in TIME-WAIT, keep a socket from being bound to an endpoint.
    fn is_held(&self, endpoint: Endpoint, reuse: Reuse) -> bool {
        self.tuples.holders.forbid(endpoint, reuse) || self.time_wait.holders.forbid(endpoint, reuse)
    }

    /// Whether a socket may be bound to an endpoint, or listen there (Linux's rules for SO_REUSEADDR and SO_REUSEPORT).
    pub(super) fn may_bind(&self, key: Key, endpoint: Endpoint, to_listen: bool) -> bool {
        let Some(socket) = self.sockets.get(key) else { return false };
        if self.is_held(endpoint, Reuse::of(&socket.options)) {
            return false;
        }
        let others = self.ports.of(endpoint.1).iter().filter(|other| **other != key);
        others.filter_map(|other| self.sockets.get(*other)).all(|other| {
            let listening = matches!(other.role, Role::Listening(_));
            let apart = !other.bound.is_some_and(|bound| addresses_overlap(bound.0, endpoint.0));
            let shared_port = socket.options.reuse_port && other.options.reuse_port;
            let shared_address = socket.options.reuse_address && other.options.reuse_address && !listening;
            apart || shared_port || shared_address || to_listen && !listening
        })
    }

    pub(super) fn set_bound(&mut self, key: Key, endpoint: Endpoint) -> Result<(), Errno> {
        let socket = self.sockets.get_mut(key).ok_or(Errno::EBADF)?;
        if endpoint.1 != 0 {
            self.ports.add(endpoint.1, key).map_err(no_buffers)?;
        }
        socket.bound = Some(endpoint);
        Ok(())
    }

    pub(super) fn unbind(&mut self, key: Key) {
        let Some((_, port)) = self.sockets.get_mut(key).and_then(|socket| socket.bound.take()) else { return };
        self.ports.remove(port, key);
    }

    /// The local port of an attempt to connect: the bound one, or a free one.
    pub(super) fn local_port(&self, address: Address, bound: Option<u16>, remote: Endpoint) -> Result<u16, Errno> {
        let free = |port: u16| {
            let tuple = Tuple { local: (address, port), remote };
            // To ourselves, the other end's TIME-WAIT is in this table too.
            let reversed = Tuple { local: remote, remote: (address, port) };
            self.tuples.get(&tuple).is_none() && !self.time_wait.contains(tuple) && !self.time_wait.contains(reversed)
        };
        match bound {
            Some(port) if free(port) => Ok(port),
            Some(_) => Err(Errno::EADDRNOTAVAIL),
            None => ephemeral_port(|port| self.ports.is_free(port) && free(port)).map_err(|_| Errno::EADDRNOTAVAIL),
        }
    }

    /// The listener for a SYN: bound to this very address before any address; among equals the tuple's hash decides.
    pub(super) fn find_listener(&self, tuple: &Tuple) -> Option<Key> {
        let keys = self.ports.of(tuple.local.1);
        let listening = |exact: bool| {
            keys.iter().copied().filter(move |key| {
                self.sockets.get(*key).is_some_and(|socket| {
                    matches!(socket.role, Role::Listening(_))
                        && socket.bound.is_some_and(|(address, _)| {
                            if exact { address == tuple.local.0 } else { address.is_unspecified() }
                        })
                })
            })
        };
        [true, false].into_iter().find_map(|exact| {
            let count = listening(exact).count();
            listening(exact).nth(self.tuples.hash(tuple).checked_rem(count)?)
        })
    }

    /// Looks at one connection after something has happened to it.
    pub(super) fn settle_one(&mut self, key: Key, ip: &mut Ip, notices: &mut Notices) -> Progress {
        self.stalled.remove(&mut self.sockets, key, Socket::stalled);
        let Some(socket) = self.sockets.get_mut(key) else { return Progress::Done };
        let Role::Connection(connection) = &mut socket.role else { return Progress::Done };
        self.work.visits = self.work.visits.wrapping_add(1);
        if !socket.owned && connection.listener.is_none() {
            connection.reset_if_unread();
        }
        let (progress, deadline) = connection.advance(&mut self.engine, ip, &socket.options);
        let state = connection.state();
        let over = connection.over || connection.detached || matches!(state, State::Closed | State::Listen);

        let handshaking = matches!(state, State::SynSent | State::SynReceived);
        if !connection.established && !handshaking && !over && !connection.is_deferred(ip.now) {
            connection.established = true;
            // One that was closed in the middle of its handshake has the deadline of its end already.
            if !connection.write_shutdown {
                connection.deadline = None;
            }
            if let Some(listener) = connection.listener {
                self.deliver(listener, key, notices);
            }
        }
        if let Some(deadline) = deadline {
            self.deadlines.set_at_latest(&mut self.sockets, key, deadline);
        }
        if progress == Progress::Blocked {
            self.stalled.push(&mut self.sockets, key, Socket::stalled);
        }
        self.retire(key, ip.now, progress, notices);
        progress
    }

    /// Puts a connection whose handshake is over into its listener's queue.
    fn deliver(&mut self, listener: Key, key: Key, notices: &mut Notices) {
        self.half_open = self.half_open.saturating_sub(1);
        self.with_queues(listener, |queues, sockets| {
            queues.half_open.remove(sockets, key, Socket::queued);
            queues.ready.push(sockets, key, Socket::queued);
        });
        if let Some(socket) = self.sockets.get(listener) {
            let ready = Events::READ | Events::READ_NORMAL;
            socket.shared.update(ready, ready, notices);
        }
    }

    /// Takes a connection that has ended out of the table, keeps what TIME-WAIT needs, and tells readiness.
    fn retire(&mut self, key: Key, now: u64, progress: Progress, notices: &mut Notices) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let owned = socket.owned;
        let Role::Connection(connection) = &mut socket.role else { return };
        let state = connection.state();
        let told = connection.peer_end == Some(connection.one.sent.acknowledged);
        let quiet = progress == Progress::Done;
        if state == State::TimeWait && quiet && told && !connection.detached {
            self.time_wait.insert(connection.tuple, connection.one.sent, Reuse::of(&socket.options), now);
            connection.detached = true;
        }
        // A reset that could not be sent yet keeps the connection a little longer.
        if matches!(state, State::Closed | State::Listen) && quiet {
            connection.detached = true;
        }
        let (detached, tuple) = (connection.detached, connection.tuple);
        let in_handshake = connection.listener.is_some() && !connection.established;
        let (mut ready, again) = connection.readiness();
        if connection.error.is_some() {
            ready |= Events::ERROR;
        }
        if detached && !owned && (in_handshake || connection.listener.is_none()) {
            let listener = connection.listener.filter(|_| in_handshake);
            self.drop_connection(key, tuple, listener);
            return;
        }
        socket.shared.update(ready, again, notices);
        if detached {
            self.forget(key, tuple);
        }
    }

    /// A segment of this tuple is not for this connection any longer, and no time comes for it.
    fn forget(&mut self, key: Key, tuple: Tuple) {
        self.deadlines.clear(&mut self.sockets, key);
        self.tuples.leave(&tuple, key);
    }

    fn drop_connection(&mut self, key: Key, tuple: Tuple, listener: Option<Key>) {
        self.forget(key, tuple);
        if let Some(listener) = listener {
            self.half_open = self.half_open.saturating_sub(1);
            self.with_queues(listener, |queues, sockets| queues.half_open.remove(sockets, key, Socket::queued));
        }
        self.remove(key);
    }
}
