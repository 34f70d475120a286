//! The keys that concern the kernel itself: its name, its network, what it logs.

use crate::{
    describe::{Form, Text},
    network::Network,
    node::{Node, Wrong},
};
use alloc::{
    format,
    string::{String, ToString},
};
use log::LevelFilter;

object! {
    /// The kernel's settings, checked.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Settings {
        /// `uname -n`, `/etc/hostname`, and the name told to DHCP.
        hostname: String as Hostname (or String::from("rumpkin") => "\"rumpkin\""),
        /// The first link's addresses.
        network: Network as Network (or Network::default()),
        /// What the kernel logs on the console.
        tracing: Tracing as Tracing (or Tracing::default()),
    }
}

object! {
    /// What is logged.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Tracing {
        /// Messages of this level and above.
        level: LevelFilter as Level (or LevelFilter::Warn => "\"warn\""),
        /// Log each system call, at level `info`.
        syscalls: bool as Flag (or false => "false"),
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings { hostname: String::from("rumpkin"), network: Network::default(), tracing: Tracing::default() }
    }
}

impl Default for Tracing {
    fn default() -> Self {
        Tracing { level: LevelFilter::Warn, syscalls: false }
    }
}

struct Hostname;

impl Hostname {
    const FORM: Form = Form::Text(Text { what: "string, 1 to 64 characters", least: 1, most: 64, ..Text::ANY });

    fn read(node: Node<'_>) -> Result<String, Wrong> {
        node.parse(|text| match (1..=64).contains(&text.len()) && !text.contains(char::is_control) {
            true => Ok(text.to_string()),
            false => Err("must have 1 to 64 bytes, and no control characters".into()),
        })
    }
}

struct Level;

impl Level {
    const WORDS: [(&str, LevelFilter); 5] = [
        ("error", LevelFilter::Error),
        ("warn", LevelFilter::Warn),
        ("info", LevelFilter::Info),
        ("debug", LevelFilter::Debug),
        ("trace", LevelFilter::Trace),
    ];
    const FORM: Form = Form::Words(&["error", "warn", "info", "debug", "trace"]);

    fn read(node: Node<'_>) -> Result<LevelFilter, Wrong> {
        node.parse(|text| {
            let level = Level::WORDS.iter().find(|(word, _)| *word == text);
            level
                .map(|(_, level)| *level)
                .ok_or_else(|| format!("`{text}` is not one of error, warn, info, debug, trace"))
        })
    }
}

struct Flag;

impl Flag {
    const FORM: Form = Form::Flag;

    fn read(node: Node<'_>) -> Result<bool, Wrong> {
        node.boolean()
    }
}
