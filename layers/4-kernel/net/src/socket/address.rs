//! Socket addresses as they cross the user boundary (ip(7), unix(7)).

use crate::{ip::wire::Address, local::Place, tcp::Endpoint};
use alloc::vec::Vec;
use rumpkin_collections::{TryVec, try_to_vec};
use rumpkin_spine::{
    Errno,
    abi::{
        SocketAddressV4,
        linux::{general, net},
    },
    io::{read_value, write_value},
    names::SocketNames,
    process::Process,
};
use rumpuser::user;
use zerocopy::IntoBytes;

/// `AF_UNSPEC`.
pub const UNSPECIFIED: u16 = net::AF_UNSPEC as u16;
/// `AF_UNIX`.
pub const UNIX: u16 = net::AF_UNIX as u16;
/// `AF_INET`.
pub const INET: u16 = net::AF_INET as u16;

/// Size of `struct sockaddr_storage`, the longest address.
const LONGEST: usize = 128;
/// Size of `struct sockaddr_un`.
const LONGEST_LOCAL: usize = 110;
/// Where the path of `struct sockaddr_un` begins.
const PATH: usize = 2;

/// An address of one of the families.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketAddress {
    /// `AF_UNSPEC`: forget the peer (connect(2)).
    Unspecified,
    /// `AF_INET`.
    V4(Endpoint),
    /// `AF_UNIX`: empty for unnamed, a path, or an abstract name that begins with zero.
    Unix(Vec<u8>),
    /// Where such a name leads.
    Place(Place),
}

impl SocketAddress {
    /// Reads an address from user memory. `EINVAL` if it is too short or too long for its family.
    pub fn read(pointer: usize, length: usize) -> Result<SocketAddress, Errno> {
        if !(PATH..=LONGEST).contains(&length) {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; LONGEST];
        let bytes = bytes.get_mut(..length).unwrap_or_default();
        user::read(pointer, bytes).map_err(|_| Errno::EFAULT)?;
        let (family, rest) = bytes.split_first_chunk::<2>().ok_or(Errno::EINVAL)?;
        match u16::from_le_bytes(*family) {
            UNSPECIFIED => Ok(SocketAddress::Unspecified),
            INET => {
                let (port, rest) = rest.split_first_chunk::<2>().ok_or(Errno::EINVAL)?;
                let address = rest.first_chunk::<4>().ok_or(Errno::EINVAL)?;
                if length < size_of::<SocketAddressV4>() {
                    return Err(Errno::EINVAL);
                }
                Ok(SocketAddress::V4((Address::from(*address), u16::from_be_bytes(*port))))
            }
            UNIX if length > LONGEST_LOCAL => Err(Errno::EINVAL),
            UNIX => {
                let mut path = try_to_vec(rest)?;
                if path.first() != Some(&0) {
                    path.truncate(path.iter().position(|&byte| byte == 0).unwrap_or(path.len()));
                }
                Ok(SocketAddress::Unix(path))
            }
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }

    fn to_bytes(&self) -> Result<Vec<u8>, Errno> {
        match self {
            SocketAddress::Unspecified | SocketAddress::Place(_) => Ok(Vec::new()),
            SocketAddress::V4((address, port)) => {
                let address =
                    SocketAddressV4 { family: INET, port: port.to_be_bytes(), address: address.octets(), zero: [0; 8] };
                Ok(try_to_vec(address.as_bytes())?)
            }
            SocketAddress::Unix(path) => {
                let mut bytes = try_to_vec(&UNIX.to_le_bytes())?;
                bytes.try_extend_from_slice(path)?;
                if path.first().is_some_and(|&byte| byte != 0) {
                    bytes.try_push(0)?;
                }
                Ok(bytes)
            }
        }
    }

    /// Looks up whom a name leads a local socket of this kind to. `ECONNREFUSED` for what is no socket.
    pub fn resolve(self, process: &Process, kind: u32) -> Result<SocketAddress, Errno> {
        let SocketAddress::Unix(name) = self else { return Ok(self) };
        match name.first() {
            None => Err(Errno::EINVAL),
            Some(0) => Ok(SocketAddress::Place(Place::Abstract(kind, name))),
            Some(_) => {
                let names = process.kernel.parts.get::<SocketNames>().ok_or(Errno::ENOENT)?;
                let stat = (names.find)(process, &name)?.stat()?;
                if stat.mode & general::S_IFMT != general::S_IFSOCK {
                    return Err(Errno::ECONNREFUSED);
                }
                Ok(SocketAddress::Place(Place::Inode(stat.device, stat.inode)))
            }
        }
    }

    /// Stores the address, cut to `room` bytes; its full length comes back.
    pub fn write(&self, pointer: usize, room: usize) -> Result<usize, Errno> {
        let bytes = self.to_bytes()?;
        let cut = bytes.get(..bytes.len().min(room)).unwrap_or_default();
        user::write(pointer, cut).map_err(|_| Errno::EFAULT)?;
        Ok(bytes.len())
    }

    /// Stores the address and its length where accept(2) and its like want them; nowhere if `pointer` is null.
    pub fn write_with_length(&self, pointer: usize, length: usize) -> Result<(), Errno> {
        if pointer == 0 {
            return Ok(());
        }
        let room: i32 = read_value(length)?;
        let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
        let full = self.write(pointer, room)?;
        write_value(length, &(full as i32))
    }

    /// The IPv4 endpoint; `EAFNOSUPPORT` for another family.
    pub fn v4(&self) -> Result<Endpoint, Errno> {
        match self {
            SocketAddress::V4(endpoint) => Ok(*endpoint),
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }
}
