//! What platforms (layer 1) implement for core, and all that they may use of it.
//!
//! A platform is one value of [`interface::Platform`]. Core calls it in this order, all on the boot processor:
//!
//! ```text
//!   detect ─▶ (early_write whenever core logs) ─▶ initialize ─▶ … threads, interrupts, timers run … ─▶ discover
//!             no heap, interrupts off              heap, interrupts off                               on a thread
//! ```
//!
//! What a driver finds here:
//!
//! | need | where |
//! |---|---|
//! | port I/O, MSRs | `x86_64::instructions::port`, `x86_64::registers` |
//! | device registers | [`mmio::map`]: uncached and volatile, never unmapped |
//! | memory that a hypervisor shares | [`mmio::map_memory`]: the same, cached |
//! | memory for a device | [`dma::Buffer`] |
//! | what a driver needs that has tests in a process | [`services::Services`]: memory for its device, waiting and waking, time, processors |
//! | interrupts | [`interrupts::register`] |
//! | waiting | [`thread`]: `spawn`, `current`, `park`, `Thread::unpark`; [`services::Event`] (unparking and setting are allowed in interrupt handlers) |
//! | data shared with a handler | [`sync::IrqMutex`] |
//! | time | [`clock::monotonic`] |
//! | log | the `log` crate |
//! | a stop asked for by the host | [`stop::request`] (allowed in interrupt handlers) |
//!
//! In interrupt context (handlers of [`interrupts::register`] and every [`interface::Notify`]) nothing may block, allocate, free or take a
//! lock that is not a [`sync::IrqMutex`].

/// What the boot entry found out.
pub mod boot {
    pub use crate::boot::{BootInfo, ImageLayout, MemoryKind, MemoryRegion, Payload, PhysicalRange};
}

/// Time.
pub mod clock {
    pub use crate::{clock::monotonic, x86::instructions::tsc};
}

/// Memory that devices read and write.
pub mod dma {
    pub use crate::dma::Buffer;
}

/// What a platform implements, and what that speaks of.
pub mod interface {
    pub use crate::interface::{
        Checksum, Clock, Console, Devices, Disk, DiskError, DiskInfo, Ending, Entropy, Feature, InterruptController,
        Link, LinkInfo, Machine, Notify, Offers, Platform, PlatformError, Polarity, Power, Timer, Trigger, TscScale,
    };
}

/// Device interrupts.
pub mod interrupts {
    pub use crate::interrupts::register;
}

/// Where things are in the kernel's half of the address space.
pub mod layout {
    pub use crate::x86::layout::{LINK_BASE, PAGE_SIZE, Places, direct, image};
}

/// What core says when there is no memory.
pub mod memory {
    pub use crate::memory::OutOfMemory;
}

/// Device registers and shared memory.
pub mod mmio {
    pub use crate::mmio::{Region, map, map_memory};
}

/// Randomness of the processor.
pub mod random {
    pub use crate::x86::instructions::random as from_processor;
}

/// What a driver asks of the machine, which its tests simulate.
pub mod services {
    pub use crate::services::{Event, OnCore, Services};
}

/// Slots of a ring of buffers.
pub mod slots {
    pub use crate::slots::Slots;
}

/// The host's wish that the machine stop.
pub mod stop {
    pub use crate::stop::request;
}

/// Locks and values made once.
pub mod sync {
    pub use crate::sync::{Interrupts, IrqGuard, IrqMutex, Once};
}

/// Kernel threads.
pub mod thread {
    pub use crate::thread::{Thread, current, park, sleep, spawn, timer_fired, yield_now};
}
