//! The keys that concern the kernel itself: its name, its network, what it logs.

use crate::json::{Node, Object, Wrong};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use rumpkin_kernel::config::{Address, Config, Network};

/// The kernel's settings, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The name of the machine.
    pub hostname: String,
    /// The first link's addresses.
    pub network: Network,
    /// What is logged.
    pub tracing: Tracing,
}

/// What is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tracing {
    /// Messages of this level and above.
    pub level: log::LevelFilter,
    /// Log each system call.
    pub syscalls: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { hostname: String::from("rumpkin"), network: Network::default(), tracing: Tracing::default() }
    }
}

impl Default for Tracing {
    fn default() -> Self {
        Tracing { level: log::LevelFilter::Warn, syscalls: false }
    }
}

impl Settings {
    /// Takes the keys `hostname`, `network` and `tracing` out of a document; what is not there is as by default.
    pub fn take(root: &mut Object) -> Result<Settings, Wrong> {
        let default = Settings::default();
        Ok(Settings {
            hostname: root.take("hostname").map(hostname).transpose()?.unwrap_or(default.hostname),
            network: root.take("network").map(network).transpose()?.unwrap_or_default(),
            tracing: root.take("tracing").map(tracing).transpose()?.unwrap_or_default(),
        })
    }

    /// What the kernel is told.
    pub fn kernel_config(&self) -> Config {
        Config {
            hostname: self.hostname.clone(),
            network: self.network.clone(),
            trace_system_calls: self.tracing.syscalls,
        }
    }
}

fn hostname(node: Node) -> Result<String, Wrong> {
    node.parse(|text| match (1..=64).contains(&text.len()) && !text.contains(char::is_control) {
        true => Ok(text.to_string()),
        false => Err("must have 1 to 64 bytes, and no control characters".into()),
    })
}

fn network(node: Node) -> Result<Network, Wrong> {
    let mut node = node.object()?;
    let address = node.take("address").map(|node| node.parse(parse_address)).transpose()?;
    let gateway = node.take("gateway").map(|node| node.parse(parse_ipv4)).transpose()?;
    let nameservers = match node.take("nameservers") {
        None => Vec::new(),
        Some(list) => list.list()?.into_iter().map(|node| node.parse(parse_ipv4)).collect::<Result<_, _>>()?,
    };
    node.finish()?;
    Ok(Network { address: address.unwrap_or_default(), gateway, nameservers })
}

/// Parses an IPv4 address; the error says what is wrong with it.
pub fn parse_ipv4(text: &str) -> Result<[u8; 4], String> {
    let address = text.parse::<core::net::Ipv4Addr>();
    address.map(|address| address.octets()).map_err(|_| format!("`{text}` is not an IPv4 address like 10.0.2.2"))
}

fn parse_address(text: &str) -> Result<Address, String> {
    match text {
        "dhcp" => return Ok(Address::Dhcp),
        "none" => return Ok(Address::None),
        _ => {}
    }
    let wrong = || format!("`{text}` is neither \"dhcp\" nor \"none\" nor an address like 10.0.2.15/24");
    let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let address = parse_ipv4(address).map_err(|_| wrong())?;
    let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32).ok_or_else(wrong)?;
    Ok(Address::Static { address, prefix })
}

fn tracing(node: Node) -> Result<Tracing, Wrong> {
    let mut node = node.object()?;
    let level = node.take("level").map(|node| node.parse(parse_level)).transpose()?;
    let syscalls = node.take("syscalls").map(Node::boolean).transpose()?;
    node.finish()?;
    let default = Tracing::default();
    Ok(Tracing { level: level.unwrap_or(default.level), syscalls: syscalls.unwrap_or(default.syscalls) })
}

fn parse_level(text: &str) -> Result<log::LevelFilter, String> {
    match text {
        "error" => Ok(log::LevelFilter::Error),
        "warn" => Ok(log::LevelFilter::Warn),
        "info" => Ok(log::LevelFilter::Info),
        "debug" => Ok(log::LevelFilter::Debug),
        "trace" => Ok(log::LevelFilter::Trace),
        _ => Err(format!("`{text}` is not one of error, warn, info, debug, trace")),
    }
}
