//! A cable in memory, the two stacks at its ends, and a clock that jumps to the next deadline.

use crate::{ip::wire::*, shared::Shared, slab::Key, stack::Stack, tcp::Endpoint};
use alloc::{boxed::Box, collections::VecDeque, sync::Arc, vec, vec::Vec};
use rumpkin_spine::{Errno, config};
use rumpuser::device::{Checksum, Link, LinkInfo, Notify};
use rumpuser_hosted::link::cut;
use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

pub const ONE: Address = Address::new(10, 0, 0, 1);
pub const OTHER: Address = Address::new(10, 0, 0, 2);
pub const SECOND: u64 = 1_000_000_000;
pub const MEMORY: usize = 64 << 20;

type Queue = Arc<Mutex<VecDeque<(Vec<u8>, Checksum)>>>;

/// One end of a cable.
pub struct Cable {
    info: LinkInfo,
    inbox: Queue,
    outbox: Queue,
    /// Frames that fit in the outbox.
    capacity: usize,
    segmentation: usize,
    /// The longest frame that was handed over.
    longest: Arc<AtomicUsize>,
}

impl Link for Cable {
    fn info(&self) -> LinkInfo {
        self.info.clone()
    }

    fn receive(&mut self, budget: usize, sink: &mut dyn FnMut(&[u8], Checksum)) -> usize {
        for count in 0..budget {
            let Some((frame, checksum)) = self.inbox.lock().unwrap().pop_front() else { return count };
            sink(&frame, checksum);
        }
        budget
    }

    fn transmit(&mut self, length: usize, checksum: Checksum, fill: &mut dyn FnMut(&mut [u8])) -> bool {
        let mut outbox = self.outbox.lock().unwrap();
        if outbox.len() >= self.capacity {
            return false;
        }
        let mut frame = vec![0; length];
        fill(&mut frame);
        self.longest.fetch_max(length, Ordering::Relaxed);
        if let Checksum::Segments { start, offset, size } = checksum {
            assert!(length <= self.segmentation);
            outbox.extend(cut(&frame, start, offset, size).into_iter().map(|frame| (frame, Checksum::Unknown)));
            return true;
        }
        let checksum = match checksum {
            Checksum::Partial { start, offset } if start % 2 == 0 => {
                // What a device does: sum from `start`, store the complement.
                let (start, at) = (usize::from(start), usize::from(start + offset));
                let sum = !crate::ip::wire::checksum(0, &frame[start..]);
                frame[at..at + 2].copy_from_slice(&sum.to_be_bytes());
                Checksum::Unknown
            }
            other => other,
        };
        outbox.push_back((frame, checksum));
        true
    }

    fn segmentation(&self) -> usize {
        self.segmentation
    }

    fn flush(&mut self) {}

    fn arm(&mut self) -> bool {
        !self.inbox.lock().unwrap().is_empty()
    }

    fn set_notify(&mut self, _notify: Notify) {}
}

/// A small generator of random numbers, seeded, so that a failure can be repeated.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// How a world is made.
pub struct Shape {
    pub capacity: usize,
    pub offload: bool,
    /// The longest frame that the cable cuts into segments.
    pub segmentation: usize,
    /// Of a thousand frames, how many are lost.
    pub loss: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Shape { capacity: 256, offload: false, segmentation: 0, loss: 0 }
    }
}

/// Two stacks and the cable between them.
pub struct World {
    pub stacks: [Stack; 2],
    pub now: u64,
    /// From each stack's outbox to the other's inbox.
    wires: [(Queue, Queue); 2],
    /// Frames that passed, when they are recorded.
    pub record: Option<Vec<Vec<u8>>>,
    random: Random,
    loss: usize,
    /// The longest frame that a stack handed over.
    pub longest: Arc<AtomicUsize>,
}

pub fn network(address: config::Address) -> config::Network {
    config::Network { address, gateway: None, nameservers: Vec::new() }
}

pub fn mac(index: u8) -> Mac {
    [2, 0, 0, 0, 0, index]
}

/// A stack on one end of a cable; what it receives and what it sends.
pub fn stack(index: u8, address: config::Address, shape: &Shape) -> (Stack, Queue, Queue) {
    watched_stack(index, address, shape, Arc::default())
}

fn watched_stack(
    index: u8,
    address: config::Address,
    shape: &Shape,
    longest: Arc<AtomicUsize>,
) -> (Stack, Queue, Queue) {
    let (inbox, outbox) = (Queue::default(), Queue::default());
    let info = LinkInfo { mac: mac(index), mtu: 1500, transmit_checksum: shape.offload };
    let Shape { capacity, segmentation, .. } = *shape;
    let cable = Cable { info, inbox: inbox.clone(), outbox: outbox.clone(), capacity, segmentation, longest };
    (Stack::new(Some(Box::new(cable)), &network(address), "host", MEMORY, 0), inbox, outbox)
}

