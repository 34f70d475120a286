//! Why a platform refuses.

use alloc::string::String;
use core::fmt;

/// Why a platform cannot do something; the text is for the log.
#[derive(Debug, Clone)]
pub struct PlatformError(pub String);

impl fmt::Display for PlatformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
