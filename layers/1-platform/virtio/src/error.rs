//! Why a device could not be used.

use core::fmt;

/// Why a device could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The device's answer breaks the specification; the text says which rule.
    Broken(&'static str),
    /// The configuration space is too small for the field.
    Configuration,
    /// The device offers only the legacy interface (no VIRTIO_F_VERSION_1).
    Legacy,
    /// No memory for rings or buffers.
    Memory,
    /// A queue that the driver needs is absent or too small.
    NoQueue,
    /// The device did not accept the features that the driver chose.
    Refused,
    /// Not a virtio device, or one of an unknown layout.
    Unknown,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(rule) => write!(f, "the device breaks the specification: {rule}"),
            Self::Configuration => f.write_str("its configuration space is too small"),
            Self::Legacy => f.write_str(
                "it has only the legacy interface (QEMU: for virtio-mmio give -global virtio-mmio.force-legacy=false; on PCI leave out disable-modern)",
            ),
            Self::Memory => f.write_str("no memory for its rings"),
            Self::NoQueue => f.write_str("it lacks a queue that the driver needs"),
            Self::Refused => f.write_str("it refused the driver's features"),
            Self::Unknown => f.write_str("not a virtio device of a known layout"),
        }
    }
}

impl core::error::Error for Error {}
