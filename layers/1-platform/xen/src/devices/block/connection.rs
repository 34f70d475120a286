//! One connection of a disk to its back end (`io/blkif.h`): the ring, the pages that data passes through, and who waits.
//!
//! All data passes through pages that are granted when the connection is made and stay granted, so that a request costs no
//! grant: a back end that can keep them mapped ("persistent grants") maps each of them once. It also never reaches a byte of
//! memory that is not meant for it, which granting the pages of the kernel's heap would allow. A request of more than eleven pages
//! takes one more of these pages for the list of them ("indirect descriptors").

use crate::devices::{
    error::Result,
    grant::{Access, Memory, Message},
    machine::{Channel, Lock, Machine, PAGE},
    ring::Ring,
};
use alloc::{collections::VecDeque, sync::Arc, vec::Vec};
use rumpkin_core::for_platform::{interface::DiskError, services::Event};
use xen_sys::{
    BLKIF_MAX_SEGMENTS_PER_REQUEST, BLKIF_OP_DISCARD, BLKIF_OP_INDIRECT, BLKIF_OP_READ, BLKIF_OP_WRITE,
    BLKIF_RSP_EOPNOTSUPP, BLKIF_RSP_OKAY, blkif_request, blkif_request_discard, blkif_request_indirect,
    blkif_request_segment, blkif_response,
};

const SECTOR: usize = 512;
const SECTORS_PER_PAGE: usize = PAGE / SECTOR;
const DIRECT: usize = BLKIF_MAX_SEGMENTS_PER_REQUEST as usize;
/// Longer transfers are cut, so that no single one takes all pages.
const MOST_PAGES: usize = 64;

// SAFETY: Integers.
unsafe impl Message for blkif_request {}
// SAFETY: Integers.
unsafe impl Message for blkif_response {}
// SAFETY: Integers.
unsafe impl Message for blkif_request_segment {}

/// Why a request was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The back end says so.
    Refused(DiskError),
    /// The connection has ended, and nobody knows whether it was done.
    Gone,
}

/// What is asked of the back end.
#[derive(Clone, Copy)]
pub enum Request {
    /// `BLKIF_OP_FLUSH_DISKCACHE` or `BLKIF_OP_WRITE_BARRIER`.
    Flush(u32),
    /// `BLKIF_OP_DISCARD`: first sector and number of sectors.
    Discard(u64, u64),
}

/// What is moved, from or to the caller's memory.
pub enum Data<'a> {
    /// From the disk.
    Read(&'a mut [u8]),
    /// To the disk.
    Write(&'a [u8]),
}

impl Data<'_> {
    /// Bytes that are left to be moved.
    pub fn len(&self) -> usize {
        match self {
            Self::Read(bytes) => bytes.len(),
            Self::Write(bytes) => bytes.len(),
        }
    }

    /// Leaves the first bytes behind, which have been moved.
    pub fn skip(&mut self, count: usize) {
        match self {
            Self::Read(bytes) => {
                let whole = core::mem::take(bytes);
                *bytes = whole.get_mut(count..).unwrap_or_default();
            }
            Self::Write(bytes) => *bytes = bytes.get(count..).unwrap_or_default(),
        }
    }
}

/// A connection.
pub struct Connection {
    machine: &'static dyn Machine,
    handle: u16,
    pages: Memory,
    /// One for each slot, set when its request is answered.
    events: Vec<Arc<dyn Event>>,
    ring: Lock<Flights>,
    pool: spin::Mutex<Pool>,
}

/// What the event's handler works on.
struct Flights {
    ring: Ring<blkif_request, blkif_response>,
    /// What each slot's request is waiting for.
    slots: Vec<Flight>,
    /// No answers will come any more.
    gone: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flight {
    /// Nothing is out.
    None,
    /// A request is out.
    Out,
    /// It was answered with this status.
    Answered(i16),
}

/// What requests take and give back. Used by threads only.
struct Pool {
    slots: Vec<u16>,
    pages: Vec<u16>,
    waiting: VecDeque<Arc<dyn Event>>,
}

/// What a request has taken.
struct Taken {
    slot: u16,
    /// Those of the data, then the one that lists them if they are many.
    pages: Vec<u16>,
}

impl Connection {
    /// A ring of 2^`order` pages and `pages` pages for data, granted to `domain`.
    #[cold]
    pub fn new(machine: &'static dyn Machine, domain: u16, handle: u16, order: u32, pages: u16) -> Result<Self> {
        let ring = Ring::<blkif_request, blkif_response>::new(machine, domain, 1 << order)?;
        let slots = (ring.room() as u16).min(pages);
        Ok(Self {
            machine,
            handle,
            pages: Memory::new(machine, domain, usize::from(pages), Access::Write)?,
            events: (0..slots).map(|_| machine.services().event()).collect(),
            ring: Lock::new(Flights { ring, slots: (0..slots).map(|_| Flight::None).collect(), gone: false }),
            pool: spin::Mutex::new(Pool {
                slots: (0..slots).rev().collect(),
                pages: (0..pages).rev().collect(),
                waiting: VecDeque::new(),
            }),
        })
    }

