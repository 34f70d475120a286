//! What the machine was given at boot.

use crate::hypercalls::*;

pub use crate::data::BootData;

/// What was handed over at boot.
pub fn data() -> &'static BootData {
    rumpuser_boot_data()
}
