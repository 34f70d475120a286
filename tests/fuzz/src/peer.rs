//! The other end of the kernel's cable: what the input makes it send, and what it saw of the kernel.

use crate::packet::{self, Address, ETHERNET, KERNEL_MAC, PEER_MAC};
use rumpuser::{
    clock,
    device::{Checksum, Link, LinkInfo, Notify},
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};

/// Frames that one end of the cable has room for.
const ROOM: usize = 256;

#[derive(Default)]
struct State {
    inbox: VecDeque<Vec<u8>>,
    outbox: VecDeque<Vec<u8>>,
    armed: bool,
    /// The kernel waits for room.
    full: bool,
    notify: Option<Notify>,
}

/// The peer's end.
#[derive(Clone, Default)]
pub struct Peer(Arc<Mutex<State>>);

impl Peer {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The kernel's end.
    pub fn link(&self) -> Box<dyn Link> {
        Box::new(self.clone())
    }

    /// Sends a frame to the kernel; it is lost if the kernel has not taken those before it.
    pub fn send(&self, frame: Vec<u8>) {
        show(">", &frame);
        let mut state = self.lock();
        if state.inbox.len() < ROOM {
            state.inbox.push_back(frame);
        }
        let notify = if std::mem::take(&mut state.armed) { state.notify.clone() } else { None };
        drop(state);
        if let Some(notify) = notify {
            notify();
        }
    }

    /// What the kernel has sent since the last time.
    pub fn take(&self) -> Vec<Vec<u8>> {
        let mut state = self.lock();
        let frames = state.outbox.drain(..).collect();
        let notify = if std::mem::take(&mut state.full) { state.notify.clone() } else { None };
        drop(state);
        if let Some(notify) = notify {
            notify();
        }
        frames
    }

    /// Answers an ARP request for an address other than the kernel's own, as the peer is everybody else.
    pub fn answer_arp(&self, frame: &[u8], own: Address) {
        if let Some((sender, wanted)) = packet::arp_request(frame)
            && wanted != own
        {
            self.send(packet::arp(2, (PEER_MAC, wanted), (KERNEL_MAC, sender)));
        }
    }
}

/// Shows a frame to whoever wants to see what happens.
fn show(direction: &str, frame: &[u8]) {
    if std::env::var_os("RUMPKIN_VERBOSE").is_some() {
        let hex: String = frame.iter().skip(ETHERNET).map(|byte| format!("{byte:02x}")).collect();
        eprintln!("{:10} us {direction} {hex}", clock::monotonic() / 1000);
    }
}

impl Link for Peer {
    fn info(&self) -> LinkInfo {
        LinkInfo { mac: KERNEL_MAC, mtu: 1500, transmit_checksum: false }
    }

    fn receive(&mut self, budget: usize, sink: &mut dyn FnMut(&[u8], Checksum)) -> usize {
        let frames: Vec<_> = {
            let mut state = self.lock();
            let count = budget.min(state.inbox.len());
            state.inbox.drain(..count).collect()
        };
        frames.iter().for_each(|frame| sink(frame, Checksum::Unknown));
        frames.len()
    }

    fn transmit(&mut self, length: usize, _checksum: Checksum, fill: &mut dyn FnMut(&mut [u8])) -> bool {
        if self.lock().outbox.len() >= ROOM {
            self.lock().full = true;
            return false;
        }
        let mut frame = vec![0; length];
        fill(&mut frame);
        show("<", &frame);
        self.lock().outbox.push_back(frame);
        true
    }

    fn flush(&mut self) {}

    fn arm(&mut self) -> bool {
        let mut state = self.lock();
        state.armed = state.inbox.is_empty();
        !state.armed
    }

    fn set_notify(&mut self, notify: Notify) {
        self.lock().notify = Some(notify);
    }
}
