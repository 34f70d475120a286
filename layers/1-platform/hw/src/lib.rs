//! Layer 1 for PC-like machines: QEMU's pc, q35 and microvm, and what resembles them (docs/platforms.md).
//!
//! It depends on core, whose interfaces it implements, and on the virtio drivers. It finds the hardware in this order:
//! ACPI tables where there are some, the command line, then what such machines have by custom.
//!
//! Invariants:
//! 1. Firmware tables and registers are input: a table is copied, its length and checksum checked, before anything in it
//!    is used, and what does not fit means "not there", not a panic.
//! 2. Nothing polls once the machine runs: console input, devices and the power button interrupt.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod acpi;
mod clock;
mod command_line;
mod discover;
pub mod driver;
mod ioapic;
mod offers;
mod pci;
mod pit;
mod power;
mod pvclock;
mod rtc;
mod serial;

pub use offers::OFFERS;

use acpi::Acpi;
use alloc::{boxed::Box, sync::Arc};
use core::sync::atomic::{AtomicU64, Ordering};
use rumpkin_core::for_platform::{
    boot::BootInfo,
    interface::{Devices, Ending, Machine, Platform, PlatformError},
    sync::Once,
};
use rumpkin_virtio::Terminal;

/// A PC, or a virtual machine that looks like one from far enough.
pub struct Pc {
    drivers: &'static [driver::Driver],
    calibration: Once<clock::Calibration>,
    hardware: Once<Hardware>,
    /// The virtio console, for what is written in a panic.
    terminal: Once<Arc<Terminal>>,
}

/// What [`Platform::initialize`] found and [`Platform::discover`] needs.
struct Hardware {
    acpi: Acpi,
}

impl Pc {
    /// The platform, to be handed to core. Of the devices it drives those that `drivers` are for.
    pub const fn new(drivers: &'static [driver::Driver]) -> Self {
        Pc { drivers, calibration: Once::new(), hardware: Once::new(), terminal: Once::new() }
    }
}

impl Platform for Pc {
    fn name(&self) -> &'static str {
        "PC"
    }

    fn detect(&self, _boot: &BootInfo) -> bool {
        // The image asks the more particular platforms first, so this is it. The measurement runs while core sets up memory.
        self.calibration.call_once(clock::Calibration::begin);
        true
    }

    fn early_write(&self, data: &[u8]) {
        serial::early_write(data);
        if let Some(terminal) = self.terminal.get() {
            terminal.try_write(data);
        }
    }

    fn early_end(&self, ending: Ending) -> ! {
        power::end(ending, None)
    }

    fn initialize(&self, boot: &'static BootInfo) -> Result<Machine, PlatformError> {
        let calibration = *self.calibration.call_once(clock::Calibration::begin);
        let acpi = Acpi::find(boot);
        let interrupts = Box::leak(Box::new(ioapic::IoApics::new(&acpi)?));
        let power = Box::leak(Box::new(power::PcPower::new(&acpi)));
        let clock = Box::leak(clock::start(calibration, boot.entered_at, &acpi)?);
        self.hardware.call_once(|| Hardware { acpi });
        Ok(Machine { clock, interrupts, power, timer: None })
    }

    fn discover(&self, boot: &'static BootInfo) -> Devices {
        match self.hardware.get() {
            Some(hardware) => discover::devices(boot, &hardware.acpi, self.drivers, &self.terminal),
            None => Devices::default(),
        }
    }
}

/// A counter of things found, for names like eth0.
struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}
