//! ioctl(2) on sockets: what is queued, and what the interfaces are (netdevice(7)).

use super::{Socket, address::INET};
use crate::{
    ip::{LINK_INDEX, LOOPBACK_INDEX, wire::Address},
    stack::Stack,
};
use alloc::vec::Vec;
use rumpkin_collections::TryVec;
use rumpkin_spine::{
    Errno,
    abi::{
        SocketAddressV4,
        linux::{ioctl as requests, net::net_device_flags},
    },
    io::{read_value, write_value},
};
use rumpuser::user;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `SIOCINQ` has the number of FIONREAD, `SIOCOUTQ` that of TIOCOUTQ.
const SIOCOUTQ: u32 = requests::TIOCOUTQ;
const LOOPBACK: &[u8] = b"lo";
const LINK: &[u8] = b"eth0";
const ETHERNET: u16 = 1;
const LOOPBACK_HARDWARE: u16 = 772;

/// `struct ifreq`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Request {
    name: [u8; 16],
    value: [u8; 24],
}

/// `struct ifconf`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct List {
    length: i32,
    padding: u32,
    requests: u64,
}

/// An interface as it is told to programs.
struct Interface {
    name: &'static [u8],
    index: i32,
    address: Option<Address>,
    netmask: Address,
    broadcast: Address,
    flags: u16,
    mtu: i32,
    hardware: u16,
    mac: [u8; 6],
}

fn interfaces(stack: &Stack) -> [Option<Interface>; 2] {
    let flag = |flags: &[net_device_flags]| flags.iter().fold(0, |all, one| all | *one as u32 as u16);
    let running = [net_device_flags::IFF_UP, net_device_flags::IFF_RUNNING];
    let loopback = Interface {
        name: LOOPBACK,
        index: LOOPBACK_INDEX as i32,
        address: Some(Address::LOCALHOST),
        netmask: Address::new(255, 0, 0, 0),
        broadcast: Address::UNSPECIFIED,
        flags: flag(&running) | flag(&[net_device_flags::IFF_LOOPBACK]),
        mtu: stack.ip.mtu() as i32,
        hardware: LOOPBACK_HARDWARE,
        mac: [0; 6],
    };
    let link = stack.ip.info.is_some().then(|| {
        let own = stack.ip.addressing;
        let shared = [net_device_flags::IFF_BROADCAST, net_device_flags::IFF_MULTICAST];
        Interface {
            name: LINK,
            index: LINK_INDEX as i32,
            address: own.map(|own| own.address),
            netmask: own.map_or(Address::UNSPECIFIED, |own| own.netmask()),
            broadcast: own.and_then(|own| own.broadcast()).unwrap_or(Address::UNSPECIFIED),
            flags: flag(&running) | flag(&shared),
            mtu: stack.ip.mtu() as i32,
            hardware: ETHERNET,
            mac: stack.ip.mac(),
        }
    });
    [Some(loopback), link]
}

fn v4(address: Address) -> SocketAddressV4 {
    SocketAddressV4 { family: INET, port: [0; 2], address: address.octets(), zero: [0; 8] }
}

impl Request {
    fn set(&mut self, bytes: &[u8]) {
        self.value.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    }

    fn set_name(&mut self, name: &[u8]) {
        self.name = [0; 16];
        self.name.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
    }
}

/// Answers a request; `ENOTTY` if it is not known.
pub fn ioctl(socket: &Socket, command: u32, argument: usize) -> Result<usize, Errno> {
    match command {
        requests::FIONREAD => {
            let (readable, _) = socket.operations.queued()?;
            write_value(argument, &i32::try_from(readable).unwrap_or(i32::MAX))?;
        }
        SIOCOUTQ => {
            let (_, unsent) = socket.operations.queued()?;
            write_value(argument, &i32::try_from(unsent).unwrap_or(i32::MAX))?;
        }
        requests::SIOCGIFCONF => list(socket, argument)?,
        requests::SIOCGIFNAME
        | requests::SIOCGIFINDEX
        | requests::SIOCGIFADDR
        | requests::SIOCGIFNETMASK
        | requests::SIOCGIFBRDADDR
        | requests::SIOCGIFFLAGS
        | requests::SIOCGIFMTU
        | requests::SIOCGIFHWADDR => describe(socket, command, argument)?,
        _ => return Err(Errno::ENOTTY),
    }
    Ok(0)
}

fn list(socket: &Socket, argument: usize) -> Result<(), Errno> {
    let mut list: List = read_value(argument)?;
    let mut bytes = Vec::new();
    for interface in socket.net.with(|stack| interfaces(stack)).into_iter().flatten() {
        let Some(address) = interface.address else { continue };
        let mut request = Request { name: [0; 16], value: [0; 24] };
        request.set_name(interface.name);
        request.set(v4(address).as_bytes());
        bytes.try_extend_from_slice(request.as_bytes())?;
    }
    if list.requests != 0 {
        let room = usize::try_from(list.length).map_err(|_| Errno::EINVAL)?;
        const SIZE: usize = size_of::<Request>();
        let whole = room.min(bytes.len()) / SIZE;
        bytes.truncate(whole.saturating_mul(SIZE));
        user::write(list.requests as usize, &bytes).map_err(|_| Errno::EFAULT)?;
    }
    list.length = bytes.len() as i32;
    write_value(argument, &list)
}

fn describe(socket: &Socket, command: u32, argument: usize) -> Result<(), Errno> {
    let mut request: Request = read_value(argument)?;
    let interfaces = socket.net.with(|stack| interfaces(stack));
    let wanted_index = request.value.first_chunk::<4>().map_or(0, |bytes| i32::from_le_bytes(*bytes));
    let name = request.name.split(|&byte| byte == 0).next().unwrap_or_default();
    let found = interfaces.iter().flatten().find(|interface| match command {
        requests::SIOCGIFNAME => interface.index == wanted_index,
        _ => interface.name == name,
    });
    let interface = found.ok_or(Errno::ENODEV)?;
    match command {
        requests::SIOCGIFNAME => request.set_name(interface.name),
        requests::SIOCGIFINDEX => request.set(&interface.index.to_le_bytes()),
        requests::SIOCGIFADDR => request.set(v4(interface.address.ok_or(Errno::EADDRNOTAVAIL)?).as_bytes()),
        requests::SIOCGIFNETMASK => request.set(v4(interface.netmask).as_bytes()),
        requests::SIOCGIFBRDADDR => request.set(v4(interface.broadcast).as_bytes()),
        requests::SIOCGIFFLAGS => request.set(&interface.flags.to_le_bytes()),
        requests::SIOCGIFMTU => request.set(&interface.mtu.to_le_bytes()),
        _ => {
            let mut bytes = [0; 16];
            let fields = interface.hardware.to_le_bytes().into_iter().chain(interface.mac);
            bytes.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
            request.set(&bytes);
        }
    }
    write_value(argument, &request)
}
