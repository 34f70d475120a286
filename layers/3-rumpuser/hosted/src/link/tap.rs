//! A link over a tap device of the Linux host (Documentation/networking/tuntap.rst).

use super::descriptor;
use rumpuser::device::{Link, LinkInfo};
use rustix::{
    io::Errno,
    ioctl::{Updater, ioctl, opcode},
};
use std::{
    fmt, fs, io,
    net::{Ipv4Addr, UdpSocket},
    os::fd::OwnedFd,
};

const DEVICE: &str = "/dev/net/tun";
/// Longest name of an interface, with its zero (`IFNAMSIZ`).
const NAME: usize = 16;
const IFF_TAP: u16 = 0x0002;
const IFF_NO_PI: u16 = 0x1000;

/// `struct ifreq` (netdevice(7)): 40 bytes, of which each request looks at some.
#[repr(C)]
struct Request<T> {
    name: [u8; NAME],
    value: T,
}

/// The union behind the name, when it is flags.
#[repr(C)]
struct Flags {
    flags: u16,
    rest: [u8; 22],
}

/// The same, when it is an MTU.
#[repr(C)]
struct Mtu {
    mtu: i32,
    rest: [u8; 20],
}

/// Why a tap cannot be used; the text says what to do.
#[derive(Debug)]
pub enum TapError {
    /// The name is empty, or longer than an interface's name may be.
    Name(String),
    /// The device that makes taps cannot be opened.
    Device(io::Error),
    /// The tap cannot be attached to.
    Attach(String, io::Error),
    /// The tap's MTU cannot be found out.
    Mtu(String, io::Error),
    /// The thread that waits for frames cannot be started.
    Thread(io::Error),
}

impl fmt::Display for TapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TapError::Name(name) => write!(f, "{name:?} cannot name a tap: give 1 to 15 bytes, without / and zero"),
            TapError::Device(error) => {
                write!(f, "{DEVICE}: {error}: load the module tun, and run this as a user who may open it")
            }
            TapError::Attach(name, error) if error.raw_os_error() == Some(Errno::BUSY.raw_os_error()) => {
                write!(f, "tap {name}: {error}: another program has it; stop that, or name another tap")
            }
            TapError::Attach(name, error) => {
                write!(f, "tap {name}: {error}: make it first with `ip tuntap add {name} mode tap user $USER`")
            }
            TapError::Mtu(name, error) => write!(f, "tap {name}: its MTU cannot be found out: {error}"),
            TapError::Thread(error) => write!(f, "no thread for the tap: {error}"),
        }
    }
}

impl std::error::Error for TapError {}

/// Attaches to a tap, or makes it if the process may. The link has the Ethernet address `mac`; the host's own side of the tap
/// has another. Checksums are always made here, for a plain tap verifies none and makes none.
pub fn tap(name: &str, mac: [u8; 6]) -> Result<Box<dyn Link>, TapError> {
    if name.is_empty() || name.len() >= NAME || name.bytes().any(|byte| byte == 0 || byte == b'/') {
        return Err(TapError::Name(name.into()));
    }
    let mut padded = [0; NAME];
    padded[..name.len()].copy_from_slice(name.as_bytes());
    let flags = Flags { flags: IFF_TAP | IFF_NO_PI, rest: [0; 22] };
    let mut request = Request { name: padded, value: flags };
    let file = fs::File::options().read(true).write(true).open(DEVICE).map_err(TapError::Device)?;
    let descriptor = OwnedFd::from(file);
    /// `TUNSETIFF`, which Linux declares as taking an int but which takes the request.
    const TUNSETIFF: rustix::ioctl::Opcode = opcode::write::<i32>(b'T', 202);
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, 40 bytes, which the request is.
    let attached = unsafe { ioctl(&descriptor, Updater::<TUNSETIFF, Request<Flags>>::new(&mut request)) };
    attached.map_err(|error| TapError::Attach(name.into(), error.into()))?;
    let mtu = mtu(padded).map_err(|error| TapError::Mtu(name.into(), error))?;
    let info = LinkInfo { mac, mtu, transmit_checksum: false };
    descriptor::over(descriptor, info).map_err(TapError::Thread)
}

fn mtu(name: [u8; NAME]) -> io::Result<usize> {
    const SIOCGIFMTU: rustix::ioctl::Opcode = 0x8921;
    // Any socket will do; it is the way to the network namespace.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let mut request = Request { name, value: Mtu { mtu: 0, rest: [0; 20] } };
    // SAFETY: SIOCGIFMTU reads the name of one `struct ifreq`, 40 bytes, which the request is, and writes its MTU.
    unsafe { ioctl(&socket, Updater::<SIOCGIFMTU, Request<Mtu>>::new(&mut request)) }?;
    usize::try_from(request.value.mtu).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
}
