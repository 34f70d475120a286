//! Why something cannot be had from Xen.

use alloc::string::ToString;
use core::fmt;
use rumpkin_core::for_platform::interface::PlatformError;

/// Why something cannot be had from Xen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The hypervisor refused.
    Hypervisor(xen_sys::Error),
    /// A number that it, the toolstack or another domain gave cannot be.
    Malformed,
    /// There is no memory for it.
    Memory,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Hypervisor(error) => error.fmt(f),
            Error::Malformed => f.write_str("a number that cannot be"),
            Error::Memory => f.write_str("out of memory"),
        }
    }
}

impl From<xen_sys::Error> for Error {
    fn from(error: xen_sys::Error) -> Self {
        Error::Hypervisor(error)
    }
}

impl From<Error> for PlatformError {
    fn from(error: Error) -> Self {
        PlatformError(error.to_string())
    }
}
