//! The keys that concern the kernel itself: its name, its network, what it logs.

use crate::{
    network::Network,
    node::{Node, Object, Wrong},
};
use alloc::{
    format,
    string::{String, ToString},
};

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
    pub fn take(root: &mut Object<'_>) -> Result<Settings, Wrong> {
        let default = Settings::default();
        Ok(Settings {
            hostname: root.take("hostname").map(hostname).transpose()?.unwrap_or(default.hostname),
            network: root.take("network").map(Network::read).transpose()?.unwrap_or_default(),
            tracing: root.take("tracing").map(tracing).transpose()?.unwrap_or_default(),
        })
    }
}

fn hostname(node: Node<'_>) -> Result<String, Wrong> {
    node.parse(|text| match (1..=64).contains(&text.len()) && !text.contains(char::is_control) {
        true => Ok(text.to_string()),
        false => Err("must have 1 to 64 bytes, and no control characters".into()),
    })
}

fn tracing(node: Node<'_>) -> Result<Tracing, Wrong> {
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
