//! TCP sockets.

use super::{
    Operations, Received, Setting,
    address::SocketAddress,
    control::Outgoing,
    options::{self, Value, integer},
};
use crate::{
    ip::{self, wire::Address},
    net::Net,
    no_buffers,
    shared::Shared,
    slab::Key,
    tcp::{Endpoint, Options},
};
use alloc::{boxed::Box, sync::Arc};
use rumpkin_collections::try_box;
use rumpkin_spine::{
    Errno,
    abi::linux::net,
    io::{Sink, Source},
    process::Thread,
};
use rumpuser::memory::ensure;
use zerocopy::IntoBytes;

/// More than what programs see of an accepted connection takes.
const ACCEPTED: usize = 1024;
/// The one way of congestion control, as TCP_CONGESTION names it.
const CONGESTION_CONTROL: [u8; 16] = *b"reno\0\0\0\0\0\0\0\0\0\0\0\0";

/// A TCP socket of a program.
pub struct TcpSocket {
    net: Arc<Net>,
    key: Key,
    shared: Arc<Shared>,
}

impl TcpSocket {
    /// A new one. `ENOBUFS` if there is no memory for it.
    pub fn open(net: &Arc<Net>) -> Result<TcpSocket, Errno> {
        let (key, shared) = net.with(|stack| stack.tcp.open())?;
        Ok(TcpSocket { net: net.clone(), key, shared })
    }
}

impl Drop for TcpSocket {
    fn drop(&mut self) {
        self.net.with(|stack| stack.tcp.close(self.key, &mut stack.ip));
    }
}

/// `EADDRNOTAVAIL` unless an address is ours, or any, or the options allow others.
pub fn check_local(ip: &ip::Ip, address: Address, options: &ip::options::Options) -> Result<(), Errno> {
    if address.is_unspecified() || ip.is_own(address) || options.binds_anywhere() {
        return Ok(());
    }
    Err(Errno::EADDRNOTAVAIL)
}

/// Linux takes "any address" as a destination for this machine.
pub fn destination((address, port): Endpoint) -> Endpoint {
    (if address.is_unspecified() { Address::LOCALHOST } else { address }, port)
}

/// Waits for an address of our own unless the destination is this machine.
pub fn prepare(net: &Net, thread: &Thread, address: &SocketAddress) -> Result<(), Errno> {
    match address {
        SocketAddress::V4((address, _)) if !address.is_loopback() && !address.is_unspecified() => {
            net.wait_until_configured(thread)
        }
        _ => Ok(()),
    }
}

impl Operations for TcpSocket {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn bind(&self, address: &SocketAddress) -> Result<(), Errno> {
        let endpoint = address.v4()?;
        self.net.with(|stack| {
            check_local(&stack.ip, endpoint.0, &stack.tcp.options(self.key)?.ip)?;
            stack.tcp.bind(self.key, endpoint)
        })
    }

    fn listen(&self, backlog: usize) -> Result<(), Errno> {
        self.net.with(|stack| stack.tcp.listen(self.key, backlog))
    }

    fn accept(&self) -> Result<(Box<dyn Operations>, SocketAddress), Errno> {
        // First the memory: without it, the connection stays where it is.
        ensure(ACCEPTED).map_err(no_buffers)?;
        let (key, shared, peer) = self.net.with(|stack| stack.tcp.accept(self.key))?;
        let socket = TcpSocket { net: self.net.clone(), key, shared };
        Ok((try_box(socket).map_err(no_buffers)?, SocketAddress::V4(peer)))
    }

    fn connect(&self, address: &SocketAddress) -> Result<(), Errno> {
        if *address == SocketAddress::Unspecified {
            return self.net.with(|stack| stack.tcp.disconnect(self.key, &mut stack.ip, &mut stack.notices));
        }
        let remote = destination(address.v4()?);
        self.net.with(|stack| stack.tcp.connect(self.key, remote, &mut stack.ip))
    }

    fn connect_result(&self) -> Result<(), Errno> {
        self.net.with(|stack| stack.tcp.connect_result(self.key))
    }

    fn prepare(&self, thread: &Thread, address: &SocketAddress) -> Result<(), Errno> {
        prepare(&self.net, thread, address)
    }

    /// The address, if any, is ignored: the connection has its peer.
    fn send(&self, source: &mut dyn Source, _to: Option<&SocketAddress>, _along: &Outgoing) -> Result<usize, Errno> {
        self.net.with(|stack| stack.tcp.send(self.key, source))
    }

