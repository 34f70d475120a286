//! I/O APICs: from interrupt lines to vectors of the boot processor (82093AA data sheet).

use crate::acpi::Acpi;
use alloc::{string::ToString, vec::Vec};
use rumpkin_core::for_platform::{
    interface::{InterruptController, PlatformError, Polarity, Trigger},
    mmio,
    sync::IrqMutex,
};
use x86_64::instructions::port::Port;

/// Where the first one is by custom.
const DEFAULT_ADDRESS: u64 = 0xfec0_0000;
const SELECT: usize = 0x00;
const WINDOW: usize = 0x10;
const VERSION: u32 = 1;
const FIRST_REDIRECTION: u32 = 0x10;

const ACTIVE_LOW: u32 = 1 << 13;
const LEVEL: u32 = 1 << 15;
const MASKED: u32 = 1 << 16;

/// One I/O APIC.
struct IoApic {
    registers: IrqMutex<mmio::Region>,
    first: u32,
    count: u32,
}

impl IoApic {
    fn new(address: u64, first: u32) -> Result<Self, PlatformError> {
        if !address.is_multiple_of(4) {
            return Err(PlatformError(alloc::format!("no I/O APIC can be at {address:#x}")));
        }
        let registers =
            mmio::map(address, 0x20).map_err(|_| PlatformError("no memory to map an I/O APIC".to_string()))?;
        let mut io_apic = Self { registers: IrqMutex::new(registers), first, count: 0 };
        let version = io_apic.read(VERSION);
        if version != u32::MAX {
            io_apic.count = (version >> 16 & 0xff) + 1;
        }
        for pin in 0..io_apic.count {
            io_apic.write(redirection(pin), MASKED);
        }
        Ok(io_apic)
    }

    fn read(&self, register: u32) -> u32 {
        let registers = self.registers.lock();
        registers.write_u32(SELECT, register);
        registers.read_u32(WINDOW)
    }

    fn write(&self, register: u32, value: u32) {
        let registers = self.registers.lock();
        registers.write_u32(SELECT, register);
        registers.write_u32(WINDOW, value);
    }

    fn update(&self, register: u32, change: impl FnOnce(u32) -> u32) {
        let registers = self.registers.lock();
        registers.write_u32(SELECT, register);
        let value = change(registers.read_u32(WINDOW));
        registers.write_u32(WINDOW, value);
    }
}

/// The lower word of a pin's redirection entry.
fn redirection(pin: u32) -> u32 {
    FIRST_REDIRECTION + 2 * pin
}

/// All I/O APICs of the machine.
pub struct IoApics {
    all: Vec<IoApic>,
    /// Identifier of the boot processor's local APIC.
    destination: u32,
}

impl IoApics {
    /// Takes over those that the tables name, else the customary one, and silences the older controller (8259).
    pub fn new(acpi: &Acpi) -> Result<Self, PlatformError> {
        let all = if acpi.io_apics.is_empty() {
            Vec::from([IoApic::new(DEFAULT_ADDRESS, 0)?])
        } else {
            let named = acpi.io_apics.iter();
            named.map(|one| IoApic::new(one.address, one.first)).collect::<Result<_, _>>()?
        };
        for port in [0x21, 0xa1] {
            // SAFETY: The interrupt mask registers of the two 8259; all lines come by the I/O APICs.
            unsafe { Port::new(port).write(0xff_u8) };
        }
        Ok(Self { all, destination: boot_processor() })
    }

    fn pin(&self, line: u32) -> Option<(&IoApic, u32)> {
        self.all.iter().find_map(|one| {
            let pin = line.checked_sub(one.first)?;
            (pin < one.count).then_some((one, pin))
        })
    }
}

/// The local APIC identifier of the processor that runs this (CPUID leaf 1).
fn boot_processor() -> u32 {
    core::arch::x86_64::__cpuid(1).ebx >> 24
}

impl InterruptController for IoApics {
    fn route(&self, line: u32, vector: u8, trigger: Trigger, polarity: Polarity) -> Result<(), PlatformError> {
        let (one, pin) = self.pin(line).ok_or_else(|| PlatformError(alloc::format!("no I/O APIC has line {line}")))?;
        let mut entry = MASKED | u32::from(vector);
        if trigger == Trigger::Level {
            entry |= LEVEL;
        }
        if polarity == Polarity::Low {
            entry |= ACTIVE_LOW;
        }
        one.write(redirection(pin) + 1, self.destination << 24);
        one.write(redirection(pin), entry);
        Ok(())
    }

    fn mask(&self, line: u32) {
        if let Some((one, pin)) = self.pin(line) {
            one.update(redirection(pin), |entry| entry | MASKED);
        }
    }

    fn unmask(&self, line: u32) {
        if let Some((one, pin)) = self.pin(line) {
            one.update(redirection(pin), |entry| entry & !MASKED);
        }
    }
}
