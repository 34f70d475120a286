//! What a driver asks of the machine that it runs on, so that it runs on another one in its tests.

use crate::{
    clock,
    dma::{self, Buffer},
    memory::OutOfMemory,
    thread,
};
use alloc::sync::Arc;

/// Memory that devices reach, waiting and waking, time and processors: core's are [`OnCore`]; drivers' tests have them simulated.
///
/// # Safety
/// `physical_address` answers only for memory that a device finds contiguous over the whole length.
pub unsafe trait Services: Send + Sync {
    /// Memory for a device, of at least so many bytes.
    fn allocate(&self, bytes: usize) -> Result<Buffer, OutOfMemory>;

    /// Where a device finds memory that the kernel has already; `None` if it cannot reach all of it.
    fn physical_address(&self, start: *const u8, length: usize) -> Option<u64>;

    /// A new event, not set.
    fn event(&self) -> Arc<dyn Event>;

    /// Nanoseconds since boot; never goes back.
    fn monotonic(&self) -> u64;

    /// How many processors run threads.
    fn cpus(&self) -> usize;

    /// The one that the caller runs on.
    fn cpu(&self) -> usize;
}

/// Something that one thread waits for. It stays set until a wait has seen it.
pub trait Event: Send + Sync {
    /// Blocks the calling thread until the event is set, and clears it; false if `timeout` nanoseconds pass before.
    fn wait(&self, timeout: Option<u64>) -> bool;

    /// Sets the event. Allowed in interrupt context.
    fn set(&self);
}

/// This machine.
pub struct OnCore;

// SAFETY: `dma::physical_address` knows only what is contiguous.
unsafe impl Services for OnCore {
    fn allocate(&self, bytes: usize) -> Result<Buffer, OutOfMemory> {
        Buffer::new(bytes)
    }

    fn physical_address(&self, start: *const u8, length: usize) -> Option<u64> {
        dma::physical_address(start, length)
    }

    fn event(&self) -> Arc<dyn Event> {
        Arc::new(thread::Event::new())
    }

    fn monotonic(&self) -> u64 {
        clock::monotonic()
    }

    fn cpus(&self) -> usize {
        thread::cpus()
    }

    fn cpu(&self) -> usize {
        thread::cpu_index()
    }
}

impl Event for thread::Event {
    fn wait(&self, timeout: Option<u64>) -> bool {
        thread::Event::wait(self, timeout)
    }

    fn set(&self) {
        thread::Event::set(self);
    }
}
