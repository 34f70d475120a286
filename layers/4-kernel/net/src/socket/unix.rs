//! Local sockets (unix(7)).

use super::{
    Operations, Received, Setting,
    address::SocketAddress,
    control::Outgoing,
    options::{NOBODY, Value},
};
use crate::{
    local::{Along, Credentials, Locals, Place},
    net::Net,
    no_buffers,
    shared::Shared,
    slab::Key,
};
use alloc::{boxed::Box, sync::Arc};
use rumpkin_collections::try_box;
use rumpkin_spine::{
    Errno,
    abi::linux::net,
    file::File,
    io::{Sink, Source},
};
use zerocopy::IntoBytes;

/// A local socket of a program.
pub struct UnixSocket {
    net: Arc<Net>,
    key: Key,
    shared: Arc<Shared>,
}

impl UnixSocket {
    /// A new one.
    pub fn open(net: &Arc<Net>, kind: u32, owner: Credentials) -> Result<UnixSocket, Errno> {
        let (key, shared) = net.local(|locals| locals.open(kind, owner))?;
        Ok(UnixSocket { net: net.clone(), key, shared })
    }

    /// Two connected ones.
    pub fn pair(net: &Arc<Net>, kind: u32, owner: Credentials) -> Result<[UnixSocket; 2], Errno> {
        let pair = net.local(|locals| locals.pair(kind, owner))?;
        Ok(pair.map(|(key, shared)| UnixSocket { net: net.clone(), key, shared }))
    }

    fn local<R>(&self, work: impl FnOnce(&mut Locals, Key) -> R) -> R {
        self.net.local(|locals| work(locals, self.key))
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        let mut waiting = self.local(|locals, key| locals.close(key));
        while let Some(key) = waiting.pop() {
            drop(self.net.local(|locals| locals.close(key)));
        }
    }
}

/// Where an address leads; nowhere to forget the peer.
fn place(address: &SocketAddress) -> Result<Option<&Place>, Errno> {
    match address {
        SocketAddress::Unspecified => Ok(None),
        SocketAddress::Place(place) => Ok(Some(place)),
        _ => Err(Errno::EINVAL),
    }
}

impl Operations for UnixSocket {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn bind(&self, address: &SocketAddress) -> Result<(), Errno> {
        let SocketAddress::Unix(name) = address else { return Err(Errno::EINVAL) };
        self.local(|locals, key| locals.bind(key, name, None))
    }

    fn bind_inode(&self, name: &[u8], inode: Arc<dyn File>) -> Result<(), Errno> {
        self.local(|locals, key| locals.bind(key, name, Some(inode)))
    }

    fn listen(&self, backlog: usize) -> Result<(), Errno> {
        self.local(|locals, key| locals.listen(key, backlog))
    }

    fn accept(&self) -> Result<(Box<dyn Operations>, SocketAddress), Errno> {
        let (key, shared, peer) = self.local(|locals, key| locals.accept(key))?;
        let socket = UnixSocket { net: self.net.clone(), key, shared };
        Ok((try_box(socket).map_err(no_buffers)?, SocketAddress::Unix(peer)))
    }

    fn connect(&self, address: &SocketAddress) -> Result<(), Errno> {
        let place = place(address)?;
        self.local(|locals, key| locals.connect(key, place))
    }

    fn send(&self, source: &mut dyn Source, to: Option<&SocketAddress>, along: &Outgoing) -> Result<usize, Errno> {
        let to = to.map(|address| place(address)?.ok_or(Errno::EINVAL)).transpose()?;
        let along = Along { rights: &along.rights, credentials: along.credentials };
        self.local(|locals, key| locals.send(key, source, to, &along))
    }

    fn receive(&self, sink: &mut dyn Sink, peek: bool) -> Result<Received, Errno> {
        let taken = self.local(|locals, key| locals.receive(key, sink, peek))?;
        let source = Some(taken.name).filter(|name| !name.is_empty()).map(SocketAddress::Unix);
        let (rights, sender) = (taken.rights, taken.sender);
        Ok(Received { source, rights, sender, ..Received::bytes(taken.stored, taken.length) })
    }

    fn shutdown(&self, read: bool, write: bool) -> Result<(), Errno> {
        self.local(|locals, key| locals.shutdown(key, read, write))
    }

    fn local(&self) -> SocketAddress {
        SocketAddress::Unix(self.local(|locals, key| locals.name(key)).unwrap_or_default())
    }

    fn remote(&self) -> Result<SocketAddress, Errno> {
        self.local(|locals, key| locals.peer_name(key)).map(SocketAddress::Unix)
    }

    fn option(&self, level: u32, name: u32) -> Result<Value, Errno> {
        if level != net::SOL_SOCKET {
            return Err(Errno::EOPNOTSUPP);
        }
        self.local(|locals, key| {
            Ok(match name {
                net::SO_ERROR => locals.take_error(key).map_or(0, Errno::number).into(),
                net::SO_ACCEPTCONN => i32::from(locals.is_listening(key)).into(),
                net::SO_RCVBUF => (*locals.buffers(key)?.0 as i32).into(),
                net::SO_SNDBUF => (*locals.buffers(key)?.1 as i32).into(),
                net::SO_PEERCRED => Value::new(locals.peer_owner(key).unwrap_or(NOBODY).as_bytes()),
                _ => return Err(Errno::ENOPROTOOPT),
            })
        })
    }

    /// There are no levels above that of every socket.
    fn set_option(&self, _level: u32, _name: u32, _value: &[u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn follow(&self, setting: Setting) -> Result<(), Errno> {
        self.local(|locals, key| {
            let (receive, send) = locals.buffers(key)?;
            match setting {
                Setting::SendBuffer(bytes) => *send = bytes,
                Setting::ReceiveBuffer(bytes) => *receive = bytes,
                _ => {}
            }
            Ok(())
        })
    }

    fn queued(&self) -> Result<(usize, usize), Errno> {
        self.local(|locals, key| locals.queued(key))
    }
}
