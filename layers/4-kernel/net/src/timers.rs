//! Deadlines in order: setting and clearing is O(log n), and what has no deadline costs nothing.

use crate::slab::Key;
use rumpkin_collections::OrderedMap;

/// Numbers with this bit are not those of connections.
const OTHERS: u64 = 1 << 63;

/// Whose deadline it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl Timer {
    /// A number that tells it from all others.
    fn number(self) -> u64 {
        match self {
            Timer::Connection(key) => key.number(),
            Timer::Neighbor(address) => OTHERS | u64::from(u32::from_be_bytes(address)),
            Timer::Reassembly => u64::MAX,
            Timer::TimeWait => u64::MAX.wrapping_sub(1),
            Timer::Dhcp => u64::MAX.wrapping_sub(2),
        }
    }
}

/// All deadlines, in monotonic nanoseconds, with the number of their timer.
#[derive(Default)]
pub struct Timers(OrderedMap<(u64, u64), Timer>);

impl Timers {
    /// Sets a deadline. `slot` is where its owner remembers it.
    pub fn set(&mut self, timer: Timer, slot: &mut Option<u64>, deadline: Option<u64>) {
        if *slot == deadline {
            return;
        }
        if let Some(old) = slot.take() {
            self.0.remove((old, timer.number()));
        }
        if let Some(deadline) = deadline {
            self.0.insert((deadline, timer.number()), timer);
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
        self.0.first().map(|((deadline, _), _)| deadline)
    }

    /// Takes a timer whose deadline has come. The owner's slot still holds it and must be emptied.
    pub fn take_expired(&mut self, now: u64) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer)| timer)
    }

    /// How many deadlines are set.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// Every deadline comes once, in order, unless it was moved or cleared.
        #[test]
        fn deadlines_come_in_order(steps in prop::collection::vec((0..4u8, 0..6u8, 0..100u64), 1..80)) {
            let mut timers = Timers::default();
            let mut slots = [None; 6];
            let mut model: BTreeMap<u8, u64> = BTreeMap::new();
            for (operation, owner, time) in steps {
                let timer = |owner: u8| Timer::Neighbor([10, 0, 0, owner]);
                let slot = &mut slots[usize::from(owner)];
                match operation {
                    0 => {
                        timers.set(timer(owner), slot, Some(time));
                        model.insert(owner, time);
                    }
                    1 => {
                        timers.set_at_latest(timer(owner), slot, time);
                        model.entry(owner).and_modify(|set| *set = time.min(*set)).or_insert(time);
                    }
                    2 => {
                        timers.set(timer(owner), slot, None);
                        model.remove(&owner);
                    }
                    _ => {
                        let mut expired = Vec::new();
                        while let Some(Timer::Neighbor([.., owner])) = timers.take_expired(time) {
                            slots[usize::from(owner)] = None;
                            expired.push(model.remove(&owner).unwrap());
                        }
                        prop_assert!(expired.is_sorted() && expired.iter().all(|deadline| *deadline <= time));
                        prop_assert!(model.values().all(|deadline| *deadline > time));
                    }
                }
                prop_assert_eq!(timers.next(), model.values().min().copied());
                prop_assert_eq!(timers.len(), model.len());
            }
        }
    }
}
