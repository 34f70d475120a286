//! Sockets as plain functions, for kernel threads that run no program: apps without userspace.
//!
//! They block the calling thread, until a deadline in monotonic nanoseconds where one is given; the error is then
//! [`SocketError::TimedOut`]. Nothing interrupts them. A socket is closed when it is dropped.

use crate::{
    net::Net,
    shared::Shared,
    slab::Key,
    socket::{control::Outgoing, destination},
};
use alloc::sync::Arc;
use core::fmt;
use rumpkin_spine::{
    Errno,
    wait::{Events, block},
};

pub use crate::{ip::wire::Address, tcp::Endpoint};

/// Why a socket did not do what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketError {
    /// Another socket has the port.
    PortTaken,
    /// No route leads there, or no address of ours from here.
    Unreachable,
    /// The datagram is longer than one can be.
    TooLong,
    /// The deadline has passed, or the peer does not answer.
    TimedOut,
    /// Nobody listens there.
    Refused,
    /// The peer has broken the connection off.
    Reset,
    /// Our direction of the connection has ended, or all of it.
    Closed,
    /// There is no memory for it.
    OutOfMemory,
    /// The protocol does not allow it as things stand.
    Refusal,
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SocketError::PortTaken => "another socket has the port",
            SocketError::Unreachable => "no way leads there",
            SocketError::TooLong => "too long for one datagram",
            SocketError::TimedOut => "no answer in time",
            SocketError::Refused => "nobody listens there",
            SocketError::Reset => "the peer has broken the connection off",
            SocketError::Closed => "the connection has ended",
            SocketError::OutOfMemory => "no memory is left",
            SocketError::Refusal => "not as the socket stands",
        })
    }
}

/// From what the stack tells system calls.
impl From<Errno> for SocketError {
    fn from(error: Errno) -> Self {
        match error {
            Errno::EADDRINUSE => SocketError::PortTaken,
            Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EADDRNOTAVAIL | Errno::ENETDOWN => {
                SocketError::Unreachable
            }
            Errno::EMSGSIZE => SocketError::TooLong,
            Errno::ETIMEDOUT => SocketError::TimedOut,
            Errno::ECONNREFUSED => SocketError::Refused,
            Errno::ECONNRESET => SocketError::Reset,
            Errno::EPIPE | Errno::ENOTCONN => SocketError::Closed,
            Errno::ENOMEM | Errno::ENOBUFS => SocketError::OutOfMemory,
            _ => SocketError::Refusal,
        }
    }
}

/// A UDP socket (RFC 768).
pub struct UdpSocket {
    net: Arc<Net>,
    key: Key,
    shared: Arc<Shared>,
}

impl UdpSocket {
    /// A socket at this port of any address of ours, or at one that is free for port 0. [`SocketError::PortTaken`] if it is not free.
    pub fn bind(net: &Arc<Net>, port: u16) -> Result<UdpSocket, SocketError> {
        let (key, shared) = net.with(|stack| stack.udp.open())?;
        let socket = UdpSocket { net: net.clone(), key, shared };
        net.with(|stack| stack.udp.bind(key, (Address::UNSPECIFIED, port)))?;
        Ok(socket)
    }

    /// Sends a datagram; does not block. [`SocketError::Unreachable`] without a way to there, [`SocketError::TooLong`] for one.
    pub fn send_to(&self, data: &[u8], to: Endpoint) -> Result<(), SocketError> {
        self.net
            .with(|stack| stack.udp.send(self.key, data, Some(destination(to)), &Outgoing::default(), &mut stack.ip))?;
        Ok(())
    }

    /// Waits for a datagram, and cuts it to the buffer. Its length there, and who sent it.
    pub fn receive_from(&self, buffer: &mut [u8], deadline: Option<u64>) -> Result<(usize, Endpoint), SocketError> {
        let received = block(&[(&self.shared.queue, Events::READ)], deadline, || {
            self.net.with(|stack| {
                stack.udp.receive(self.key, false, |datagram, _| {
                    let length = datagram.data.len().min(buffer.len());
                    if let (Some(room), Some(data)) = (buffer.get_mut(..length), datagram.data.get(..length)) {
                        room.copy_from_slice(data);
                    }
                    Ok((length, datagram.source))
                })
            })
        })?;
        Ok(received)
    }

