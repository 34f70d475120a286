//! The split virtqueue (VIRTIO 1.2 §2.7): chains are queued in batches, published at once, and answered in any order.
//!
//! ```text
//!   one region:  | descriptors 16·n | available: flags, index, n × id, used_event |
//!                | used: flags, index, n × (id, length), available_event |
//!
//!   driver:  add, add, add ── publish ──► available.index   (doorbell only if the device wants it)
//!   device:                               used.index ──► take, take, take
//! ```
//!
//! What the device may write (the used ring) is read volatile and once, and checked against what is in flight: an id
//! that is not, a length that does not fit, or an index that runs ahead marks the queue broken, for good. What the
//! driver must be able to trust (free list, chain lengths) lives in memory of its own, never in the shared table.

use crate::{Error, Region, Result, transport::Doorbell};
use alloc::{boxed::Box, vec, vec::Vec};
use core::sync::atomic::{Ordering, fence};
use rumpkin_core::for_platform::services::Services;

const DESCRIPTOR_SIZE: usize = 16;
const NEXT: u16 = 1;
const WRITE: u16 = 2;
const NO_INTERRUPT: u16 = 1;
const NO_NOTIFY: u16 = 1;

/// A piece of memory in a chain.
#[derive(Debug, Clone, Copy)]
pub struct Segment {
    /// Where the device finds it.
    pub physical: u64,
    /// Its length in bytes.
    pub length: u32,
    /// The device writes it, rather than reads it.
    pub writable: bool,
}

/// Where the parts of a queue lie, as the device sees them.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// The descriptor table.
    pub descriptors: u64,
    /// The available ring.
    pub available: u64,
    /// The used ring.
    pub used: u64,
}

/// What the driver remembers of a descriptor, and of the chain that it heads.
#[derive(Debug, Clone, Copy, Default)]
struct Chain {
    /// Descriptors in the chain; 0 if the descriptor heads none that is in flight.
    descriptors: u16,
    /// The descriptor after this one.
    next: u16,
    /// Bytes that the device may write.
    writable: u32,
}

/// A virtqueue.
#[derive(Debug)]
pub struct Queue {
    memory: Region,
    available: usize,
    used: usize,
    size: u16,
    event_index: bool,
    doorbell: Doorbell,
    free: Vec<u16>,
    chains: Box<[Chain]>,
    in_flight: u16,
    /// The next available index, of which the device knows up to `published`.
    queued: u16,
    published: u16,
    /// The next used index to take, of which the device has told up to `told`.
    taken: u16,
    told: u16,
    broken: bool,
}

impl Queue {
    /// Lays out a queue of `size` entries (a power of two up to 32768); `enable` tells the device and gives the doorbell.
    #[cold]
    pub fn new(
        services: &dyn Services,
        size: u16,
        event_index: bool,
        enable: impl FnOnce(Addresses) -> Result<Doorbell>,
    ) -> Result<Self> {
        if !size.is_power_of_two() || size > 32768 {
            return Err(Error::NoQueue);
        }
        let entries = usize::from(size);
        let available = entries * DESCRIPTOR_SIZE;
        let used = (available + 6 + 2 * entries).next_multiple_of(4);
        let memory = Region::new(services, used + 6 + 8 * entries).ok_or(Error::Memory)?;
        let doorbell = enable(Addresses {
            descriptors: memory.physical(0),
            available: memory.physical(available),
            used: memory.physical(used),
        })?;
        Ok(Self {
            memory,
            available,
            used,
            size,
            event_index,
            doorbell,
            free: (0..size).rev().collect(),
            chains: vec![Chain::default(); entries].into_boxed_slice(),
            in_flight: 0,
            queued: 0,
            published: 0,
            taken: 0,
            told: 0,
            broken: false,
        })
    }

    /// Number of entries.
    pub fn size(&self) -> u16 {
        self.size
    }

    /// The id that a chain of one segment would get; `None` if the queue is full.
    pub fn next_id(&self) -> Option<u16> {
        self.free.last().copied()
    }

    /// Chains that the device has, or that wait to be published.
    pub fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// The device broke the rules; nothing moves any more.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Queues a chain and gives its id; `None` if there are not enough descriptors. The device does not see it before
    /// [`Queue::publish`]. The memory is the device's until [`Queue::take`] returns the id.
    pub fn add(&mut self, segments: &[Segment]) -> Option<u16> {
        if segments.is_empty() || segments.len() > self.free.len() || self.broken {
            return None;
        }
        let at = self.free.len() - segments.len();
        let mut writable = 0_u32;
        let mut next = 0;
        // The last segment first: each descriptor then knows the one after it.
        for (position, (segment, id)) in segments.iter().rev().zip(self.free.drain(at..)).enumerate() {
            let mut flags = if segment.writable { WRITE } else { 0 };
            if position > 0 {
                flags |= NEXT;
            }
            if segment.writable {
                writable = writable.saturating_add(segment.length);
            }
            let offset = usize::from(id) * DESCRIPTOR_SIZE;
            self.memory.store(offset, segment.physical);
            self.memory.store(offset + 8, segment.length);
            self.memory.store(offset + 12, flags);
            self.memory.store(offset + 14, next);
            self.chains[usize::from(id)].next = next;
            next = id;
        }
        let head = next;
        let chain = &mut self.chains[usize::from(head)];
        chain.descriptors = segments.len() as u16;
        chain.writable = writable;
        self.enqueue(head);
        Some(head)
    }

