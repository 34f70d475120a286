//! Front ends of Xen's split drivers: networks and disks whose back ends are drivers in another domain.
//!
//! ```text
//!   Net ───── Port        Block ───── Port        what core sees: Link, Disk
//!    │ receive, transmit    │ connection
//!    └──────── Ring ────────┘                     requests and responses in shared pages
//!               │
//!             Memory (grant table)                pages that the back end may reach
//!
//!   Device (xenbus)                               the handshake, for as long as the device lives
//!               │
//!            Machine                              core's services, grants, events, store; or a simulation of them
//! ```
//!
//! Invariants:
//! 1. A back end is never trusted. What it writes into a ring or the store is read once and checked; what cannot be ends the
//!    connection, which begins anew when the back end does. No number of its choosing reaches memory unchecked.
//! 2. A Rust reference exists only to memory that the back end cannot write: a page is taken away from it first, or was granted
//!    for reading, or the bytes are copied. What it still has mapped is never given to anybody else.
//! 3. An event's handler takes what is done and wakes threads; everything else is done by threads. Nothing polls.
//! 4. Grants are made when a device connects and stay; no request makes or ends one for good.

/// Declares the nodes of the store by which a driver and its back end tell each other what they can do: a constant for each, and
/// the table of them for the reference page.
macro_rules! features {
    ($($constant:ident $name:literal $what:literal)*) => {
        $(#[doc = $what] pub const $constant: &str = $name;)*
        /// All of them.
        pub const ALL: &[rumpkin_core::for_platform::interface::Feature] =
            &[$(rumpkin_core::for_platform::interface::Feature { name: $name, what: $what }),*];
    };
}
use features;

mod block;
mod domain;
mod error;
mod grant;
mod machine;
mod net;
mod ring;
#[cfg(test)]
mod tests;
mod xenbus;

pub use block::feature::ALL as BLOCK_FEATURES;
pub use net::feature::ALL as NET_FEATURES;

use crate::store::Store;
use alloc::{boxed::Box, format, string::String, sync::Arc, vec::Vec};
use domain::Domain;
use machine::Machine;
use rumpkin_core::for_platform::{
    boot::{BootInfo, MemoryKind},
    interface::{Devices, Disk, Link},
    services::{Event, Services},
    thread,
};
use xenbus::{Device, Phase};

/// How long the boot waits for back ends, in nanoseconds.
const PATIENCE: u64 = 20_000_000_000;
/// Below this much memory buffers are few.
const SMALL_MEMORY: u64 = 48 << 20;

/// Opens disks, and appends each device's end of the handshake to the others.
type OpenDisks = fn(&'static Domain, small: bool, &Arc<dyn Event>, &mut Vec<Device>) -> Vec<Opened>;

/// A disk, and which of the ends is its.
type Opened = (usize, Arc<dyn Disk>);

/// A driver that an image need not have.
pub struct Disks(OpenDisks);

/// The front end of disks.
pub const DISKS: Disks = Disks(open_disks);

/// Finds the networks that the toolstack made, and the disks if the image has a driver for them, connects them, and keeps them
/// connected from then on. In order of their numbers. Blocks until the back ends are there, but not for ever.
pub fn discover(store: &'static Store, boot: &BootInfo, drivers: Option<&Disks>, devices: &mut Devices) {
    let machine: &'static Domain = Box::leak(Box::new(Domain::new(store)));
    let bus = machine.services().event();
    let small = memory(boot) < SMALL_MEMORY;
    let mut known = Vec::new();
    newcomers(machine, &mut known);
    let mut ends = Vec::new();
    let mut links = Vec::new();
    for id in numbers(machine, "device/vif") {
        let sizes =
            if small { net::Sizes { receive: 64, transmit: 64 } } else { net::Sizes { receive: 256, transmit: 128 } };
        let path = format!("device/vif/{id}");
        let opened = net::open(machine, &path, sizes, &bus)
            .and_then(|(net, port)| Ok((net, Device::new(machine, &path, Box::new(port), &bus)?)));
        match opened {
            Ok((net, end)) => {
                links.push((ends.len(), net));
                ends.push(end);
            }
            Err(error) => log::warn!("{path}: not used: {error}"),
        }
    }
    let disks = drivers.map(|Disks(open)| open(machine, small, &bus, &mut ends)).unwrap_or_default();
    settle(&mut ends, machine.services(), &*bus);
    for (index, net) in links {
        let Some(end) = ends.get(index).filter(|end| is_used(end, &[Phase::Begun, Phase::Offered])) else { continue };
        let info = net.info();
        let [a, b, c, d, e, f] = info.mac;
        log::info!(
            "eth{}: xen network at {}, {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}, MTU {}",
            devices.links.len(),
            end.path(),
            info.mtu
        );
        devices.links.push(Box::new(net));
    }
    for (index, block) in disks {
        let Some(end) = ends.get(index).filter(|end| is_used(end, &[])) else { continue };
        let info = block.info();
        log::info!(
            "vd{}: xen disk at {}, {} sectors{}",
            char::from(b'a' + (devices.disks.len() % 26) as u8),
            end.path(),
            info.sectors,
            if info.read_only { ", read-only" } else { "" }
        );
        devices.disks.push(block);
    }
    if let Err(error) = thread::spawn("xenbus", move || serve(machine, ends, known, &bus)) {
        log::warn!("xen: devices will not be connected again: {error:?}");
    }
}

fn open_disks(machine: &'static Domain, small: bool, bus: &Arc<dyn Event>, ends: &mut Vec<Device>) -> Vec<Opened> {
    let mut disks: Vec<Opened> = Vec::new();
    for id in numbers(machine, "device/vbd") {
        let path = format!("device/vbd/{id}");
        let (block, port) = block::open(machine, id, if small { 32 } else { 128 }, bus);
        match Device::new(machine, &path, Box::new(port), bus) {
            Ok(end) => {
                disks.push((ends.len(), Arc::new(block)));
                ends.push(end);
            }
            Err(error) => log::warn!("{path}: not used: {error}"),
        }
    }
    disks
}

/// Whether a device goes to the kernel: it is connected, or in a phase that will do.
fn is_used(end: &Device, others: &[Phase]) -> bool {
    let phase = end.phase();
    let used = phase == Phase::Connected || others.contains(&phase);
    if phase != Phase::Connected {
        log::warn!("{}: {}: {phase:?}", end.path(), if used { "not connected yet" } else { "not used" });
    }
    used
}

/// Lets the handshakes go on until each has come to an end, or time is up.
fn settle(ends: &mut [Device], services: &dyn Services, bus: &dyn Event) {
    let deadline = services.monotonic().saturating_add(PATIENCE);
    loop {
        ends.iter_mut().for_each(Device::step);
        if ends.iter().all(|end| matches!(end.phase(), Phase::Connected | Phase::Failed)) {
            return;
        }
        let left = deadline.saturating_sub(services.monotonic());
        if left == 0 || !bus.wait(Some(left)) {
            return;
        }
    }
}

/// The handshakes' thread.
fn serve(machine: &'static dyn Machine, mut ends: Vec<Device>, mut known: Vec<String>, bus: &Arc<dyn Event>) {
    let event = bus.clone();
    let watch = machine.watch("device", Arc::new(move || event.set()));
    if watch.is_none() {
        log::warn!("xen: the store gives no watch on devices: new ones will not be noticed");
    }
    loop {
        ends.iter_mut().for_each(Device::step);
        for path in newcomers(machine, &mut known) {
            // The kernel has taken its devices.
            log::warn!("{path}: plugged in after the start: not used before the next one");
        }
        bus.wait(None);
    }
}

/// Devices in the store that are not yet known; then they are.
fn newcomers(machine: &dyn Machine, known: &mut Vec<String>) -> Vec<String> {
    let paths = ["device/vif", "device/vbd"].into_iter().flat_map(|folder| {
        let ids = numbers(machine, folder).into_iter();
        ids.map(move |id| format!("{folder}/{id}"))
    });
    let new: Vec<String> = paths.filter(|path| !known.contains(path)).collect();
    known.extend(new.iter().cloned());
    new
}

fn memory(boot: &BootInfo) -> u64 {
    boot.memory.iter().filter(|region| region.kind == MemoryKind::Ram).map(|region| region.range.length).sum()
}

/// The numbers of the devices below a node, ascending.
fn numbers(machine: &dyn Machine, path: &str) -> Vec<u32> {
    let mut numbers = Vec::new();
    for number in machine.list(path).iter().filter_map(|name| name.parse().ok()) {
        if let Err(place) = numbers.binary_search(&number) {
            numbers.insert(place, number);
        }
    }
    numbers
}