    /// Where it is bound.
    pub fn local(&self) -> Endpoint {
        self.net.with(|stack| stack.udp.local(self.key))
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.net.with(|stack| stack.udp.close(self.key));
    }
}

/// A socket of TCP (RFC 9293): what listeners and streams have in common.
struct Tcp {
    net: Arc<Net>,
    key: Key,
    shared: Arc<Shared>,
}

impl Drop for Tcp {
    fn drop(&mut self) {
        self.net.with(|stack| stack.tcp.close(self.key, &mut stack.ip));
    }
}

/// A TCP socket that takes connections.
pub struct TcpListener(Tcp);

impl TcpListener {
    /// Takes connections to this port of any address of ours, or to one that is free for port 0. [`SocketError::PortTaken`] if it is not free.
    pub fn bind(net: &Arc<Net>, port: u16, backlog: usize) -> Result<TcpListener, SocketError> {
        let (key, shared) = net.with(|stack| stack.tcp.open())?;
        let socket = Tcp { net: net.clone(), key, shared };
        net.with(|stack| -> Result<(), Errno> {
            stack.tcp.with_options(key, |options| options.reuse_address = true)?;
            stack.tcp.bind(key, (Address::UNSPECIFIED, port))?;
            stack.tcp.listen(key, backlog)
        })?;
        Ok(TcpListener(socket))
    }

    /// Waits for a connection. Also who made it.
    pub fn accept(&self, deadline: Option<u64>) -> Result<(TcpStream, Endpoint), SocketError> {
        let Tcp { net, key, shared } = &self.0;
        let (key, shared, peer) =
            block(&[(&shared.queue, Events::READ)], deadline, || net.with(|stack| stack.tcp.accept(*key)).map(Some))?;
        Ok((TcpStream(Tcp { net: net.clone(), key, shared }), peer))
    }

    /// Where it listens.
    pub fn local(&self) -> Endpoint {
        self.0.net.with(|stack| stack.tcp.local(self.0.key))
    }
}

/// A TCP connection.
pub struct TcpStream(Tcp);

impl TcpStream {
    /// Connects. [`SocketError::Refused`] if nobody listens there, [`SocketError::TimedOut`] if nobody answers.
    pub fn connect(net: &Arc<Net>, to: Endpoint, deadline: Option<u64>) -> Result<TcpStream, SocketError> {
        let (key, shared) = net.with(|stack| stack.tcp.open())?;
        let stream = TcpStream(Tcp { net: net.clone(), key, shared });
        match net.with(|stack| stack.tcp.connect(key, destination(to), &mut stack.ip)) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        block(&[(&stream.0.shared.queue, Events::WRITE)], deadline, || {
            net.with(|stack| stack.tcp.connect_result(key)).map(Some)
        })?;
        Ok(stream)
    }

    /// Waits for data. How many bytes there were; 0 at the end of the stream.
    pub fn receive(&self, mut buffer: &mut [u8], deadline: Option<u64>) -> Result<usize, SocketError> {
        let Tcp { net, key, shared } = &self.0;
        let length = block(&[(&shared.queue, Events::READ)], deadline, || {
            net.with(|stack| stack.tcp.receive(*key, &mut buffer)).map(Some)
        })?;
        Ok(length)
    }

    /// Sends all of the data, as far as it fits into the send buffer before the deadline. [`SocketError::Closed`] after the end.
    pub fn send(&self, mut data: &[u8], deadline: Option<u64>) -> Result<(), SocketError> {
        let Tcp { net, key, shared } = &self.0;
        while !data.is_empty() {
            block(&[(&shared.queue, Events::WRITE)], deadline, || {
                net.with(|stack| stack.tcp.send(*key, &mut data)).map(Some)
            })?;
        }
        Ok(())
    }

    /// Ends our direction: the peer reads to the end of the stream.
    pub fn finish(&self) -> Result<(), SocketError> {
        let Tcp { net, key, .. } = &self.0;
        net.with(|stack| stack.tcp.shutdown(*key, false, true, &mut stack.ip, &mut stack.notices))?;
        Ok(())
    }
}
