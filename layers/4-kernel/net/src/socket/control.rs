//! Ancillary data: what goes along with a message besides its bytes (cmsg(3), ip(7), socket(7)).

use super::{
    Received, Socket,
    address::INET,
    options::{Common, IP, integer},
};
use crate::{
    ip::{self, wire::Address},
    local::Credentials,
};
use alloc::{sync::Arc, vec::Vec};
use core::net::Ipv4Addr;
use rumpkin_collections::TryVec;
use rumpkin_spine::{
    Errno,
    abi::{Timespec, Timeval, linux::net},
    file::OpenFile,
    process::Process,
};
use rumpuser::{clock, user};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The longest ancillary data that is taken (Linux's `optmem_max`).
const LONGEST: usize = 128 * 1024;
const ALIGNMENT: usize = 8;
/// Most open files that go along with one message (Linux's `SCM_MAX_FD`).
const MOST_RIGHTS: usize = 253;

/// `struct cmsghdr`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Header {
    length: u64,
    level: u32,
    kind: u32,
}

/// `struct in_pktinfo`.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct PacketInfo {
    interface: u32,
    local: [u8; 4],
    destination: [u8; 4],
}

/// What goes along with a message that is sent.
#[derive(Default)]
pub struct Outgoing {
    /// The address that it is sent from.
    pub source: Option<Address>,
    pub time_to_live: Option<u8>,
    /// The type-of-service byte.
    pub service: Option<u8>,
    /// Open files.
    pub rights: Vec<Arc<OpenFile>>,
    /// Whom the sender says to be.
    pub credentials: Option<Credentials>,
}

impl Outgoing {
    /// Reads what a program wants to go along with a message on a socket.
    pub fn read(process: &Process, socket: &Socket, pointer: usize, length: usize) -> Result<Outgoing, Errno> {
        let mut outgoing = Outgoing::default();
        if length > LONGEST {
            return Err(Errno::ENOBUFS);
        }
        let mut bytes = Vec::new();
        bytes.try_resize(length, 0)?;
        user::read(pointer, &mut bytes).map_err(|_| Errno::EFAULT)?;
        let mut rest = &bytes[..];
        while let Ok((header, _)) = Header::read_from_prefix(rest) {
            let length = usize::try_from(header.length).map_err(|_| Errno::EINVAL)?;
            let data = rest.get(size_of::<Header>()..length).ok_or(Errno::EINVAL)?;
            outgoing.take(process, socket, header, data)?;
            rest = rest.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        }
        Ok(outgoing)
    }

    fn take(&mut self, process: &Process, socket: &Socket, header: Header, data: &[u8]) -> Result<(), Errno> {
        match (header.level, header.kind) {
            // What is for local sockets alone means nothing to the others.
            (net::SOL_SOCKET, net::SCM_RIGHTS | net::SCM_CREDENTIALS) if socket.family == INET => {}
            (net::SOL_SOCKET, net::SCM_RIGHTS) => {
                for descriptor in data.chunks_exact(size_of::<i32>()) {
                    if self.rights.len() >= MOST_RIGHTS {
                        return Err(Errno::EINVAL);
                    }
                    let file = process.descriptors.get(integer(descriptor)?)?;
                    self.rights.try_push(file)?;
                }
            }
            (net::SOL_SOCKET, net::SCM_CREDENTIALS) => {
                let credentials = Credentials::read_from_bytes(data).map_err(|_| Errno::EINVAL)?;
                self.credentials = Some(credentials);
            }
            (net::SOL_SOCKET, _) => return Err(Errno::EINVAL),
            (IP, kind) if socket.family == INET && !socket.is_stream() => self.take_ip(kind, data)?,
            _ => {}
        }
        Ok(())
    }

    fn take_ip(&mut self, kind: u32, data: &[u8]) -> Result<(), Errno> {
        match kind {
            net::IP_PKTINFO => {
                let info = PacketInfo::read_from_bytes(data).map_err(|_| Errno::EINVAL)?;
                let local = Ipv4Addr::from(info.local);
                self.source = (!local.is_unspecified()).then_some(local);
            }
            net::IP_TTL if data.len() == size_of::<i32>() => match integer(data)? {
                value @ 1..=255 => self.time_to_live = Some(value as u8),
                _ => return Err(Errno::EINVAL),
            },
            net::IP_TOS => match *data {
                [byte] => self.service = Some(byte),
                _ if data.len() == size_of::<i32>() => match integer(data)? {
                    value @ 0..=255 => self.service = Some(value as u8),
                    _ => return Err(Errno::EINVAL),
                },
                _ => return Err(Errno::EINVAL),
            },
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }
}

/// What came along with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Where it went to, and by which interface.
    pub destination: Address,
    pub interface: u32,
    pub time_to_live: u8,
    pub service: u8,
    /// When, in monotonic nanoseconds.
    pub time: u64,
}

