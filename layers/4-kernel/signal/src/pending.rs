//! Signals that have been sent and not yet taken.

use crate::set::SignalSet;
use alloc::collections::VecDeque;
use rumpkin_abi::{SignalInfo, signal::FIRST_REALTIME};
use rumpkin_collections::TryDeque;

/// Most real-time signals that can be pending for one target.
const MAX_QUEUED: usize = 1024;

/// Signals that wait to be taken.
#[derive(Debug, Default)]
pub struct Pending {
    queue: VecDeque<SignalInfo>,
    /// Those whose information there was no room for: that they are pending is all that is known.
    bare: SignalSet,
}

impl Pending {
    /// Adds a signal; a standard one that is pending already is not added twice.
    pub fn add(&mut self, info: SignalInfo) {
        let number = info.signal();
        if number < FIRST_REALTIME && self.set().contains(number) {
            return;
        }
        let full = number >= FIRST_REALTIME && self.queue.len() >= MAX_QUEUED;
        if full || self.queue.try_push_back(info).is_err() {
            self.bare = self.bare.union(SignalSet::of(number));
        }
    }

    /// What is pending.
    pub fn set(&self) -> SignalSet {
        self.queue.iter().fold(self.bare, |set, info| set.union(SignalSet::of(info.signal())))
    }

    /// Takes the lowest-numbered signal that is in `wanted`, the oldest of its kind.
    pub fn take(&mut self, wanted: SignalSet) -> Option<SignalInfo> {
        let number = self.set().intersection(wanted).first()?;
        let Some(position) = self.queue.iter().position(|info| info.signal() == number) else {
            self.bare = self.bare.without(SignalSet::of(number));
            return Some(bare(number));
        };
        let info = self.queue.remove(position);
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        info
    }

    /// Forgets a signal.
    pub fn discard(&mut self, number: u8) {
        self.queue.retain(|info| info.signal() != number);
        self.bare = self.bare.without(SignalSet::of(number));
    }
}

/// A signal of which nothing else is known (`SI_USER`, without a sender), as Linux gives where memory is short.
fn bare(number: u8) -> SignalInfo {
    SignalInfo { number: i32::from(number), ..SignalInfo::default() }
}
