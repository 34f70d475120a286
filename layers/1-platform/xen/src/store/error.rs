//! Why the store did not do what was asked.

use core::fmt;

/// Why the store did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreError {
    /// Another transaction came first (`EAGAIN`); [`super::Store::transaction`] tries again by itself.
    Again,
    /// The store broke the protocol, or its ring; it is not talked to any more.
    Broken,
    /// This domain may not (`EACCES`, `EPERM`).
    Denied,
    /// It is there already (`EEXIST`).
    Exists,
    /// The answer is not of the form that was asked for, or the path or value cannot be.
    Malformed,
    /// There is no such node (`ENOENT`).
    NotFound,
    /// Any other refusal: no room, no memory, too many watches or transactions.
    Refused,
    /// Path and value, or the answer, are longer than a message (4096 bytes).
    TooLong,
}

impl StoreError {
    /// The error that an `XS_ERROR` message names (`io/xs_wire.h`, `xsd_errors`).
    pub(super) fn named(body: &[u8]) -> Self {
        match body.split(|&byte| byte == 0).next().unwrap_or_default() {
            b"EAGAIN" => Self::Again,
            b"EACCES" | b"EPERM" => Self::Denied,
            b"EEXIST" => Self::Exists,
            b"ENOENT" => Self::NotFound,
            b"E2BIG" => Self::TooLong,
            b"EINVAL" => Self::Malformed,
            _ => Self::Refused,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Again => "another transaction came first",
            Self::Broken => "the store broke the protocol",
            Self::Denied => "permission denied",
            Self::Exists => "there already",
            Self::Malformed => "malformed",
            Self::NotFound => "no such node",
            Self::Refused => "refused",
            Self::TooLong => "too long",
        })
    }
}
