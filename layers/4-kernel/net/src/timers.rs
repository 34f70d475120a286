//! Deadlines in order: setting and clearing is O(log n), and what has no deadline costs nothing.

use crate::slab::Key;
use alloc::collections::BTreeSet;

/// Whose deadline it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A TCP connection's: retransmission, delayed acknowledgment, keep-alive.
    Connection(Key),
    /// A neighbor that has not answered.
    Neighbor([u8; 4]),
    /// The oldest fragment.
    Reassembly,
    /// The oldest connection in TIME-WAIT.
    TimeWait,
    /// The DHCP client's next step.
    Dhcp,
}

/// All deadlines, in monotonic nanoseconds.
#[derive(Default)]
pub struct Timers(BTreeSet<(u64, Timer)>);

impl Timers {
    /// Sets a deadline. `slot` is where its owner remembers it.
    pub fn set(&mut self, timer: Timer, slot: &mut Option<u64>, deadline: Option<u64>) {
        if *slot == deadline {
            return;
        }
        if let Some(old) = slot.take() {
            self.0.remove(&(old, timer));
        }
        if let Some(deadline) = deadline {
            self.0.insert((deadline, timer));
            *slot = Some(deadline);
        }
    }

    /// Sets a deadline unless an earlier one is set already. An owner that is woken too early looks again; the usual case, a
    /// deadline that moves on with every packet, then costs nothing.
    pub fn set_at_latest(&mut self, timer: Timer, slot: &mut Option<u64>, deadline: u64) {
        if slot.is_none_or(|set| set > deadline) {
            self.set(timer, slot, Some(deadline));
        }
    }

    /// The next deadline.
    pub fn next(&self) -> Option<u64> {
        self.0.first().map(|(deadline, _)| *deadline)
    }

    /// Takes a timer whose deadline has come. The owner's slot still holds it and must be emptied.
    pub fn take_expired(&mut self, now: u64) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer)| timer)
    }

    /// How many deadlines are set.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}
