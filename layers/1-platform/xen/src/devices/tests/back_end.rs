//! A domain and a back end for the tests: the store is a map, and the back end does what a test tells it, right or wrong.

use crate::devices::{
    grant::Table,
    machine::{Channel, Handler, Machine, PAGE},
};
use alloc::{
    boxed::Box,
    collections::BTreeMap,
    format,
    string::{String, ToString},
    sync::Arc,
    vec,
    vec::Vec,
};
use core::{
    any::Any,
    ptr::{self, NonNull},
    sync::atomic::{AtomicU16, AtomicU32, Ordering},
};
use rumpkin_core::for_platform::{interface::Notify, services::Services};
use rumpkin_simulated_machine::SimulatedMachine;
use std::sync::Mutex;

/// The domain of the back end.
pub const BACK: u16 = 3;

/// A frame of the grant table.
#[repr(C, align(4096))]
struct Page([u8; PAGE]);

/// A domain of its own for each test, never freed.
pub struct Simulated {
    table: Table,
    /// Frames of the grant table, of which there are at most `limit`.
    frames: Mutex<Vec<usize>>,
    limit: usize,
    pub machine: SimulatedMachine,
    nodes: Mutex<BTreeMap<String, String>>,
    watches: Arc<Mutex<Vec<(u32, String, Notify)>>>,
    channels: Arc<Mutex<BTreeMap<u32, Handler>>>,
    /// Notifications of each port.
    rings: Arc<Mutex<BTreeMap<u32, usize>>>,
    next: AtomicU32,
}

impl Simulated {
    pub fn new() -> &'static Self {
        Self::with(64, 1 << 20)
    }

    /// With so many frames for its grant table, and so many pages of memory.
    pub fn with(limit: usize, memory: usize) -> &'static Self {
        Box::leak(Box::new(Self {
            table: Table::new(),
            frames: Mutex::default(),
            limit,
            machine: SimulatedMachine::with_memory(memory),
            nodes: Mutex::default(),
            watches: Arc::default(),
            channels: Arc::default(),
            rings: Arc::default(),
            next: AtomicU32::new(100),
        }))
    }

    /// Calls the handler of a port, as its event does.
    pub fn interrupt(&self, port: u32) {
        let handler = self.channels.lock().unwrap().get(&port).cloned();
        if let Some(handler) = handler {
            handler();
        }
    }

    /// How often a port was notified since the last look.
    pub fn notified(&self, port: u32) -> usize {
        self.rings.lock().unwrap().remove(&port).unwrap_or(0)
    }

    pub fn open_channels(&self) -> usize {
        self.channels.lock().unwrap().len()
    }

    fn entry(&self, reference: u32) -> Option<(&'static AtomicU16, u16, u32)> {
        let frames = self.frames.lock().unwrap();
        let frame = *frames.get(reference as usize / 512)?;
        let entry = frame + reference as usize % 512 * 8;
        // SAFETY: In a frame of the table, which is never freed.
        let flags = unsafe { AtomicU16::from_ptr(entry as *mut u16) };
        // SAFETY: As above.
        let (domain, frame) =
            unsafe { (ptr::read_volatile((entry + 2) as *const u16), ptr::read_volatile((entry + 4) as *const u32)) };
        Some((flags, domain, frame))
    }

    /// The granted page, as the back end reaches it.
    pub fn granted(&self, reference: u32, write: bool) -> Option<*mut u8> {
        let (flags, domain, frame) = self.entry(reference)?;
        let flags = flags.load(Ordering::SeqCst);
        let permitted = flags & 3 == 1 && domain == BACK && !(write && flags & 4 != 0);
        permitted.then(|| SimulatedMachine::reach(u64::from(frame) * PAGE as u64))
    }

    /// Sets or clears that the back end has a page mapped.
    pub fn map(&self, reference: u32, mapped: bool) {
        let (flags, ..) = self.entry(reference).unwrap();
        if mapped {
            flags.fetch_or(8 | 16, Ordering::SeqCst);
        } else {
            flags.fetch_and(!(8 | 16), Ordering::SeqCst);
        }
    }

    /// Grants in force.
    pub fn grants_in_force(&self) -> usize {
        let count = self.frames.lock().unwrap().len() as u32 * 512;
        (0..count).filter(|reference| self.entry(*reference).unwrap().0.load(Ordering::SeqCst) != 0).count()
    }

    pub fn node(&self, path: &str) -> Option<String> {
        self.nodes.lock().unwrap().get(path).cloned()
    }

    pub fn number(&self, path: &str) -> u32 {
        self.node(path).unwrap_or_else(|| panic!("no {path}")).parse().unwrap()
    }

    pub fn set(&self, path: &str, value: &str) {
        self.nodes.lock().unwrap().insert(path.to_string(), value.to_string());
        self.fire(path);
    }

    /// As a toolstack does: removes a node and what is below it.
    pub fn unset(&self, path: &str) {
        let below = format!("{path}/");
        self.nodes.lock().unwrap().retain(|node, _| node != path && !node.starts_with(&below));
        self.fire(path);
    }

    fn fire(&self, path: &str) {
        let touched = |watch: &String| {
            path == watch || path.starts_with(&format!("{watch}/")) || watch.starts_with(&format!("{path}/"))
        };
        let notifies: Vec<_> = self
            .watches
            .lock()
            .unwrap()
            .iter()
            .filter(|(_, watch, _)| touched(watch))
            .map(|(.., notify)| notify.clone())
            .collect();
        notifies.iter().for_each(|notify| notify());
    }
}

struct Watch {
    id: u32,
    watches: Arc<Mutex<Vec<(u32, String, Notify)>>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watches.lock().unwrap().retain(|(id, ..)| *id != self.id);
    }
}

