//! Block front end (`io/blkif.h`): a disk whose back end may go away and come back.
//!
//! A request that was out when the back end went is asked again of the one that comes; until then its thread waits. A disk that
//! is unplugged fails all requests.

mod connection;

use crate::devices::{
    error::{Error, Result},
    machine::{Channel, Machine, PAGE},
    xenbus::{Driver, Peer, State},
};
use alloc::{boxed::Box, format, string::String, sync::Arc, vec::Vec};
use connection::{Connection, Data, Failure, Request};
use core::sync::atomic::{AtomicBool, Ordering};
use rumpkin_core::for_platform::{
    interface::{Disk, DiskError, DiskInfo},
    services::Event,
};
use xen_sys::{BLKIF_OP_FLUSH_DISKCACHE, BLKIF_OP_WRITE_BARRIER};

/// What we and back ends can do (`io/blkif.h`).
pub mod feature {
    crate::devices::features! {
        RING "max-ring-page-order" "rings of up to 16 pages"
        PERSISTENT "feature-persistent" "the pages that data passes through are granted once"
        INDIRECT "feature-max-indirect-segments" "up to 64 pages a request, instead of 11"
        FLUSH "feature-flush-cache" "makes written data durable"
        BARRIER "feature-barrier" "the same, where there is no other way; without both there is nothing to flush"
        DISCARD "feature-discard" "`BLKDISCARD`"
    }
}

const SECTOR: usize = 512;
const LARGEST_BLOCK: u64 = 1 << 20;
/// In `info` (`VDISK_READONLY`).
const READ_ONLY: u64 = 4;
/// How long a request waits for a back end to come back, in nanoseconds.
const PATIENCE: u64 = 30_000_000_000;

/// A disk.
pub struct Block {
    shared: Arc<Shared>,
}

/// The disk's part in the handshake.
pub struct Port {
    shared: Arc<Shared>,
    handle: u16,
    /// Pages that data may pass through.
    pages: u16,
    offered: Option<(Box<dyn Channel>, Arc<Connection>)>,
}

struct Shared {
    machine: &'static dyn Machine,
    place: spin::Mutex<Place>,
    info: spin::Mutex<DiskInfo>,
    broken: AtomicBool,
    /// Wakes the handshake's thread.
    bus: Arc<dyn Event>,
}

/// Where the back end is, and who waits for it.
struct Place {
    back: Back,
    waiting: Vec<Arc<dyn Event>>,
}

enum Back {
    Connected(Arc<Live>),
    /// It may come back.
    Away,
    /// It will not, unless the disk is plugged in again.
    Gone,
}

/// A connection and what the back end can do. The channel is first, so that it is closed first.
struct Live {
    channel: Box<dyn Channel>,
    connection: Arc<Connection>,
    /// The operation that makes writes durable; 0 if there is nothing to be done.
    flush: u32,
    discard: bool,
    /// The most pages in a request that lists them apart; 0 if there are no such requests.
    indirect: usize,
}

/// Makes the disk of the front end at `path`, numbered `id`, and its part in the handshake, which wakes `bus`.
pub fn open(machine: &'static dyn Machine, id: u32, pages: u16, bus: &Arc<dyn Event>) -> (Block, Port) {
    let shared = Arc::new(Shared {
        machine,
        place: spin::Mutex::new(Place { back: Back::Away, waiting: Vec::new() }),
        info: spin::Mutex::new(DiskInfo::default()),
        broken: AtomicBool::new(false),
        bus: bus.clone(),
    });
    (Block { shared: shared.clone() }, Port { shared, handle: id as u16, pages, offered: None })
}

impl Shared {
    /// Says where the back end is, and wakes those who wait for it.
    fn set(&self, back: Back) {
        let (old, waiting) = {
            let mut place = self.place.lock();
            (core::mem::replace(&mut place.back, back), core::mem::take(&mut place.waiting))
        };
        if let Back::Connected(live) = &old {
            live.connection.close();
        }
        for event in waiting {
            event.set();
        }
    }

    /// The connection; waits for one if the back end may come back.
    fn live(&self) -> core::result::Result<Arc<Live>, DiskError> {
        loop {
            let event = {
                let mut place = self.place.lock();
                match &place.back {
                    Back::Connected(live) => return Ok(live.clone()),
                    Back::Gone => return Err(DiskError::Io),
                    Back::Away => {}
                }
                let event = self.machine.services().event();
                place.waiting.push(event.clone());
                event
            };
            if !event.wait(Some(PATIENCE)) {
                return Err(DiskError::Io);
            }
        }
    }

    /// A connection that has ended must not be found again.
    fn forget(&self, ended: &Arc<Live>) {
        let mut place = self.place.lock();
        if let Back::Connected(live) = &place.back
            && Arc::ptr_eq(live, ended)
        {
            place.back = Back::Away;
        }
    }

    /// Runs a request, again if the back end went away before it answered.
    fn run(
        &self,
        request: &mut dyn FnMut(&Live) -> core::result::Result<usize, Failure>,
    ) -> core::result::Result<usize, DiskError> {
        loop {
            let live = self.live()?;
            match request(&live) {
                Ok(done) => return Ok(done),
                Err(Failure::Refused(error)) => return Err(error),
                Err(Failure::Gone) => self.forget(&live),
            }
        }
    }

