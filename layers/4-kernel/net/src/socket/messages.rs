//! Sending and receiving: sendto(2), sendmsg(2), sendmmsg(2) and their counterparts.

use super::{
    Received, Socket,
    address::{INET, SocketAddress},
    calls::{connect_to, socket},
    control::{Outgoing, Writer},
};
use crate::ip::wire::Address;
use rumpkin_spine::{
    Call, Errno,
    abi::{Timespec, linux::net},
    file::{Caller, File, OpenFile},
    io::{Sink, Source, UserBuffers, read_value, write_value},
    process::Thread,
    wait::Events,
};
use rumpuser::clock;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Most messages in one sendmmsg(2) or recvmmsg(2) (Linux's `UIO_MAXIOV`).
const MAX_MESSAGES: usize = 1024;

/// `MSG_WAITFORONE` and `MSG_FASTOPEN`, which the generated constants lack.
const WAIT_FOR_ONE: u32 = 0x10000;
const FAST_OPEN: u32 = 0x2000_0000;

/// `struct msghdr`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct MessageHeader {
    name: u64,
    name_length: u32,
    padding: u32,
    vectors: u64,
    vector_count: u64,
    control: u64,
    control_length: u64,
    flags: u32,
    padding_end: u32,
}

/// `struct mmsghdr`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct NumberedMessage {
    header: MessageHeader,
    length: u32,
    padding: u32,
}

fn has(flags: u32, flag: u32) -> bool {
    flags & flag != 0
}

/// Sends all of a stream's bytes, or one message, waiting for room unless told not to.
fn send(
    thread: &Thread,
    open: &OpenFile,
    source: &mut dyn Source,
    to: Option<SocketAddress>,
    along: &Outgoing,
    flags: u32,
) -> Result<usize, Errno> {
    let socket = open.downcast::<Socket>().ok_or(Errno::ENOTSOCK)?;
    if has(flags, net::MSG_OOB) {
        return Err(Errno::EOPNOTSUPP);
    }
    let dont_wait = has(flags, net::MSG_DONTWAIT);
    if has(flags, FAST_OPEN) && socket.is_stream() && socket.family == INET {
        open_fast(thread, open, to.as_ref(), dont_wait)?;
    }
    let anyone = SocketAddress::V4((Address::BROADCAST, 0));
    let destination = to.as_ref().unwrap_or(&anyone);
    if !socket.is_stream() {
        socket.operations.prepare(thread, destination)?;
    }
    let mut done = 0usize;
    let result = loop {
        match open.wait_for(thread, Events::WRITE, dont_wait, || socket.operations.send(source, to.as_ref(), along)) {
            Ok(count) => done = done.saturating_add(count),
            Err(error) => break Err(error),
        }
        if source.left() == 0 || !socket.is_stream() || dont_wait || open.nonblocking() {
            break Ok(done);
        }
    };
    if done > 0 {
        return Ok(done);
    }
    if result == Err(Errno::EPIPE) && socket.is_stream() && !has(flags, net::MSG_NOSIGNAL) {
        thread.broken_pipe();
    }
    result
}

/// Connects as a part of sending (MSG_FASTOPEN). There is never a cookie of the peer's, without which Linux, too, connects in the
/// usual way before it sends.
fn open_fast(thread: &Thread, open: &OpenFile, to: Option<&SocketAddress>, dont_wait: bool) -> Result<(), Errno> {
    let socket = open.downcast::<Socket>().ok_or(Errno::ENOTSOCK)?;
    match to {
        Some(SocketAddress::Unspecified) => Err(Errno::EOPNOTSUPP),
        Some(address) => connect_to(thread, open, address, dont_wait),
        None if socket.operations.remote().is_ok() => Err(Errno::EISCONN),
        None => Err(Errno::EINVAL),
    }
}

/// Receives some of a stream, or one message; of a stream not less than SO_RCVLOWAT says if `waits`, unless it has ended.
fn receive_part(socket: &Socket, sink: &mut dyn Sink, peek: bool, waits: bool) -> Result<Received, Errno> {
    let least = socket.common.receive_least().min(sink.room());
    if waits && least > 1 && socket.is_stream() {
        let ended = socket.poll().intersects(Events::READ_HANG_UP | Events::HANG_UP | Events::ERROR);
        if !ended && socket.operations.queued().is_ok_and(|(readable, _)| readable < least) {
            return Err(Errno::EAGAIN);
        }
    }
    socket.operations.receive(sink, peek)
}

