//! A link over a tap device of the Linux host (Documentation/networking/tuntap.rst).

use super::descriptor;
use rumpuser::device::{Link, LinkInfo};
use rustix::{
    io::Errno,
    ioctl::{Updater, ioctl, opcode},
};
use std::{fmt, fs, io, os::fd::OwnedFd};

const DEVICE: &str = "/dev/net/tun";
/// Longest name of an interface, with its zero (`IFNAMSIZ`).
const NAME: usize = 16;
const IFF_TAP: u16 = 0x0002;
const IFF_NO_PI: u16 = 0x1000;

/// `struct ifreq`, as far as TUNSETIFF looks at it.
#[repr(C)]
struct Request {
    name: [u8; NAME],
    flags: u16,
    rest: [u8; 22],
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
            TapError::Mtu(name, error) => write!(f, "tap {name}: its MTU cannot be read from /sys/class/net: {error}"),
            TapError::Thread(error) => write!(f, "no thread for the tap: {error}"),
        }
    }
}

impl std::error::Error for TapError {}

/// Attaches to a tap, or makes it if the process may. The link has the Ethernet address `mac`; the host's own side of the tap
/// has another. Checksums are always made here, for a plain tap verifies none and makes none.
pub fn tap(name: &str, mac: [u8; 6]) -> Result<Box<dyn Link>, TapError> {
    let mut request = Request { name: [0; NAME], flags: IFF_TAP | IFF_NO_PI, rest: [0; 22] };
    if name.is_empty() || name.len() >= NAME || name.bytes().any(|byte| byte == 0 || byte == b'/') {
        return Err(TapError::Name(name.into()));
    }
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    let file = fs::File::options().read(true).write(true).open(DEVICE).map_err(TapError::Device)?;
    let descriptor = OwnedFd::from(file);
    /// `TUNSETIFF`, which Linux declares as taking an int but which takes the request.
    const TUNSETIFF: rustix::ioctl::Opcode = opcode::write::<i32>(b'T', 202);
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, 40 bytes, which the request is.
    let attached = unsafe { ioctl(&descriptor, Updater::<TUNSETIFF, Request>::new(&mut request)) };
    attached.map_err(|error| TapError::Attach(name.into(), error.into()))?;
    let mtu = mtu(name).map_err(|error| TapError::Mtu(name.into(), error))?;
    let info = LinkInfo { mac, mtu, transmit_checksum: false };
    descriptor::over(descriptor, info).map_err(TapError::Thread)
}

fn mtu(name: &str) -> io::Result<usize> {
    let text = fs::read_to_string(format!("/sys/class/net/{name}/mtu"))?;
    text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{text:?} is no number")))
}
