//! What a guest has, in words that no hypervisor owns.
use clap::ValueEnum;
use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;
use thiserror::Error;

/// Type of QEMU's machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Machine {
    /// A minimal machine with virtio over MMIO: boots fastest.
    Microvm,
    /// PCI Express, Intel Q35.
    Q35,
    /// PCI, Intel 440FX.
    Pc,
}

/// How QEMU runs the guest's instructions.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Accelerator {
    /// KVM where it can be used, else software emulation.
    Auto,
    /// Hardware virtualisation.
    Kvm,
    /// Software emulation.
    Tcg,
}

/// A port of the host that leads into the guest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Forward {
    pub protocol: &'static str,
    pub address: Ipv4Addr,
    pub host: u16,
    pub guest: u16,
}

/// A disk of the guest, kept in a raw file or block device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Disk {
    pub path: PathBuf,
    pub read_only: bool,
}

/// What the guest's network interface is attached to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Network {
    /// Nothing: there is no interface.
    None,
    /// QEMU's own network with address translation.
    User(Vec<Forward>),
    /// An existing tap interface.
    Tap { interface: String },
    /// An existing bridge.
    Bridge { name: String },
}

/// A guest to be started.
#[derive(Clone, Debug)]
pub struct Guest {
    pub image: PathBuf,
    pub memory_mib: u32,
    pub cpus: u32,
    pub network: Network,
    /// Hardware address of the interface; the hypervisor chooses if there is none.
    pub mac: Option<String>,
    /// Largest packet, in bytes; the network's own if there is none.
    pub mtu: Option<u16>,
    /// The host's kernel moves the tap's packets.
    pub vhost: bool,
    pub disks: Vec<Disk>,
}

/// A text names no ports.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("not of the form [tcp:|udp:][ADDRESS:]HOST:GUEST, with ports from 1 to 65535")]
pub struct NoForward;

/// A text names no disk.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("no file")]
pub struct NoDisk;

impl FromStr for Forward {
    type Err = NoForward;

    fn from_str(text: &str) -> Result<Forward, NoForward> {
        let (protocol, rest) = match text.split_once(':') {
            Some(("udp", rest)) => ("udp", rest),
            Some(("tcp", rest)) => ("tcp", rest),
            _ => ("tcp", text),
        };
        let port = |text: &str| text.parse().ok().filter(|port| *port != 0).ok_or(NoForward);
        let (rest, guest) = rest.rsplit_once(':').ok_or(NoForward)?;
        let (address, host) = match rest.rsplit_once(':') {
            Some((address, host)) => (address.parse().map_err(|_| NoForward)?, host),
            None => (Ipv4Addr::LOCALHOST, rest),
        };
        Ok(Forward { protocol, address, host: port(host)?, guest: port(guest)? })
    }
}

impl FromStr for Disk {
    type Err = NoDisk;

    fn from_str(text: &str) -> Result<Disk, NoDisk> {
        let (path, read_only) = text.strip_suffix(":ro").map_or((text, false), |path| (path, true));
        if path.is_empty() {
            return Err(NoDisk);
        }
        Ok(Disk { path: path.into(), read_only })
    }
}

impl fmt::Display for Disk {
    /// As the launcher's option has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.path.display(), if self.read_only { ":ro" } else { "" })
    }
}

/// A stable, locally administered hardware address for a guest on tap `interface`, so that guests on one bridge differ.
pub fn mac_for(interface: &str) -> String {
    let [_, a, b, c] = hash(interface).to_be_bytes();
    format!("52:54:00:{a:02x}:{b:02x}:{c:02x}")
}

/// FNV-1a of a name: any well-spread hash will do, as long as it never changes.
pub fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forward(text: &str) -> Result<(String, u16, u16), NoForward> {
        text.parse().map(|f: Forward| (format!("{}:{}", f.protocol, f.address), f.host, f.guest))
    }

    #[test]
    fn forwards_have_defaults() {
        assert_eq!(forward("8080:80"), Ok(("tcp:127.0.0.1".into(), 8080, 80)));
        assert_eq!(forward("udp:53:53"), Ok(("udp:127.0.0.1".into(), 53, 53)));
        assert_eq!(forward("0.0.0.0:80:8000"), Ok(("tcp:0.0.0.0".into(), 80, 8000)));
        assert_eq!(forward("tcp:10.0.0.1:1:2"), Ok(("tcp:10.0.0.1".into(), 1, 2)));
    }

    #[test]
    fn malformed_forwards_are_refused() {
        for text in ["", "80", "80:", ":80", "0:80", "80:65536", "a:80:80", "tcp:80", "sctp:1:2", "1:2:3:4"] {
            assert!(forward(text).is_err(), "{text}");
        }
    }

    #[test]
    fn disks_can_be_read_only() {
        assert_eq!("a:b:ro".parse(), Ok(Disk { path: "a:b".into(), read_only: true }));
        assert_eq!("a".parse(), Ok(Disk { path: "a".into(), read_only: false }));
        assert!(":ro".parse::<Disk>().is_err());
    }

    #[test]
    fn hardware_addresses_differ_by_tap() {
        assert_ne!(mac_for("tap0"), mac_for("tap1"));
        assert_eq!(mac_for("tap0"), mac_for("tap0"));
    }
}
