//! Deadlines of a table's entries in order: a pairing heap whose nodes lie in the entries themselves, so that setting one
//! allocates nothing and what has no deadline costs nothing.
//!
//! ```text
//!   root ──child──▶ node ──next──▶ node ──next──▶ node        each is no earlier than the one above it
//!                     └─child──▶ …
//! ```
//! Setting and moving forward are O(1), clearing and taking O(log n) amortized (Fredman et al., "The pairing heap", 1986).

use crate::slab::{Key, Slab};

/// An entry's deadline, and its place among the others.
#[derive(Debug, Default, Clone, Copy)]
pub struct Deadline {
    /// In monotonic nanoseconds.
    at: Option<u64>,
    child: Option<Key>,
    next: Option<Key>,
    /// The one whose `child` or `next` it is.
    before: Option<Key>,
}

/// What has deadlines.
pub trait Timed {
    /// Where its deadline is.
    fn deadline(&mut self) -> &mut Deadline;
}

/// The deadlines of a table. Whoever removes an entry from the table clears its deadline first.
#[derive(Debug, Default)]
pub struct Deadlines {
    root: Option<Key>,
    /// That of the root.
    first: Option<u64>,
    length: usize,
}

impl Deadlines {
    /// The next one.
    pub fn next(&self) -> Option<u64> {
        self.first
    }

    /// How many are set.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Sets a deadline, in place of the one that was set.
    pub fn set<T: Timed>(&mut self, slab: &mut Slab<T>, key: Key, at: u64) {
        if node(slab, key).is_none_or(|node| node.at == Some(at)) {
            return;
        }
        self.clear(slab, key);
        if let Some(node) = node(slab, key) {
            *node = Deadline { at: Some(at), ..Deadline::default() };
            self.length = self.length.saturating_add(1);
            let root = meld(slab, self.root, Some(key));
            self.set_root(slab, root);
        }
    }

    /// Sets a deadline unless an earlier one is set already. Who is woken too early looks again; the usual case, a deadline that
    /// moves on with every packet, then costs nothing.
    pub fn set_at_latest<T: Timed>(&mut self, slab: &mut Slab<T>, key: Key, at: u64) {
        if node(slab, key).is_some_and(|node| node.at.is_none_or(|set| set > at)) {
            self.set(slab, key, at);
        }
    }

    /// Clears a deadline.
    pub fn clear<T: Timed>(&mut self, slab: &mut Slab<T>, key: Key) {
        let Some(node) = node(slab, key).filter(|node| node.at.is_some()) else { return };
        let Deadline { child, next, before, .. } = core::mem::take(node);
        self.length = self.length.saturating_sub(1);
        let below = meld_all(slab, child);
        let root = match before {
            None => below,
            Some(before) => {
                if let Some(node) = self::node(slab, before) {
                    let link = if node.child == Some(key) { &mut node.child } else { &mut node.next };
                    *link = next;
                }
                if let Some(node) = next.and_then(|next| self::node(slab, next)) {
                    node.before = Some(before);
                }
                meld(slab, self.root, below)
            }
        };
        self.set_root(slab, root);
    }

    /// Takes an entry whose deadline has come.
    pub fn take_expired<T: Timed>(&mut self, slab: &mut Slab<T>, now: u64) -> Option<Key> {
        let key = self.root.filter(|_| self.first.is_some_and(|first| first <= now))?;
        self.clear(slab, key);
        Some(key)
    }

    fn set_root<T: Timed>(&mut self, slab: &mut Slab<T>, root: Option<Key>) {
        self.root = root;
        self.first = root.and_then(|root| node(slab, root)?.at);
    }
}

fn node<T: Timed>(slab: &mut Slab<T>, key: Key) -> Option<&mut Deadline> {
    slab.get_mut(key).map(Timed::deadline)
}

/// Makes one heap of two: the later root becomes the first child of the earlier one.
fn meld<T: Timed>(slab: &mut Slab<T>, one: Option<Key>, other: Option<Key>) -> Option<Key> {
    let (Some(one), Some(other)) = (one, other) else { return one.or(other) };
    let (at, others) = (node(slab, one)?.at, node(slab, other)?.at);
    let (above, below) = if at <= others { (one, other) } else { (other, one) };
    let sibling = node(slab, above)?.child.replace(below);
    if let Some(sibling) = sibling {
        node(slab, sibling)?.before = Some(below);
    }
    let lower = node(slab, below)?;
    (lower.next, lower.before) = (sibling, Some(above));
    Some(above)
}

/// Makes one heap of siblings: in pairs from the first on, and then of the pairs from the last on.
fn meld_all<T: Timed>(slab: &mut Slab<T>, first: Option<Key>) -> Option<Key> {
    let mut rest = first;
    let mut pairs = None;
    while let Some(one) = rest {
        let other = detach(slab, one);
        rest = other.and_then(|other| detach(slab, other));
        let pair = meld(slab, Some(one), other)?;
        // A stack of pairs, through the links that they do not need yet.
        node(slab, pair)?.next = pairs.replace(pair);
    }
    let mut root = None;
    while let Some(pair) = pairs {
        pairs = detach(slab, pair);
        root = meld(slab, root, Some(pair));
    }
    root
}

/// Makes a node a root of its own; the sibling behind it comes back.
fn detach<T: Timed>(slab: &mut Slab<T>, key: Key) -> Option<Key> {
    let node = node(slab, key)?;
    node.before = None;
    node.next.take()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;
    use rumpuser_hosted as _;
    use std::collections::BTreeMap;

    impl Timed for Deadline {
        fn deadline(&mut self) -> &mut Deadline {
            self
        }
    }

    proptest! {
        /// Every deadline comes once, in order, unless it was moved or cleared.
        #[test]
        fn deadlines_come_in_order(steps in prop::collection::vec((0..5u8, 0..12usize, 0..100u64), 1..200)) {
            let (mut slab, mut deadlines) = (Slab::<Deadline>::default(), Deadlines::default());
            let keys: Vec<Key> = (0..12).map(|_| slab.try_insert(Deadline::default()).unwrap()).collect();
            let mut model: BTreeMap<Key, u64> = BTreeMap::new();
            for (operation, which, at) in steps {
                let key = keys[which];
                match operation {
                    0 | 1 => {
                        deadlines.set(&mut slab, key, at);
                        model.insert(key, at);
                    }
                    2 => {
                        deadlines.set_at_latest(&mut slab, key, at);
                        model.entry(key).and_modify(|set| *set = at.min(*set)).or_insert(at);
                    }
                    3 => {
                        deadlines.clear(&mut slab, key);
                        model.remove(&key);
                    }
                    _ => {
                        let mut expired = Vec::new();
                        while let Some(key) = deadlines.take_expired(&mut slab, at / 4) {
                            expired.push(model.remove(&key).unwrap());
                        }
                        prop_assert!(expired.is_sorted() && expired.iter().all(|deadline| *deadline <= at / 4));
                        prop_assert!(model.values().all(|deadline| *deadline > at / 4));
                    }
                }
                prop_assert_eq!(deadlines.next(), model.values().min().copied());
                prop_assert_eq!(deadlines.len(), model.len());
            }
        }
    }
}