    fn enqueue(&mut self, head: u16) {
        let slot = usize::from(self.queued & (self.size - 1));
        self.memory.store(self.available + 4 + 2 * slot, head);
        self.queued = self.queued.wrapping_add(1);
        self.in_flight += 1;
    }

    /// Shows the device what was queued, and rings the doorbell if it wants to hear of it.
    pub fn publish(&mut self) {
        if self.publish_quietly() {
            self.doorbell.ring();
        }
    }

    /// As [`Queue::publish`], but leaves the doorbell to the caller; true if it is wanted.
    pub fn publish_quietly(&mut self) -> bool {
        if self.queued == self.published || self.broken {
            return false;
        }
        let old = self.published;
        self.published = self.queued;
        fence(Ordering::Release);
        self.memory.store(self.available + 2, self.queued);
        // The index must be visible before we look whether the device sleeps, or both sides could miss each other.
        fence(Ordering::SeqCst);
        if self.event_index {
            let event: u16 = self.memory.load(self.used + 4 + 8 * usize::from(self.size));
            passed(event, self.queued, old)
        } else {
            self.memory.load::<u16>(self.used) & NO_NOTIFY == 0
        }
    }

    /// The doorbell, to be rung after [`Queue::publish_quietly`].
    pub fn doorbell(&self) -> Doorbell {
        self.doorbell
    }

    /// The next chain that the device is done with: its id, and how many bytes the device wrote.
    ///
    /// # Errors
    /// [`Error::Broken`] if what the device wrote cannot be; from then on always.
    pub fn take(&mut self) -> Result<Option<(u16, u32)>> {
        let Some((id, length)) = self.next_used()? else {
            return Ok(None);
        };
        self.in_flight -= 1;
        let mut descriptor = id;
        for _ in 0..core::mem::take(&mut self.chains[usize::from(id)].descriptors) {
            self.free.push(descriptor);
            descriptor = self.chains[usize::from(descriptor)].next;
        }
        Ok(Some((id, length)))
    }

    /// As [`Queue::take`] for queues of single-descriptor chains, but keeps the chain, to be queued again by [`Queue::requeue`].
    pub fn take_keeping(&mut self) -> Result<Option<(u16, u32)>> {
        let Some((id, length)) = self.next_used()? else {
            return Ok(None);
        };
        let chain = &mut self.chains[usize::from(id)];
        if chain.descriptors != 1 {
            return self.fail("an id of another kind of chain");
        }
        chain.descriptors = 0;
        self.in_flight -= 1;
        Ok(Some((id, length)))
    }

    /// Queues the chain again that [`Queue::take_keeping`] gave, as it was. Its id must be one that is not in flight.
    pub fn requeue(&mut self, id: u16) {
        let Some(chain) = self.chains.get_mut(usize::from(id)) else {
            return;
        };
        if chain.descriptors == 0 && !self.broken {
            chain.descriptors = 1;
            self.enqueue(id);
        }
    }

    fn next_used(&mut self) -> Result<Option<(u16, u32)>> {
        if self.broken {
            return Err(Error::Broken("after an earlier error"));
        }
        if self.taken == self.told {
            self.told = self.memory.load(self.used + 2);
            if self.taken == self.told {
                return Ok(None);
            }
            fence(Ordering::Acquire);
            let published = self.in_flight - self.queued.wrapping_sub(self.published);
            if self.told.wrapping_sub(self.taken) > published {
                return self.fail("the used index runs ahead");
            }
        }
        let slot = self.used + 4 + 8 * usize::from(self.taken & (self.size - 1));
        let id: u32 = self.memory.load(slot);
        let length: u32 = self.memory.load(slot + 4);
        let chain = match self.chains.get(id as usize) {
            Some(chain) if chain.descriptors > 0 => *chain,
            _ => return self.fail("a used id that is not in flight"),
        };
        // A device that only reads may say anything here (§2.7.8.2): there is nothing written to be misread.
        if chain.writable > 0 && length > chain.writable {
            return self.fail("a used length beyond the buffers");
        }
        self.taken = self.taken.wrapping_add(1);
        Ok(Some((id as u16, length)))
    }

    fn fail<T>(&mut self, rule: &'static str) -> Result<T> {
        self.broken = true;
        Err(Error::Broken(rule))
    }

    /// Whether [`Queue::take`] would give something (or an error).
    pub fn has_used(&self) -> bool {
        self.taken != self.told || self.memory.load::<u16>(self.used + 2) != self.taken
    }

    /// Asks for an interrupt once `more` further chains beyond the next have been used. True if that is so already:
    /// then no interrupt need come.
    pub fn arm(&mut self, more: u16) -> bool {
        if self.event_index {
            let event = self.taken.wrapping_add(more);
            self.memory.store(self.available + 4 + 2 * usize::from(self.size), event);
        } else {
            self.memory.store(self.available, 0_u16);
        }
        // The wish must be visible before we look a last time.
        fence(Ordering::SeqCst);
        let used: u16 = self.memory.load(self.used + 2);
        used.wrapping_sub(self.taken) > more || self.broken
    }

    /// Asks for no interrupts. With the event index they are off after each one that came, so this is only needed at
    /// the beginning and where an answer was taken without waiting for it.
    pub fn disarm(&mut self) {
        if self.event_index {
            let event = self.taken.wrapping_sub(1);
            self.memory.store(self.available + 4 + 2 * usize::from(self.size), event);
        } else {
            self.memory.store(self.available, NO_INTERRUPT);
        }
    }
}

/// Whether going from `old` to `new` passes `event` (VIRTIO 1.2 §2.7.7.2).
fn passed(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}
