//! What the kernel is told when it is made.

use alloc::string::String;
use rumpkin_configuration::Settings;
pub use rumpkin_configuration::{Address, Network};

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

impl From<&Settings> for Config {
    fn from(settings: &Settings) -> Self {
        Config {
            hostname: settings.hostname.clone(),
            network: settings.network.clone(),
            trace_system_calls: settings.tracing.syscalls,
        }
    }
}
