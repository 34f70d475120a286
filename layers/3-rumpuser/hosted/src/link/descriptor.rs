//! Frames over a file descriptor that gives and takes one frame at a time: a tap device, or one end of a socket pair.
//!
//! A thread waits for the descriptor: it reads ahead, up to a limit, and writes what found no room.

use super::{HEADER, QUEUE, finish_checksum};
use rumpuser::device::{Checksum, Link, LinkInfo, Notify};
use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, eventfd, poll},
    io::{Errno, ioctl_fionbio, read, write},
};
use std::{
    collections::VecDeque,
    io,
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    sync::{Arc, Mutex, MutexGuard},
};

/// The longest frame that is received; a tap may hand over segments that its host has joined.
const LONGEST: usize = 65536 + HEADER;

#[derive(Default)]
struct State {
    inbox: VecDeque<Vec<u8>>,
    outbox: VecDeque<Vec<u8>>,
    notify: Option<Notify>,
    /// The kernel waits for a frame.
    armed: bool,
    /// The kernel waits for room.
    full: bool,
    closed: bool,
}

struct Shared {
    descriptor: OwnedFd,
    /// Makes the thread look again.
    wake: OwnedFd,
    state: Mutex<State>,
}

struct DescriptorLink {
    shared: Arc<Shared>,
    info: LinkInfo,
}

/// Two links, joined by a pair of datagram sockets: what one sends the other receives. The back end's thread waits for the
/// operating system, so they do not belong into a simulation.
pub fn socket_pair(mtu: usize) -> io::Result<[Box<dyn Link>; 2]> {
    let (one, other) = UnixDatagram::pair()?;
    let info = |number| LinkInfo { mac: [2, 0, 0, 0, 1, number], mtu, transmit_checksum: false };
    Ok([over(one.into(), info(1))?, over(other.into(), info(2))?])
}

/// A link over a descriptor.
pub fn over(descriptor: OwnedFd, info: LinkInfo) -> io::Result<Box<dyn Link>> {
    ioctl_fionbio(&descriptor, true)?;
    let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
    let shared = Arc::new(Shared { descriptor, wake, state: Mutex::default() });
    let worker = shared.clone();
    std::thread::Builder::new().name("link".into()).spawn(move || worker.run())?;
    Ok(Box::new(DescriptorLink { shared, info }))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn wake(&self) {
        // It fails only when the counter is full, and then the thread is about to wake.
        let _ = write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Writes what waits, until the descriptor takes no more. A frame that is refused otherwise is lost, as on a wire.
    fn write_out(&self, state: &mut State) {
        while let Some(frame) = state.outbox.front() {
            match write(&self.descriptor, frame) {
                Err(Errno::AGAIN | Errno::NOBUFS) => break,
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => drop(state.outbox.pop_front()),
            }
        }
    }

    /// Reads ahead. False when nothing more will ever come.
    fn read_in(&self, state: &mut State, buffer: &mut [u8]) -> bool {
        while state.inbox.len() < QUEUE {
            match read(&self.descriptor, &mut *buffer) {
                Ok(length) if length < HEADER => {}
                Ok(length) => state.inbox.push_back(buffer[..length].to_vec()),
                Err(Errno::AGAIN) => break,
                // A tap that is down gives this until it is up.
                Err(Errno::INTR | Errno::IO) => break,
                Err(_) => return false,
            }
        }
        true
    }

    fn run(&self) {
        let mut buffer = vec![0; LONGEST];
        loop {
            let notify = {
                let mut state = self.lock();
                if state.closed || !self.read_in(&mut state, &mut buffer) {
                    return;
                }
                self.write_out(&mut state);
                let arrived = state.armed && !state.inbox.is_empty();
                let room = state.full && state.outbox.len() < QUEUE / 2;
                state.armed &= !arrived;
                state.full &= !room;
                if arrived || room { state.notify.clone() } else { None }
            };
            if let Some(notify) = notify {
                notify();
            }
            let wanted = {
                let state = self.lock();
                let mut wanted = PollFlags::empty();
                wanted.set(PollFlags::IN, state.inbox.len() < QUEUE);
                wanted.set(PollFlags::OUT, !state.outbox.is_empty());
                wanted
            };
            let mut polled = [
                PollFd::from_borrowed_fd(std::os::fd::AsFd::as_fd(&self.descriptor), wanted),
                PollFd::new(&self.wake, PollFlags::IN),
            ];
            match poll(&mut polled, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
            let mut count = [0; 8];
            // Nothing to take is as good as something.
            let _ = read(&self.wake, &mut count);
        }
    }
}

impl Link for DescriptorLink {
    fn info(&self) -> LinkInfo {
        self.info.clone()
    }

    fn receive(&mut self, budget: usize, sink: &mut dyn FnMut(&[u8], Checksum)) -> usize {
        let frames: Vec<_> = {
            let mut state = self.shared.lock();
            let count = budget.min(state.inbox.len());
            let was_full = state.inbox.len() >= QUEUE;
            let frames = state.inbox.drain(..count).collect();
            if was_full && count > 0 {
                self.shared.wake();
            }
            frames
        };
        for frame in &frames {
            sink(frame, Checksum::Unknown);
        }
        frames.len()
    }

    fn transmit(&mut self, length: usize, checksum: Checksum, fill: &mut dyn FnMut(&mut [u8])) -> bool {
        let mut state = self.shared.lock();
        if state.outbox.len() >= QUEUE {
            self.shared.write_out(&mut state);
        }
        if state.outbox.len() >= QUEUE {
            state.full = true;
            self.shared.wake();
            return false;
        }
        let mut frame = vec![0; length];
        fill(&mut frame);
        finish_checksum(&mut frame, checksum);
        state.outbox.push_back(frame);
        true
    }

    fn flush(&mut self) {
        let mut state = self.shared.lock();
        self.shared.write_out(&mut state);
        if !state.outbox.is_empty() {
            self.shared.wake();
        }
    }

    fn arm(&mut self) -> bool {
        let mut state = self.shared.lock();
        state.armed = state.inbox.is_empty();
        !state.armed
    }

    fn set_notify(&mut self, notify: Notify) {
        self.shared.lock().notify = Some(notify);
    }
}

impl Drop for DescriptorLink {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake();
    }
}
