//! A wire in memory between two links, which delays, loses, reorders, duplicates and corrupts frames as it is told.
//!
//! ```text
//!   end 0 ──transmit──▶ faults[0] ──▶ queue by due time ──receive, when due──▶ end 1
//!   end 0 ◀──receive──  queue by due time ◀── faults[1] ◀──transmit──  end 1
//!                          └── the wire's thread notifies an end that waits when its first frame is due
//! ```
//! Time is the back end's clock, so a wire works in simulations, where its numbers come from the run's seed, and outside.

use super::{HEADER, QUEUE, cut, finish_checksum};
use crate::random::Random;
use rumpuser::{
    clock,
    device::{Checksum, Link, LinkInfo, Notify},
    memory::OutOfMemory,
    random,
    thread::{self, Thread},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, Weak},
};

/// What a wire does to frames in one direction. Chances are in a thousand.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Nanoseconds that each frame takes.
    pub delay: u64,
    /// Up to so many nanoseconds more, without frames overtaking each other.
    pub jitter: u64,
    /// Frames that never arrive.
    pub loss: u32,
    /// Frames that arrive twice, the second time later.
    pub duplication: u32,
    /// Frames that are held back for up to four times the delay and the jitter, while later ones overtake.
    pub reordering: u32,
    /// Frames of which one bit arrives inverted, behind the Ethernet header. Only IPv4 ones: nothing but Ethernet's own check
    /// protects ARP.
    pub corruption: u32,
    /// Nanoseconds that a byte takes on the wire; 0 for an infinitely fast one.
    pub byte_time: u64,
}

/// The type of an Ethernet frame that holds IPv4.
const IPV4: [u8; 2] = [8, 0];

type Frame = Arc<[u8]>;

/// A frame that an end sent.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// When, in monotonic nanoseconds.
    pub time: u64,
    /// Which end, 0 or 1.
    pub from: usize,
    /// What, before anything happened to it.
    pub frame: Arc<[u8]>,
}

struct Direction {
    faults: Faults,
    /// By when it is due, and by a serial number.
    queue: BTreeMap<(u64, u64), Frame>,
    /// When the last frame in order is due.
    last: u64,
    notify: Option<Notify>,
    /// The receiver waits for a frame.
    armed: bool,
    /// The sender waits for room.
    full: bool,
}

struct State {
    /// Direction `n` is that from end `n` to the other.
    directions: [Direction; 2],
    random: Random,
    serial: u64,
    record: Option<Vec<Recorded>>,
    /// Until when the wire's thread sleeps; 0 while it is awake.
    sleeps_until: u64,
    pump: Option<Thread>,
    ends: usize,
    /// The longest frame that the ends take to be cut into segments.
    segmentation: usize,
}

/// A wire; the handle with which a test changes it while it is in use.
#[derive(Clone)]
pub struct Wire(Arc<Mutex<State>>);

struct End {
    state: Arc<Mutex<State>>,
    /// Number of this end: it sends in the direction of this number.
    number: usize,
    info: LinkInfo,
}

impl Wire {
    /// A wire without faults and its two ends, which have the Ethernet addresses 02:00:00:00:00:01 and :02. The links may
    /// leave transport checksums to the wire if `transmit_checksum` says so.
    pub fn new(mtu: usize, transmit_checksum: bool) -> Result<(Wire, [Box<dyn Link>; 2]), OutOfMemory> {
        let direction = || Direction {
            faults: Faults::default(),
            queue: BTreeMap::new(),
            last: 0,
            notify: None,
            armed: false,
            full: false,
        };
        let state = Arc::new(Mutex::new(State {
            directions: [direction(), direction()],
            random: Random::new(random::next_u64()),
            serial: 0,
            record: None,
            sleeps_until: 0,
            pump: None,
            ends: 2,
            segmentation: 0,
        }));
        let weak = Arc::downgrade(&state);
        let pump = thread::spawn("wire", move || run(&weak))?;
        lock(&state).pump = Some(pump);
        let end = |number: usize| -> Box<dyn Link> {
            let info = LinkInfo { mac: [2, 0, 0, 0, 0, number as u8 + 1], mtu, transmit_checksum };
            Box::new(End { state: state.clone(), number, info })
        };
        Ok((Wire(state.clone()), [end(0), end(1)]))
    }

    /// What happens from now on to frames that end `from` (0 or 1) sends.
    pub fn set_faults(&self, from: usize, faults: Faults) {
        lock(&self.0).directions[from].faults = faults;
    }

    /// From now on both ends take frames of up to so many bytes to be cut into TCP segments, which then go their ways alone; with 0,
    /// none. For wires that make checksums.
    pub fn set_segmentation(&self, longest: usize) {
        lock(&self.0).segmentation = longest;
    }

    /// Puts a frame on the wire as if end `from` had sent it. It is due at once, and no fault happens to it.
    pub fn inject(&self, from: usize, frame: &[u8]) {
        let mut state = lock(&self.0);
        let now = clock::monotonic();
        state.put(from, now, frame.into());
        wake_pump(state, now);
    }

    /// Begins to record the frames that both ends send, before anything happens to them.
    pub fn record(&self) {
        lock(&self.0).record = Some(Vec::new());
    }

