//! Entropy device (VIRTIO 1.2 §5.4): one request is always with the device, so that bytes are there when asked for.

use crate::{
    Error, Handler, Lock, Queue, Region, Result,
    queue::Segment,
    transport::{self, Transport, queue_size},
};
use alloc::sync::Arc;
use rumpkin_core::for_platform::{
    interface::Entropy,
    services::{Event, Services},
};

/// Bytes in one request.
const BYTES: usize = 64;
/// How long [`Entropy::fill`] waits for the device, in nanoseconds.
const PATIENCE: u64 = 100_000_000;

/// A source of random bytes.
pub struct Rng {
    shared: Arc<Shared>,
}

struct Shared {
    transport: Arc<dyn Transport>,
    event: Arc<dyn Event>,
    state: Lock<State>,
}

struct State {
    queue: Queue,
    buffer: Region,
    /// Bytes in the buffer that nobody has had yet; the device has the buffer while it is `None`.
    ready: Option<usize>,
}

impl State {
    /// Gives the buffer to the device.
    fn ask(&mut self) {
        let chain =
            self.queue.add(&[Segment { physical: self.buffer.physical(0), length: BYTES as u32, writable: true }]);
        if chain.is_some() {
            self.ready = None;
            self.queue.arm(0);
            self.queue.publish();
        }
    }

    fn collect(&mut self) {
        if let Ok(Some((_, length))) = self.queue.take() {
            self.ready = Some(length as usize);
        }
    }
}

impl Rng {
    /// Sets the device up.
    #[cold]
    pub fn new(services: &'static dyn Services, transport: Arc<dyn Transport>) -> Result<Self> {
        let device = &*transport;
        let chosen = transport::negotiate(device, 0)?;
        let size = queue_size(device, 0, 2, 1)?;
        let event_index = chosen & transport::EVENT_INDEX != 0;
        let queue = Queue::new(services, size, event_index, |addresses| transport.enable_queue(0, size, addresses))?;
        let buffer = Region::new(services, BYTES).ok_or(Error::Memory)?;
        transport::start(device);
        let mut state = State { queue, buffer, ready: Some(0) };
        state.ask();
        Ok(Self { shared: Arc::new(Shared { event: services.event(), state: Lock::new(state), transport }) })
    }

    /// What is to be called when the device interrupts.
    pub fn handler(&self) -> Arc<dyn Handler> {
        self.shared.clone()
    }
}

impl Handler for Shared {
    fn interrupt(&self) -> bool {
        let ours = self.transport.acknowledge();
        if ours {
            self.event.set();
        }
        ours
    }
}

impl Entropy for Rng {
    fn fill(&self, buffer: &mut [u8]) -> usize {
        let mut waited = false;
        loop {
            {
                let mut state = self.shared.state.lock();
                state.collect();
                if let Some(ready) = state.ready {
                    let count = ready.min(BYTES).min(buffer.len());
                    // SAFETY: The device has given the buffer back, and gets it again only in `ask`.
                    let bytes = unsafe { state.buffer.bytes_mut(0..count) };
                    buffer[..count].copy_from_slice(bytes);
                    // What has been given out stays nowhere.
                    bytes.fill(0);
                    state.ask();
                    return count;
                }
            }
            if waited || !self.shared.event.wait(Some(PATIENCE)) {
                return 0;
            }
            waited = true;
        }
    }
}

impl Drop for Rng {
    fn drop(&mut self) {
        let _ = transport::reset(&*self.shared.transport);
    }
}
