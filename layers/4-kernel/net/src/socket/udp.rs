//! UDP sockets.

use super::{
    Operations, Received,
    address::SocketAddress,
    options::{self, integer},
    tcp::{check_local, destination, prepare},
};
use crate::{net::Net, no_buffers, shared::Shared, slab::Key, udp};
use alloc::{sync::Arc, vec::Vec};
use rumpkin_collections::{TryVec, try_to_vec};
use rumpkin_kernel::{
    Errno,
    abi::linux::net,
    io::{Sink, Source},
    thread::Thread,
};

/// A UDP socket of a program.
pub struct UdpSocket {
    net: Arc<Net>,
    key: Key,
    shared: Arc<Shared>,
}

impl UdpSocket {
    /// A new one. `ENOBUFS` if there is no memory for it.
    pub fn open(net: &Arc<Net>) -> Result<UdpSocket, Errno> {
        let (key, shared) = net.with(|stack| stack.udp.open())?;
        Ok(UdpSocket { net: net.clone(), key, shared })
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.net.with(|stack| stack.udp.close(self.key));
    }
}

impl Operations for UdpSocket {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn bind(&self, address: &SocketAddress) -> Result<(), Errno> {
        let endpoint = address.v4()?;
        let group = endpoint.0.is_multicast() || self.net.with(|stack| stack.ip.is_broadcast(endpoint.0));
        if !group {
            check_local(&self.net, endpoint.0)?;
        }
        self.net.with(|stack| stack.udp.bind(self.key, endpoint))
    }

    fn connect(&self, address: &SocketAddress) -> Result<(), Errno> {
        let peer = match address {
            SocketAddress::Unspecified => None,
            address => Some(destination(address.v4()?)),
        };
        self.net.with(|stack| stack.udp.connect(self.key, peer, &stack.ip))
    }

    fn prepare(&self, thread: &Thread, address: &SocketAddress) -> Result<(), Errno> {
        prepare(&self.net, thread, address)
    }

    fn send(&self, source: &mut dyn Source, to: Option<&SocketAddress>) -> Result<usize, Errno> {
        let to = to.map(|address| address.v4().map(destination)).transpose()?;
        if source.left() > udp::MAX_PAYLOAD {
            return Err(Errno::EMSGSIZE);
        }
        let mut data = Vec::new();
        data.try_resize(source.left(), 0).map_err(no_buffers)?;
        if source.take(&mut data)? < data.len() {
            return Err(Errno::EFAULT);
        }
        self.net.with(|stack| stack.udp.send(self.key, &data, to, &mut stack.ip))
    }

    fn receive(&self, sink: &mut dyn Sink, peek: bool) -> Result<Received, Errno> {
        let received = self.net.with(|stack| {
            stack.udp.receive(self.key, peek, |datagram| {
                let cut = datagram.data.get(..datagram.data.len().min(sink.room())).unwrap_or_default();
                let stored = if cut.is_empty() { 0 } else { sink.put(cut)? };
                let source = Some(SocketAddress::V4(datagram.source));
                Ok(Received { stored, length: datagram.data.len(), source })
            })
        })?;
        Ok(received.unwrap_or(Received { stored: 0, length: 0, source: None }))
    }

    fn shutdown(&self, read: bool, write: bool) -> Result<(), Errno> {
        self.net.with(|stack| stack.udp.shutdown(self.key, read, write, &mut stack.notices))
    }

    fn local(&self) -> SocketAddress {
        SocketAddress::V4(self.net.with(|stack| stack.udp.local(self.key)))
    }

    fn remote(&self) -> Result<SocketAddress, Errno> {
        self.net.with(|stack| stack.udp.remote(self.key)).map(SocketAddress::V4)
    }

    fn option(&self, level: u32, name: u32) -> Result<Vec<u8>, Errno> {
        self.net.with(|stack| {
            let udp = &mut stack.udp;
            let options = udp.options(self.key)?;
            let value = match (level, name) {
                (net::SOL_SOCKET, net::SO_REUSEADDR) => i32::from(options.reuse_address),
                (net::SOL_SOCKET, net::SO_REUSEPORT) => i32::from(options.reuse_port),
                (net::SOL_SOCKET, net::SO_BROADCAST) => i32::from(options.broadcast),
                (net::SOL_SOCKET, net::SO_RCVBUF) => options.receive_buffer as i32,
                (net::SOL_SOCKET, net::SO_SNDBUF) => options.send_buffer as i32,
                (net::SOL_SOCKET, net::SO_KEEPALIVE | net::SO_ACCEPTCONN) => 0,
                (net::SOL_SOCKET, net::SO_RCVLOWAT) => 1,
                (net::SOL_SOCKET, net::SO_LINGER) => return Ok(try_to_vec(&[0; 8])?),
                (net::SOL_SOCKET, net::SO_ERROR) => udp.take_error(self.key).map_or(0, Errno::number),
                (options::IP, net::IP_TTL) => i32::from(options.time_to_live),
                (options::IP, net::IP_MULTICAST_TTL) => i32::from(options.multicast_time_to_live),
                (options::IP, net::IP_TOS) => i32::from(options.service),
                (options::IP, net::IP_RECVERR) => i32::from(options.report_errors),
                _ => return Err(Errno::ENOPROTOOPT),
            };
            Ok(try_to_vec(&value.to_le_bytes())?)
        })
    }

    fn set_option(&self, level: u32, name: u32, value: &[u8]) -> Result<(), Errno> {
        let number = integer(value)?;
        let on = number != 0;
        let size = || udp::Options::buffer(usize::try_from(number).unwrap_or(0));
        let time_to_live = |default: u8| match number {
            -1 => Ok(default),
            0..=255 => Ok(number as u8),
            _ => Err(Errno::EINVAL),
        };
        self.net.with(|stack| {
            let options = stack.udp.options(self.key)?;
            match (level, name) {
                (net::SOL_SOCKET, net::SO_REUSEADDR) => options.reuse_address = on,
                (net::SOL_SOCKET, net::SO_REUSEPORT) => options.reuse_port = on,
                (net::SOL_SOCKET, net::SO_BROADCAST) => options.broadcast = on,
                (net::SOL_SOCKET, net::SO_RCVBUF) => options.receive_buffer = size(),
                (net::SOL_SOCKET, net::SO_SNDBUF) => options.send_buffer = size(),
                (net::SOL_SOCKET, net::SO_RCVLOWAT) if number == 1 => {}
                (options::IP, net::IP_TTL) if number != 0 => options.time_to_live = time_to_live(64)?,
                (options::IP, net::IP_MULTICAST_TTL) => options.multicast_time_to_live = time_to_live(1)?,
                (options::IP, net::IP_TOS) => options.service = number as u8,
                (options::IP, net::IP_RECVERR) => options.report_errors = on,
                _ => return Err(Errno::ENOPROTOOPT),
            }
            Ok(())
        })
    }

    fn queued(&self) -> Result<(usize, usize), Errno> {
        Ok((self.net.with(|stack| stack.udp.queued(self.key)), 0))
    }
}
