//! PCI configuration space: by the two ports, or by the memory window that ACPI names (ECAM).

use crate::acpi::Acpi;
use alloc::{collections::BTreeSet, vec::Vec};
use rumpkin_core::mmio;
use virtio_drivers::transport::pci::bus::{
    ConfigurationAccess, DeviceFunction, DeviceFunctionInfo, HeaderType, PciRoot,
};
use x86_64::instructions::port::Port;

const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;
const ENABLE: u32 = 1 << 31;
const BUS_NUMBERS: u8 = 0x18;
const SUBSYSTEM: u8 = 0x2c;
const INTERRUPT: u8 = 0x3c;
/// A bus's part of a memory window.
const BUS_WINDOW: usize = 1 << 20;

/// How configuration space is reached.
#[derive(Clone, Copy)]
pub enum Configuration {
    /// By ports 0xcf8 and 0xcfc. Used during discovery only, by one thread.
    Ports,
    /// One bus, mapped.
    Window {
        /// Its registers.
        registers: mmio::Region,
        /// Which bus it is.
        bus: u8,
    },
}

impl Configuration {
    /// The way to a bus; `None` if there is none.
    fn to_bus(acpi: &Acpi, bus: u8) -> Option<Self> {
        if ports_answer() {
            return Some(Self::Ports);
        }
        let (base, first, _) = *acpi.pci_windows.iter().find(|(_, first, last)| (*first..=*last).contains(&bus))?;
        let offset = u64::from(bus - first) * BUS_WINDOW as u64;
        let registers = mmio::map(base.checked_add(offset)?, BUS_WINDOW).ok()?;
        Some(Self::Window { registers, bus })
    }
}

/// Whether there is a host bridge behind the ports.
fn ports_answer() -> bool {
    // SAFETY: The PCI configuration address register: it keeps what is written, or nothing is there.
    unsafe {
        let mut address = Port::<u32>::new(ADDRESS);
        address.write(ENABLE);
        address.read() == ENABLE
    }
}

fn port_address(at: DeviceFunction, register: u8) -> u32 {
    ENABLE
        | u32::from(at.bus) << 16
        | u32::from(at.device & 31) << 11
        | u32::from(at.function & 7) << 8
        | u32::from(register & 0xfc)
}

fn window_offset(at: DeviceFunction, register: u8) -> usize {
    usize::from(at.device & 31) << 15 | usize::from(at.function & 7) << 12 | usize::from(register & 0xfc)
}

impl ConfigurationAccess for Configuration {
    fn read_word(&self, at: DeviceFunction, register: u8) -> u32 {
        match self {
            // SAFETY: Configuration registers of a device; reading touches no memory.
            Self::Ports => unsafe {
                Port::new(ADDRESS).write(port_address(at, register));
                Port::new(DATA).read()
            },
            Self::Window { registers, bus } if *bus == at.bus => registers.read_u32(window_offset(at, register)),
            Self::Window { .. } => u32::MAX,
        }
    }

    fn write_word(&mut self, at: DeviceFunction, register: u8, data: u32) {
        match self {
            // SAFETY: As above; what a device does with its command register is the drivers' business.
            Self::Ports => unsafe {
                Port::new(ADDRESS).write(port_address(at, register));
                Port::new(DATA).write(data);
            },
            Self::Window { registers, bus } if *bus == at.bus => {
                registers.write_u32(window_offset(at, register), data);
            }
            Self::Window { .. } => {}
        }
    }

    unsafe fn unsafe_clone(&self) -> Self {
        *self
    }
}

/// A function on the bus.
pub struct Function {
    /// Where it is.
    pub at: DeviceFunction,
    /// What it is.
    pub info: DeviceFunctionInfo,
    /// Its subsystem id.
    pub subsystem: u16,
    /// The interrupt line that the firmware wired it to; `None` if it has none.
    pub line: Option<u8>,
    /// How to configure it.
    pub configuration: Configuration,
}

/// All functions, behind bridges too, in the order of their addresses.
pub fn functions(acpi: &Acpi) -> Vec<Function> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut buses = Vec::from([0]);
    while let Some(bus) = buses.pop() {
        // A bridge that leads to where we have been would lead in circles.
        if !seen.insert(bus) {
            continue;
        }
        let Some(configuration) = Configuration::to_bus(acpi, bus) else {
            continue;
        };
        for (at, info) in PciRoot::new(configuration).enumerate_bus(bus) {
            let word = |register| configuration.read_word(at, register);
            if info.header_type == HeaderType::PciPciBridge {
                buses.push((word(BUS_NUMBERS) >> 8) as u8);
            }
            let [line, pin, ..] = word(INTERRUPT).to_le_bytes();
            found.push(Function {
                at,
                subsystem: (word(SUBSYSTEM) >> 16) as u16,
                line: (pin != 0 && line != 0 && line != 0xff).then_some(line),
                configuration,
                info,
            });
        }
    }
    found.sort_by_key(|function| function.at);
    found
}