    /// The smallest ring, as a power of two of pages, that has a slot for each of `pages` pages.
    pub fn order(pages: u16, largest: u64) -> u32 {
        let enough = |order: &u32| Ring::<blkif_request, blkif_response>::slots(1 << order) >= u32::from(pages);
        (0..largest.min(4) as u32).find(enough).unwrap_or(largest.min(4) as u32)
    }

    /// The grant reference of a page of the ring.
    pub fn reference(&self, page: usize) -> u32 {
        self.ring.lock().ring.reference(page)
    }

    /// Takes a slot, and as many pages as are wanted or left; waits until there is something. With `indirect` segments at most,
    /// or without.
    fn take(&self, wanted: usize, indirect: usize) -> Taken {
        loop {
            let event = {
                let mut pool = self.pool.lock();
                let left = pool.pages.len();
                if !pool.slots.is_empty() && (left > 0 || wanted == 0) {
                    let most = wanted.min(indirect).min(MOST_PAGES).min(left.saturating_sub(1));
                    let count = if most > DIRECT { most + 1 } else { wanted.min(DIRECT).min(left) };
                    let slot = pool.slots.pop().unwrap_or_default();
                    return Taken { slot, pages: pool.pages.split_off(left - count) };
                }
                let event = self.machine.services().event();
                pool.waiting.push_back(event.clone());
                event
            };
            event.wait(None);
        }
    }

    fn give_back(&self, taken: Taken) {
        let next = {
            let mut pool = self.pool.lock();
            pool.slots.push(taken.slot);
            pool.pages.extend(taken.pages);
            // Whoever takes less than there is wakes the next when it gives that back.
            pool.waiting.pop_front()
        };
        if let Some(next) = next {
            next.set();
        }
    }

    /// Moves data, or the beginning of it. Gives the number of bytes: whole sectors.
    pub fn transfer(
        &self,
        channel: &dyn Channel,
        sector: u64,
        data: &mut Data<'_>,
        indirect: usize,
    ) -> core::result::Result<usize, Failure> {
        let taken = self.take(data.len().div_ceil(PAGE), indirect);
        let count = if taken.pages.len() > DIRECT { taken.pages.len() - 1 } else { taken.pages.len() };
        let (pages, list) = taken.pages.split_at(count);
        let length = data.len().min(count * PAGE);
        if let Data::Write(bytes) = data {
            for (page, bytes) in pages.iter().zip(bytes[..length].chunks(PAGE)) {
                self.pages.write(usize::from(*page) * PAGE, bytes);
            }
        }
        let operation = if matches!(data, Data::Read(_)) { BLKIF_OP_READ } else { BLKIF_OP_WRITE };
        let segment = |number: usize| {
            let page = usize::from(pages.get(number).copied().unwrap_or_default());
            let sectors = ((length - number * PAGE) / SECTOR).min(SECTORS_PER_PAGE);
            blkif_request_segment { gref: self.pages.reference(page), first_sect: 0, last_sect: (sectors - 1) as u8 }
        };
        let mut request = Self::request(taken.slot, operation, self.handle, sector);
        if let Some(list) = list.first() {
            let list = usize::from(*list);
            for number in 0..count {
                let at = list * PAGE + number * size_of::<blkif_request_segment>();
                self.pages.store(at, segment(number));
            }
            let mut indirect_grefs = [0; 8];
            indirect_grefs[0] = self.pages.reference(list);
            let indirect = blkif_request_indirect {
                operation: BLKIF_OP_INDIRECT as u8,
                indirect_op: operation as u8,
                nr_segments: count as u16,
                id: u64::from(taken.slot),
                sector_number: sector,
                handle: self.handle,
                indirect_grefs,
            };
            overlay(&mut request, indirect);
        } else {
            request.nr_segments = count as u8;
            for (number, place) in request.seg.iter_mut().take(count).enumerate() {
                *place = segment(number);
            }
        }
        let result = self.ask(&taken, request, channel);
        if let Data::Read(bytes) = data
            && result.is_ok()
        {
            for (page, bytes) in pages.iter().zip(bytes[..length].chunks_mut(PAGE)) {
                self.pages.read(usize::from(*page) * PAGE, bytes);
            }
        }
        self.give_back(taken);
        result.map(|()| length)
    }