    /// The frames since the recording began or was last taken.
    pub fn take_record(&self) -> Vec<Recorded> {
        lock(&self.0).record.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap()
}

/// Wakes the wire's thread if something is due before it would wake. Not under the lock: in a simulation whom it wakes may
/// run first.
fn wake_pump(state: MutexGuard<'_, State>, due: u64) {
    let pump = if due < state.sleeps_until { state.pump.clone() } else { None };
    drop(state);
    if let Some(pump) = pump {
        pump.unpark();
    }
}

impl State {
    fn put(&mut self, from: usize, due: u64, frame: Frame) {
        self.serial += 1;
        self.directions[from].queue.insert((due, self.serial), frame);
    }

    /// Sends a frame along one direction, with what happens to it. When the first copy is due, if any arrives.
    fn send(&mut self, from: usize, mut frame: Vec<u8>, now: u64) -> Option<u64> {
        if let Some(record) = &mut self.record {
            record.push(Recorded { time: now, from, frame: frame.clone().into() });
        }
        let faults = self.directions[from].faults.clone();
        let random = &mut self.random;
        if random.chance(faults.loss) {
            return None;
        }
        if random.chance(faults.corruption) && frame.len() > HEADER && frame[12..HEADER] == IPV4 {
            let at = HEADER + random.below((frame.len() - HEADER) as u64) as usize;
            frame[at] ^= 1 << random.below(8);
        }
        let taken = faults.byte_time * frame.len() as u64;
        let in_order = self.directions[from].last.max(now + faults.delay + random.below(faults.jitter + 1)) + taken;
        let late = in_order + 1 + random.below(4 * (faults.delay + faults.jitter) + 1);
        let due = if random.chance(faults.reordering) {
            late
        } else {
            self.directions[from].last = in_order;
            in_order
        };
        let again = random.chance(faults.duplication).then(|| late + random.below(faults.delay + 1));
        let frame: Frame = frame.into();
        self.put(from, due, frame.clone());
        if let Some(again) = again {
            self.put(from, again, frame);
        }
        Some(due)
    }
}

/// The wire's thread: tells an end that waits when a frame is due for it. It lives as long as the ends.
fn run(state: &Weak<Mutex<State>>) {
    loop {
        let Some(shared) = state.upgrade() else { return };
        let mut guard = lock(&shared);
        if guard.ends == 0 {
            return;
        }
        let now = clock::monotonic();
        let (mut told, mut next) = (Vec::new(), u64::MAX);
        for from in 0..2 {
            let direction = &mut guard.directions[from];
            match direction.queue.first_key_value() {
                Some((&(due, _), _)) if direction.armed && due <= now => {
                    direction.armed = false;
                    told.extend(direction.notify.clone());
                }
                Some((&(due, _), _)) if direction.armed => next = next.min(due),
                _ => {}
            }
        }
        guard.sleeps_until = if told.is_empty() { next } else { 0 };
        drop(guard);
        drop(shared);
        if told.is_empty() {
            thread::park((next != u64::MAX).then_some(next));
        }
        for notify in told {
            notify();
        }
    }
}

impl Link for End {
    fn info(&self) -> LinkInfo {
        self.info.clone()
    }

    fn receive(&mut self, budget: usize, sink: &mut dyn FnMut(&[u8], Checksum)) -> usize {
        let now = clock::monotonic();
        let mut count = 0;
        while count < budget {
            let frame = {
                let mut state = lock(&self.state);
                let queue = &mut state.directions[1 - self.number].queue;
                match queue.first_entry() {
                    Some(first) if first.key().0 <= now => first.remove(),
                    _ => break,
                }
            };
            sink(&frame, Checksum::Unknown);
            count += 1;
        }
        let mut state = lock(&self.state);
        let waiting = count > 0 && std::mem::take(&mut state.directions[1 - self.number].full);
        let notify = if waiting { state.directions[self.number].notify.clone() } else { None };
        drop(state);
        if let Some(notify) = notify {
            notify();
        }
        count
    }

    fn transmit(&mut self, length: usize, checksum: Checksum, fill: &mut dyn FnMut(&mut [u8])) -> bool {
        let mut state = lock(&self.state);
        if state.directions[self.number].queue.len() >= QUEUE {
            state.directions[self.number].full = true;
            return false;
        }
        drop(state);
        let mut frame = vec![0; length];
        fill(&mut frame);
        finish_checksum(&mut frame, checksum);
        let frames = match checksum {
            Checksum::Segments { start, offset, size } => cut(&frame, start, offset, size),
            _ => vec![frame],
        };
        let mut state = lock(&self.state);
        let now = clock::monotonic();
        let due = frames.into_iter().filter_map(|frame| state.send(self.number, frame, now)).min();
        match due.filter(|_| state.directions[self.number].armed) {
            Some(due) => wake_pump(state, due),
            None => drop(state),
        }
        true
    }

    fn segmentation(&self) -> usize {
        lock(&self.state).segmentation
    }

    fn flush(&mut self) {}

    fn arm(&mut self) -> bool {
        let mut state = lock(&self.state);
        let now = clock::monotonic();
        let direction = &mut state.directions[1 - self.number];
        match direction.queue.first_key_value() {
            Some((&(due, _), _)) if due <= now => true,
            first => {
                let due = first.map_or(u64::MAX, |(&(due, _), _)| due);
                direction.armed = true;
                wake_pump(state, due);
                false
            }
        }
    }

    fn set_notify(&mut self, notify: Notify) {
        lock(&self.state).directions[1 - self.number].notify = Some(notify);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.ends -= 1;
        let pump = if state.ends == 0 { state.pump.take() } else { None };
        drop(state);
        if let Some(pump) = pump {
            pump.unpark();
        }
    }
}
