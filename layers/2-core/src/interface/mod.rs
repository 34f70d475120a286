//! What a platform implements for core, one trait per file, and what core offers to a platform. The devices that a kernel sees
//! (link, disk, console) are words of layer 0.
//!
//! A platform (layer 1) is one value of [`Platform`]. Core calls it in this order, all on the boot processor:
//!
//! ```text
//!   detect ─▶ (early_write whenever core logs) ─▶ initialize ─▶ … threads, interrupts, timers run … ─▶ discover
//!             no heap, interrupts off              heap, interrupts off                               on a thread
//! ```
//!
//! What a driver finds in core:
//!
//! | need | where |
//! |---|---|
//! | port I/O, MSRs | `x86_64::instructions::port`, `x86_64::registers` |
//! | device registers | [`crate::mmio::map`]: uncached and volatile, never unmapped |
//! | memory that a hypervisor shares | [`crate::mmio::map_memory`]: the same, cached |
//! | memory for a device | [`crate::dma::Buffer`]; [`crate::dma::physical_address`] for what the kernel already holds |
//! | interrupts | [`crate::interrupts::register`] |
//! | waiting | [`crate::thread`]: `spawn`, `current`, `park`, `Thread::unpark`, [`crate::thread::Event`] (unparking and setting are allowed in interrupt handlers) |
//! | data shared with a handler | [`crate::sync::IrqMutex`] |
//! | time | [`crate::clock::monotonic`] |
//! | log | the `log` crate |
//! | a stop asked for by the host | [`crate::stop::request`] (allowed in interrupt handlers) |
//!
//! In interrupt context (handlers of [`crate::interrupts::register`] and every [`Notify`]) nothing may block, allocate,
//! free or take a lock that is not an [`crate::sync::IrqMutex`].

mod clock;
mod entropy;
mod interrupt;
mod offers;
mod platform;
mod power;
mod timer;

pub use clock::{Clock, TscScale};
pub use entropy::Entropy;
pub use interrupt::{InterruptController, Polarity, Trigger};
pub use offers::{Feature, Offers};
pub use platform::{Devices, Machine, Platform, PlatformError};
pub use power::{Ending, Power};
pub use rumpkin_vocabulary::{Checksum, Console, Disk, DiskError, DiskInfo, Link, LinkInfo, Notify};
pub use timer::Timer;