    fn transfer(&self, mut sector: u64, mut data: Data<'_>) -> core::result::Result<(), DiskError> {
        let length = data.len();
        let count = (length / SECTOR) as u64;
        let inside = sector.checked_add(count).is_some_and(|end| end <= self.info.lock().sectors);
        if !inside || !length.is_multiple_of(SECTOR) {
            return Err(DiskError::OutOfRange);
        }
        while data.len() > 0 {
            let done =
                self.run(&mut |live| live.connection.transfer(&*live.channel, sector, &mut data, live.indirect))?;
            sector += (done / SECTOR) as u64;
            data.skip(done);
        }
        Ok(())
    }
}

impl Disk for Block {
    fn info(&self) -> DiskInfo {
        self.shared.info.lock().clone()
    }

    fn read(&self, sector: u64, buffer: &mut [u8]) -> core::result::Result<(), DiskError> {
        self.shared.transfer(sector, Data::Read(buffer))
    }

    fn write(&self, sector: u64, data: &[u8]) -> core::result::Result<(), DiskError> {
        if self.shared.info.lock().read_only {
            return Err(DiskError::ReadOnly);
        }
        self.shared.transfer(sector, Data::Write(data))
    }

    fn flush(&self) -> core::result::Result<(), DiskError> {
        self.shared.run(&mut |live| match live.flush {
            // Such a back end writes through.
            0 => Ok(0),
            operation => live.connection.command(&*live.channel, Request::Flush(operation)).map(|()| 0),
        })?;
        Ok(())
    }

    fn discard(&self, sector: u64, count: u64) -> core::result::Result<(), DiskError> {
        let DiskInfo { sectors, read_only, .. } = self.info();
        if read_only {
            return Err(DiskError::ReadOnly);
        }
        if sector.checked_add(count).is_none_or(|end| end > sectors) {
            return Err(DiskError::OutOfRange);
        }
        self.shared.run(&mut |live| {
            if !live.discard {
                return Err(Failure::Refused(DiskError::Unsupported));
            }
            live.connection.command(&*live.channel, Request::Discard(sector, count)).map(|()| 0)
        })?;
        Ok(())
    }
}

impl Driver for Port {
    fn offer(&mut self, peer: &mut Peer) -> Result<State> {
        let shared = &self.shared;
        let largest = peer.number(feature::RING)?.unwrap_or(0);
        let order = Connection::order(self.pages, largest);
        let connection = Arc::new(Connection::new(shared.machine, peer.domain, self.handle, order, self.pages)?);
        let (ours, handler) = (shared.clone(), connection.clone());
        let channel = shared
            .machine
            .channel(
                peer.domain,
                Arc::new(move || {
                    if handler.answers().is_err() {
                        ours.broken.store(true, Ordering::Relaxed);
                        ours.bus.set();
                    }
                }),
            )
            .ok_or(Error::NoChannel)?;
        if order == 0 {
            peer.publish_number("ring-ref", connection.reference(0))?;
        } else {
            peer.publish_number("ring-page-order", order)?;
            for page in 0..1 << order {
                peer.publish_number(&format!("ring-ref{page}"), connection.reference(page))?;
            }
        }
        peer.publish_number("event-channel", channel.port())?;
        peer.publish("protocol", "x86_64-abi")?;
        peer.publish(feature::PERSISTENT, "1")?;
        self.offered = Some((channel, connection));
        Ok(State::Initialised)
    }

    fn connect(&mut self, peer: &Peer) -> Result<()> {
        let sectors = peer.number("sectors")?.ok_or(Error::Value("sectors"))?;
        let block_size = peer.number("sector-size")?.unwrap_or(SECTOR as u64);
        if !block_size.is_power_of_two() || !(SECTOR as u64..=LARGEST_BLOCK).contains(&block_size) {
            return Err(Error::Value("sector-size"));
        }
        let read_only = peer.number("info")?.unwrap_or(0) & READ_ONLY != 0 || peer.text("mode").as_deref() == Some("r");
        // Of a disk that is only read there is nothing to be made durable, and Linux' back end refuses to.
        let flush = if read_only {
            0
        } else if peer.has(feature::FLUSH)? {
            BLKIF_OP_FLUSH_DISKCACHE
        } else if peer.has(feature::BARRIER)? {
            BLKIF_OP_WRITE_BARRIER
        } else {
            0
        };
        let discard = peer.has(feature::DISCARD)?;
        // A page lists as many as there are ever in a request.
        let indirect = peer.number(feature::INDIRECT)?.unwrap_or(0).min((PAGE / 8) as u64) as usize;
        let Some((channel, connection)) = self.offered.take() else {
            return Ok(());
        };
        *self.shared.info.lock() =
            DiskInfo { sectors, block_size: block_size as usize, read_only, serial: String::new() };
        self.shared.set(Back::Connected(Arc::new(Live { channel, connection, flush, discard, indirect })));
        Ok(())
    }

    fn disconnect(&mut self, back: bool) {
        self.offered = None;
        self.shared.broken.store(false, Ordering::Relaxed);
        self.shared.set(if back { Back::Away } else { Back::Gone });
    }

    fn is_broken(&self) -> bool {
        self.shared.broken.load(Ordering::Relaxed)
    }
}
