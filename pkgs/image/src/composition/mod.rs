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

use rumpkin_core::for_image::Platform;
use top::DEVICES;
pub use top::{COMPONENTS, run};

/// The devices that what runs has a use for; an image has no driver for others.
#[expect(dead_code, reason = "what runs in an image is one thing, and chooses one")]
pub enum Devices {
    /// All that there are drivers for.
    All,
    /// Links, and sources of entropy. The console is what works without a driver: a serial port, or Xen's.
    Links,
}

#[cfg(not(any(feature = "hw", feature = "xen")))]
compile_error!("an image needs at least one platform: feature `hw` or `xen`");
#[cfg(not(any(feature = "archive", feature = "base", feature = "sensor", feature = "tiny")))]
compile_error!("an image needs something to run: feature `base`, `sensor`, `tiny` or `archive`");

/// The platforms of this image, the more particular first: the first that detects its machine is it.
pub const PLATFORMS: &[(&str, &dyn Platform)] = &[
    #[cfg(feature = "xen")]
    ("xen", &XEN),
    #[cfg(feature = "hw")]
    ("hw", &PC),
];

#[cfg(feature = "hw")]
static PC: hw::Pc = {
    use hw::driver::{DISK, ENTROPY, NETWORK, TERMINAL};
    hw::Pc::new(match DEVICES {
        Devices::All => &[NETWORK, ENTROPY, DISK, TERMINAL],
        Devices::Links => &[NETWORK, ENTROPY],
    })
};

#[cfg(feature = "xen")]
static XEN: xen::Xen = xen::Xen::new(match DEVICES {
    Devices::All => Some(xen::DISKS),
    Devices::Links => None,
});