    /// Asks for what needs no data.
    pub fn command(&self, channel: &dyn Channel, command: Request) -> core::result::Result<(), Failure> {
        let taken = self.take(0, 0);
        let request = match command {
            Request::Flush(operation) => Self::request(taken.slot, operation, self.handle, 0),
            Request::Discard(sector_number, nr_sectors) => {
                let mut request = Self::request(taken.slot, BLKIF_OP_DISCARD, self.handle, 0);
                overlay(
                    &mut request,
                    blkif_request_discard {
                        operation: BLKIF_OP_DISCARD as u8,
                        flag: 0,
                        handle: self.handle,
                        id: u64::from(taken.slot),
                        sector_number,
                        nr_sectors,
                    },
                );
                request
            }
        };
        let result = self.ask(&taken, request, channel);
        self.give_back(taken);
        result
    }

    fn request(slot: u16, operation: u32, handle: u16, sector_number: u64) -> blkif_request {
        let empty = blkif_request_segment { gref: 0, first_sect: 0, last_sect: 0 };
        blkif_request {
            operation: operation as u8,
            nr_segments: 0,
            handle,
            id: u64::from(slot),
            sector_number,
            seg: [empty; DIRECT],
        }
    }

    /// Hands one request to the back end, tells it if it wants that, and waits for the answer.
    fn ask(&self, taken: &Taken, request: blkif_request, channel: &dyn Channel) -> core::result::Result<(), Failure> {
        let slot = usize::from(taken.slot);
        let wanted = {
            let mut flights = self.ring.lock();
            // There are no more slots than the ring has, so only a broken one has no room.
            if flights.gone || !flights.ring.push(request) {
                return Err(Failure::Gone);
            }
            flights.slots[slot] = Flight::Out;
            flights.ring.publish()
        };
        if wanted {
            channel.notify();
        }
        loop {
            {
                let mut flights = self.ring.lock();
                if let Flight::Answered(status) = flights.slots[slot] {
                    flights.slots[slot] = Flight::None;
                    return match i32::from(status) {
                        status if status == BLKIF_RSP_OKAY as i32 => Ok(()),
                        BLKIF_RSP_EOPNOTSUPP => Err(Failure::Refused(DiskError::Unsupported)),
                        _ => Err(Failure::Refused(DiskError::Io)),
                    };
                }
                if flights.gone {
                    return Err(Failure::Gone);
                }
            }
            // However long it takes: until the answer the pages are the back end's.
            self.events[slot].wait(None);
        }
    }

    /// Takes the answers that have come. In interrupt context.
    ///
    /// # Errors
    /// [`Error::Broken`](crate::devices::error::Error::Broken) if the back end answers what was not asked; then no answers come any more.
    pub fn answers(&self) -> Result<()> {
        let mut flights = self.ring.lock();
        if flights.gone {
            return Ok(());
        }
        let result = flights.take_all(&self.events);
        if result.is_err() {
            self.end(&mut flights);
        }
        result
    }

    /// Ends the connection: whoever waits is told.
    pub fn close(&self) {
        let mut flights = self.ring.lock();
        self.end(&mut flights);
    }

    fn end(&self, flights: &mut Flights) {
        flights.gone = true;
        for event in &self.events {
            event.set();
        }
    }
}

impl Flights {
    fn take_all(&mut self, events: &[Arc<dyn Event>]) -> Result<()> {
        loop {
            while let Some((_, blkif_response { id, status, .. })) = self.ring.take()? {
                let slot = usize::try_from(id).unwrap_or(usize::MAX);
                match (self.slots.get_mut(slot), events.get(slot)) {
                    (Some(flight), Some(event)) if *flight == Flight::Out => {
                        *flight = Flight::Answered(status);
                        event.set();
                    }
                    _ => return Err(self.ring.fail("an answer to no request")),
                }
            }
            if !self.ring.arm(0) {
                return Ok(());
            }
        }
    }
}

/// Writes a request of another form over one of the usual form.
fn overlay<T: Copy>(request: &mut blkif_request, other: T) {
    const { assert!(size_of::<T>() <= size_of::<blkif_request>() && align_of::<T>() <= align_of::<blkif_request>()) };
    // SAFETY: It fits and is aligned; both are forms of the same slot, made of integers.
    unsafe { core::ptr::from_mut(request).cast::<T>().write(other) }
}
