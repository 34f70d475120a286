//! Finds devices, starts their drivers, and wires their interrupts.

use crate::{
    Counter,
    acpi::{Acpi, Line, MmioSlot},
    command_line,
    on_core::OnCore,
    pci, power, serial,
};
use alloc::{boxed::Box, format, string::String, sync::Arc, vec::Vec};
use rumpkin_core::{
    boot::{BootInfo, MemoryKind},
    interface::{Devices, Disk, Link, PlatformError, Polarity, Trigger},
    interrupts, mmio,
};
use rumpkin_virtio::{Block, Error, Handler, Mmio, Net, Pci, Rng, Sizes, Terminal, Transport, Window, device_type};

static MACHINE: OnCore = OnCore;
static NETWORKS: Counter = Counter::new();
static DISKS: Counter = Counter::new();

/// No virtio device has more registers in one block.
const LARGEST_WINDOW: usize = 1 << 20;
/// Where physical addresses end at the latest.
const ADDRESSES: u64 = 1 << 52;
/// Below this much memory the rings are small.
const SMALL_MEMORY: u64 = 48 << 20;

/// A device with registers and a line, not yet driven.
struct Found {
    name: String,
    transport: Arc<dyn Transport>,
    line: Line,
}

/// Everything there is. A virtio console is kept in `terminal` too.
pub fn devices(boot: &BootInfo, acpi: &Acpi, terminal: &rumpkin_core::sync::Once<Arc<Terminal>>) -> Devices {
    let mut devices = Devices::default();
    power::listen(acpi);
    if serial::present() {
        start_serial(acpi, &mut devices);
    }
    let sizes = ring_sizes(boot);
    for found in on_pci(boot, acpi).into_iter().chain(on_mmio(boot, acpi)) {
        if let Err(reason) = start(&found, sizes, &mut devices, terminal) {
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

/// Why a device is left out.
enum Reason {
    Device(Error),
    Line(PlatformError),
    NoDriver(u32),
}

impl core::fmt::Display for Reason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Device(error) => error.fmt(f),
            Self::Line(error) => error.fmt(f),
            Self::NoDriver(kind) => write!(f, "no driver for virtio devices of type {kind}"),
        }
    }
}

impl From<Error> for Reason {
    fn from(error: Error) -> Self {
        Self::Device(error)
    }
}

/// Has the device's line interrupt.
fn wire(found: &Found, handler: Arc<dyn Handler>) -> Result<(), Reason> {
    let line = found.line;
    let called = handler.clone();
    interrupts::register(line.number, line.trigger, line.polarity, move || {
        called.interrupt();
    })
    .map_err(Reason::Line)?;
    // A line that was raised before it was routed stays high unnoticed, as an I/O APIC sees no edge of a masked pin.
    handler.interrupt();
    Ok(())
}

fn start(
    found: &Found,
    sizes: Sizes,
    devices: &mut Devices,
    terminal: &rumpkin_core::sync::Once<Arc<Terminal>>,
) -> Result<(), Reason> {
    let Found { name, transport, line } = found;
    let at = line.number;
    match transport.device_type() {
        device_type::NETWORK => {
            let net = Net::new(&MACHINE, transport.clone(), sizes)?;
            wire(found, net.handler())?;
            let info = net.info();
            let [a, b, c, d, e, f] = info.mac;
            log::info!(
                "eth{}: virtio-net at {name}, line {at}, {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}, MTU {}{}",
                NETWORKS.next(),
                info.mtu,
                if info.transmit_checksum { ", checksums" } else { "" }
            );
            devices.links.push(Box::new(net));
        }
        device_type::BLOCK => {
            let block = Block::new(&MACHINE, transport.clone())?;
            wire(found, block.handler())?;
            block.identify();
            let info = block.info();
            let letter = char::from(b'a' + (DISKS.next() % 26) as u8);
            log::info!(
                "vd{letter}: virtio-blk at {name}, line {at}, {} sectors{}{}{}",
                info.sectors,
                if info.read_only { ", read-only" } else { "" },
                if info.serial.is_empty() { "" } else { ", serial " },
                info.serial
            );
            devices.disks.push(Arc::new(block));
        }
        device_type::ENTROPY => {
            let rng = Rng::new(&MACHINE, transport.clone())?;
            wire(found, rng.handler())?;
            log::info!("virtio-rng at {name}, line {at}");
            devices.entropy.push(Arc::new(rng));
        }
        device_type::CONSOLE => {
            let console = Terminal::new(&MACHINE, transport.clone())?;
            wire(found, console.handler())?;
            log::info!("hvc0: virtio-console at {name}, line {at}");
            // It is faster than a serial port, and who plugs it in means it.
            let console = Arc::new(console);
            terminal.call_once(|| console.clone());
            devices.console = Some(console);
        }
        kind => return Err(Reason::NoDriver(kind)),
    }
    Ok(())
}
