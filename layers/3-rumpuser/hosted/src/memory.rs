//! Frames: pages on the heap of the process, each with its number of owners.

use crate::simulation;
use rumpuser::memory::{FrameNumber, PAGE_SIZE};
use std::{
    collections::HashMap,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Frames that the user memory of one machine (a simulation, or the process outside of them) may take: 256 MiB.
const LIMIT: usize = 65536;

type Page = [u8; PAGE_SIZE];

struct OwnedPage {
    owners: usize,
    bytes: Box<Page>,
    /// Of the machine that allocated it.
    counter: Arc<AtomicUsize>,
}

impl Drop for OwnedPage {
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Frames {
    pages: HashMap<FrameNumber, OwnedPage>,
    /// Frames of the payload, by the machine that they were made for and by the address of what they are a copy of.
    payload: HashMap<(usize, usize), FrameNumber>,
    next: FrameNumber,
}

impl Frames {
    fn add(&mut self, bytes: Box<Page>) -> FrameNumber {
        self.next += 1;
        let counter = simulation::frame_counter();
        counter.fetch_add(1, Ordering::Relaxed);
        self.pages.insert(self.next, OwnedPage { owners: 1, bytes, counter });
        self.next
    }

    fn page(&mut self, frame: FrameNumber) -> &mut OwnedPage {
        self.pages.get_mut(&frame).expect("a frame that somebody owns")
    }
}

static FRAMES: LazyLock<Mutex<Frames>> = LazyLock::new(Mutex::default);

pub fn allocate() -> Option<FrameNumber> {
    simulation::memory_request().ok()?;
    (simulation::frames_taken() < LIMIT).then(|| FRAMES.lock().unwrap().add(Box::new([0; PAGE_SIZE])))
}

/// What tells machines apart as long as they live.
fn identity(counter: &Arc<AtomicUsize>) -> usize {
    Arc::as_ptr(counter).addr()
}

/// The frame of a page of the payload. The payload itself is one of its owners, so it lives as long as the machine.
pub fn of_payload(page: &'static [u8]) -> FrameNumber {
    let mut frames = FRAMES.lock().unwrap();
    let key = (identity(&simulation::frame_counter()), page.as_ptr().addr());
    let frame = match frames.payload.get(&key) {
        Some(&frame) => frame,
        None => {
            let mut bytes = Box::new([0; PAGE_SIZE]);
            let length = page.len().min(PAGE_SIZE);
            bytes[..length].copy_from_slice(&page[..length]);
            let frame = frames.add(bytes);
            frames.payload.insert(key, frame);
            frame
        }
    };
    frames.page(frame).owners += 1;
    frame
}

/// Forgets the payload of a machine that is no more.
pub fn forget_payload(counter: &Arc<AtomicUsize>) {
    let machine = identity(counter);
    let forgotten: Vec<_> =
        FRAMES.lock().unwrap().payload.extract_if(|(owner, _), _| *owner == machine).map(|(_, frame)| frame).collect();
    forgotten.into_iter().for_each(release);
}

pub fn retain(frame: FrameNumber) {
    FRAMES.lock().unwrap().page(frame).owners += 1;
}

pub fn release(frame: FrameNumber) {
    let mut frames = FRAMES.lock().unwrap();
    let page = frames.page(frame);
    page.owners -= 1;
    if page.owners == 0 {
        frames.pages.remove(&frame);
    }
}

pub fn is_unique(frame: FrameNumber) -> bool {
    FRAMES.lock().unwrap().page(frame).owners == 1
}

/// Shows a frame's bytes; accesses to frames exclude each other.
pub fn with_page<T>(frame: FrameNumber, f: impl FnOnce(&mut Page) -> T) -> T {
    f(&mut FRAMES.lock().unwrap().page(frame).bytes)
}

pub fn counts() -> (usize, usize) {
    (LIMIT, LIMIT.saturating_sub(simulation::frames_taken()))
}
