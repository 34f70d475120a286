//! Why a device could not be used.

use core::fmt;

/// What a driver does.
pub type Result<T> = core::result::Result<T, Error>;

/// Why a device could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The back end's answer breaks the protocol; the text says how.
    Broken(&'static str),
    /// No memory for rings or buffers.
    Memory,
    /// No event channel is free.
    NoChannel,
    /// No grant reference is free.
    NoGrants,
    /// The store refused.
    Store,
    /// A node of the store is missing or holds what it cannot; the text is its name.
    Value(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, detail) = match self {
            Self::Broken(rule) => ("the back end breaks the protocol: ", *rule),
            Self::Memory => ("no memory for its rings", ""),
            Self::NoChannel => ("no event channel is free", ""),
            Self::NoGrants => ("no grant reference is free", ""),
            Self::Store => ("the store refused", ""),
            Self::Value(node) => ("missing or unusable in the store: ", *node),
        };
        f.write_str(what)?;
        f.write_str(detail)
    }
}

impl core::error::Error for Error {}