/// Receives some of a stream, or one message.
fn receive(
    thread: &Thread,
    open: &OpenFile,
    sink: &mut dyn Sink,
    flags: u32,
    dont_wait: bool,
) -> Result<Received, Errno> {
    let socket = open.downcast::<Socket>().ok_or(Errno::ENOTSOCK)?;
    if has(flags, net::MSG_ERRQUEUE) {
        // No queue of errors is kept, so it is always empty.
        return Err(Errno::EAGAIN);
    }
    if has(flags, net::MSG_OOB) {
        return Err(Errno::EINVAL);
    }
    let peek = has(flags, net::MSG_PEEK);
    let dont_wait = dont_wait || has(flags, net::MSG_DONTWAIT);
    let all = has(flags, net::MSG_WAITALL) && socket.is_stream() && !peek;
    let mut total: Option<Received> = None;
    loop {
        let waits = !dont_wait && !open.nonblocking();
        let part = open.wait_for(thread, Events::READ, dont_wait, || receive_part(socket, sink, peek, waits));
        let part = match part {
            // Whatever has ended the wait, what is there is given.
            Err(error @ (Errno::EAGAIN | Errno::EINTR | Errno::ERESTARTSYS)) if waits => {
                socket.operations.receive(sink, peek).map_err(|_| error)
            }
            part => part,
        };
        match (part, &mut total) {
            (Ok(part), None) => total = Some(part),
            (Ok(part), Some(total)) => {
                if part.stored == 0 {
                    break;
                }
                // Open files that come later are received later.
                total.stored = total.stored.saturating_add(part.stored);
                total.length = total.stored;
            }
            (Err(_), Some(_)) => break,
            (Err(error), None) => return Err(error),
        }
        let ended = total.as_ref().is_none_or(|total| total.stored == 0);
        if !all || ended || sink.room() == 0 {
            break;
        }
    }
    total.ok_or(Errno::EAGAIN)
}

fn result_length(socket: &OpenFile, received: &Received, flags: u32) -> usize {
    let message = socket.downcast::<Socket>().is_some_and(|socket| !socket.is_stream());
    if message && has(flags, net::MSG_TRUNC) { received.length } else { received.stored }
}

/// sendto(2).
pub fn sendto(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = socket(call, 0)?;
    let mut buffers = UserBuffers::new(call.argument(1), call.argument(2))?;
    let to = match call.argument(4) {
        0 => None,
        pointer => {
            let kind = open.downcast::<Socket>().ok_or(Errno::ENOTSOCK)?.kind;
            Some(SocketAddress::read(pointer, call.uint(5) as usize)?.resolve(call.process(), kind)?)
        }
    };
    send(call.thread, &open, &mut buffers, to, &Outgoing::default(), call.uint(3))
}

/// recvfrom(2).
pub fn recvfrom(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = socket(call, 0)?;
    let mut buffers = UserBuffers::new(call.argument(1), call.argument(2))?;
    let flags = call.uint(3);
    let received = receive(call.thread, &open, &mut buffers, flags, false)?;
    let (pointer, length) = (call.argument(4), call.argument(5));
    match &received.source {
        Some(source) => source.write_with_length(pointer, length)?,
        None if pointer != 0 && length != 0 => write_value(length, &0i32)?,
        None => {}
    }
    Ok(result_length(&open, &received, flags))
}

fn send_message(thread: &Thread, open: &OpenFile, header: &MessageHeader, flags: u32) -> Result<usize, Errno> {
    let socket = open.downcast::<Socket>().ok_or(Errno::ENOTSOCK)?;
    let to = match header.name {
        0 => None,
        pointer => {
            let address = SocketAddress::read(pointer as usize, header.name_length as usize)?;
            Some(address.resolve(&thread.process, socket.kind)?)
        }
    };
    let along = Outgoing::read(&thread.process, socket, header.control as usize, header.control_length as usize)?;
    let mut buffers = vectors(header)?;
    send(thread, open, &mut buffers, to, &along, flags)
}

