//! The tree, for all types of values.

use alloc::{boxed::Box, collections::BTreeMap};
use core::any::Any;

/// A value, whose type the map around the tree knows.
pub type Value = Box<dyn Any + Send + Sync>;

/// Values by number. Its functions stay out of line: they are what is to be compiled once.
#[derive(Default)]
pub struct Tree(BTreeMap<u128, Value>);

impl Tree {
    pub const fn new() -> Tree {
        Tree(BTreeMap::new())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Most bytes that one more entry takes besides its value: a node on each level, and a new root.
    pub fn growth(&self) -> usize {
        /// A node of the library's tree: eleven entries, their twelve children, its parent and two numbers, and some to spare.
        const NODE: usize = 11 * (size_of::<u128>() + size_of::<Value>()) + 16 * size_of::<usize>();
        /// A node other than the root has five entries at least, so that a level is needed for six times as many.
        const FEWEST_CHILDREN: usize = 6;
        let levels = self.len().checked_ilog(FEWEST_CHILDREN).map_or(1, |levels| levels.saturating_add(2) as usize);
        levels.saturating_mul(NODE)
    }

    #[inline(never)]
    pub fn get(&self, key: u128) -> Option<&Value> {
        self.0.get(&key)
    }

    #[inline(never)]
    pub fn get_mut(&mut self, key: u128) -> Option<&mut Value> {
        self.0.get_mut(&key)
    }

    #[inline(never)]
    #[expect(clippy::disallowed_methods, reason = "the map around it has asked for `growth`")]
    pub fn insert(&mut self, key: u128, value: Value) -> Option<Value> {
        self.0.insert(key, value)
    }

    #[inline(never)]
    pub fn remove(&mut self, key: u128) -> Option<Value> {
        self.0.remove(&key)
    }

    /// The first entry that is not before `key`.
    #[inline(never)]
    pub fn from(&self, key: u128) -> Option<(u128, &Value)> {
        self.0.range(key..).next().map(|(key, value)| (*key, value))
    }

    /// The last entry that is not after `key`.
    #[inline(never)]
    pub fn to(&self, key: u128) -> Option<(u128, &Value)> {
        self.0.range(..=key).next_back().map(|(key, value)| (*key, value))
    }

    /// The entries from `next` to `last`, both included.
    pub fn iter(&self, next: u128, last: u128) -> Iter<'_> {
        Iter { tree: self, next: Some(next), last }
    }
}

impl Drop for Tree {
    #[inline(never)]
    fn drop(&mut self) {
        drop(core::mem::take(&mut self.0));
    }
}

/// Entries in order; each is looked for anew, so that the tree's own iterators need not be compiled.
pub struct Iter<'a> {
    tree: &'a Tree,
    next: Option<u128>,
    last: u128,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (u128, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, value) = self.tree.from(self.next?).filter(|(key, _)| *key <= self.last)?;
        self.next = key.checked_add(1);
        Some((key, value))
    }
}
