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

    #[inline(never)]
    pub fn get(&self, key: u128) -> Option<&Value> {
        self.0.get(&key)
    }

    #[inline(never)]
    pub fn get_mut(&mut self, key: u128) -> Option<&mut Value> {
        self.0.get_mut(&key)
    }

    #[inline(never)]
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
