//! PCI configuration space: by the two ports, or by the memory window that ACPI names (ECAM).

use crate::acpi::Acpi;
use alloc::vec::Vec;
use rumpkin_core::for_platform::mmio;
use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction, DeviceFunctionInfo, HeaderType};
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
        if !base.is_multiple_of(BUS_WINDOW as u64) {
            return None;
        }
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

/// What a bus answers where nothing is.
const NOTHING: u32 = u32::MAX;
const IDENTITY: u8 = 0x00;
const CLASS: u8 = 0x08;
const HEADER_TYPE: u8 = 0x0c;
const SEVERAL_FUNCTIONS: u8 = 1 << 7;

/// All functions, behind bridges too, in the order of their addresses.
///
/// Every access leaves the guest, so absent devices are asked once, and not once for each function.
pub fn functions(acpi: &Acpi) -> Vec<Function> {
    let mut found: Vec<Function> = Vec::new();
    let mut seen = Vec::new();
    let mut buses = Vec::from([0]);
    while let Some(bus) = buses.pop() {
        // A bridge that leads to where we have been would lead in circles.
        if seen.contains(&bus) {
            continue;
        }
        seen.push(bus);
        let Some(configuration) = Configuration::to_bus(acpi, bus) else {
            continue;
        };
        for device in 0..32 {
            for function in 0..8 {
                let at = DeviceFunction { bus, device, function };
                let several = match examine(configuration, at) {
                    Some((found_here, several)) => {
                        if found_here.info.header_type == HeaderType::PciPciBridge {
                            buses.push((configuration.read_word(at, BUS_NUMBERS) >> 8) as u8);
                        }
                        let place = found.partition_point(|other| other.at < at);
                        found.insert(place, found_here);
                        several
                    }
                    None => false,
                };
                if function == 0 && !several {
                    break;
                }
            }
        }
    }
    found
}

/// The function at an address, and whether its device says that it has several.
fn examine(configuration: Configuration, at: DeviceFunction) -> Option<(Function, bool)> {
    let word = |register| configuration.read_word(at, register);
    let identity = word(IDENTITY);
    if identity == NOTHING {
        return None;
    }
    let [revision, prog_if, subclass, class] = word(CLASS).to_le_bytes();
    let [_, _, header_type, _] = word(HEADER_TYPE).to_le_bytes();
    let [line, pin, ..] = word(INTERRUPT).to_le_bytes();
    let info = DeviceFunctionInfo {
        vendor_id: identity as u16,
        device_id: (identity >> 16) as u16,
        class,
        subclass,
        prog_if,
        revision,
        header_type: HeaderType::from(header_type & !SEVERAL_FUNCTIONS),
    };
    let function = Function {
        at,
        subsystem: (word(SUBSYSTEM) >> 16) as u16,
        line: (pin != 0 && line != 0 && line != 0xff).then_some(line),
        configuration,
        info,
    };
    Some((function, header_type & SEVERAL_FUNCTIONS != 0))
}