    fn receive(&self, destination: &mut dyn Sink, peek: bool) -> Result<Received, Errno> {
        let stored = self.net.with(|stack| {
            if peek { stack.tcp.peek(self.key, destination) } else { stack.tcp.receive(self.key, destination) }
        })?;
        Ok(Received::bytes(stored, stored))
    }

    fn shutdown(&self, read: bool, write: bool) -> Result<(), Errno> {
        self.net.with(|stack| stack.tcp.shutdown(self.key, read, write, &mut stack.ip, &mut stack.notices))
    }

    fn local(&self) -> SocketAddress {
        SocketAddress::V4(self.net.with(|stack| stack.tcp.local(self.key)))
    }

    fn remote(&self) -> Result<SocketAddress, Errno> {
        self.net.with(|stack| stack.tcp.remote(self.key)).map(SocketAddress::V4)
    }

    fn option(&self, level: u32, name: u32) -> Result<Value, Errno> {
        let key = self.key;
        self.net.with(|stack| {
            let tcp = &mut stack.tcp;
            Ok(match (level, name) {
                (net::SOL_SOCKET, net::SO_ERROR) => tcp.take_error(key).map_or(0, Errno::number).into(),
                (net::SOL_SOCKET, net::SO_ACCEPTCONN) => i32::from(tcp.is_listening(key)).into(),
                (net::SOL_SOCKET, net::SO_RCVBUF) => (tcp.buffers(key).0 as i32).into(),
                (net::SOL_SOCKET, net::SO_SNDBUF) => (tcp.buffers(key).1 as i32).into(),
                (options::TCP, net::TCP_INFO) => Value::new(tcp.info(key, &stack.ip)?.as_bytes()),
                (options::TCP, net::TCP_CONGESTION) => Value::new(&CONGESTION_CONTROL),
                // Nothing is layered above.
                (options::TCP, net::TCP_ULP) => Value::new(&[]),
                (options::TCP, net::TCP_MAXSEG) => (tcp.maximum_segment(key, &stack.ip) as i32).into(),
                (options::TCP, name) => tcp.options(key)?.get(name)?.into(),
                (options::IP, net::IP_MTU) => tcp.remote(key).map(|_| stack.ip.mtu() as i32)?.into(),
                (options::IP, name) => tcp.options(key)?.ip.get(name)?.into(),
                _ => return Err(Errno::ENOPROTOOPT),
            })
        })
    }

    fn set_option(&self, level: u32, name: u32, value: &[u8]) -> Result<(), Errno> {
        let key = self.key;
        match (level, name) {
            (options::TCP, net::TCP_CONGESTION | net::TCP_ULP) if value.is_empty() => Err(Errno::EINVAL),
            (options::TCP, net::TCP_CONGESTION) => {
                let same = value.split(|&byte| byte == 0).next() == CONGESTION_CONTROL.split(|&byte| byte == 0).next();
                if same { Ok(()) } else { Err(Errno::ENOENT) }
            }
            (options::TCP, net::TCP_ULP) => Err(Errno::ENOENT),
            (options::TCP, name) => {
                let number = integer(value)?;
                self.net.with(|stack| {
                    let (idle, listening) = (stack.tcp.is_idle(key), stack.tcp.is_listening(key));
                    stack.tcp.with_options(key, |options| options.set(name, number, idle, listening))?
                })
            }
            (options::IP, name) => {
                self.net.with(|stack| stack.tcp.with_options(key, |options| options.ip.set(name, value, true)))?
            }
            _ => Err(Errno::ENOPROTOOPT),
        }
    }

    fn follow(&self, setting: Setting) -> Result<(), Errno> {
        let follow = |options: &mut Options| match setting {
            Setting::ReuseAddress(on) => options.reuse_address = on,
            Setting::ReusePort(on) => options.reuse_port = on,
            Setting::KeepAlive(on) => options.keep_alive = on,
            Setting::Linger(seconds) => options.linger = seconds,
            Setting::SendBuffer(bytes) => options.send_buffer = Some(bytes),
            Setting::ReceiveBuffer(bytes) => options.receive_buffer = Some(bytes),
            Setting::ReceiveLeast(bytes) => options.receive_least = bytes,
            Setting::Broadcast(_) | Setting::None => {}
        };
        self.net.with(|stack| stack.tcp.with_options(self.key, follow))
    }

    fn queued(&self) -> Result<(usize, usize), Errno> {
        self.net.with(|stack| stack.tcp.queued(self.key))
    }
}
