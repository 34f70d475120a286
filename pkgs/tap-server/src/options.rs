//! The command line.

use clap::Parser;
use log::LevelFilter;
use rumpkin_spine::config::{Address, Network};
use std::{net::Ipv4Addr, path::PathBuf};

/// Runs the kernel in this process, on a tap: it takes an address by DHCP, answers ping, and sends a file to whoever connects.
#[derive(Debug, Parser)]
#[command(name = "rumpkin-tap-server", version)]
pub struct Options {
    /// The tap device; made if it is not there and the process may
    #[arg(long, default_value = "rumpkin0")]
    pub tap: String,
    /// Ethernet address of the kernel's side
    #[arg(long, default_value = "52:54:00:72:6b:01", value_parser = mac)]
    pub mac: Mac,
    /// "dhcp", or an address and the bits of its network: 10.0.0.2/24
    #[arg(long, default_value = "dhcp", value_parser = address)]
    pub address: Address,
    /// Default route, when the address is not DHCP's
    #[arg(long)]
    pub gateway: Option<Ipv4Addr>,
    /// TCP port on which the file is served
    #[arg(long, default_value_t = 80)]
    pub port: u16,
    /// An EROFS image as the kernel's root file system
    #[arg(long)]
    pub root: Option<PathBuf>,
    /// Serve this file of the kernel's tree instead of one of the host
    #[arg(long, conflicts_with = "file", required_unless_present = "file")]
    pub serve: Option<String>,
    /// How much the kernel says: off, error, warn, info, debug, trace
    #[arg(long, default_value = "info", value_parser = level)]
    pub log: LevelFilter,
    /// Log each system call
    #[arg(long)]
    pub trace: bool,
    /// A file of the host to serve, read anew for each connection
    pub file: Option<PathBuf>,
}

/// An Ethernet address.
pub type Mac = [u8; 6];

impl Options {
    /// What the kernel is told of the network.
    pub fn network(&self) -> Network {
        Network {
            address: self.address,
            gateway: self.gateway.map(|gateway| gateway.octets()),
            nameservers: Vec::new(),
        }
    }
}

fn mac(text: &str) -> Result<Mac, String> {
    let wrong = || format!("{text:?} is no Ethernet address such as 52:54:00:72:6b:01");
    let parts: Result<Vec<u8>, _> = text.split(':').map(|part| u8::from_str_radix(part, 16)).collect();
    let mac = Mac::try_from(parts.map_err(|_| wrong())?).map_err(|_| wrong())?;
    if mac[0] & 1 != 0 { Err(format!("{text} is a group's address: its first byte must be even")) } else { Ok(mac) }
}

fn level(text: &str) -> Result<LevelFilter, String> {
    text.parse().map_err(|_| format!("{text:?} is none of off, error, warn, info, debug, trace"))
}

fn address(text: &str) -> Result<Address, String> {
    if text == "dhcp" {
        return Ok(Address::Dhcp);
    }
    let wrong = || format!("{text:?} is neither \"dhcp\" nor an address such as 10.0.0.2/24");
    let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
    let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32).ok_or_else(wrong)?;
    Ok(Address::Static { address: address.octets(), prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood_or_refused() {
        assert_eq!(address("dhcp"), Ok(Address::Dhcp));
        assert_eq!(address("10.0.0.2/24"), Ok(Address::Static { address: [10, 0, 0, 2], prefix: 24 }));
        for wrong in ["", "10.0.0.2", "10.0.0.2/33", "10.0.0/8", "none"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
        assert_eq!(mac("52:54:00:00:00:0a"), Ok([0x52, 0x54, 0, 0, 0, 10]));
        for wrong in ["", "52:54:00:00:00", "52:54:00:00:00:0a:0b", "52:54:00:00:00:xx", "01:00:5e:00:00:01"] {
            assert!(mac(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_must_be_named() {
        assert!(Options::try_parse_from(["rumpkin-tap-server"]).is_err());
        assert!(Options::try_parse_from(["rumpkin-tap-server", "x", "--serve", "/y"]).is_err());
        assert!(Options::try_parse_from(["rumpkin-tap-server", "x"]).is_ok());
    }
}
