//! Finds devices, and starts the drivers that the image has for them.

use crate::{
    acpi::{Acpi, Line, MmioSlot},
    command_line,
    driver::{Driver, Found, Reason, Setting},
    pci, power, serial,
};
use alloc::{format, sync::Arc, vec::Vec};
use rumpkin_core::for_platform::{
    boot::{BootInfo, MemoryKind},
    interface::{Devices, Polarity, Trigger},
    interrupts, mmio,
};
use rumpkin_virtio::{Mmio, Pci, Sizes, Terminal, Window};

/// No virtio device has more registers in one block.
const LARGEST_WINDOW: usize = 1 << 20;
/// Where physical addresses end at the latest.
const ADDRESSES: u64 = 1 << 52;
/// Below this much memory the rings are small.
const SMALL_MEMORY: u64 = 48 << 20;

/// Everything there is that one of `drivers` is for. A virtio console is kept in `terminal` too.
pub fn devices(
    boot: &BootInfo,
    acpi: &Acpi,
    drivers: &[Driver],
    terminal: &rumpkin_core::for_platform::sync::Once<Arc<Terminal>>,
) -> Devices {
    let mut devices = Devices::default();
    power::listen(acpi);
    if serial::present() {
        start_serial(acpi, &mut devices);
    }
    let setting = Setting { sizes: ring_sizes(boot), terminal };
    for found in on_pci(boot, acpi).into_iter().chain(on_mmio(boot, acpi)) {
        let kind = found.transport.device_type();
        let started = match drivers.iter().find(|driver| driver.kind == kind) {
            Some(driver) => (driver.start)(&found, &setting, &mut devices),
            None => Err(Reason::NoDriver(kind)),
        };
        if let Err(reason) = started {
            log::warn!("{}: not used: {reason}", found.name);
        }
    }
    devices
}

fn ring_sizes(boot: &BootInfo) -> Sizes {
    let ram: u64 =
        boot.memory.iter().filter(|region| region.kind == MemoryKind::Ram).map(|region| region.range.length).sum();
    let count = if ram < SMALL_MEMORY { 64 } else { 256 };
    Sizes { receive: count, transmit: count }
}

fn start_serial(acpi: &Acpi, devices: &mut Devices) {
    let console = Arc::new(serial::Serial::new());
    let line = acpi.isa_line(serial::ISA_INTERRUPT);
    let handler = console.clone();
    match interrupts::register(line.number, line.trigger, line.polarity, move || {
        handler.interrupt();
    }) {
        Ok(()) => {
            console.enable_input();
            log::info!("ttyS0: 16550 on line {}", line.number);
        }
        Err(error) => log::warn!("ttyS0: no input: {error}"),
    }
    devices.console = Some(console);
}

/// Maps device registers for a transport; `None` if they cannot be there, or there is no memory.
fn window(boot: &BootInfo, address: u64, length: usize) -> Option<Window> {
    let end = address.checked_add(length as u64)?;
    let in_memory = boot
        .memory
        .iter()
        .filter(|region| region.kind != MemoryKind::Reserved)
        .any(|region| address < region.range.end() && region.range.start < end);
    if in_memory || length == 0 || length > LARGEST_WINDOW || end > ADDRESSES {
        return None;
    }
    let region = mmio::map(address, length).ok()?;
    // SAFETY: The mapping is for good and uncached, and not of memory, so what lies there are a device's registers.
    Some(unsafe { Window::new(region.as_ptr(), region.len()) })
}

fn on_pci(boot: &BootInfo, acpi: &Acpi) -> Vec<Found> {
    let mut found = Vec::new();
    for function in pci::functions(acpi) {
        let Some(kind) = Pci::identify(&function.info, function.subsystem) else {
            log::debug!("pci {}: {}: no driver", function.at, function.info);
            continue;
        };
        let name = format!("pci {}", function.at);
        let Some(line) = function.line else {
            log::warn!("{name}: not used: the firmware gave it no interrupt line");
            continue;
        };
        match Pci::new(function.configuration, function.at, kind, &|address, length| window(boot, address, length)) {
            Ok(transport) => found.push(Found { name, transport: Arc::new(transport), line: acpi.pci_line(line) }),
            Err(error) => log::warn!("{name}: not used: {error}"),
        }
    }
    found
}

/// The slots that the DSDT or the command line declares.
fn on_mmio(boot: &BootInfo, acpi: &Acpi) -> Vec<Found> {
    let mut slots: Vec<MmioSlot> = Vec::new();
    for slot in acpi.mmio_slots.iter().copied().chain(command_line::mmio_slots(boot.command_line)) {
        // QEMU plugs its devices from the last slot down, so this is the order of its command line.
        if let Err(place) = slots.binary_search_by(|other| slot.address.cmp(&other.address)) {
            slots.insert(place, slot);
        }
    }
    slots.iter().filter_map(|slot| probe(boot, slot)).collect()
}

fn probe(boot: &BootInfo, slot: &MmioSlot) -> Option<Found> {
    let name = format!("virtio-mmio {:#x}", slot.address);
    let Some(window) = window(boot, slot.address, slot.length as usize) else {
        log::warn!("{name}: not used: no registers can be there");
        return None;
    };
    match Mmio::probe(window) {
        Ok(Some(transport)) => Some(Found {
            name,
            transport: Arc::new(transport),
            line: Line { number: slot.line, trigger: Trigger::Level, polarity: Polarity::High },
        }),
        Ok(None) => None,
        Err(error) => {
            log::warn!("{name}: not used: {error}");
            None
        }
    }
}
