//! Block device (VIRTIO 1.2 §5.2): requests from any number of threads, in flight together.
//!
//! A request takes a slot: a header and a status byte that the device reaches, and an event that its thread waits for.
//! The data goes straight to and from the caller's memory where the device can reach that, else through a copy.

use crate::{
    Error, Handler, Lock, Queue, Region, Result,
    queue::Segment,
    transport::{self, Transport, queue_size, read_configuration},
};
use alloc::{
    collections::VecDeque,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use rumpkin_core::for_platform::{
    interface::{Disk, DiskError, DiskInfo},
    services::{Event, Services},
};

/// Feature bits (§5.2.3).
pub mod feature {
    crate::transport::features! {
        SIZE_MAX 1 "requests are cut to it"
        RO 5 "writes are refused"
        BLK_SIZE 6 "told to programs"
        FLUSH 9 "without it there is no volatile cache, and nothing to flush"
        DISCARD 13 "`BLKDISCARD`"
    }
}

/// Request types (§5.2.6).
mod request {
    pub const READ: u32 = 0;
    pub const WRITE: u32 = 1;
    pub const FLUSH: u32 = 4;
    pub const GET_ID: u32 = 8;
    pub const DISCARD: u32 = 11;
}

const SECTOR: usize = 512;
const STATUS_OK: u8 = 0;
const STATUS_UNSUPPORTED: u8 = 2;
const STATUS_NONE: u8 = 0xff;

/// A slot: header, status byte, and the data of the small requests that have some.
const SLOT: usize = 64;
const HEADER_SIZE: u32 = 16;
const STATUS: usize = 16;
const SMALL_DATA: usize = 32;
const ID_SIZE: usize = 20;
const MOST_SLOTS: u16 = 32;
const DESCRIPTORS_PER_REQUEST: u16 = 3;
/// Longer transfers are cut, so that no single one holds up the rest for long.
const LARGEST_TRANSFER: usize = 1 << 20;
/// Longest piece that is copied because the device cannot reach the caller's memory.
const LARGEST_COPY: usize = 64 << 10;

/// A disk.
pub struct Block {
    shared: Arc<Shared>,
    sectors: u64,
    block_size: usize,
    read_only: bool,
    flush: bool,
    /// Largest discard in sectors; 0 if the device knows none.
    discard: u32,
    /// Largest transfer in bytes, whole sectors.
    largest: usize,
    serial: rumpkin_core::for_platform::sync::Once<String>,
}

struct Shared {
    services: &'static dyn Services,
    transport: Arc<dyn Transport>,
    slots: Region,
    events: Vec<Arc<dyn Event>>,
    state: Lock<State>,
}

struct State {
    queue: Queue,
    free: Vec<u16>,
    /// Which slot a chain in flight belongs to.
    slot_of: Vec<u16>,
    /// Threads that wait for a slot.
    waiting: VecDeque<Arc<dyn Event>>,
}

/// The data of a request.
#[derive(Clone, Copy)]
struct Data {
    physical: u64,
    length: usize,
    to_memory: bool,
}

impl Block {
    /// Sets the device up.
    #[cold]
    pub fn new(services: &'static dyn Services, transport: Arc<dyn Transport>) -> Result<Self> {
        use feature::{BLK_SIZE, DISCARD, FLUSH, RO, SIZE_MAX};
        let device = &*transport;
        let chosen = transport::negotiate(device, SIZE_MAX | RO | BLK_SIZE | FLUSH | DISCARD)?;
        let sectors = u64::from_le_bytes(read_configuration(device, 0)?);
        let mut largest = LARGEST_TRANSFER;
        if chosen & SIZE_MAX != 0 {
            let limit = u32::from_le_bytes(read_configuration(device, 8)?) as usize;
            largest = largest.min(limit / SECTOR * SECTOR);
            if largest == 0 {
                return Err(Error::Broken("no segment can hold a sector"));
            }
        }
        let mut block_size = SECTOR;
        if chosen & BLK_SIZE != 0 {
            block_size = u32::from_le_bytes(read_configuration(device, 20)?) as usize;
            if !block_size.is_power_of_two() || !(SECTOR..=LARGEST_TRANSFER).contains(&block_size) {
                return Err(Error::Broken("a block size that is none"));
            }
        }
        let mut discard = 0;
        if chosen & DISCARD != 0 {
            discard = u32::from_le_bytes(read_configuration(device, 36)?);
        }
        let size = queue_size(device, 0, MOST_SLOTS * 4, 4)?;
        let count = (size / DESCRIPTORS_PER_REQUEST).min(MOST_SLOTS);
        let slots = Region::new(services, usize::from(count) * SLOT).ok_or(Error::Memory)?;
        let event_index = chosen & transport::EVENT_INDEX != 0;
        let mut queue =
            Queue::new(services, size, event_index, |addresses| transport.enable_queue(0, size, addresses))?;
        queue.arm(0);
        transport::start(device);
        Ok(Self {
            shared: Arc::new(Shared {
                services,
                transport: transport.clone(),
                slots,
                events: (0..count).map(|_| services.event()).collect(),
                state: Lock::new(State {
                    free: (0..count).rev().collect(),
                    slot_of: (0..size).collect(),
                    waiting: VecDeque::new(),
                    queue,
                }),
            }),
            sectors,
            block_size,
            read_only: chosen & RO != 0,
            flush: chosen & FLUSH != 0,
            discard,
            largest,
            serial: rumpkin_core::for_platform::sync::Once::new(),
        })
    }

    /// What is to be called when the device interrupts.
    pub fn handler(&self) -> Arc<dyn Handler> {
        self.shared.clone()
    }

    /// Asks the device for its serial number. Blocks; to be called once interrupts arrive.
    #[cold]
    pub fn identify(&self) {
        let serial = self.shared.with_slot(|slot| {
            let data =
                Data { physical: self.shared.slots.physical(slot.small_data()), length: ID_SIZE, to_memory: true };
            self.shared.request(slot, request::GET_ID, 0, Some(data))?;
            let bytes = (0..ID_SIZE).map(|at| self.shared.slots.load::<u8>(slot.small_data() + at));
            Ok(bytes
                .take_while(|&byte| byte != 0)
                .map(|byte| match byte {
                    b' '..=b'~' => char::from(byte),
                    _ => '?',
                })
                .collect::<String>()
                .trim()
                .to_string())
        });
        if let Ok(serial) = serial {
            self.serial.call_once(|| serial);
        }
    }

    fn check(&self, sector: u64, length: usize) -> core::result::Result<(), DiskError> {
        let count = (length / SECTOR) as u64;
        let inside = sector.checked_add(count).is_some_and(|end| end <= self.sectors);
        if inside && length.is_multiple_of(SECTOR) { Ok(()) } else { Err(DiskError::OutOfRange) }
    }

    /// Moves data between the disk and memory that the device reaches.
    fn transfer(&self, kind: u32, sector: u64, data: Data) -> core::result::Result<(), DiskError> {
        self.shared.with_slot(|slot| self.shared.request(slot, kind, sector, Some(data)))
    }
}

/// The number of a slot, owned by the thread that has it.
#[derive(Clone, Copy)]
struct Slot(u16);

impl Slot {
    fn header(self) -> usize {
        usize::from(self.0) * SLOT
    }

    fn status(self) -> usize {
        self.header() + STATUS
    }

    fn small_data(self) -> usize {
        self.header() + SMALL_DATA
    }
}

impl Shared {
    /// Takes a slot, waiting until there is one, and gives it back after `run`.
    fn with_slot<T>(
        &self,
        run: impl FnOnce(Slot) -> core::result::Result<T, DiskError>,
    ) -> core::result::Result<T, DiskError> {
        let slot = loop {
            let own = {
                let mut state = self.state.lock();
                if state.queue.is_broken() {
                    return Err(DiskError::Io);
                }
                state.free.pop()
            };
            if let Some(slot) = own {
                break Slot(slot);
            }
            self.wait_for_slot();
        };
        let result = run(slot);
        let next = {
            let mut state = self.state.lock();
            state.free.push(slot.0);
            state.waiting.pop_front()
        };
        if let Some(next) = next {
            next.set();
        }
        result
    }

    fn wait_for_slot(&self) {
        let event = self.services.event();
        {
            let mut state = self.state.lock();
            if !state.free.is_empty() || state.queue.is_broken() {
                return;
            }
            state.waiting.push_back(event.clone());
        }
        event.wait(None);
    }

    /// Hands one request to the device and waits for its answer.
    fn request(&self, slot: Slot, kind: u32, sector: u64, data: Option<Data>) -> core::result::Result<(), DiskError> {
        self.slots.store(slot.header(), kind);
        self.slots.store(slot.header() + 4, 0_u32);
        self.slots.store(slot.header() + 8, sector);
        self.slots.store(slot.status(), STATUS_NONE);
        let header = Segment { physical: self.slots.physical(slot.header()), length: HEADER_SIZE, writable: false };
        let status = Segment { physical: self.slots.physical(slot.status()), length: 1, writable: true };
        let doorbell = {
            let mut state = self.state.lock();
            let chain = match data {
                Some(data) => {
                    let middle =
                        Segment { physical: data.physical, length: data.length as u32, writable: data.to_memory };
                    state.queue.add(&[header, middle, status])
                }
                None => state.queue.add(&[header, status]),
            };
            // There are three descriptors for each slot, so only a broken queue has none.
            let chain = chain.ok_or(DiskError::Io)?;
            state.slot_of[usize::from(chain)] = slot.0;
            let wanted = state.queue.publish_quietly();
            wanted.then(|| state.queue.doorbell())
        };
        if let Some(doorbell) = doorbell {
            doorbell.ring();
        }
        // However long it takes: until the answer the memory is the device's.
        self.events[usize::from(slot.0)].wait(None);
        match self.slots.load(slot.status()) {
            STATUS_OK => Ok(()),
            STATUS_UNSUPPORTED => Err(DiskError::Unsupported),
            _ => Err(DiskError::Io),
        }
    }
}

impl Handler for Shared {
    fn interrupt(&self) -> bool {
        if !self.transport.acknowledge() {
            return false;
        }
        let mut state = self.state.lock();
        loop {
            match state.queue.take() {
                Ok(Some((chain, _))) => {
                    let slot = state.slot_of[usize::from(chain)];
                    self.events[usize::from(slot)].set();
                }
                Ok(None) if state.queue.arm(0) => {}
                Ok(None) => break,
                Err(error) => {
                    self.fail(&mut state, error);
                    break;
                }
            }
        }
        true
    }
}

impl Shared {
    /// Puts a device that breaks the rules out of service, and lets go of all who wait for it.
    fn fail(&self, state: &mut State, error: Error) {
        if transport::reset(&*self.transport).is_err() {
            // It may still write to memory of those who wait, so they must go on waiting.
            return;
        }
        log::error!("virtio-blk: {error}; the disk is out of service");
        for event in &self.events {
            event.set();
        }
        for event in state.waiting.drain(..) {
            event.set();
        }
    }
}

impl Disk for Block {
    fn info(&self) -> DiskInfo {
        DiskInfo {
            sectors: self.sectors,
            block_size: self.block_size,
            read_only: self.read_only,
            serial: self.serial.get().cloned().unwrap_or_default(),
        }
    }

    fn read(&self, sector: u64, buffer: &mut [u8]) -> core::result::Result<(), DiskError> {
        self.check(sector, buffer.len())?;
        let mut sector = sector;
        let mut rest = buffer;
        while !rest.is_empty() {
            let length = rest.len().min(self.largest);
            let direct = self.shared.services.physical_address(rest.as_ptr(), length);
            let done = if let Some(physical) = direct {
                let data = Data { physical, length, to_memory: true };
                self.transfer(request::READ, sector, data)?;
                length
            } else {
                let length = length.min(LARGEST_COPY);
                let copy = Region::new(self.shared.services, length).ok_or(DiskError::Io)?;
                let data = Data { physical: copy.physical(0), length, to_memory: true };
                self.transfer(request::READ, sector, data)?;
                // SAFETY: The request is answered, so the memory is ours again.
                rest[..length].copy_from_slice(unsafe { copy.bytes(0..length) });
                length
            };
            sector += (done / SECTOR) as u64;
            rest = &mut rest[done..];
        }
        Ok(())
    }

    fn write(&self, sector: u64, data: &[u8]) -> core::result::Result<(), DiskError> {
        if self.read_only {
            return Err(DiskError::ReadOnly);
        }
        self.check(sector, data.len())?;
        let mut sector = sector;
        let mut rest = data;
        while !rest.is_empty() {
            let length = rest.len().min(self.largest);
            let direct = self.shared.services.physical_address(rest.as_ptr(), length);
            let done = if let Some(physical) = direct {
                let data = Data { physical, length, to_memory: false };
                self.transfer(request::WRITE, sector, data)?;
                length
            } else {
                let length = length.min(LARGEST_COPY);
                let mut copy = Region::new(self.shared.services, length).ok_or(DiskError::Io)?;
                // SAFETY: The device has not been told of this memory yet.
                unsafe { copy.bytes_mut(0..length) }.copy_from_slice(&rest[..length]);
                let data = Data { physical: copy.physical(0), length, to_memory: false };
                self.transfer(request::WRITE, sector, data)?;
                length
            };
            sector += (done / SECTOR) as u64;
            rest = &rest[done..];
        }
        Ok(())
    }

    fn flush(&self) -> core::result::Result<(), DiskError> {
        if !self.flush {
            // Such a device has no volatile cache (§5.2.6.2).
            return Ok(());
        }
        self.shared.with_slot(|slot| self.shared.request(slot, request::FLUSH, 0, None))
    }

    fn discard(&self, sector: u64, count: u64) -> core::result::Result<(), DiskError> {
        if self.read_only {
            return Err(DiskError::ReadOnly);
        }
        if self.discard == 0 {
            return Err(DiskError::Unsupported);
        }
        if sector.checked_add(count).is_none_or(|end| end > self.sectors) {
            return Err(DiskError::OutOfRange);
        }
        let mut sector = sector;
        let mut left = count;
        while left > 0 {
            let length = left.min(u64::from(self.discard));
            self.shared.with_slot(|slot| {
                let at = slot.small_data();
                self.shared.slots.store(at, sector);
                self.shared.slots.store(at + 8, length as u32);
                self.shared.slots.store(at + 12, 0_u32);
                let data = Data { physical: self.shared.slots.physical(at), length: 16, to_memory: false };
                self.shared.request(slot, request::DISCARD, 0, Some(data))
            })?;
            sector += length;
            left -= length;
        }
        Ok(())
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let _ = transport::reset(&*self.shared.transport);
    }
}
