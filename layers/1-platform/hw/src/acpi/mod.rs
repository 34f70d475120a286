//! What ACPI tells of the machine: interrupt routing, power, the century register, PCI and virtio-mmio windows.
//!
//! The tables' layouts are those of the `acpi` crate. It trusts its input, so it only sees copies that were checked here.
//! Of the bytecode (DSDT) three things are looked for without an interpreter: see [`aml`].

mod aml;
mod tables;

#[cfg(test)]
mod tests;

pub use aml::MmioSlot;

use ::acpi::{
    address::{AddressSpace, GenericAddress},
    fadt::Fadt,
    madt::{InterruptSourceOverrideEntry, IoApicEntry},
    mcfg::McfgEntry,
};
use alloc::vec::Vec;
use rumpkin_core::for_platform::{
    boot::BootInfo,
    interface::{Polarity, Trigger},
};
use tables::Table;

/// An interrupt line as it comes out of the routing tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Global system interrupt.
    pub number: u32,
    /// Edge or level.
    pub trigger: Trigger,
    /// Active state.
    pub polarity: Polarity,
}

/// An I/O APIC of the MADT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoApic {
    /// Physical address of its registers.
    pub address: u64,
    /// The global system interrupt of its first pin.
    pub first: u32,
}

/// A register of ACPI's fixed hardware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Register {
    /// An I/O port.
    Port(u16),
    /// A physical address.
    Memory(u64),
}

/// How the machine is switched off, and tells that it shall be.
#[derive(Debug, Clone, Default)]
pub struct PowerRegisters {
    /// Event block: status at +0, enable at half its length (in bytes).
    pub event: Option<(u16, u16)>,
    /// PM1a and PM1b control registers.
    pub control: Vec<u16>,
    /// Sleep control register of hardware-reduced ACPI.
    pub sleep_control: Option<Register>,
    /// Sleep types for PM1a and PM1b in S5.
    pub sleep_type: Option<[u8; 2]>,
    /// The line of the system control interrupt.
    pub interrupt: Option<u8>,
    /// Port and value that switch ACPI mode on.
    pub enable: Option<(u16, u8)>,
    /// Register and value that reset the machine.
    pub reset: Option<(Register, u8)>,
    /// Generic event device: selector register and line.
    pub generic_event: Option<(u64, u32)>,
}

/// What was found; empty if ACPI is off.
#[derive(Debug, Clone, Default)]
pub struct Acpi {
    /// There are tables at all.
    pub present: bool,
    /// I/O APICs.
    pub io_apics: Vec<IoApic>,
    /// Where ISA interrupts are not what they are by custom.
    overrides: Vec<(u8, Line)>,
    /// Index of the century in CMOS memory; 0 if there is none.
    pub century: u8,
    /// The power management timer's port.
    pub timer: Option<u16>,
    /// Switching off.
    pub power: PowerRegisters,
    /// PCI configuration windows: physical address, first and last bus.
    pub pci_windows: Vec<(u64, u8, u8)>,
    /// virtio-mmio devices that the DSDT declares.
    pub mmio_slots: Vec<MmioSlot>,
}

impl Acpi {
    /// Reads the tables; an empty result if there are none.
    pub fn find(boot: &BootInfo) -> Self {
        let Some(root) = boot.rsdp else {
            return Self::default();
        };
        let memory = tables::Mapped::default();
        Self::parse(root, &|address, length| memory.read(address, length))
    }

    fn parse(root: u64, read: &tables::Reader<'_>) -> Self {
        let mut acpi = Self::default();
        let found = tables::all(root, read);
        acpi.present = !found.is_empty();
        for table in &found {
            match &table.signature() {
                b"APIC" => acpi.read_madt(table),
                b"FACP" => acpi.read_fadt(table, read),
                b"MCFG" => acpi.read_mcfg(table),
                _ => {}
            }
        }
        acpi
    }

    /// Where an ISA interrupt arrives.
    pub fn isa_line(&self, interrupt: u8) -> Line {
        let by_custom = Line { number: u32::from(interrupt), trigger: Trigger::Edge, polarity: Polarity::High };
        self.overrides.iter().find(|(isa, _)| *isa == interrupt).map_or(by_custom, |(_, line)| *line)
    }

