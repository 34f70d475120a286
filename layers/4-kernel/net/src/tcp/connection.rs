//! One TCP connection: smoltcp's socket, and what Linux's sockets have beyond it.

use super::{
    Options,
    engine::{Engine, One, Stop, Tuple},
    input::reply,
    keeping::{Keeping, Step},
    vet::Memory,
};
use crate::{
    ip::{
        Ip,
        wire::{Address, TCP_ACK},
    },
    no_buffers,
    slab::Key,
};
use alloc::vec::Vec;
use rumpkin_collections::{Charge, TryVec};
use rumpkin_spine::{
    Errno,
    io::{Sink, Source},
    wait::Events,
};
use smoltcp::{
    socket::tcp::{self, State},
    time::Duration,
};

const SECOND: u64 = 1_000_000_000;
/// How long a handshake that a peer began may take.
pub const HANDSHAKE_TIMEOUT: u64 = 30 * SECOND;
/// How long such a connection sends again what is not acknowledged while nothing is: eight times (Linux's orphans).
const ORPHAN_SILENCE: u64 = 183 * SECOND;
/// How long an acknowledgment waits for data to go along with, in milliseconds (Linux's `TCP_DELACK_MIN`).
const ACK_DELAY: u64 = 40;
/// How long sent data may stay without an answer (Linux's fifteen retries), in milliseconds.
const DATA_TIMEOUT: u64 = 924_000;

/// A connection, from the first SYN on.
pub struct Connection {
    pub tuple: Tuple,
    pub one: One,
    /// Whose accept queue it goes to, until it is accepted.
    pub listener: Option<Key>,
    /// The handshake is over.
    pub established: bool,
    /// connect(2) has said so.
    pub reported: bool,
    /// SHUT_RD.
    pub read_shutdown: bool,
    /// SHUT_WR, or closed by the program.
    pub write_shutdown: bool,
    /// Closed by the program: nobody reads any more.
    abandoned: bool,
    /// Where the connection was on its way to the end when that last changed: state, and bytes not acknowledged.
    progress: Option<(State, usize)>,
    /// What is remembered for judging the peer's segments.
    pub vetting: Memory,
    /// What it waited for when it last could not send.
    pub obstacle: Option<Obstacle>,
    /// Our table does not lead here any longer: it has ended, or what is left of it is in TIME-WAIT.
    pub detached: bool,
    /// For its memory.
    _charge: Charge,
    /// It was reset, or given up.
    pub over: bool,
    /// Why, until the program has been told.
    pub error: Option<Errno>,
    /// Sequence number behind the peer's FIN, once that has come.
    pub peer_end: Option<u32>,
    /// When it is given up.
    pub deadline: Option<u64>,
    /// Whether the peer is still there is asked for (SO_KEEPALIVE).
    keeping: Keeping,
    /// Until when a connection that nobody has accepted is kept back unless data has come (TCP_DEFER_ACCEPT).
    pub deferred_until: Option<u64>,
    /// Bytes that may wait to be acknowledged (SO_SNDBUF), and of those to be sent (TCP_NOTSENT_LOWAT).
    send_most: usize,
    unsent_most: usize,
    /// Bytes that make it readable (SO_RCVLOWAT).
    receive_least: usize,
    /// How long the peer may take to end its direction after our program has closed (TCP_LINGER2), in nanoseconds.
    fin_timeout: u64,
    /// Bytes in the receive buffer when readiness was last made.
    seen: usize,
}

/// What [`Connection::advance`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// All is done for now.
    Done,
    /// It has to be looked at again soon.
    Again,
    /// It could not send; it will be told when it can, or looks again by itself.
    Blocked,
}

/// What a connection that could not send will be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// That there is room again.
    Room,
    /// That a neighbor has answered, or been given up.
    Neighbor(Address),
}

impl Connection {
    /// A connection that has not sent or received anything.
    pub fn new(tuple: Tuple, one: One, charge: Charge) -> Connection {
        Connection {
            tuple,
            one,
            listener: None,
            established: false,
            reported: false,
            read_shutdown: false,
            write_shutdown: false,
            abandoned: false,
            progress: None,
            vetting: Memory::default(),
            obstacle: None,
            detached: false,
            _charge: charge,
            over: false,
            error: None,
            peer_end: None,
            deadline: None,
            keeping: Keeping::default(),
            deferred_until: None,
            send_most: usize::MAX,
            unsent_most: usize::MAX,
            receive_least: 1,
            fin_timeout: 0,
            seen: 0,
        }
    }

    pub fn state(&self) -> State {
        self.one.socket().state()
    }

