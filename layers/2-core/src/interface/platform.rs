//! The platform itself: how core finds it, and what it hands over.

use super::{
    clock::Clock,
    entropy::Entropy,
    error::PlatformError,
    interrupt::InterruptController,
    power::{Ending, Power},
    timer::Timer,
};
use crate::boot::BootInfo;
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use rumpkin_vocabulary::{Console, Disk, Link};

/// A family of machines that the kernel can run on. The image passes those that it was built with to [`crate::for_image::start`].
pub trait Platform: Sync {
    /// Its name in the log.
    fn name(&self) -> &'static str;

    /// Whether this machine is one of them (CPUID, boot data). No heap, interrupts off. The first that says yes is it.
    fn detect(&self, boot: &BootInfo) -> bool;

    /// Writes to whatever console works without heap and interrupts, by polling; nothing if there is none.
    /// Serves the log until [`Platform::discover`] has given a console, and a panic.
    fn early_write(&self, data: &[u8]);

    /// How the machine ends when it has to before [`Platform::initialize`] gave a [`Power`] (or in its place).
    fn early_end(&self, ending: Ending) -> !;

    /// Finds clock, interrupt controller and power. With heap and page tables, interrupts off, no threads yet.
    fn initialize(&self, boot: &'static BootInfo) -> Result<Machine, PlatformError>;

    /// Finds the devices and starts their drivers. On a thread, interrupts on. A device that does not work is logged and
    /// left out.
    fn discover(&self, boot: &'static BootInfo) -> Devices;
}

/// What core needs to run threads.
pub struct Machine {
    /// Time.
    pub clock: &'static dyn Clock,
    /// Interrupt routing.
    pub interrupts: &'static dyn InterruptController,
    /// The end.
    pub power: &'static dyn Power,
    /// The timer; `None` for the local APIC's.
    pub timer: Option<&'static dyn Timer>,
}

/// What the machine has.
#[derive(Default)]
pub struct Devices {
    /// Network interfaces, in a stable order.
    pub links: Vec<Box<dyn Link>>,
    /// Disks, in a stable order.
    pub disks: Vec<Arc<dyn Disk>>,
    /// The console; without one, output goes to [`Platform::early_write`] and there is no input.
    pub console: Option<Arc<dyn Console>>,
    /// Sources of entropy.
    pub entropy: Vec<Arc<dyn Entropy>>,
}
