//! What drivers ask of a machine ([`Services`]), in a process: memory is the heap, and threads wait on condition variables.
//!
//! Drivers' unit tests run on it; what a driver speaks to, the device or the back end, is simulated by its own tests, and finds
//! the driver's memory by [`SimulatedMachine::reach`]. Depends on core, for the trait.

use rumpkin_core::for_platform::{
    dma::Buffer,
    layout::PAGE_SIZE,
    memory::OutOfMemory,
    services::{Event, Services},
};
use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    ptr::NonNull,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Seconds after which a wait without an end counts as one that would never end.
const FOR_EVER: u64 = 20;

/// Where the memory of all machines is, by the frame's number: what devices are given has small physical addresses. What the
/// kernel has already, on the other hand, is found where it is.
static FRAMES: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// A machine.
pub struct SimulatedMachine {
    /// Pages that may still be allocated.
    memory: AtomicUsize,
    /// How many processors it has.
    pub cpus: AtomicUsize,
    /// The one that a caller runs on.
    pub cpu: AtomicUsize,
    started: Instant,
}

impl SimulatedMachine {
    /// One with a processor and with memory for all that tests need.
    pub fn new() -> Self {
        Self::with_memory(1 << 20)
    }

    /// One that has so many pages for devices; they do not come back.
    pub fn with_memory(pages: usize) -> Self {
        Self {
            memory: AtomicUsize::new(pages),
            cpus: AtomicUsize::new(1),
            cpu: AtomicUsize::new(0),
            started: Instant::now(),
        }
    }

    /// Where a device finds this physical address.
    ///
    /// # Panics
    /// If it is in a frame that no machine ever allocated, and too low for anything else.
    pub fn reach(physical: u64) -> *mut u8 {
        let frames = FRAMES.lock().unwrap();
        let (frame, offset) = (physical as usize / PAGE_SIZE, physical as usize % PAGE_SIZE);
        match frames.get(frame) {
            Some(page) => (page + offset) as *mut u8,
            None => {
                assert!(physical >= 1 << 32, "{physical:#x} is nobody's memory");
                physical as *mut u8
            }
        }
    }
}

impl Default for SimulatedMachine {
    fn default() -> Self {
        Self::new()
    }
}

fn layout(length: usize) -> Layout {
    Layout::from_size_align(length, PAGE_SIZE).expect("a length that fits")
}

/// # Safety
/// `base` is from [`SimulatedMachine::allocate`], with this length, and no longer used.
unsafe fn free(base: NonNull<u8>, length: usize) {
    // SAFETY: the caller's promise.
    unsafe { dealloc(base.as_ptr(), layout(length)) }
}

// SAFETY: a process's memory is contiguous where its addresses are, and those are the physical ones.
unsafe impl Services for SimulatedMachine {
    fn allocate(&self, bytes: usize) -> Result<Buffer, OutOfMemory> {
        let pages = bytes.div_ceil(PAGE_SIZE).max(1);
        let take = |left: usize| left.checked_sub(pages);
        self.memory.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).map_err(|_| OutOfMemory)?;
        let length = pages * PAGE_SIZE;
        // SAFETY: there is at least a page.
        let base = NonNull::new(unsafe { alloc_zeroed(layout(length)) }).ok_or(OutOfMemory)?;
        let mut frames = FRAMES.lock().unwrap();
        let physical = (frames.len() * PAGE_SIZE) as u64;
        frames.extend((0..pages).map(|page| base.as_ptr() as usize + page * PAGE_SIZE));
        // SAFETY: whole pages, zeroed and ours until `free`; devices find them by `reach`.
        Ok(unsafe { Buffer::from_parts(base, physical, length, free) })
    }

    /// Odd pages cannot be reached, so that both ways are tested.
    fn physical_address(&self, start: *const u8, _length: usize) -> Option<u64> {
        let address = start as usize;
        (address / PAGE_SIZE).is_multiple_of(2).then_some(address as u64)
    }

    fn event(&self) -> Arc<dyn Event> {
        Arc::new(Flag::default())
    }

    fn monotonic(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    fn cpus(&self) -> usize {
        self.cpus.load(Ordering::SeqCst)
    }

    fn cpu(&self) -> usize {
        self.cpu.load(Ordering::SeqCst)
    }
}

#[derive(Default)]
struct Flag {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Event for Flag {
    fn wait(&self, timeout: Option<u64>) -> bool {
        let timeout = timeout.map_or(Duration::from_secs(FOR_EVER), Duration::from_nanos);
        let set = self.set.lock().unwrap();
        let (mut set, _) = self.changed.wait_timeout_while(set, timeout, |set| !*set).unwrap();
        std::mem::take(&mut *set)
    }

    fn set(&self) {
        *self.set.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_zeroed_reached_by_its_physical_address_and_ends() {
        let machine = SimulatedMachine::with_memory(3);
        let buffer = machine.allocate(PAGE_SIZE + 1).unwrap();
        assert_eq!(buffer.len(), 2 * PAGE_SIZE);
        let at = buffer.physical() + PAGE_SIZE as u64 + 5;
        let place = SimulatedMachine::reach(at);
        assert_eq!(place, buffer.as_ptr().as_ptr().wrapping_add(PAGE_SIZE + 5));
        // SAFETY: in the buffer.
        assert_eq!(unsafe { place.read() }, 0);
        assert!(machine.allocate(2 * PAGE_SIZE).is_err());
        assert!(machine.allocate(1).is_ok());
    }

    #[test]
    fn an_event_stays_set_until_a_wait_has_seen_it() {
        let event = SimulatedMachine::new().event();
        event.set();
        assert!(event.wait(Some(0)));
        assert!(!event.wait(Some(1000)));
    }

    #[test]
    fn time_goes_on() {
        let machine = SimulatedMachine::new();
        let before = machine.monotonic();
        machine.event().wait(Some(1_000_000));
        assert!(machine.monotonic() >= before + 1_000_000);
    }
}
