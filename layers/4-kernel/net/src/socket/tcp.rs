//! TCP sockets.

use super::{
    Operations, Received,
    address::SocketAddress,
    options::{self, integer},
};
use crate::{ip::wire::Address, net::Net, no_buffers, shared::Shared, slab::Key, tcp::Endpoint};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use rumpkin_collections::{try_box, try_concat, try_to_vec};
use rumpkin_kernel::{
    Errno,
    abi::linux::net,
    io::{Sink, Source},
    thread::Thread,
};
use rumpuser::memory::ensure;
use zerocopy::IntoBytes;

/// More than what programs see of an accepted connection takes.
const ACCEPTED: usize = 1024;

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

/// `EADDRNOTAVAIL` unless an address is ours, or any.
pub fn check_local(net: &Net, address: Address) -> Result<(), Errno> {
    if address.is_unspecified() || net.with(|stack| stack.ip.is_own(address)) {
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
        check_local(&self.net, endpoint.0)?;
        self.net.with(|stack| stack.tcp.bind(self.key, endpoint))
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
    fn send(&self, source: &mut dyn Source, _to: Option<&SocketAddress>) -> Result<usize, Errno> {
        self.net.with(|stack| stack.tcp.send(self.key, source))
    }

    fn receive(&self, destination: &mut dyn Sink, peek: bool) -> Result<Received, Errno> {
        let stored = self.net.with(|stack| {
            if peek { stack.tcp.peek(self.key, destination) } else { stack.tcp.receive(self.key, destination) }
        })?;
        Ok(Received { stored, length: stored, source: None })
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

    fn option(&self, level: u32, name: u32) -> Result<Vec<u8>, Errno> {
        let key = self.key;
        self.net.with(|stack| {
            let tcp = &mut stack.tcp;
            let options = tcp.options(key)?;
            let value = match (level, name) {
                (options::TCP, net::TCP_CONGESTION) => return Ok(try_to_vec(b"reno\0\0\0\0\0\0\0\0\0\0\0\0")?),
                (options::TCP, net::TCP_INFO) => return Ok(try_to_vec(tcp.info(key, &stack.ip)?.as_bytes())?),
                (net::SOL_SOCKET, net::SO_LINGER) => {
                    let on = i32::from(options.linger.is_some());
                    let seconds = options.linger.unwrap_or(0) as i32;
                    return Ok(try_concat(&[&on.to_le_bytes(), &seconds.to_le_bytes()])?);
                }
                (net::SOL_SOCKET, net::SO_REUSEADDR) => i32::from(options.reuse_address),
                (net::SOL_SOCKET, net::SO_REUSEPORT) => i32::from(options.reuse_port),
                (net::SOL_SOCKET, net::SO_KEEPALIVE) => i32::from(options.keep_alive),
                (net::SOL_SOCKET, net::SO_BROADCAST | net::SO_OOBINLINE) => 0,
                (net::SOL_SOCKET, net::SO_RCVLOWAT) => 1,
                (net::SOL_SOCKET, net::SO_ERROR) => tcp.take_error(key).map_or(0, Errno::number),
                (net::SOL_SOCKET, net::SO_ACCEPTCONN) => i32::from(tcp.is_listening(key)),
                (net::SOL_SOCKET, net::SO_RCVBUF) => tcp.buffers(key).0 as i32,
                (net::SOL_SOCKET, net::SO_SNDBUF) => tcp.buffers(key).1 as i32,
                (options::TCP, net::TCP_NODELAY) => i32::from(options.no_delay),
                (options::TCP, net::TCP_CORK) => i32::from(options.cork),
                (options::TCP, net::TCP_KEEPIDLE) => options.keep_idle as i32,
                (options::TCP, net::TCP_KEEPINTVL) => options.keep_interval as i32,
                (options::TCP, net::TCP_KEEPCNT) => options.keep_count as i32,
                (options::TCP, net::TCP_USER_TIMEOUT) => options.user_timeout as i32,
                (options::TCP, net::TCP_MAXSEG) => tcp.maximum_segment(key, &stack.ip) as i32,
                (options::TCP, net::TCP_QUICKACK) => 1,
                (options::IP, net::IP_TTL) => i32::from(options.time_to_live),
                (options::IP, net::IP_TOS) => i32::from(options.service),
                _ => return Err(Errno::ENOPROTOOPT),
            };
            Ok(try_to_vec(&value.to_le_bytes())?)
        })
    }

    fn set_option(&self, level: u32, name: u32, value: &[u8]) -> Result<(), Errno> {
        if (level, name) == (options::TCP, net::TCP_CONGESTION) {
            let name = value.split(|&byte| byte == 0).next().unwrap_or_default();
            return if name == b"reno" { Ok(()) } else { Err(Errno::ENOENT) };
        }
        let number = integer(value)?;
        let positive = |most: i32| {
            if (1..=most).contains(&number) { Ok(number as u32) } else { Err(Errno::EINVAL) }
        };
        let on = number != 0;
        let size = || Some(usize::try_from(number).unwrap_or(usize::MAX).saturating_mul(2));
        self.net.with(|stack| {
            stack.tcp.with_options(self.key, |options| {
                match (level, name) {
                    (net::SOL_SOCKET, net::SO_REUSEADDR) => options.reuse_address = on,
                    (net::SOL_SOCKET, net::SO_REUSEPORT) => options.reuse_port = on,
                    (net::SOL_SOCKET, net::SO_KEEPALIVE) => options.keep_alive = on,
                    (net::SOL_SOCKET, net::SO_RCVBUF) => options.receive_buffer = size(),
                    (net::SOL_SOCKET, net::SO_SNDBUF) => options.send_buffer = size(),
                    (net::SOL_SOCKET, net::SO_LINGER) => {
                        let seconds = integer(value.get(4..).unwrap_or_default())?;
                        options.linger = on.then_some(seconds.max(0) as u32);
                    }
                    // Means nothing to a stream.
                    (net::SOL_SOCKET, net::SO_BROADCAST) => {}
                    (net::SOL_SOCKET, net::SO_RCVLOWAT) if number == 1 => {}
                    (options::TCP, net::TCP_NODELAY) => options.no_delay = on,
                    (options::TCP, net::TCP_CORK) => options.cork = on,
                    (options::TCP, net::TCP_KEEPIDLE) => options.keep_idle = positive(32767)?,
                    (options::TCP, net::TCP_KEEPINTVL) => options.keep_interval = positive(32767)?,
                    (options::TCP, net::TCP_KEEPCNT) => options.keep_count = positive(127)?,
                    (options::TCP, net::TCP_USER_TIMEOUT) if number >= 0 => options.user_timeout = number as u32,
                    // A hint for the moment: acknowledgments are never late by more than 40 ms.
                    (options::TCP, net::TCP_QUICKACK) => {}
                    (options::IP, net::IP_TTL) if number == -1 => options.time_to_live = 64,
                    (options::IP, net::IP_TTL) => options.time_to_live = positive(255)? as u8,
                    (options::IP, net::IP_TOS) => options.service = number as u8,
                    _ => return Err(Errno::ENOPROTOOPT),
                }
                Ok(())
            })
        })?
    }

    fn queued(&self) -> Result<(usize, usize), Errno> {
        self.net.with(|stack| stack.tcp.queued(self.key))
    }
}
