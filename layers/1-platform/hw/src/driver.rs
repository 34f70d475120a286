//! The drivers that an image may have, one for each kind of device, and what starting one takes.

use crate::{Counter, acpi::Line};
use alloc::{boxed::Box, string::String, sync::Arc};
use core::fmt;
use rumpkin_core::for_platform::{
    interface::{Devices, Disk, Link, PlatformError},
    interrupts,
    services::OnCore,
    sync::Once,
};
use rumpkin_virtio::{Block, Error, Handler, Net, Rng, Sizes, Terminal, Transport, device_type};

static NETWORKS: Counter = Counter::new();
static DISKS: Counter = Counter::new();

/// A driver for the devices of one virtio type.
pub struct Driver {
    /// The type.
    pub(crate) kind: u32,
    /// Starts it for one device.
    pub(crate) start: fn(&Found, &Setting<'_>, &mut Devices) -> Result<(), Reason>,
}

/// Network cards.
pub const NETWORK: Driver = Driver { kind: device_type::NETWORK, start: network };
/// Disks.
pub const DISK: Driver = Driver { kind: device_type::BLOCK, start: disk };
/// Sources of entropy.
pub const ENTROPY: Driver = Driver { kind: device_type::ENTROPY, start: entropy };
/// Virtio consoles; the serial port works without.
pub const TERMINAL: Driver = Driver { kind: device_type::CONSOLE, start: console };

/// A device with registers and a line, not yet driven.
pub(crate) struct Found {
    pub name: String,
    pub transport: Arc<dyn Transport>,
    pub line: Line,
}

/// What the machine tells its drivers.
pub(crate) struct Setting<'a> {
    /// How long a network card's rings are.
    pub sizes: Sizes,
    /// Where a virtio console is kept.
    pub terminal: &'a Once<Arc<Terminal>>,
}

/// Why a device is left out.
pub(crate) enum Reason {
    Device(Error),
    Line(PlatformError),
    NoDriver(u32),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(error) => error.fmt(f),
            Self::Line(error) => error.fmt(f),
            Self::NoDriver(kind) => write!(f, "this image has no driver for virtio devices of type {kind}"),
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

fn network(found: &Found, setting: &Setting<'_>, devices: &mut Devices) -> Result<(), Reason> {
    let net = Net::new(&OnCore, found.transport.clone(), setting.sizes)?;
    wire(found, net.handler())?;
    let info = net.info();
    let [a, b, c, d, e, f] = info.mac;
    log::info!(
        "eth{}: virtio-net at {}, line {}, {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}, MTU {}{}",
        NETWORKS.next(),
        found.name,
        found.line.number,
        info.mtu,
        if info.transmit_checksum { ", checksums" } else { "" }
    );
    devices.links.push(Box::new(net));
    Ok(())
}

fn disk(found: &Found, _: &Setting<'_>, devices: &mut Devices) -> Result<(), Reason> {
    let block = Block::new(&OnCore, found.transport.clone())?;
    wire(found, block.handler())?;
    block.identify();
    let info = block.info();
    let letter = char::from(b'a' + (DISKS.next() % 26) as u8);
    log::info!(
        "vd{letter}: virtio-blk at {}, line {}, {} sectors{}{}{}",
        found.name,
        found.line.number,
        info.sectors,
        if info.read_only { ", read-only" } else { "" },
        if info.serial.is_empty() { "" } else { ", serial " },
        info.serial
    );
    devices.disks.push(Arc::new(block));
    Ok(())
}

fn entropy(found: &Found, _: &Setting<'_>, devices: &mut Devices) -> Result<(), Reason> {
    let rng = Rng::new(&OnCore, found.transport.clone())?;
    wire(found, rng.handler())?;
    log::info!("virtio-rng at {}, line {}", found.name, found.line.number);
    devices.entropy.push(Arc::new(rng));
    Ok(())
}

fn console(found: &Found, setting: &Setting<'_>, devices: &mut Devices) -> Result<(), Reason> {
    let console = Terminal::new(&OnCore, found.transport.clone())?;
    wire(found, console.handler())?;
    log::info!("hvc0: virtio-console at {}, line {}", found.name, found.line.number);
    // It is faster than a serial port, and who plugs it in means it.
    let console = Arc::new(console);
    setting.terminal.call_once(|| console.clone());
    devices.console = Some(console);
    Ok(())
}
