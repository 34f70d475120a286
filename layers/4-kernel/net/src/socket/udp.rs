//! UDP sockets.

use super::{
    Operations, Received, Setting,
    address::SocketAddress,
    control::Outgoing,
    options::{self, Value},
    tcp::{check_local, destination, prepare},
};
use crate::{net::Net, no_buffers, shared::Shared, slab::Key, udp};
use alloc::{sync::Arc, vec::Vec};
use rumpkin_collections::TryVec;
use rumpkin_spine::{
    Errno,
    abi::linux::net,
    io::{Sink, Source},
    process::Thread,
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
        self.net.with(|stack| {
            if !endpoint.0.is_multicast() && !stack.ip.is_broadcast(endpoint.0) {
                check_local(&stack.ip, endpoint.0, &stack.udp.options(self.key)?.ip)?;
            }
            stack.udp.bind(self.key, endpoint)
        })
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

    fn send(&self, source: &mut dyn Source, to: Option<&SocketAddress>, along: &Outgoing) -> Result<usize, Errno> {
        let to = to.map(|address| address.v4().map(destination)).transpose()?;
        if source.left() > udp::MAX_PAYLOAD {
            return Err(Errno::EMSGSIZE);
        }
        let mut data = Vec::new();
        data.try_resize(source.left(), 0).map_err(no_buffers)?;
        if source.take(&mut data)? < data.len() {
            return Err(Errno::EFAULT);
        }
        self.net.with(|stack| stack.udp.send(self.key, &data, to, along, &mut stack.ip))
    }

    fn receive(&self, sink: &mut dyn Sink, peek: bool) -> Result<Received, Errno> {
        let received = self.net.with(|stack| {
            stack.udp.receive(self.key, peek, |datagram, options| {
                let cut = datagram.data.get(..datagram.data.len().min(sink.room())).unwrap_or_default();
                let stored = if cut.is_empty() { 0 } else { sink.put(cut)? };
                let source = Some(SocketAddress::V4(datagram.source));
                let arrival = Some((datagram.arrival, options.ip.clone()));
                Ok(Received { source, arrival, ..Received::bytes(stored, datagram.data.len()) })
            })
        })?;
        Ok(received.unwrap_or(Received::bytes(0, 0)))
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

    fn option(&self, level: u32, name: u32) -> Result<Value, Errno> {
        self.net.with(|stack| {
            let udp = &mut stack.udp;
            let options = udp.options(self.key)?;
            Ok(match (level, name) {
                (net::SOL_SOCKET, net::SO_RCVBUF) => (options.receive_buffer as i32).into(),
                (net::SOL_SOCKET, net::SO_SNDBUF) => (options.send_buffer as i32).into(),
                (net::SOL_SOCKET, net::SO_ACCEPTCONN) => 0.into(),
                (net::SOL_SOCKET, net::SO_ERROR) => udp.take_error(self.key).map_or(0, Errno::number).into(),
                (options::IP, net::IP_MTU) => udp.remote(self.key).map(|_| stack.ip.mtu() as i32)?.into(),
                (options::IP, name) => options.ip.get(name)?.into(),
                _ => return Err(Errno::ENOPROTOOPT),
            })
        })
    }

    fn set_option(&self, level: u32, name: u32, value: &[u8]) -> Result<(), Errno> {
        match level {
            options::IP => self.net.with(|stack| stack.udp.options(self.key)?.ip.set(name, value, false)),
            _ => Err(Errno::ENOPROTOOPT),
        }
    }

    fn follow(&self, setting: Setting) -> Result<(), Errno> {
        self.net.with(|stack| {
            let options = stack.udp.options(self.key)?;
            match setting {
                Setting::ReuseAddress(on) => options.reuse_address = on,
                Setting::ReusePort(on) => options.reuse_port = on,
                Setting::Broadcast(on) => options.broadcast = on,
                Setting::SendBuffer(bytes) => options.send_buffer = bytes,
                Setting::ReceiveBuffer(bytes) => options.receive_buffer = bytes,
                Setting::KeepAlive(_) | Setting::Linger(_) | Setting::ReceiveLeast(_) | Setting::None => {}
            }
            Ok(())
        })
    }

    fn queued(&self) -> Result<(usize, usize), Errno> {
        Ok((self.net.with(|stack| stack.udp.queued(self.key)), 0))
    }
}
