//! What this image is composed of: the platforms that it boots on, and what stands on the hypercalls.

#[cfg(feature = "archive")]
#[path = "archive.rs"]
mod top;
#[cfg(feature = "base")]
#[path = "base.rs"]
mod top;
#[cfg(feature = "sensor")]
#[path = "sensor.rs"]
mod top;
#[cfg(feature = "tiny")]
#[path = "tiny.rs"]
mod top;

use rumpkin_core::interface::Platform;
pub use top::{COMPONENTS, run};

#[cfg(not(any(feature = "hw", feature = "xen")))]
compile_error!("an image needs at least one platform: feature `hw` or `xen`");
#[cfg(not(any(feature = "archive", feature = "base", feature = "sensor", feature = "tiny")))]
compile_error!("an image needs something to run: feature `base`, `sensor`, `tiny` or `archive`");

/// The platforms of this image, the more particular first: the first that detects its machine is it.
pub const PLATFORMS: &[(&str, &dyn Platform)] = &[
    #[cfg(feature = "xen")]
    ("xen", &rumpkin_xen::PLATFORM),
    #[cfg(feature = "hw")]
    ("hw", &rumpkin_hw::PLATFORM),
];
