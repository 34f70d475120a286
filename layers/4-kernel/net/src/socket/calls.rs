//! The system calls that make and join sockets (socket(2), bind(2), listen(2), accept(2), connect(2), …).

use super::{
    Operations, Socket,
    address::{INET, SocketAddress, UNIX},
    messages, options,
    tcp::TcpSocket,
    udp::UdpSocket,
    unix::UnixSocket,
};
use crate::{local::Credentials, net::Net, no_buffers};
use alloc::{boxed::Box, sync::Arc};
use rumpkin_collections::try_box;
use rumpkin_spine::{
    Call, Errno, SystemCall,
    abi::linux::{general, net},
    file::OpenFile,
    io::write_value,
    names::SocketNames,
    process::Thread,
    system_calls,
    wait::Events,
};

/// The part of `type` that is not flags.
const KIND: u32 = 0xf;
const PROTOCOL_TCP: u32 = 6;
const PROTOCOL_UDP: u32 = 17;
/// `SOMAXCONN`: longest accept queue.
const MAX_BACKLOG: i32 = 4096;

/// The calls of this component.
pub const CALLS: &[SystemCall] = system_calls! {
    socket => open_socket, "AF_INET: SOCK_STREAM, SOCK_DGRAM; AF_UNIX: SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET; SOCK_NONBLOCK, SOCK_CLOEXEC";
    socketpair => socketpair, "AF_UNIX: SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET";
    bind => bind, "AF_INET; AF_UNIX: paths, abstract names";
    listen => listen;
    accept => accept;
    accept4 => accept4, "SOCK_NONBLOCK, SOCK_CLOEXEC";
    connect => connect, "AF_INET, AF_UNIX, AF_UNSPEC";
    shutdown => shutdown;
    getsockname => getsockname;
    getpeername => getpeername;
    getsockopt => options::getsockopt, "SO_TYPE, DOMAIN, PROTOCOL, ERROR, ACCEPTCONN, PEERCRED, SNDLOWAT, and what setsockopt takes; TCP_INFO, ULP; IP_MTU";
    setsockopt => options::setsockopt, "SO_REUSEADDR, REUSEPORT, KEEPALIVE, BROADCAST, OOBINLINE, LINGER, SNDBUF, RCVBUF, SNDBUFFORCE, RCVBUFFORCE, RCVLOWAT, RCVTIMEO, SNDTIMEO, INCOMING_CPU, PASSCRED, TIMESTAMP, TIMESTAMPNS; TCP_NODELAY, CORK, MAXSEG, KEEPIDLE, KEEPINTVL, KEEPCNT, SYNCNT, LINGER2, DEFER_ACCEPT, QUICKACK, USER_TIMEOUT, NOTSENT_LOWAT, FASTOPEN, FASTOPEN_CONNECT, CONGESTION (reno); IP_TTL, TOS, MTU_DISCOVER, RECVERR, PKTINFO, RECVTTL, RECVTOS, FREEBIND, TRANSPARENT, BIND_ADDRESS_NO_PORT, MULTICAST_TTL, MULTICAST_LOOP, MULTICAST_ALL";
    sendto => messages::sendto, "MSG_DONTWAIT, NOSIGNAL, MORE, FASTOPEN";
    recvfrom => messages::recvfrom, "MSG_DONTWAIT, PEEK, TRUNC, WAITALL";
    sendmsg => messages::sendmsg, "as sendto; IP_PKTINFO, IP_TTL, IP_TOS along with datagrams; SCM_RIGHTS, SCM_CREDENTIALS along with local messages";
    recvmsg => messages::recvmsg, "as recvfrom; what IP_PKTINFO, RECVTTL, RECVTOS, SO_TIMESTAMP, TIMESTAMPNS, PASSCRED ask for; SCM_RIGHTS; MSG_CMSG_CLOEXEC";
    sendmmsg => messages::sendmmsg, "as sendmsg";
    recvmmsg => messages::recvmmsg, "as recvmsg; MSG_WAITFORONE";
};

/// The description behind a descriptor argument; `ENOTSOCK` if it is not a socket.
pub fn socket(call: &Call<'_>, index: usize) -> Result<Arc<OpenFile>, Errno> {
    let open = call.process().descriptors.get(call.int(index))?;
    if open.downcast::<Socket>().is_none() {
        return Err(Errno::ENOTSOCK);
    }
    Ok(open)
}