    fn socket_mut(&mut self) -> &mut tcp::Socket<'static> {
        self.one.socket_mut()
    }

    /// Makes the socket behave as its options say.
    pub fn apply(&mut self, options: &Options) {
        self.one.service = options.ip.service;
        self.one.largest_segment = options.largest_segment;
        self.send_most = options.send_buffer.unwrap_or(usize::MAX);
        self.unsent_most = options.unsent_most as usize;
        self.receive_least = options.receive_least;
        self.fin_timeout = u64::from(options.linger_seconds()).saturating_mul(SECOND);
        let socket = self.socket_mut();
        socket.set_nagle_enabled(!options.no_delay);
        let delayed = options.quick_acknowledgment != Some(true);
        socket.set_ack_delay(delayed.then_some(Duration::from_millis(ACK_DELAY)));
        socket.set_hop_limit(Some(options.ip.time_to_live.max(1)));
    }

    /// Begins an attempt to connect.
    pub fn connect(&mut self, engine: &mut Engine, options: &Options, now: u64) -> Result<(), Errno> {
        let tuple = self.tuple;
        engine.connect(self.one.socket_mut(), &tuple)?;
        let patience = u64::from(options.connect_seconds()).saturating_mul(SECOND);
        self.deadline = Some(now.saturating_add(patience));
        Ok(())
    }

    /// Whether the handshake is under way.
    pub fn connecting(&self) -> bool {
        !self.established && !self.over && self.state() != State::Closed
    }

    /// Hands in a packet. A reset becomes an error.
    pub fn receive(&mut self, engine: &mut Engine, ip: &mut Ip, packet: &[u8]) {
        let before = self.state();
        let queues = (self.one.socket().recv_queue(), self.one.socket().send_queue());
        engine.feed(ip, &mut self.one, packet);
        self.keeping.heard(ip.now);
        let (socket, measure) = self.one.parts();
        measure.bytes_received =
            measure.bytes_received.saturating_add(socket.recv_queue().saturating_sub(queues.0) as u64);
        measure.bytes_acknowledged =
            measure.bytes_acknowledged.saturating_add(queues.1.saturating_sub(socket.send_queue()) as u64);
        let after = self.state();
        let ended = matches!(after, State::Closed | State::Listen);
        if ended && after != before && before != State::LastAck && before != State::TimeWait {
            self.over = true;
            self.error = Some(match before {
                State::SynSent => Errno::ECONNREFUSED,
                State::CloseWait => Errno::EPIPE,
                _ => Errno::ECONNRESET,
            });
        }
    }

    /// Gives the connection up without a word to the peer.
    pub fn fail(&mut self, error: Errno) {
        self.error.get_or_insert(error);
        self.over = true;
        self.detached = true;
    }

    /// Sends what is to be sent. Also when it is to be looked at again, at the latest.
    pub fn advance(&mut self, engine: &mut Engine, ip: &mut Ip, options: &Options) -> (Progress, Option<u64>) {
        self.obstacle = None;
        if self.detached {
            return (Progress::Done, None);
        }
        self.finish_at_last();
        let before = self.state();
        self.watch_progress(ip.now);
        if self.deadline.is_some_and(|deadline| deadline <= ip.now) {
            self.deadline = None;
            if before != State::Closed && before != State::TimeWait {
                self.error.get_or_insert(Errno::ETIMEDOUT);
                self.one.socket_mut().abort();
            }
        }
        self.set_timeout(options);
        let keep_at = self.keep_alive(ip, options);
        let stop = engine.pump(ip, &mut self.one);
        if let Stop::Unreachable(error) = stop {
            if !self.established {
                self.fail(error);
            }
            // An established connection waits for a way; what is lost is sent again.
            let next = ip.now.saturating_add(SECOND);
            return (Progress::Blocked, self.deadline.map_or(Some(next), |deadline| Some(next.min(deadline))));
        }
        if self.state() == State::Closed && !matches!(before, State::Closed | State::TimeWait | State::LastAck) {
            self.error.get_or_insert(Errno::ETIMEDOUT);
        }
        self.obstacle = match stop {
            Stop::Room => Some(Obstacle::Room),
            Stop::Neighbor(address) => Some(Obstacle::Neighbor(address)),
            _ => None,
        };
        let next = match stop {
            Stop::Done => engine.next(ip.now, &self.one).map(|at| at.max(ip.now.saturating_add(1_000_000))),
            _ => None,
        };
        let progress = match stop {
            Stop::Turn => Progress::Again,
            Stop::Done => Progress::Done,
            _ => Progress::Blocked,
        };
        (progress, [next, keep_at, self.deadline, self.deferred_until].into_iter().flatten().min())
    }

    /// After our end, silence of the peer is what ends the connection: as long as it acknowledges something, it may take its
    /// time, and half closed by a program that still reads it may wait for ever.
    fn watch_progress(&mut self, now: u64) {
        let progress = (self.state(), self.one.socket().send_queue());
        if !self.write_shutdown || progress.0 == State::Closed || self.progress == Some(progress) {
            return;
        }
        self.progress = Some(progress);
        let patience = match (progress.0, self.abandoned) {
            (State::FinWait2, true) => Some(self.fin_timeout),
            (State::FinWait2, false) => None,
            (_, true) => Some(ORPHAN_SILENCE),
            (_, false) => Some(DATA_TIMEOUT.saturating_mul(1_000_000)),
        };
        self.deadline = patience.map(|patience| now.saturating_add(patience));
    }

    /// The time after which silence of the peer ends the connection.
    fn set_timeout(&mut self, options: &Options) {
        let user = u64::from(options.user_timeout);
        let waiting = self.one.socket().send_queue() > 0;
        let timeout = waiting.then_some(if user > 0 { user } else { DATA_TIMEOUT });
        self.socket_mut().set_timeout(timeout.map(Duration::from_millis));
    }

    /// Asks a peer that has been silent for long whether it is still there (RFC 9293 §3.8.4), and gives it up in the end. When
    /// it is to be looked at again. smoltcp would ask as soon as the option is set, and has one interval for all.
    fn keep_alive(&mut self, ip: &mut Ip, options: &Options) -> Option<u64> {
        let open = self.established && !self.abandoned && !matches!(self.state(), State::Closed | State::TimeWait);
        if !options.keep_alive || !open {
            self.keeping.since = None;
            return None;
        }
        // What is under way asks already, and has a time-out of its own.
        if self.one.socket().send_queue() > 0 {
            return None;
        }
        match self.keeping.step(options, ip.now) {
            Step::Wait(until) => Some(until),
            Step::Ask(until) => {
                let sent = self.one.sent;
                reply(ip, &self.tuple, TCP_ACK, sent.next.wrapping_sub(1), sent.acknowledged, sent.window);
                Some(until)
            }
            Step::GiveUp => {
                self.error.get_or_insert(Errno::ETIMEDOUT);
                self.one.socket_mut().abort();
                None
            }
        }
    }

    /// Probes that the peer has not answered.
    pub fn probes(&self) -> u32 {
        self.keeping.probes
    }

    fn ended(&self, state: State) -> bool {
        self.over || state == State::Closed
    }

    fn read_ended_in(&self, state: State) -> bool {
        self.read_shutdown
            || self.ended(state)
            || matches!(state, State::CloseWait | State::LastAck | State::Closing | State::TimeWait)
    }

    /// The peer will send no more, or nobody wants to read it.
    pub fn read_ended(&self) -> bool {
        self.read_ended_in(self.state())
    }

    /// Nothing can be sent any more.
    pub fn write_ended(&self) -> bool {
        self.write_shutdown || self.ended(self.state())
    }

    /// Readiness as poll(2) tells it, and what of it is news though it was true before.
    pub fn readiness(&mut self) -> (Events, Events) {
        if self.connecting() {
            return (Events::empty(), Events::empty());
        }
        let socket = self.one.socket();
        let (state, queued) = (socket.state(), socket.recv_queue());
        let (capacity, room) = (self.send_capacity(), self.room());
        let readable = queued > 0 && queued >= self.receive_least.min(socket.recv_capacity() / 2);
        let mut events = Events::empty();
        let ended = self.ended(state);
        let (read_ended, write_ended) = (self.read_ended_in(state), self.write_shutdown || ended);
        if read_ended || readable {
            events |= Events::READ | Events::READ_NORMAL;
        }
        if read_ended {
            events |= Events::READ_HANG_UP;
        }
        if write_ended || room > 0 && room >= capacity / 3 {
            events |= Events::WRITE | Events::WRITE_NORMAL;
        }
        if ended || read_ended && write_ended {
            events |= Events::HANG_UP;
        }
        let more = queued > self.seen;
        self.seen = queued;
        (events, if more { Events::READ | Events::READ_NORMAL } else { Events::empty() })
    }

    fn send_capacity(&self) -> usize {
        self.one.socket().send_capacity().min(self.send_most)
    }

    /// Bytes that may be taken to be sent.
    fn room(&self) -> usize {
        let queued = self.one.socket().send_queue();
        if queued.saturating_sub(self.one.under_way()) >= self.unsent_most {
            return 0;
        }
        self.send_capacity().saturating_sub(queued)
    }

    /// Whether it waits for data before it may be accepted.
    pub fn is_deferred(&mut self, now: u64) -> bool {
        let waits = self.state() == State::Established && self.one.socket().recv_queue() == 0;
        let deferred = waits && self.deferred_until.is_some_and(|until| now < until);
        if !deferred && self.state() != State::SynReceived {
            self.deferred_until = None;
        }
        deferred
    }

    /// Takes data to send. `EAGAIN` if there is no room.
    pub fn send(&mut self, source: &mut dyn Source) -> Result<usize, Errno> {
        if self.write_ended() {
            return Err(Errno::EPIPE);
        }
        if self.connecting() {
            return Err(Errno::EAGAIN);
        }
        let mut done = 0usize;
        while source.left() > 0 {
            let room = self.room();
            if room == 0 {
                break;
            }
            let taken = self.socket_mut().send(|buffer| {
                let most = buffer.len().min(room);
                match source.take(buffer.get_mut(..most).unwrap_or_default()) {
                    Ok(count) => (count, Ok(count)),
                    Err(error) => (0, Err(error)),
                }
            });
            match taken {
                Ok(Ok(0)) => break,
                Ok(Ok(count)) => done = done.saturating_add(count),
                Ok(Err(error)) if done == 0 => return Err(error),
                Ok(Err(_)) => break,
                Err(tcp::SendError::InvalidState) => return Err(Errno::EPIPE),
            }
        }
        if done == 0 && source.left() > 0 { Err(Errno::EAGAIN) } else { Ok(done) }
    }

    /// Gives received data. `EAGAIN` if there is none yet, 0 at the end.
    pub fn take(&mut self, destination: &mut dyn Sink) -> Result<usize, Errno> {
        let mut done = 0usize;
        while destination.room() > 0 && self.one.socket().can_recv() {
            let taken = self.socket_mut().recv(|buffer| match destination.put(buffer) {
                Ok(count) => (count, Ok(count)),
                Err(error) => (0, Err(error)),
            });
            match taken {
                Ok(Ok(0)) | Err(_) => break,
                Ok(Ok(count)) => done = done.saturating_add(count),
                Ok(Err(error)) if done == 0 => return Err(error),
                Ok(Err(_)) => break,
            }
        }
        self.seen = self.one.socket().recv_queue();
        if done > 0 || destination.room() == 0 {
            return Ok(done);
        }
        if self.read_ended() { Ok(0) } else { Err(Errno::EAGAIN) }
    }

    /// Gives received data and keeps it (MSG_PEEK).
    pub fn peek(&mut self, destination: &mut dyn Sink) -> Result<usize, Errno> {
        let length = destination.room().min(self.one.socket().recv_queue());
        if length == 0 {
            return if self.read_ended() || destination.room() == 0 { Ok(0) } else { Err(Errno::EAGAIN) };
        }
        let mut copy = Vec::new();
        copy.try_resize(length, 0).map_err(no_buffers)?;
        let found = self.socket_mut().peek_slice(&mut copy).unwrap_or(0);
        destination.put(copy.get(..found).unwrap_or_default())
    }

    /// Whether a read may have opened the window enough to be worth telling.
    pub fn window_may_open(&self, taken: usize) -> bool {
        let socket = self.one.socket();
        taken.saturating_add(socket.recv_queue()).saturating_mul(4) >= socket.recv_capacity()
    }

    /// Ends our side (SHUT_WR).
    pub fn finish(&mut self) {
        if !self.write_shutdown {
            self.write_shutdown = true;
            // smoltcp would send the FIN in the SYN's place if that has not been acknowledged.
            if self.state() != State::SynReceived {
                self.socket_mut().close();
            }
        }
    }

    /// Ends our side if that was put off until the end of the handshake.
    fn finish_at_last(&mut self) {
        if self.write_shutdown && matches!(self.state(), State::Established | State::CloseWait) {
            self.socket_mut().close();
        }
    }

    /// Its program has closed it. `reset`: at once and rudely.
    pub fn abandon(&mut self, reset: bool, now: u64) {
        self.read_shutdown = true;
        if reset || self.one.socket().recv_queue() > 0 {
            self.socket_mut().abort();
        } else {
            self.finish();
        }
        // A reset that finds no way out, too, is given up in the end.
        self.deadline = Some(now.saturating_add(ORPHAN_SILENCE));
        self.abandoned = true;
        self.progress = None;
    }

    /// What the peer sends now will never be read: an orphan answers with a reset, as Linux does.
    pub fn reset_if_unread(&mut self) {
        if self.one.socket().recv_queue() > 0 && self.state() != State::Closed {
            self.socket_mut().abort();
        }
    }
}
