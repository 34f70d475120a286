//! Events by queues (`event_channel.h`, "FIFO ABI"): the hypervisor links the words of ports with events into a list for
//! each priority, and the guest takes them off in the order in which they came.
//!
//! ```text
//!   control block: ready  ── a bit for each priority whose list is not empty
//!                  head[p] ──▶ word of port a ──link──▶ word of port b ──link──▶ 0
//! ```

use crate::Error;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use rumpkin_core::for_platform::{dma, layout::PAGE_SIZE};
use xen_sys::{
    EVTCHN_FIFO_LINK_MASK, EVTCHN_FIFO_LINKED, EVTCHN_FIFO_MASKED, EVTCHN_FIFO_MAX_QUEUES, EVTCHN_FIFO_PENDING,
    EVTCHNOP_expand_array, EVTCHNOP_init_control, evtchn_expand_array, evtchn_init_control,
    hypercall::event_channel_op,
};

const WORDS: usize = PAGE_SIZE / 4;
const PENDING: u32 = 1 << EVTCHN_FIFO_PENDING;
const MASKED: u32 = 1 << EVTCHN_FIFO_MASKED;
const LINKED: u32 = 1 << EVTCHN_FIFO_LINKED;
const QUEUES: usize = EVTCHN_FIFO_MAX_QUEUES as usize;

/// A page of event words.
type Words = [AtomicU32; WORDS];

/// `struct evtchn_fifo_control_block`.
#[repr(C)]
pub struct Control {
    ready: AtomicU32,
    reserved: u32,
    heads: [AtomicU32; QUEUES],
}

/// The queues of the boot processor.
pub struct Fifo {
    upcall_pending: &'static AtomicU8,
    control: &'static Control,
    words: Vec<&'static Words>,
    /// The next port to take off each list; 0 if the control block says where it begins.
    next: [u32; QUEUES],
}

/// A page for good, to be shared; the hypervisor's address of it, and ours.
fn page() -> Result<(u64, *mut u8), Error> {
    let page = dma::Buffer::new(PAGE_SIZE).map_err(|_| Error::Memory)?;
    let addresses = (page.physical() / PAGE_SIZE as u64, page.as_ptr().as_ptr());
    core::mem::forget(page);
    Ok(addresses)
}

impl Fifo {
    /// Goes over to queues, from which there is no way back; an error if the hypervisor has none.
    pub fn new(upcall_pending: &'static AtomicU8) -> Result<Self, Error> {
        let (frame, address) = page()?;
        let mut request = evtchn_init_control {
            control_gfn: frame,
            offset: 0,
            vcpu: 0,
            link_bits: 0,
            // SAFETY: a structure of numbers.
            ..unsafe { core::mem::zeroed() }
        };
        // SAFETY: the structure of this command; the page is the hypervisor's for good.
        unsafe { event_channel_op(EVTCHNOP_init_control, &mut request) }?;
        // SAFETY: zeroed, never freed, and from now on changed atomically by both sides.
        let control = unsafe { &*address.cast::<Control>() };
        Ok(Self { upcall_pending, control, words: Vec::new(), next: [0; QUEUES] })
    }

    /// Makes the words for ports up to this one.
    pub fn reach(&mut self, port: u32) -> Result<(), Error> {
        while self.words.len() * WORDS <= port as usize {
            let (frame, address) = page()?;
            // SAFETY: zeroed and never freed; atomics.
            let words = unsafe { &*address.cast::<Words>() };
            words.iter().for_each(|word| word.store(MASKED, Ordering::Relaxed));
            let mut request = evtchn_expand_array { array_gfn: frame };
            // SAFETY: the structure of this command; the page is the hypervisor's for good.
            unsafe { event_channel_op(EVTCHNOP_expand_array, &mut request) }?;
            self.words.push(words);
        }
        Ok(())
    }