fn operations(open: &OpenFile) -> Result<&dyn Operations, Errno> {
    Ok(&*open.downcast::<Socket>().ok_or(Errno::ENOTSOCK)?.operations)
}

fn network(call: &Call<'_>) -> Result<Arc<Net>, Errno> {
    call.kernel().parts.share::<Net>().ok_or(Errno::ENETDOWN)
}

/// Kind and flags of a `type` argument; `EINVAL` for unknown flags.
fn parse_type(value: u32) -> Result<(u32, u32), Errno> {
    let flags = value & !KIND;
    if flags & !(general::O_NONBLOCK | general::O_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    Ok((value & KIND, flags))
}

fn description(file: Arc<Socket>, flags: u32) -> Result<Arc<OpenFile>, Errno> {
    OpenFile::new(file, general::O_RDWR | flags & general::O_NONBLOCK)
}

/// Whom a socket that is made now belongs to: everything in this machine is of user 0.
fn credentials(call: &Call<'_>) -> Credentials {
    [call.process().id, 0, 0]
}

fn install(call: &Call<'_>, file: Arc<Socket>, flags: u32) -> Result<i32, Errno> {
    call.process().descriptors.insert(description(file, flags)?, flags & general::O_CLOEXEC != 0, 0)
}

fn boxed(operations: impl Operations + 'static) -> Result<Box<dyn Operations>, Errno> {
    Ok(try_box(operations).map_err(no_buffers)?)
}

fn open_socket(call: &mut Call<'_>) -> Result<usize, Errno> {
    let (family, protocol) = (call.uint(0), call.uint(2));
    let (kind, flags) = parse_type(call.uint(1))?;
    let network = network(call)?;
    let (family, protocol, operations): (u16, u32, Box<dyn Operations>) = match family {
        net::AF_INET => match (kind, protocol) {
            (net::SOCK_STREAM, 0 | PROTOCOL_TCP) => (INET, PROTOCOL_TCP, boxed(TcpSocket::open(&network)?)?),
            (net::SOCK_DGRAM, 0 | PROTOCOL_UDP) => (INET, PROTOCOL_UDP, boxed(UdpSocket::open(&network)?)?),
            (net::SOCK_STREAM | net::SOCK_DGRAM | net::SOCK_RAW, _) => return Err(Errno::EPROTONOSUPPORT),
            _ => return Err(Errno::ESOCKTNOSUPPORT),
        },
        net::AF_UNIX => match (kind, protocol) {
            (net::SOCK_STREAM | net::SOCK_DGRAM | net::SOCK_SEQPACKET, 0 | net::AF_UNIX) => {
                (UNIX, 0, boxed(UnixSocket::open(&network, kind, credentials(call))?)?)
            }
            (net::SOCK_STREAM | net::SOCK_DGRAM | net::SOCK_SEQPACKET, _) => return Err(Errno::EPROTONOSUPPORT),
            _ => return Err(Errno::ESOCKTNOSUPPORT),
        },
        _ => return Err(Errno::EAFNOSUPPORT),
    };
    let file = Socket::new(&network, family, kind, protocol, operations)?;
    install(call, file, flags).map(|descriptor| descriptor as usize)
}

fn socketpair(call: &mut Call<'_>) -> Result<usize, Errno> {
    let (family, protocol) = (call.uint(0), call.uint(2));
    let (kind, flags) = parse_type(call.uint(1))?;
    match (family, kind, protocol) {
        (net::AF_UNIX, net::SOCK_STREAM | net::SOCK_DGRAM | net::SOCK_SEQPACKET, 0 | net::AF_UNIX) => {}
        (net::AF_UNIX, net::SOCK_STREAM | net::SOCK_DGRAM | net::SOCK_SEQPACKET, _) => {
            return Err(Errno::EPROTONOSUPPORT);
        }
        (net::AF_UNIX, ..) => return Err(Errno::ESOCKTNOSUPPORT),
        (net::AF_INET, ..) => return Err(Errno::EOPNOTSUPP),
        _ => return Err(Errno::EAFNOSUPPORT),
    }
    let network = network(call)?;
    let [one, other] = UnixSocket::pair(&network, kind, credentials(call))?;
    let file = |end| Socket::new(&network, UNIX, kind, 0, boxed(end)?);
    let first = install(call, file(one)?, flags)?;
    let second = match file(other).and_then(|other| install(call, other, flags)) {
        Ok(second) => second,
        Err(error) => {
            drop(call.process().descriptors.remove(first));
            return Err(error);
        }
    };
    if let Err(error) = write_value(call.argument(3), &[first, second]) {
        drop(call.process().descriptors.remove(first));
        drop(call.process().descriptors.remove(second));
        return Err(error);
    }
    Ok(0)
}

fn bind(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = socket(call, 0)?;
    let address = SocketAddress::read(call.argument(1), call.uint(2) as usize)?;
    let operations = operations(&open)?;
    match &address {
        SocketAddress::Unix(path) if path.first().is_some_and(|first| *first != 0) => {
            if !matches!(operations.local(), SocketAddress::Unix(name) if name.is_empty()) {
                return Err(Errno::EINVAL);
            }
            let names = call.kernel().parts.get::<SocketNames>().ok_or(Errno::EOPNOTSUPP)?;
            let inode = match (names.make)(call.process(), path) {
                Err(Errno::EEXIST) => return Err(Errno::EADDRINUSE),
                inode => inode?,
            };
            operations.bind_inode(path, inode)?;
        }
        address => operations.bind(address)?,
    }
    Ok(0)
}

fn listen(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = socket(call, 0)?;
    // A negative backlog is a long one: Linux compares as unsigned.
    let backlog = match call.int(1) {
        backlog @ 0..MAX_BACKLOG => backlog,
        _ => MAX_BACKLOG,
    };
    operations(&open)?.listen(backlog as usize)?;
    Ok(0)
}

fn accept(call: &mut Call<'_>) -> Result<usize, Errno> {
    accept_with(call, 0)
}

fn accept4(call: &mut Call<'_>) -> Result<usize, Errno> {
    let (kind, flags) = parse_type(call.uint(3))?;
    if kind != 0 {
        return Err(Errno::EINVAL);
    }
    accept_with(call, flags)
}

fn accept_with(call: &mut Call<'_>, flags: u32) -> Result<usize, Errno> {
    let open = socket(call, 0)?;
    let listener = open.downcast::<Socket>().ok_or(Errno::ENOTSOCK)?;
    // First the descriptor: without one, the connection stays where it is.
    let reservation = call.process().descriptors.reserve(flags & general::O_CLOEXEC != 0, 0)?;
    let accept = || listener.operations.accept();
    let (operations, peer) = open.wait_for(call.thread, Events::READ, false, accept)?;
    let file = Socket::new(&listener.net, listener.family, listener.kind, listener.protocol, operations)?;
    file.common.inherit(&listener.common);
    peer.write_with_length(call.argument(1), call.argument(2))?;
    Ok(reservation.fill(description(file, flags)?) as usize)
}

fn connect(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = socket(call, 0)?;
    let kind = open.downcast::<Socket>().ok_or(Errno::ENOTSOCK)?.kind;
    let address = SocketAddress::read(call.argument(1), call.uint(2) as usize)?.resolve(call.process(), kind)?;
    connect_to(call.thread, &open, &address, false)?;
    Ok(0)
}

/// Connects a socket, waiting for it unless that, or `dont_wait`, says not to.
pub fn connect_to(thread: &Thread, open: &OpenFile, address: &SocketAddress, dont_wait: bool) -> Result<(), Errno> {
    let operations = operations(open)?;
    operations.prepare(thread, address)?;
    match operations.connect(address) {
        // The queue of a local listener is full.
        Err(Errno::EAGAIN) => return open.wait_for(thread, Events::WRITE, dont_wait, || operations.connect(address)),
        Err(Errno::EINPROGRESS | Errno::EALREADY) if !open.nonblocking() && !dont_wait => {}
        result => return result,
    }
    match open.wait_for(thread, Events::WRITE, false, || operations.connect_result()) {
        // SO_SNDTIMEO is over.
        Err(Errno::EAGAIN) => Err(Errno::EINPROGRESS),
        result => result,
    }
}

fn shutdown(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = socket(call, 0)?;
    let (read, write) = match call.uint(1) {
        net::SHUT_RD => (true, false),
        net::SHUT_WR => (false, true),
        net::SHUT_RDWR => (true, true),
        _ => return Err(Errno::EINVAL),
    };
    operations(&open)?.shutdown(read, write)?;
    Ok(0)
}

fn getsockname(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = socket(call, 0)?;
    operations(&open)?.local().write_with_length(call.argument(1), call.argument(2))?;
    Ok(0)
}

fn getpeername(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = socket(call, 0)?;
    operations(&open)?.remote()?.write_with_length(call.argument(1), call.argument(2))?;
    Ok(0)
}
