//! Sockets as plain functions, for kernel threads that run no program: apps without userspace.
//!
//! They block the calling thread, until a deadline in monotonic nanoseconds where one is given; the error is then
//! `ETIMEDOUT`. Nothing interrupts them. A socket is closed when it is dropped.

use crate::{
    net::Net,
    shared::Shared,
    slab::Key,
    socket::{control::Outgoing, destination},
};
use alloc::sync::Arc;
use rumpkin_spine::{
    Errno,
    wait::{Events, block},
};

pub use crate::{ip::wire::Address, tcp::Endpoint};

/// A UDP socket (RFC 768).
pub struct UdpSocket {
    net: Arc<Net>,
    key: Key,
    shared: Arc<Shared>,
}

impl UdpSocket {
    /// A socket at this port of any address of ours, or at one that is free for port 0. `EADDRINUSE` if it is taken.
    pub fn bind(net: &Arc<Net>, port: u16) -> Result<UdpSocket, Errno> {
        let (key, shared) = net.with(|stack| stack.udp.open())?;
        let socket = UdpSocket { net: net.clone(), key, shared };
        net.with(|stack| stack.udp.bind(key, (Address::UNSPECIFIED, port)))?;
        Ok(socket)
    }

    /// Sends a datagram; does not block. `ENETUNREACH` without a way to there, `EMSGSIZE` if it is too long for one.
    pub fn send_to(&self, data: &[u8], to: Endpoint) -> Result<(), Errno> {
        self.net
            .with(|stack| stack.udp.send(self.key, data, Some(destination(to)), &Outgoing::default(), &mut stack.ip))
            .map(|_| ())
    }

    /// Waits for a datagram, and cuts it to the buffer. Its length there, and who sent it.
    pub fn receive_from(&self, buffer: &mut [u8], deadline: Option<u64>) -> Result<(usize, Endpoint), Errno> {
        block(&[(&self.shared.queue, Events::READ)], deadline, || {
            self.net.with(|stack| {
                stack.udp.receive(self.key, false, |datagram, _| {
                    let length = datagram.data.len().min(buffer.len());
                    if let (Some(room), Some(data)) = (buffer.get_mut(..length), datagram.data.get(..length)) {
                        room.copy_from_slice(data);
                    }
                    Ok((length, datagram.source))
                })
            })
        })
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
    /// Takes connections to this port of any address of ours, or to one that is free for port 0. `EADDRINUSE` if it is taken.
    pub fn bind(net: &Arc<Net>, port: u16, backlog: usize) -> Result<TcpListener, Errno> {
        let (key, shared) = net.with(|stack| stack.tcp.open())?;
        let socket = Tcp { net: net.clone(), key, shared };
        net.with(|stack| {
            stack.tcp.with_options(key, |options| options.reuse_address = true)?;
            stack.tcp.bind(key, (Address::UNSPECIFIED, port))?;
            stack.tcp.listen(key, backlog)
        })?;
        Ok(TcpListener(socket))
    }

    /// Waits for a connection. Also who made it.
    pub fn accept(&self, deadline: Option<u64>) -> Result<(TcpStream, Endpoint), Errno> {
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
    /// Connects. `ECONNREFUSED` if nobody listens there, `ETIMEDOUT` if nobody answers.
    pub fn connect(net: &Arc<Net>, to: Endpoint, deadline: Option<u64>) -> Result<TcpStream, Errno> {
        let (key, shared) = net.with(|stack| stack.tcp.open())?;
        let stream = TcpStream(Tcp { net: net.clone(), key, shared });
        match net.with(|stack| stack.tcp.connect(key, destination(to), &mut stack.ip)) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        block(&[(&stream.0.shared.queue, Events::WRITE)], deadline, || {
            net.with(|stack| stack.tcp.connect_result(key)).map(Some)
        })?;
        Ok(stream)
    }

    /// Waits for data. How many bytes there were; 0 at the end of the stream.
    pub fn receive(&self, mut buffer: &mut [u8], deadline: Option<u64>) -> Result<usize, Errno> {
        let Tcp { net, key, shared } = &self.0;
        block(&[(&shared.queue, Events::READ)], deadline, || {
            net.with(|stack| stack.tcp.receive(*key, &mut buffer)).map(Some)
        })
    }

    /// Sends all of the data, as far as it fits into the send buffer before the deadline. `EPIPE` after the end.
    pub fn send(&self, mut data: &[u8], deadline: Option<u64>) -> Result<(), Errno> {
        let Tcp { net, key, shared } = &self.0;
        while !data.is_empty() {
            block(&[(&shared.queue, Events::WRITE)], deadline, || {
                net.with(|stack| stack.tcp.send(*key, &mut data)).map(Some)
            })?;
        }
        Ok(())
    }

    /// Ends our direction: the peer reads to the end of the stream.
    pub fn finish(&self) -> Result<(), Errno> {
        let Tcp { net, key, .. } = &self.0;
        net.with(|stack| stack.tcp.shutdown(*key, false, true, &mut stack.ip, &mut stack.notices))
    }
}