    fn word(&self, port: u32) -> Option<&'static AtomicU32> {
        let words = self.words.get(port as usize / WORDS)?;
        words.get(port as usize % WORDS)
    }

    /// Calls `each` with every port that has an event, in order of priority and arrival.
    pub fn take(&mut self, each: &mut dyn FnMut(u32)) {
        self.upcall_pending.store(0, Ordering::SeqCst);
        let mut ready = self.control.ready.swap(0, Ordering::SeqCst);
        // Lists are as long as there are ports, unless the hypervisor builds rings: then the rest waits for the next call.
        for _ in 0..2 * WORDS * self.words.len().max(1) {
            let queue = ready.trailing_zeros();
            let (Some(next), Some(head)) =
                (self.next.get(queue as usize).copied(), self.control.heads.get(queue as usize))
            else {
                return;
            };
            let port = if next == 0 { head.load(Ordering::SeqCst) } else { next };
            let next = match self.word(port) {
                Some(word) => {
                    let old = word.fetch_and(!(LINKED | EVTCHN_FIFO_LINK_MASK), Ordering::SeqCst);
                    if old & PENDING != 0 && old & MASKED == 0 {
                        word.fetch_and(!PENDING, Ordering::SeqCst);
                        each(port);
                    }
                    old & EVTCHN_FIFO_LINK_MASK
                }
                None => 0,
            };
            if let Some(slot) = self.next.get_mut(queue as usize) {
                *slot = next;
            }
            if next == 0 {
                ready &= !(1 << queue);
            }
            ready |= self.control.ready.swap(0, Ordering::SeqCst);
        }
        self.control.ready.fetch_or(ready, Ordering::SeqCst);
    }

    /// Has a port's events wait.
    pub fn mask(&self, port: u32) {
        if let Some(word) = self.word(port) {
            word.fetch_or(MASKED, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;

    fn fifo(pages: usize) -> Fifo {
        let control = Control { ready: AtomicU32::new(0), reserved: 0, heads: [const { AtomicU32::new(0) }; QUEUES] };
        Fifo {
            upcall_pending: Box::leak(Box::new(AtomicU8::new(1))),
            control: Box::leak(Box::new(control)),
            words: (0..pages).map(|_| &*Box::leak(Box::new([const { AtomicU32::new(MASKED) }; WORDS]))).collect(),
            next: [0; QUEUES],
        }
    }

    fn link(fifo: &Fifo, queue: usize, ports: &[u32]) {
        fifo.control.heads[queue].store(ports[0], Ordering::SeqCst);
        for (index, &port) in ports.iter().enumerate() {
            let next = ports.get(index + 1).copied().unwrap_or(0);
            fifo.word(port).unwrap().store(PENDING | LINKED | next, Ordering::SeqCst);
        }
        fifo.control.ready.fetch_or(1 << queue, Ordering::SeqCst);
    }

    fn taken(fifo: &mut Fifo) -> Vec<u32> {
        let mut ports = Vec::new();
        fifo.take(&mut |port| ports.push(port));
        ports
    }

    #[test]
    fn events_come_by_priority_and_in_order() {
        let mut fifo = fifo(2);
        link(&fifo, 7, &[9, 1500, 4]);
        link(&fifo, 2, &[33]);
        assert_eq!(taken(&mut fifo), [33, 9, 1500, 4]);
        assert_eq!(fifo.word(1500).unwrap().load(Ordering::SeqCst), 0);
        assert_eq!(taken(&mut fifo), []);
        link(&fifo, 7, &[4]);
        assert_eq!(taken(&mut fifo), [4]);
    }

    #[test]
    fn masked_ports_are_taken_off_the_list_but_stay_pending() {
        let mut fifo = fifo(1);
        link(&fifo, 7, &[5, 6]);
        fifo.mask(5);
        assert_eq!(taken(&mut fifo), [6]);
        assert_eq!(fifo.word(5).unwrap().load(Ordering::SeqCst), PENDING | MASKED);
    }

    #[test]
    fn hostile_links_end() {
        let mut fifo = fifo(1);
        link(&fifo, 3, &[7]);
        fifo.word(7).unwrap().store(PENDING | LINKED | 0x1ffff, Ordering::SeqCst);
        assert_eq!(taken(&mut fifo), [7], "a link to a port that has no word");
        fifo.control.ready.store(u32::MAX, Ordering::SeqCst);
        fifo.control.heads[0].store(u32::MAX, Ordering::SeqCst);
        assert_eq!(taken(&mut fifo), [], "heads that are stale or cannot be, priorities that there are not");
    }
}
