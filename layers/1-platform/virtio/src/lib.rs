//! Drivers for virtio devices: network, block, entropy and console, over PCI and memory-mapped I/O (VIRTIO 1.2).
//!
//! ```text
//!   Net  Block  Rng  Terminal        what core sees: Link, Disk, Entropy, Console
//!     \    |     |    /
//!      Queue (split virtqueue)       batches, one doorbell each, event index
//!          |
//!      Transport: Pci, Mmio          registers
//!          |
//!      Services                      memory that devices reach, and waiting: from core, or simulated
//! ```
//!
//! Invariants:
//! 1. A device is never trusted. Whatever it writes is read once, volatile, and checked; what cannot be puts the device out
//!    of service. No number of its choosing reaches memory unchecked, and none makes the kernel panic.
//! 2. Memory belongs either to the device or to the driver. It is the device's from `Queue::publish` until the used ring
//!    returns it, and only then is there a Rust reference to it.
//! 3. An interrupt handler acknowledges, takes what is done, and wakes threads. A driver that waits for nothing gets no
//!    interrupts, and none polls while it waits.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod block;
mod console;
mod error;
mod net;
mod queue;
mod region;
mod rng;
#[cfg(test)]
mod tests;
mod transport;

pub use block::{Block, feature::ALL as BLOCK_FEATURES};
pub use console::Terminal;
pub use error::Error;
pub use net::{Net, Sizes, feature::ALL as NET_FEATURES};
pub use queue::{Addresses, Queue, Segment};
pub use region::{Region, Word};
pub use rng::Rng;
pub use transport::{Doorbell, Mmio, Pci, Transport, Window, device_type};

/// What a driver does.
pub type Result<T> = core::result::Result<T, Error>;

/// What is to be called when a device interrupts.
pub trait Handler: Send + Sync {
    /// Acknowledges the interrupt and does what it asks for. In interrupt context. False if the device had not called:
    /// lines are shared.
    fn interrupt(&self) -> bool;
}

/// The lock for what an interrupt handler shares with threads.
#[cfg(not(test))]
type Lock<T> = rumpkin_core::for_platform::sync::IrqMutex<T>;
/// In the tests interrupt handlers are threads.
#[cfg(test)]
type Lock<T> = spin::Mutex<T>;
