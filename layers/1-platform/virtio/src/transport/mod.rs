//! How a driver reaches its device's registers: one interface over PCI and memory-mapped I/O.

/// Declares the feature bits that a driver uses: a constant for each, and the table of them for the reference page.
macro_rules! features {
    ($($name:ident $bit:literal $what:literal)*) => {
        $(#[doc = $what] pub const $name: u64 = 1 << $bit;)*
        /// All of them.
        pub const ALL: &[rumpkin_core::for_platform::interface::Feature] =
            &[$(rumpkin_core::for_platform::interface::Feature { name: stringify!($name), what: $what }),*];
    };
}
pub(crate) use features;

mod mmio;
mod pci;
mod window;

pub use mmio::Mmio;
pub use pci::Pci;
pub use window::Window;

use crate::{Error, Result, queue::Addresses};

/// Device types (VIRTIO 1.2 §5).
pub mod device_type {
    /// Network card.
    pub const NETWORK: u32 = 1;
    /// Block device.
    pub const BLOCK: u32 = 2;
    /// Console.
    pub const CONSOLE: u32 = 3;
    /// Entropy source.
    pub const ENTROPY: u32 = 4;
}

/// Device status bits (VIRTIO 1.2 §2.1).
pub mod status {
    /// The guest has noticed the device.
    pub const ACKNOWLEDGE: u8 = 1;
    /// The guest has a driver for it.
    pub const DRIVER: u8 = 2;
    /// The driver is ready.
    pub const DRIVER_OK: u8 = 4;
    /// The driver has chosen its features.
    pub const FEATURES_OK: u8 = 8;
    /// The guest has given up.
    pub const FAILED: u8 = 128;
}

/// The device accepts the non-legacy interface (VIRTIO 1.2 §6).
pub const VERSION_1: u64 = 1 << 32;
/// Both sides say at which index they want to be notified (VIRTIO 1.2 §2.7.7, §2.7.10).
pub const EVENT_INDEX: u64 = 1 << 29;

/// Device registers. Any thread may call any method; selector registers are only used during set-up, by one thread.
pub trait Transport: Send + Sync {
    /// The device type.
    fn device_type(&self) -> u32;

    /// All 64 feature bits that the device offers.
    fn device_features(&self) -> u64;

    /// Tells the device what the driver chose.
    fn set_driver_features(&self, features: u64);

    /// The status register.
    fn status(&self) -> u8;

    /// Sets the status register; 0 resets the device.
    fn set_status(&self, status: u8);

    /// The largest size that the device allows for a queue; 0 if it has no such queue.
    fn queue_limit(&self, queue: u16) -> u16;

    /// Gives a queue to the device.
    fn enable_queue(&self, queue: u16, size: u16, addresses: Addresses) -> Result<Doorbell>;

    /// Reads and clears the interrupt cause. Called in interrupt context. False if it was not this device.
    fn acknowledge(&self) -> bool;

    /// The generation of the configuration space; it changes with its content.
    fn generation(&self) -> u32;

    /// A byte of the device's own configuration space; `None` beyond its end.
    fn configuration(&self, offset: usize) -> Option<u8>;
}

/// The register that tells a device of new chains in one queue.
#[derive(Debug, Clone, Copy)]
pub struct Doorbell {
    window: Window,
    offset: usize,
    queue: u16,
    wide: bool,
}

impl Doorbell {
    /// A doorbell at `offset`; `wide` if the register has 32 bits (memory-mapped I/O) and not 16 (PCI).
    pub fn new(window: Window, offset: usize, queue: u16, wide: bool) -> Self {
        Self { window, offset, queue, wide }
    }

    /// Rings it.
    pub fn ring(&self) {
        if self.wide {
            self.window.write(self.offset, u32::from(self.queue));
        } else {
            self.window.write(self.offset, self.queue);
        }
    }
}

/// Resets the device and waits until it is.
#[cold]
pub fn reset(transport: &dyn Transport) -> Result<()> {
    transport.set_status(0);
    for _ in 0..1_000_000 {
        if transport.status() == 0 {
            return Ok(());
        }
        core::hint::spin_loop();
    }
    Err(Error::Broken("it does not finish its reset"))
}

/// The first half of VIRTIO 1.2 §3.1.1: reset, then agree on features. Returns those chosen out of `wanted`.
#[cold]
pub fn negotiate(transport: &dyn Transport, wanted: u64) -> Result<u64> {
    use status::{ACKNOWLEDGE, DRIVER, FAILED, FEATURES_OK};
    reset(transport)?;
    transport.set_status(ACKNOWLEDGE | DRIVER);
    let offered = transport.device_features();
    if offered & VERSION_1 == 0 {
        transport.set_status(FAILED);
        return Err(Error::Legacy);
    }
    let chosen = offered & (wanted | VERSION_1 | EVENT_INDEX);
    transport.set_driver_features(chosen);
    transport.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK);
    if transport.status() & FEATURES_OK == 0 {
        transport.set_status(FAILED);
        return Err(Error::Refused);
    }
    Ok(chosen)
}

/// The second half: the device may now use its queues.
#[cold]
pub fn start(transport: &dyn Transport) {
    use status::{ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK};
    transport.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

/// A little-endian field of the configuration space, read when it was not changing (VIRTIO 1.2 §2.5.1).
#[cold]
pub fn read_configuration<const N: usize>(transport: &dyn Transport, offset: usize) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    for _ in 0..100 {
        let before = transport.generation();
        for (position, byte) in bytes.iter_mut().enumerate() {
            *byte = transport.configuration(offset + position).ok_or(Error::Configuration)?;
        }
        if transport.generation() == before {
            return Ok(bytes);
        }
    }
    Err(Error::Broken("its configuration never stops changing"))
}

/// The largest power of two that both the device and the driver like, at least `least`.
#[cold]
pub fn queue_size(transport: &dyn Transport, queue: u16, wanted: u16, least: u16) -> Result<u16> {
    let limit = transport.queue_limit(queue).min(wanted);
    let size = limit.checked_ilog2().map_or(0, |exponent| 1 << exponent);
    if size < least {
        return Err(Error::NoQueue);
    }
    Ok(size)
}
