//! A device for the tests, which does what a test tells it, right or wrong.

use crate::{
    Addresses, Doorbell, Result, Transport, Window,
    transport::{EVENT_INDEX, VERSION_1},
};
use alloc::{boxed::Box, sync::Arc, vec, vec::Vec};
use core::{
    ptr::{self, NonNull},
    sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering},
};
use rumpkin_simulated_machine::SimulatedMachine;
use std::sync::{LazyLock, Mutex};

/// What the drivers of all tests run on.
pub static MACHINE: LazyLock<SimulatedMachine> = LazyLock::new(SimulatedMachine::new);

/// A descriptor, as the device reads it.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    pub address: u64,
    pub length: u32,
    pub writable: bool,
}

impl Part {
    pub fn read(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length as usize];
        // SAFETY: The driver gave this memory to the device.
        unsafe {
            ptr::copy_nonoverlapping(SimulatedMachine::reach(self.address), bytes.as_mut_ptr(), bytes.len());
        }
        bytes
    }

    pub fn write(&self, bytes: &[u8]) {
        assert!(self.writable && bytes.len() <= self.length as usize);
        // SAFETY: As above.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), SimulatedMachine::reach(self.address), bytes.len()) }
    }
}

/// The device's side of a queue.
#[derive(Debug, Clone, Copy)]
pub struct DeviceQueue {
    pub size: u16,
    addresses: Addresses,
    seen: u16,
    pub used: u16,
}

fn load<T: Copy>(address: u64) -> T {
    // SAFETY: Addresses that the driver gave for this queue.
    unsafe { ptr::read_volatile(SimulatedMachine::reach(address).cast()) }
}

fn store<T: Copy>(address: u64, value: T) {
    // SAFETY: As above.
    unsafe { ptr::write_volatile(SimulatedMachine::reach(address).cast(), value) }
}

impl DeviceQueue {
    fn new(size: u16, addresses: Addresses) -> Self {
        Self { size, addresses, seen: 0, used: 0 }
    }

    /// The next chain that the driver has published.
    pub fn pop(&mut self) -> Option<(u16, Vec<Part>)> {
        let available = self.addresses.available;
        if load::<u16>(available + 2) == self.seen {
            return None;
        }
        let slot = u64::from(self.seen % self.size);
        let head: u16 = load(available + 4 + 2 * slot);
        self.seen = self.seen.wrapping_add(1);
        let mut parts = Vec::new();
        let mut id = head;
        loop {
            assert!(parts.len() < usize::from(self.size), "a chain without end");
            let at = self.addresses.descriptors + 16 * u64::from(id);
            let flags: u16 = load(at + 12);
            parts.push(Part { address: load(at), length: load(at + 8), writable: flags & 2 != 0 });
            if flags & 1 == 0 {
                return Some((head, parts));
            }
            id = load(at + 14);
        }
    }

    /// Returns a chain, without telling.
    pub fn push_quietly(&mut self, id: u32, length: u32) {
        let slot = u64::from(self.used % self.size);
        store(self.addresses.used + 4 + 8 * slot, id);
        store(self.addresses.used + 8 + 8 * slot, length);
        self.used = self.used.wrapping_add(1);
    }

    /// Shows the driver what was returned.
    pub fn tell(&self) {
        store(self.addresses.used + 2, self.used);
    }

    pub fn push(&mut self, id: u32, length: u32) {
        self.push_quietly(id, length);
        self.tell();
    }

    /// The index at which the driver wants an interrupt.
    pub fn used_event(&self) -> u16 {
        load(self.addresses.available + 4 + 2 * u64::from(self.size))
    }

    /// The index at which the device wants a doorbell.
    pub fn set_available_event(&self, index: u16) {
        store(self.addresses.used + 4 + 8 * u64::from(self.size), index);
    }

    /// Overwrites memory that the device must not touch.
    pub fn scribble_descriptors(&self, byte: u8) {
        for at in 0..16 * u64::from(self.size) {
            store(self.addresses.descriptors + at, byte);
        }
    }

    /// Overwrites a byte of what the device may write: whichever that is, by this number.
    pub fn scribble_used_ring(&self, number: u64, byte: u8) {
        store(self.addresses.used + number % (6 + 8 * u64::from(self.size)), byte);
    }
}

/// A simulated device.
pub struct Device {
    kind: u32,
    features: u64,
    chosen: AtomicU64,
    status: AtomicU8,
    configuration: Vec<u8>,
    limit: u16,
    queues: Mutex<Vec<Option<DeviceQueue>>>,
    bell: Box<AtomicU32>,
}

impl Device {
    pub fn new(kind: u32, features: u64, configuration: &[u8], limit: u16) -> Arc<Self> {
        Arc::new(Self {
            kind,
            features: features | VERSION_1,
            chosen: AtomicU64::new(0),
            status: AtomicU8::new(0),
            configuration: configuration.to_vec(),
            limit,
            queues: Mutex::new(vec![None; 2]),
            bell: Box::new(AtomicU32::new(u32::MAX)),
        })
    }

    pub fn with_event_index(kind: u32, features: u64, configuration: &[u8]) -> Arc<Self> {
        Self::new(kind, features | EVENT_INDEX, configuration, 256)
    }

    pub fn chosen(&self) -> u64 {
        self.chosen.load(Ordering::Relaxed)
    }

    /// Works on a queue's device side.
    pub fn queue<T>(&self, index: usize, work: impl FnOnce(&mut DeviceQueue) -> T) -> T {
        let mut queues = self.queues.lock().unwrap();
        work(queues[index].as_mut().expect("an enabled queue"))
    }

    /// Whether the doorbell rang since the last look.
    pub fn rang(&self) -> Option<u32> {
        match self.bell.swap(u32::MAX, Ordering::Relaxed) {
            u32::MAX => None,
            queue => Some(queue),
        }
    }
}

impl Transport for Device {
    fn device_type(&self) -> u32 {
        self.kind
    }

    fn device_features(&self) -> u64 {
        self.features
    }

    fn set_driver_features(&self, features: u64) {
        self.chosen.store(features, Ordering::Relaxed);
    }

    fn status(&self) -> u8 {
        self.status.load(Ordering::Relaxed)
    }

    fn set_status(&self, status: u8) {
        self.status.store(status, Ordering::Relaxed);
    }

    fn queue_limit(&self, queue: u16) -> u16 {
        if queue < 2 { self.limit } else { 0 }
    }

    fn enable_queue(&self, queue: u16, size: u16, addresses: Addresses) -> Result<Doorbell> {
        self.queues.lock().unwrap()[usize::from(queue)] = Some(DeviceQueue::new(size, addresses));
        let bell = NonNull::from(&*self.bell).cast();
        // SAFETY: The word lives as long as the device, which the driver keeps.
        let window = unsafe { Window::new(bell, 4) };
        Ok(Doorbell::new(window, 0, queue, true))
    }

    fn acknowledge(&self) -> bool {
        true
    }

    fn generation(&self) -> u32 {
        0
    }

    fn configuration(&self, offset: usize) -> Option<u8> {
        self.configuration.get(offset).copied()
    }
}

/// A small generator of pseudo-random numbers (xorshift64*), so that failures repeat.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