fn vectors(header: &MessageHeader) -> Result<UserBuffers, Errno> {
    if header.vector_count > MAX_MESSAGES as u64 {
        return Err(Errno::EMSGSIZE);
    }
    UserBuffers::from_vectors(header.vectors as usize, header.vector_count as usize)
}

fn receive_message(
    thread: &Thread,
    open: &OpenFile,
    pointer: usize,
    flags: u32,
    dont_wait: bool,
) -> Result<usize, Errno> {
    let socket = open.downcast::<Socket>().ok_or(Errno::ENOTSOCK)?;
    let mut header: MessageHeader = read_value(pointer)?;
    let mut buffers = vectors(&header)?;
    let mut received = receive(thread, open, &mut buffers, flags, dont_wait)?;
    if header.name != 0 {
        header.name_length = match &received.source {
            Some(source) => source.write(header.name as usize, header.name_length as usize)? as u32,
            None => 0,
        };
    }
    let mut control = Writer::new(header.control as usize, header.control_length as usize);
    if let Some((arrival, wanted)) = &received.arrival {
        control.put_arrival(&socket.common, wanted, arrival)?;
    }
    let close_on_exec = has(flags, net::MSG_CMSG_CLOEXEC);
    control.put_local(&thread.process, &socket.common, &mut received, close_on_exec)?;
    header.control_length = control.used as u64;
    header.flags = flags & net::MSG_CMSG_CLOEXEC;
    if received.length > received.stored {
        header.flags |= net::MSG_TRUNC;
    }
    if control.cut {
        header.flags |= net::MSG_CTRUNC;
    }
    write_value(pointer, &header)?;
    Ok(result_length(open, &received, flags))
}

/// sendmsg(2).
pub fn sendmsg(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = socket(call, 0)?;
    let header: MessageHeader = read_value(call.argument(1))?;
    send_message(call.thread, &open, &header, call.uint(2))
}

/// recvmsg(2).
pub fn recvmsg(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = socket(call, 0)?;
    receive_message(call.thread, &open, call.argument(1), call.uint(2), false)
}

fn message_at(base: usize, index: usize) -> usize {
    base.saturating_add(index.saturating_mul(size_of::<NumberedMessage>()))
}

/// Stores how long a message was, behind its header.
fn store_length(pointer: usize, length: usize) -> Result<(), Errno> {
    write_value(pointer.saturating_add(size_of::<MessageHeader>()), &(length as u32))
}

/// sendmmsg(2).
pub fn sendmmsg(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = socket(call, 0)?;
    let (base, flags) = (call.argument(1), call.uint(3));
    let count = (call.uint(2) as usize).min(MAX_MESSAGES);
    for index in 0..count {
        let pointer = message_at(base, index);
        let sent = read_value::<MessageHeader>(pointer)
            .and_then(|header| send_message(call.thread, &open, &header, flags))
            .and_then(|length| store_length(pointer, length));
        match sent {
            Ok(()) => {}
            Err(error) if index == 0 => return Err(error),
            Err(_) => return Ok(index),
        }
    }
    Ok(count)
}

/// recvmmsg(2). As in Linux the timeout is looked at after each message.
pub fn recvmmsg(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = socket(call, 0)?;
    let (base, flags) = (call.argument(1), call.uint(3));
    let count = (call.uint(2) as usize).min(MAX_MESSAGES);
    let deadline = match call.argument(4) {
        0 => None,
        pointer => {
            let timeout = read_value::<Timespec>(pointer)?.to_nanoseconds()?;
            Some(clock::monotonic().saturating_add(timeout))
        }
    };
    for index in 0..count {
        let dont_wait = index > 0 && has(flags, WAIT_FOR_ONE);
        let pointer = message_at(base, index);
        let received = receive_message(call.thread, &open, pointer, flags, dont_wait)
            .and_then(|length| store_length(pointer, length));
        match received {
            Ok(()) => {}
            Err(error) if index == 0 => return Err(error),
            Err(_) => return Ok(index),
        }
        if deadline.is_some_and(|deadline| clock::monotonic() >= deadline) {
            return Ok(index.saturating_add(1));
        }
    }
    Ok(count)
}
