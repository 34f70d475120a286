//! What the kernel is told when it is made.

use alloc::{string::String, vec::Vec};

/// The release of Linux whose ABI this follows (uname(2)); glibc refuses to run on one that is too old for it.
pub const RELEASE: &str = "6.12.0-rumpkin";

/// Settings of a kernel; plain data, made by layer 5 from the configuration document, or by an app without userspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `uname -n`, and the name told to DHCP.
    pub hostname: String,
    /// The first link's addresses.
    pub network: Network,
    /// Log each system call with arguments and result.
    pub trace_system_calls: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config { hostname: String::from("rumpkin"), network: Network::default(), trace_system_calls: false }
    }
}

/// Addresses of the first link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Where the address comes from.
    pub address: Address,
    /// Default route; DHCP's if it gives one and this is `None`.
    pub gateway: Option<[u8; 4]>,
    /// Name servers, for `/etc/resolv.conf`; DHCP's if empty.
    pub nameservers: Vec<[u8; 4]>,
}

/// Where the address of a link comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Address {
    /// Ask by DHCP.
    #[default]
    Dhcp,
    /// This one.
    Static {
        /// The address.
        address: [u8; 4],
        /// Bits of the network part, 0 to 32.
        prefix: u8,
    },
    /// The link stays down.
    None,
}
