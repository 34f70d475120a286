//! What the virtio drivers ask of the machine, answered by core.

use alloc::{boxed::Box, sync::Arc};
use core::sync::atomic::{AtomicBool, Ordering};
use rumpkin_core::{
    clock, dma,
    sync::IrqMutex,
    thread::{self, Thread},
};
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
        Arc::new(Parked { set: AtomicBool::new(false), thread: IrqMutex::new(None) })
    }
}

/// An event whose waiter is parked.
struct Parked {
    set: AtomicBool,
    thread: IrqMutex<Option<Arc<Thread>>>,
}

impl Event for Parked {
    fn wait(&self, timeout: Option<u64>) -> bool {
        let deadline = timeout.map(|timeout| clock::monotonic().saturating_add(timeout));
        let me = thread::current();
        *self.thread.lock() = Some(me.clone());
        let mut unparked = false;
        let seen = loop {
            if self.set.swap(false, Ordering::AcqRel) {
                break true;
            }
            if deadline.is_some_and(|deadline| clock::monotonic() >= deadline) {
                break false;
            }
            unparked |= thread::park(deadline);
        };
        let waiter = self.thread.lock().take();
        drop(waiter);
        // One that was meant for an outer wait must not be lost in this inner one; at worst that looks once more.
        if unparked {
            me.unpark();
        }
        seen
    }

    fn set(&self) {
        self.set.store(true, Ordering::Release);
        if let Some(thread) = &*self.thread.lock() {
            thread.unpark();
        }
    }
}
