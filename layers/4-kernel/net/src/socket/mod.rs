//! Sockets as programs see them: one kind of file, and what each family does behind it.

pub mod address;
pub mod calls;
pub mod control;
mod ioctl;
mod messages;
mod options;
mod tcp;
mod udp;
pub mod unix;

pub use tcp::destination;

use crate::{ip, local::Credentials, net::Net, no_buffers, shared::Shared};
use address::SocketAddress;
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use control::{Arrival, Outgoing};
use core::sync::atomic::Ordering;
use options::{Common, Value};
use rumpkin_collections::try_arc;
use rumpkin_spine::{
    Errno,
    abi::{Stat, linux::net},
    file::{Caller, File, OpenFile},
    io::{Sink, Source},
    process::Thread,
    wait::{Events, WaitQueue},
};

/// `S_IFSOCK` with all permissions.
const MODE: u32 = 0o140_777;

/// A received message.
pub struct Received {
    /// Bytes that were stored.
    pub stored: usize,
    /// Bytes that the message had.
    pub length: usize,
    /// Who sent it, where that is not known from the connection.
    pub source: Option<SocketAddress>,
    /// How it came, if it is a datagram of the network, and what the socket wants to know of that.
    pub arrival: Option<(Arrival, ip::options::Options)>,
    /// Open files that came along.
    pub rights: Vec<Arc<OpenFile>>,
    /// Who sent it, if it is local.
    pub sender: Option<Credentials>,
}

impl Received {
    /// Some bytes of a stream, or a message of a known peer.
    pub fn bytes(stored: usize, length: usize) -> Received {
        Received { stored, length, source: None, arrival: None, rights: Vec::new(), sender: None }
    }
}

/// What an option of every socket means to those to which it means something.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub enum Setting {
    ReuseAddress(bool),
    ReusePort(bool),
    KeepAlive(bool),
    Broadcast(bool),
    /// For so many seconds.
    Linger(Option<u32>),
    /// Bytes.
    SendBuffer(usize),
    ReceiveBuffer(usize),
    /// Bytes that make it readable.
    ReceiveLeast(usize),
    /// Nothing.
    None,
}

/// What a kind of socket does. Nothing waits: `EAGAIN` means not yet.
pub trait Operations: Send + Sync {
    /// Readiness and who waits for it.
    fn shared(&self) -> &Shared;

    /// bind(2).
    fn bind(&self, address: &SocketAddress) -> Result<(), Errno>;

    /// bind(2) to a path, for which an inode has been made.
    fn bind_inode(&self, _name: &[u8], _inode: Arc<dyn File>) -> Result<(), Errno> {
        Err(Errno::EAFNOSUPPORT)
    }

    /// listen(2).
    fn listen(&self, _backlog: usize) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// accept(2).
    fn accept(&self) -> Result<(Box<dyn Operations>, SocketAddress), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// connect(2): `EINPROGRESS` if [`Operations::connect_result`] will tell.
    fn connect(&self, address: &SocketAddress) -> Result<(), Errno>;

    /// How an attempt to connect ended.
    fn connect_result(&self) -> Result<(), Errno> {
        Ok(())
    }

    /// Waits until an address can be sent to at all.
    fn prepare(&self, _thread: &Thread, _address: &SocketAddress) -> Result<(), Errno> {
        Ok(())
    }

    /// Sends: a part of a stream, or one message, and what goes along with it.
    fn send(&self, source: &mut dyn Source, to: Option<&SocketAddress>, along: &Outgoing) -> Result<usize, Errno>;

    /// Receives: a part of a stream, or one message. `peek`: and keeps it.
    fn receive(&self, destination: &mut dyn Sink, peek: bool) -> Result<Received, Errno>;

    /// shutdown(2).
    fn shutdown(&self, read: bool, write: bool) -> Result<(), Errno>;

    /// getsockname(2).
    fn local(&self) -> SocketAddress;

    /// getpeername(2).
    fn remote(&self) -> Result<SocketAddress, Errno>;

    /// getsockopt(2), for options that [`options`] does not answer itself.
    fn option(&self, level: u32, name: u32) -> Result<Value, Errno>;

    /// setsockopt(2), for the levels above that of every socket.
    fn set_option(&self, level: u32, name: u32, value: &[u8]) -> Result<(), Errno>;

    /// An option of every socket was set. What means nothing to a kind of socket is kept all the same.
    fn follow(&self, _setting: Setting) -> Result<(), Errno> {
        Ok(())
    }

    /// Bytes that can be read (FIONREAD), and bytes that have not left (SIOCOUTQ).
    fn queued(&self) -> Result<(usize, usize), Errno>;
}

/// An open socket.
pub struct Socket {
    /// `AF_*`.
    pub family: u16,
    /// `SOCK_*`.
    pub kind: u32,
    /// `IPPROTO_*`, or 0.
    pub protocol: u32,
    /// What it does.
    pub operations: Box<dyn Operations>,
    /// The options that every socket has.
    pub common: Common,
    net: Arc<Net>,
}

impl Socket {
    /// A socket of this family, kind and protocol. `ENOBUFS` if there is no memory for it.
    pub fn new(
        net: &Arc<Net>,
        family: u16,
        kind: u32,
        protocol: u32,
        operations: Box<dyn Operations>,
    ) -> Result<Arc<Socket>, Errno> {
        let socket = Socket { family, kind, protocol, operations, common: Common::default(), net: net.clone() };
        try_arc(socket).map_err(no_buffers)
    }

    /// Whether it carries a stream of bytes, not messages.
    pub fn is_stream(&self) -> bool {
        self.kind == net::SOCK_STREAM
    }
}

impl File for Socket {
    fn read(&self, _position: u64, destination: &mut dyn Sink) -> Result<usize, Errno> {
        self.operations.receive(destination, false).map(|received| received.stored)
    }

    fn write(&self, _position: u64, source: &mut dyn Source) -> Result<usize, Errno> {
        self.operations.send(source, None, &Outgoing::default())
    }

    fn is_stream(&self) -> bool {
        Socket::is_stream(self)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(Stat { mode: MODE, links: 1, block_size: 4096, ..Stat::default() })
    }

    fn poll(&self) -> Events {
        self.operations.shared().ready()
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.operations.shared().queue)
    }

    fn patience(&self, events: Events) -> Option<u64> {
        let Common { receive_timeout, send_timeout, .. } = &self.common;
        let timeout = if events.contains(Events::READ) { receive_timeout } else { send_timeout };
        Some(timeout.load(Ordering::Relaxed)).filter(|timeout| *timeout != 0)
    }

    fn ioctl(&self, _caller: &dyn Caller, command: u32, argument: usize) -> Result<usize, Errno> {
        ioctl::ioctl(self, command, argument)
    }
}
