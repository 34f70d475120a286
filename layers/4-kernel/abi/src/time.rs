//! Times as they cross the user boundary.

use crate::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Nanoseconds in a second.
pub const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

/// `struct timespec`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Timespec {
    pub seconds: i64,
    pub nanoseconds: i64,
}

impl Timespec {
    /// From nanoseconds.
    pub fn from_nanoseconds(nanoseconds: u64) -> Self {
        Timespec {
            seconds: (nanoseconds / NANOSECONDS_PER_SECOND) as i64,
            nanoseconds: (nanoseconds % NANOSECONDS_PER_SECOND) as i64,
        }
    }

    /// To nanoseconds, saturating. `EINVAL` for a negative time or a fraction of a second or more.
    pub fn to_nanoseconds(self) -> Result<u64, Errno> {
        if self.seconds < 0 || !(0..NANOSECONDS_PER_SECOND as i64).contains(&self.nanoseconds) {
            return Err(Errno::EINVAL);
        }
        Ok((self.seconds as u64).saturating_mul(NANOSECONDS_PER_SECOND).saturating_add(self.nanoseconds as u64))
    }
}

/// `struct timeval`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs)]
pub struct Timeval {
    pub seconds: i64,
    pub microseconds: i64,
}

impl Timeval {
    /// From nanoseconds, rounding down.
    pub fn from_nanoseconds(nanoseconds: u64) -> Self {
        let time = Timespec::from_nanoseconds(nanoseconds);
        Timeval { seconds: time.seconds, microseconds: time.nanoseconds / 1000 }
    }

    /// To nanoseconds, saturating. `EINVAL` as for [`Timespec::to_nanoseconds`].
    pub fn to_nanoseconds(self) -> Result<u64, Errno> {
        Timespec { seconds: self.seconds, nanoseconds: self.microseconds.saturating_mul(1000) }.to_nanoseconds()
    }
}
