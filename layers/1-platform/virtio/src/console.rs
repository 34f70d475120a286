//! Console device (VIRTIO 1.2 §5.3), its port 0 only.

use crate::{
    Error, Handler, Lock, Queue, Region, Result,
    queue::Segment,
    transport::{self, Transport, queue_size},
};
use alloc::{collections::VecDeque, sync::Arc};
use rumpkin_core::for_platform::{
    interface::{Console, Notify},
    services::Services,
};

const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;
/// Entries and buffers of each queue.
const BUFFERS: u16 = 8;
/// Bytes of one buffer.
const BUFFER: usize = 512;
/// How often to look for a free buffer before output is given up; the host has stopped reading then.
const PATIENCE: u32 = if cfg!(test) { 100 } else { 10_000_000 };

/// A terminal.
pub struct Terminal {
    shared: Arc<Shared>,
}

struct Shared {
    transport: Arc<dyn Transport>,
    input: Lock<Input>,
    output: Lock<Output>,
    notify: rumpkin_core::for_platform::sync::Once<Notify>,
}

struct Input {
    queue: Queue,
    buffers: Region,
    typed: VecDeque<u8>,
}

struct Output {
    queue: Queue,
    buffers: Region,
}

impl Input {
    /// Takes what the device has, as much as `typed` has room for, and asks for an interrupt for the next.
    fn collect(&mut self) {
        loop {
            while self.typed.len() + BUFFER <= self.typed.capacity() {
                let Ok(Some((id, length))) = self.queue.take_keeping() else {
                    break;
                };
                let offset = usize::from(id) * BUFFER;
                // SAFETY: The device has given the buffer back; it is requeued below.
                let bytes = unsafe { self.buffers.bytes(offset..offset + length as usize) };
                self.typed.extend(bytes);
                self.queue.requeue(id);
            }
            self.queue.publish();
            let room = self.typed.len() + BUFFER <= self.typed.capacity();
            if !self.queue.arm(0) || !room || self.queue.is_broken() {
                return;
            }
        }
    }
}

impl Terminal {
    /// Sets the device up.
    #[cold]
    pub fn new(services: &'static dyn Services, transport: Arc<dyn Transport>) -> Result<Self> {
        let device = &*transport;
        let chosen = transport::negotiate(device, 0)?;
        let event_index = chosen & transport::EVENT_INDEX != 0;
        let ring = |index| {
            let size = queue_size(device, index, BUFFERS, 1)?;
            let buffers = Region::new(services, usize::from(size) * BUFFER).ok_or(Error::Memory)?;
            let queue =
                Queue::new(services, size, event_index, |addresses| device.enable_queue(index, size, addresses))?;
            Ok((queue, buffers))
        };
        let (mut input, input_buffers) = ring(RECEIVE)?;
        let (mut output, output_buffers) = ring(TRANSMIT)?;
        output.disarm();
        for number in 0..input.size() {
            input.add(&[Segment {
                physical: input_buffers.physical(usize::from(number) * BUFFER),
                length: BUFFER as u32,
                writable: true,
            }]);
        }
        input.arm(0);
        transport::start(device);
        input.publish();
        Ok(Self {
            shared: Arc::new(Shared {
                input: Lock::new(Input {
                    queue: input,
                    buffers: input_buffers,
                    typed: VecDeque::with_capacity(2 * BUFFER),
                }),
                output: Lock::new(Output { queue: output, buffers: output_buffers }),
                transport,
                notify: rumpkin_core::for_platform::sync::Once::new(),
            }),
        })
    }

    /// Writes unless someone else is writing: for a panic, which may have come in the middle of that.
    pub fn try_write(&self, data: &[u8]) {
        if let Some(mut output) = self.shared.output.try_lock() {
            output.write(data);
        }
    }

    /// What is to be called when the device interrupts.
    pub fn handler(&self) -> Arc<dyn Handler> {
        self.shared.clone()
    }
}

impl Handler for Shared {
    fn interrupt(&self) -> bool {
        let ours = self.transport.acknowledge();
        if ours && let Some(notify) = self.notify.get() {
            notify();
        }
        ours
    }
}

impl Output {
    /// Queues all of it, waiting for the device where there is no room; what it does not take in time is lost.
    fn write(&mut self, data: &[u8]) {
        for piece in data.chunks(BUFFER) {
            let mut tries = 0;
            let id = loop {
                while let Ok(Some(_)) = self.queue.take() {}
                if let Some(id) = self.queue.next_id() {
                    break id;
                }
                self.queue.publish();
                tries += 1;
                if tries > PATIENCE || self.queue.is_broken() {
                    return;
                }
                core::hint::spin_loop();
            };
            let offset = usize::from(id) * BUFFER;
            // SAFETY: The id is free, so the device does not have its buffer.
            unsafe { self.buffers.bytes_mut(offset..offset + piece.len()) }.copy_from_slice(piece);
            let physical = self.buffers.physical(offset);
            self.queue.add(&[Segment { physical, length: piece.len() as u32, writable: false }]);
        }
        self.queue.publish();
    }
}

impl Console for Terminal {
    fn write(&self, data: &[u8]) {
        self.shared.output.lock().write(data);
    }

    fn read(&self, buffer: &mut [u8]) -> usize {
        let mut input = self.shared.input.lock();
        input.collect();
        let count = buffer.len().min(input.typed.len());
        for (to, from) in buffer.iter_mut().zip(input.typed.drain(..count)) {
            *to = from;
        }
        count
    }

    fn readable(&self) -> bool {
        let input = self.shared.input.lock();
        !input.typed.is_empty() || (input.queue.has_used() && !input.queue.is_broken())
    }

    fn set_notify(&self, notify: Notify) {
        self.shared.notify.call_once(|| notify);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = transport::reset(&*self.shared.transport);
    }
}
