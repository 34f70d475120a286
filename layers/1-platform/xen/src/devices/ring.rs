//! The front end's side of a shared ring (`io/ring.h`): requests go out in batches, responses come back in any order.
//!
//! ```text
//!   one or more pages:  | req_prod req_event rsp_prod rsp_event | 48 bytes | slot 0 | slot 1 | … |
//!
//!   front end:  push, push ── publish ──► req_prod      (an event only if it passes req_event)
//!   back end:                             rsp_prod ──► take, take     (an event only if it passes rsp_event)
//! ```
//!
//! A response lies in the slot of a request that has been answered. What the back end writes is read volatile and once. An index
//! that says more than was asked marks the ring broken, for good; which request a response answers is for the driver to check.

use crate::devices::{
    error::{Error, Result},
    grant::{Access, Memory, Message},
    machine::{Machine, PAGE},
};
use core::{
    marker::PhantomData,
    sync::atomic::{Ordering, fence},
};

const REQUESTED: usize = 0;
const REQUEST_EVENT: usize = 4;
const ANSWERED: usize = 8;
const ANSWER_EVENT: usize = 12;
const HEADER: usize = 64;

/// A ring of requests `Q` and responses `R`.
pub struct Ring<Q, R> {
    memory: Memory,
    /// Slots, a power of two.
    size: u32,
    /// The next request's index, of which the back end knows up to `published`.
    queued: u32,
    published: u32,
    /// The next response's index, of which the back end has told up to `told`.
    taken: u32,
    told: u32,
    broken: bool,
    messages: PhantomData<fn(Q) -> R>,
}

impl<Q: Message, R: Message> Ring<Q, R> {
    const SLOT: usize = if size_of::<Q>() > size_of::<R>() { size_of::<Q>() } else { size_of::<R>() };

    /// Slots of a ring of so many pages.
    pub const fn slots(pages: usize) -> u32 {
        1 << ((pages * PAGE - HEADER) / Self::SLOT).ilog2()
    }

    /// An empty ring, granted to `domain`.
    #[cold]
    pub fn new(machine: &'static dyn Machine, domain: u16, pages: usize) -> Result<Self> {
        let memory = Memory::new(machine, domain, pages, Access::Write)?;
        memory.store(REQUEST_EVENT, 1_u32);
        memory.store(ANSWER_EVENT, 1_u32);
        let size = Self::slots(pages);
        Ok(Self { memory, size, queued: 0, published: 0, taken: 0, told: 0, broken: false, messages: PhantomData })
    }

    /// The grant reference of a page of the ring.
    pub fn reference(&self, page: usize) -> u32 {
        self.memory.reference(page)
    }

    /// How many requests can be queued.
    pub fn room(&self) -> u32 {
        self.size.wrapping_sub(self.in_flight())
    }

    /// Requests that are queued and not answered, or whose answer has not been taken.
    pub fn in_flight(&self) -> u32 {
        self.queued.wrapping_sub(self.taken)
    }

    fn slot(&self, index: u32) -> usize {
        HEADER + (index & (self.size - 1)) as usize * Self::SLOT
    }

    /// Queues a request; false if there is no room. The back end does not see it before [`Ring::publish`].
    pub fn push(&mut self, request: Q) -> bool {
        if self.room() == 0 || self.broken {
            return false;
        }
        self.memory.store(self.slot(self.queued), request);
        self.queued = self.queued.wrapping_add(1);
        true
    }

    /// Shows the back end what was queued. True if it wants to be told.
    #[must_use]
    pub fn publish(&mut self) -> bool {
        if self.queued == self.published || self.broken {
            return false;
        }
        let old = self.published;
        self.published = self.queued;
        fence(Ordering::Release);
        self.memory.store(REQUESTED, self.queued);
        // The index must be visible before we look whether the back end sleeps, or both sides could miss each other.
        fence(Ordering::SeqCst);
        let event: u32 = self.memory.load(REQUEST_EVENT).unwrap_or_default();
        self.queued.wrapping_sub(event) < self.queued.wrapping_sub(old)
    }

    /// The next response and its index, which is that of a slot.
    ///
    /// # Errors
    /// [`Error::Broken`] if the back end's index cannot be; from then on always.
    pub fn take(&mut self) -> Result<Option<(u32, R)>> {
        if self.broken {
            return Err(Error::Broken("after an earlier error"));
        }
        if self.taken == self.told {
            self.told = self.answered();
            if self.taken == self.told {
                return Ok(None);
            }
            fence(Ordering::Acquire);
            if self.told.wrapping_sub(self.taken) > self.published.wrapping_sub(self.taken) {
                return Err(self.fail("a ring's response index runs ahead"));
            }
        }
        let index = self.taken;
        let Some(response) = self.memory.load(self.slot(index)) else {
            return Err(self.fail("a slot outside the ring"));
        };
        self.taken = self.taken.wrapping_add(1);
        Ok(Some((index, response)))
    }

    /// Marks the ring broken; gives the reason back.
    #[cold]
    pub fn fail(&mut self, rule: &'static str) -> Error {
        self.broken = true;
        Error::Broken(rule)
    }

    fn answered(&self) -> u32 {
        self.memory.load(ANSWERED).unwrap_or_default()
    }

    /// Asks for an event once `more` further responses beyond the next are there. True if that is so already: then no event
    /// need come. Without this call none comes: a back end passes each event index once.
    pub fn arm(&mut self, more: u32) -> bool {
        self.memory.store(ANSWER_EVENT, self.taken.wrapping_add(1).wrapping_add(more));
        // The wish must be visible before we look a last time.
        fence(Ordering::SeqCst);
        self.answered().wrapping_sub(self.taken) > more || self.broken
    }
}