impl World {
    pub fn new(shape: Shape) -> World {
        let longest = Arc::new(AtomicUsize::new(0));
        let end = |index: u8| {
            let address = config::Address::Static { address: [10, 0, 0, index], prefix: 24 };
            watched_stack(index, address, &shape, longest.clone())
        };
        let (one, in_one, out_one) = end(1);
        let (other, in_other, out_other) = end(2);
        World {
            stacks: [one, other],
            now: 1,
            wires: [(out_one, in_other), (out_other, in_one)],
            record: None,
            random: Random(0x1234_5678_9abc_def1),
            loss: shape.loss,
            longest,
        }
    }

    /// Moves frames along the cable; true if there were any.
    fn carry(&mut self) -> bool {
        let mut moved = false;
        for (from, to) in &self.wires {
            let frames: Vec<_> = from.lock().unwrap().drain(..).collect();
            for (frame, checksum) in frames {
                moved = true;
                if let Some(record) = &mut self.record {
                    record.push(frame.clone());
                }
                if self.random.below(1000) < self.loss {
                    continue;
                }
                to.lock().unwrap().push_back((frame, checksum));
            }
        }
        moved
    }

    /// One round: both stacks work once. True if anything moved.
    pub fn round(&mut self) -> bool {
        let mut busy = false;
        for stack in &mut self.stacks {
            stack.ip.now = self.now;
            stack.run_timers();
            busy |= stack.receive() > 0;
            busy |= stack.finish();
            core::mem::take(&mut stack.notices).announce();
        }
        self.now += 1000;
        self.carry() || busy
    }

    /// Runs until `done`, or until nothing will ever happen any more, or for too long. True if it is done.
    pub fn run_until(&mut self, mut done: impl FnMut(&mut World) -> bool) -> bool {
        for _ in 0..1_000_000 {
            let busy = self.round();
            if done(self) {
                return true;
            }
            let on_its_way = self.wires.iter().any(|(outbox, _)| !outbox.lock().unwrap().is_empty());
            if !busy && !on_its_way {
                let next = self.stacks.iter().filter_map(|stack| stack.deadline()).min();
                match next {
                    Some(next) => self.now = self.now.max(next),
                    None => return done(self),
                }
            }
        }
        false
    }

    /// Runs for a time.
    pub fn run_for(&mut self, nanoseconds: u64) {
        let end = self.now + nanoseconds;
        loop {
            if self.round() {
                continue;
            }
            let next = self.stacks.iter().filter_map(|stack| stack.deadline()).min();
            match next {
                Some(next) if next < end => self.now = self.now.max(next),
                _ => break,
            }
        }
        self.now = self.now.max(end);
        self.round();
    }

    /// Works on one stack as a system call does.
    pub fn on<R>(&mut self, index: usize, work: impl FnOnce(&mut Stack) -> R) -> R {
        let stack = &mut self.stacks[index];
        stack.ip.now = self.now;
        let result = work(stack);
        stack.finish();
        core::mem::take(&mut stack.notices).announce();
        result
    }

    /// Cuts the cable.
    pub fn cut(&mut self) {
        self.loss = 1000;
    }

    /// A listener on the second stack.
    pub fn listen(&mut self, port: u16, backlog: usize) -> Key {
        self.on(1, |stack| {
            let (key, _) = stack.tcp.open().unwrap();
            stack.tcp.bind(key, (Address::UNSPECIFIED, port)).unwrap();
            stack.tcp.listen(key, backlog).unwrap();
            key
        })
    }

    /// Begins to connect the first stack to the second.
    pub fn connect_to(&mut self, endpoint: Endpoint) -> (Key, Arc<Shared>) {
        self.on(0, |stack| {
            let (key, shared) = stack.tcp.open().unwrap();
            assert_eq!(stack.tcp.connect(key, endpoint, &mut stack.ip), Err(Errno::EINPROGRESS));
            (key, shared)
        })
    }

    /// A connection from the first stack to a listener of the second: both ends.
    pub fn connection(&mut self, listener: Key, port: u16) -> (Key, Key) {
        let (client, _) = self.connect_to((OTHER, port));
        let mut server = None;
        assert!(self.run_until(|world| {
            server = server.or_else(|| world.on(1, |stack| stack.tcp.accept(listener)).ok().map(|(key, ..)| key));
            server.is_some() && world.on(0, |stack| stack.tcp.connect_result(client)) == Ok(())
        }));
        (client, server.unwrap())
    }

    pub fn send(&mut self, index: usize, key: Key, data: &[u8]) -> Result<usize, Errno> {
        let mut source = data;
        self.on(index, |stack| stack.tcp.send(key, &mut source))
    }

    pub fn receive(&mut self, index: usize, key: Key) -> Result<Vec<u8>, Errno> {
        let mut buffer = vec![0; 65536];
        let mut sink = &mut buffer[..];
        let count = self.on(index, |stack| stack.tcp.receive(key, &mut sink))?;
        buffer.truncate(count);
        Ok(buffer)
    }

    pub fn close(&mut self, index: usize, key: Key) {
        self.on(index, |stack| stack.tcp.close(key, &mut stack.ip));
    }
}