/// Writes ancillary data into a program's buffer.
pub struct Writer {
    next: usize,
    room: usize,
    /// Bytes that are used.
    pub used: usize,
    /// Something had no room (MSG_CTRUNC).
    pub cut: bool,
}

impl Writer {
    /// For a buffer of `room` bytes.
    pub fn new(pointer: usize, room: usize) -> Writer {
        Writer { next: pointer, room, used: 0, cut: false }
    }

    /// Adds a message, or as much of it as there is room for.
    pub fn put(&mut self, level: u32, kind: u32, data: &[u8]) -> Result<(), Errno> {
        let Some(room) = self.room.checked_sub(size_of::<Header>()) else {
            self.cut = true;
            return Ok(());
        };
        self.cut |= data.len() > room;
        let data = data.get(..data.len().min(room)).unwrap_or_default();
        let length = size_of::<Header>().saturating_add(data.len());
        let header = Header { length: length as u64, level, kind };
        user::write(self.next, header.as_bytes()).map_err(|_| Errno::EFAULT)?;
        user::write(self.next.saturating_add(size_of::<Header>()), data).map_err(|_| Errno::EFAULT)?;
        let space = length.next_multiple_of(ALIGNMENT).min(self.room);
        self.next = self.next.saturating_add(space);
        self.room = self.room.saturating_sub(space);
        self.used = self.used.saturating_add(space);
        Ok(())
    }

    /// Adds what came along with a local message: who sent it, if that is asked for, and descriptors of the open files.
    pub fn put_local(
        &mut self,
        process: &Process,
        common: &Common,
        received: &mut Received,
        close_on_exec: bool,
    ) -> Result<(), Errno> {
        if let Some(sender) = received.sender.filter(|_| common.has(net::SO_PASSCRED)) {
            self.put(net::SOL_SOCKET, net::SCM_CREDENTIALS, sender.as_bytes())?;
        }
        if received.rights.is_empty() {
            return Ok(());
        }
        const SIZE: usize = size_of::<i32>();
        let room = self.room.saturating_sub(size_of::<Header>()) / SIZE;
        let mut descriptors = [0i32; MOST_RIGHTS];
        // As in Linux, those that have no room are closed.
        self.cut |= received.rights.len() > room;
        let mut count = 0usize;
        for (place, file) in descriptors.iter_mut().take(room).zip(received.rights.drain(..)) {
            let Ok(descriptor) = process.descriptors.insert(file, close_on_exec, 0) else {
                self.cut = true;
                break;
            };
            *place = descriptor;
            count = count.saturating_add(1);
        }
        if count > 0 {
            let descriptors = descriptors.get(..count).unwrap_or_default();
            self.put(net::SOL_SOCKET, net::SCM_RIGHTS, descriptors.as_bytes())?;
        }
        Ok(())
    }

    /// Adds what a socket's options ask for of a datagram's arrival.
    pub fn put_arrival(
        &mut self,
        common: &Common,
        wanted: &ip::options::Options,
        arrival: &Arrival,
    ) -> Result<(), Errno> {
        let age = clock::monotonic().saturating_sub(arrival.time);
        let time = clock::realtime().saturating_sub(age);
        if common.has(net::SO_TIMESTAMP) {
            self.put(net::SOL_SOCKET, net::SCM_TIMESTAMP, Timeval::from_nanoseconds(time).as_bytes())?;
        }
        if common.has(net::SO_TIMESTAMPNS) {
            self.put(net::SOL_SOCKET, net::SCM_TIMESTAMPNS, Timespec::from_nanoseconds(time).as_bytes())?;
        }
        if wanted.has(net::IP_PKTINFO) {
            let destination = arrival.destination.octets();
            let info = PacketInfo { interface: arrival.interface, local: destination, destination };
            self.put(IP, net::IP_PKTINFO, info.as_bytes())?;
        }
        if wanted.has(net::IP_RECVTTL) {
            self.put(IP, net::IP_TTL, &i32::from(arrival.time_to_live).to_le_bytes())?;
        }
        if wanted.has(net::IP_RECVTOS) {
            self.put(IP, net::IP_TOS, &[arrival.service])?;
        }
        Ok(())
    }
}
