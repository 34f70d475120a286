//! What the virtio drivers ask of the machine, answered by core.

use alloc::{boxed::Box, sync::Arc};
use rumpkin_core::for_platform::{dma, thread};
use rumpkin_virtio::{Allocation, Event, Machine};

/// Core, as the drivers see it.
pub struct OnCore;

// SAFETY: Core's answers are what is promised: `physical_address` knows only what is contiguous.
unsafe impl Machine for OnCore {
    fn allocate(&self, length: usize) -> Option<Allocation> {
        let buffer = dma::Buffer::new(length).ok()?;
        let (base, physical) = (buffer.as_ptr(), buffer.physical());
        // SAFETY: The buffer is zeroed, contiguous and ours until it is dropped.
        Some(unsafe { Allocation::new(base, physical, Box::new(buffer)) })
    }

    fn translate(&self, memory: *const u8, length: usize) -> Option<u64> {
        dma::physical_address(memory, length)
    }

    fn event(&self) -> Arc<dyn Event> {
        Arc::new(Parked(thread::Event::new()))
    }
}

/// Core's event, as the drivers see it.
struct Parked(thread::Event);

impl Event for Parked {
    fn wait(&self, timeout: Option<u64>) -> bool {
        self.0.wait(timeout)
    }

    fn set(&self) {
        self.0.set();
    }
}