    /// Where a PCI interrupt arrives whose line register says `line`: level-triggered, unless the tables say otherwise.
    pub fn pci_line(&self, line: u8) -> Line {
        self.overrides
            .iter()
            .find(|(isa, _)| *isa == line)
            .map_or(Line { number: u32::from(line), trigger: Trigger::Level, polarity: Polarity::High }, |(_, line)| {
                *line
            })
    }

    fn read_madt(&mut self, table: &Table) {
        for entry in table.entries(44) {
            if let Some(entry) = entry.cast::<IoApicEntry>(1) {
                self.io_apics.push(IoApic {
                    address: u64::from(entry.io_apic_address),
                    first: { entry.global_system_interrupt_base },
                });
            } else if let Some(entry) = entry.cast::<InterruptSourceOverrideEntry>(2) {
                let flags = { entry.flags };
                // MPS flags, ACPI 6.5 table 5.26; "conforms" means what ISA has.
                let line = Line {
                    number: { entry.global_system_interrupt },
                    trigger: if flags >> 2 & 3 == 3 { Trigger::Level } else { Trigger::Edge },
                    polarity: if flags & 3 == 3 { Polarity::Low } else { Polarity::High },
                };
                self.overrides.push((entry.irq, line));
            }
        }
    }

    fn read_fadt(&mut self, table: &Table, read: &tables::Reader<'_>) {
        // Lengths of register blocks in bytes, which the crate multiplies by 8 without looking.
        if table.bytes(88..94).iter().any(|&length| length >= 32) {
            return;
        }
        let Some(fadt) = table.padded::<Fadt>() else {
            return;
        };
        let flags = { fadt.flags };
        let reduced = flags.system_is_hw_reduced_acpi();
        self.century = fadt.century;
        let power = &mut self.power;
        if !reduced {
            power.interrupt = u8::try_from(fadt.sci_interrupt).ok();
            if !flags.power_button_is_control_method()
                && let Ok(block) = fadt.pm1a_event_block()
                && let Some(Register::Port(port)) = register(Some(block))
            {
                power.event = Some((port, u16::from(block.bit_width) / 16));
            }
            let blocks = [fadt.pm1a_control_block().ok(), fadt.pm1b_control_block().ok().flatten()];
            for block in blocks {
                if let Some(Register::Port(port)) = register(block) {
                    power.control.push(port);
                }
            }
            if let Ok(command) = u16::try_from(fadt.smi_cmd_port)
                && command != 0
                && fadt.acpi_enable != 0
            {
                power.enable = Some((command, fadt.acpi_enable));
            }
            if let Ok(block) = fadt.pm_timer_block()
                && let Some(Register::Port(port)) = register(block)
            {
                self.timer = Some(port);
            }
        } else if let Ok(block) = fadt.sleep_control_register() {
            power.sleep_control = register(block);
        }
        if flags.supports_system_reset_via_fadt()
            && let Ok(block) = fadt.reset_register()
            && let Some(at) = register(Some(block))
        {
            power.reset = Some((at, fadt.reset_value));
        }
        if let Ok(address) = fadt.dsdt_address()
            && let Some(dsdt) = Table::load(address as u64, read)
        {
            let code = dsdt.body();
            self.power.sleep_type = aml::sleep_type(code);
            self.power.generic_event = aml::generic_event(code);
            self.mmio_slots = aml::mmio_slots(code);
        }
    }

    fn read_mcfg(&mut self, table: &Table) {
        for entry in table.array::<McfgEntry>(44) {
            if { entry.pci_segment_group } == 0 && entry.bus_number_start <= entry.bus_number_end {
                let window = ({ entry.base_address }, entry.bus_number_start, entry.bus_number_end);
                self.pci_windows.push(window);
            }
        }
    }
}

/// The two kinds of register that such machines have; `None` for absent and other ones.
fn register(address: Option<GenericAddress>) -> Option<Register> {
    let address = address.filter(|block| block.address != 0)?;
    match address.address_space {
        AddressSpace::SystemIo => u16::try_from(address.address).ok().map(Register::Port),
        AddressSpace::SystemMemory => Some(Register::Memory(address.address)),
        _ => None,
    }
}