struct Port {
    port: u32,
    channels: Arc<Mutex<BTreeMap<u32, Handler>>>,
    rings: Arc<Mutex<BTreeMap<u32, usize>>>,
}

impl Channel for Port {
    fn port(&self) -> u32 {
        self.port
    }

    fn notify(&self) {
        *self.rings.lock().unwrap().entry(self.port).or_default() += 1;
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let handler = self.channels.lock().unwrap().remove(&self.port);
        drop(handler);
    }
}

// SAFETY: Frames of the grant table are leaked, each once.
unsafe impl Machine for Simulated {
    fn services(&self) -> &dyn Services {
        &self.machine
    }

    fn grant_frame(&self, index: u32) -> Option<NonNull<u8>> {
        let mut frames = self.frames.lock().unwrap();
        assert_eq!(frames.len(), index as usize, "frames are mapped in order");
        if frames.len() == self.limit {
            return None;
        }
        let frame = NonNull::from(Box::leak(Box::new(Page([0; PAGE])))).cast::<u8>();
        frames.push(frame.as_ptr() as usize);
        Some(frame)
    }

    fn grants(&self) -> &Table {
        &self.table
    }

    fn channel(&self, domain: u16, handler: Handler) -> Option<Box<dyn Channel>> {
        assert_eq!(domain, BACK);
        let port = self.next.fetch_add(1, Ordering::SeqCst);
        self.channels.lock().unwrap().insert(port, handler);
        Some(Box::new(Port { port, channels: self.channels.clone(), rings: self.rings.clone() }))
    }

    fn read(&self, path: &str) -> Option<String> {
        self.node(path)
    }

    fn write(&self, path: &str, value: &str) -> bool {
        self.set(path, value);
        true
    }

    fn remove(&self, path: &str) {
        self.unset(path);
    }

    fn list(&self, path: &str) -> Vec<String> {
        let below = format!("{path}/");
        let nodes = self.nodes.lock().unwrap();
        let mut names: Vec<String> = nodes
            .keys()
            .filter_map(|node| node.strip_prefix(&below))
            .map(|rest| rest.split('/').next().unwrap().to_string())
            .collect();
        names.dedup();
        names
    }

    fn watch(&self, path: &str, notify: Notify) -> Option<Box<dyn Any + Send>> {
        let id = self.next.fetch_add(1, Ordering::SeqCst);
        self.watches.lock().unwrap().push((id, path.to_string(), notify.clone()));
        notify();
        Some(Box::new(Watch { id, watches: self.watches.clone() }))
    }
}

/// The back end's side of a ring.
pub struct BackRing {
    machine: &'static Simulated,
    pages: Vec<u32>,
    slot: usize,
    size: u32,
    pub requests: u32,
    pub responses: u32,
}

impl BackRing {
    /// The ring in the granted `pages`, with slots of so many bytes.
    pub fn new(machine: &'static Simulated, pages: &[u32], slot: usize) -> Self {
        let size = 1 << ((pages.len() * PAGE - 64) / slot).ilog2();
        Self { machine, pages: pages.to_vec(), slot, size, requests: 0, responses: 0 }
    }

    fn at(&self, offset: usize) -> *mut u8 {
        let page = self.machine.granted(self.pages[offset / PAGE], true).expect("the ring's page");
        page.wrapping_add(offset % PAGE)
    }

    pub fn word(&self, offset: usize) -> u32 {
        // SAFETY: In a page of the ring.
        unsafe { ptr::read_volatile(self.at(offset).cast()) }
    }

    pub fn set_word(&self, offset: usize, value: u32) {
        // SAFETY: As above.
        unsafe { ptr::write_volatile(self.at(offset).cast(), value) }
    }

    fn slot(&self, index: u32) -> usize {
        64 + (index % self.size) as usize * self.slot
    }

    /// The bytes of the next request.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        if self.word(0) == self.requests {
            return None;
        }
        let start = self.slot(self.requests);
        // SAFETY: As above.
        let bytes = (start..start + self.slot).map(|offset| unsafe { ptr::read_volatile(self.at(offset)) }).collect();
        self.requests = self.requests.wrapping_add(1);
        Some(bytes)
    }

    /// Writes a response, without telling.
    pub fn push_quietly(&mut self, response: &[u8]) {
        let start = self.slot(self.responses);
        for (offset, byte) in response.iter().enumerate() {
            // SAFETY: As above.
            unsafe { ptr::write_volatile(self.at(start + offset), *byte) }
        }
        self.responses = self.responses.wrapping_add(1);
    }

    /// Shows the front end what was answered; true if it asked for an event.
    pub fn tell(&self) -> bool {
        let old = self.word(8);
        self.set_word(8, self.responses);
        self.responses.wrapping_sub(self.word(12)) < self.responses.wrapping_sub(old)
    }

    pub fn push(&mut self, response: &[u8]) -> bool {
        self.push_quietly(response);
        self.tell()
    }

    /// Asks to be told at this request.
    pub fn set_request_event(&self, index: u32) {
        self.set_word(4, index);
    }
}

pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// Copies between a back end and a page.
pub fn copy_in(page: *mut u8, offset: usize, bytes: &[u8]) {
    assert!(offset + bytes.len() <= PAGE);
    // SAFETY: In a page that is granted for writing.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), page.add(offset), bytes.len()) }
}

pub fn copy_out(page: *const u8, offset: usize, length: usize) -> Vec<u8> {
    assert!(offset + length <= PAGE);
    let mut bytes = vec![0; length];
    // SAFETY: In a page that is granted.
    unsafe { ptr::copy_nonoverlapping(page.add(offset), bytes.as_mut_ptr(), length) }
    bytes
}
