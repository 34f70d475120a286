//! Layer 4: collections that ask before they grow, and an ordered map whose tree is compiled once, whatever it holds.
//!
//! What an outsider decides the size or number of (a program, a packet, a disk, a configuration) is allocated with the functions
//! of this crate, which refuse in good time (docs/memory.md): [`try_box`], [`try_arc`], [`TryVec`], [`TryDeque`], [`Queue`], [`ByteQueue`].
//!
//! `BTreeMap` is compiled anew for each type of key and value, four to eight KiB each time, and the kernel has many such
//! maps. Here every key is a number of 128 bits and every value a box; the typed [`OrderedMap`] around the one tree is thin.
//!
//! The crate stands on the hypercalls alone.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]

extern crate alloc;

mod bytes;
mod charge;
mod fallible;
mod queue;
mod tree;

pub use bytes::ByteQueue;
pub use charge::{Account, Charge, ChargedQueue, Weigh, footprint};
pub use fallible::{
    TryDeque, TryVec, TryWrite, try_arc, try_arc_cyclic, try_box, try_collect, try_concat, try_format, try_to_string,
    try_to_vec, try_with_capacity,
};
pub use queue::Queue;
pub use rumpuser::memory::OutOfMemory;

use core::{any::Any, marker::PhantomData};
use tree::{Iter as Entries, Tree};

/// What an [`OrderedMap`] can be ordered by: numbers, and pairs that are ordered by their first part first.
pub trait Key: Copy {
    /// As a number, in the same order.
    fn number(self) -> u128;

    /// What [`Key::number`] was made of.
    fn from_number(number: u128) -> Self;
}

impl Key for u64 {
    fn number(self) -> u128 {
        self.into()
    }

    fn from_number(number: u128) -> Self {
        number as u64
    }
}

impl Key for usize {
    fn number(self) -> u128 {
        self as u128
    }

    fn from_number(number: u128) -> Self {
        number as usize
    }
}

impl Key for (u64, u64) {
    fn number(self) -> u128 {
        u128::from(self.0) << 64 | u128::from(self.1)
    }

    fn from_number(number: u128) -> Self {
        ((number >> 64) as u64, number as u64)
    }
}

impl Key for (usize, usize) {
    fn number(self) -> u128 {
        (self.0 as u64, self.1 as u64).number()
    }

    fn from_number(number: u128) -> Self {
        ((number >> 64) as usize, number as usize)
    }
}

/// A map in the order of its keys. Finding, adding and removing take O(log n), and so does each step of an iterator.
pub struct OrderedMap<K, V> {
    tree: Tree,
    types: PhantomData<(K, V)>,
}

impl<K: Key, V: Any + Send + Sync> Default for OrderedMap<K, V> {
    fn default() -> Self {
        OrderedMap::new()
    }
}

impl<K: Key, V: Any + Send + Sync> OrderedMap<K, V> {
    /// Nothing.
    pub const fn new() -> Self {
        OrderedMap { tree: Tree::new(), types: PhantomData }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key.
    pub fn get(&self, key: K) -> Option<&V> {
        self.tree.get(key.number())?.downcast_ref()
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.tree.get_mut(key.number())?.downcast_mut()
    }

    /// Whether the key has a value.
    pub fn contains_key(&self, key: K) -> bool {
        self.tree.get(key.number()).is_some()
    }

    /// Gives a key a value without asking; the old one comes back.
    #[expect(clippy::disallowed_methods, reason = "those who call it have asked, or are not driven from outside")]
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        unboxed(self.tree.insert(key.number(), alloc::boxed::Box::new(value)))
    }

    /// Gives a key a value; the old one comes back.
    pub fn try_insert(&mut self, key: K, value: V) -> Result<Option<V>, OutOfMemory> {
        self.try_insert_or_return(key, value).map_err(|(_, refusal)| refusal)
    }

    /// As [`OrderedMap::try_insert`]; a value that is refused comes back.
    pub fn try_insert_or_return(&mut self, key: K, value: V) -> Result<Option<V>, (V, OutOfMemory)> {
        if let Some(place) = self.get_mut(key) {
            return Ok(Some(core::mem::replace(place, value)));
        }
        match rumpuser::memory::ensure(self.growth()) {
            #[expect(clippy::disallowed_methods, reason = "it has been asked for")]
            Ok(()) => Ok(self.insert(key, value)),
            Err(refusal) => Err((value, refusal)),
        }
    }

    /// Most bytes that one more entry takes, for those who ask for several things at once.
    pub fn growth(&self) -> usize {
        self.tree.growth().saturating_add(size_of::<V>())
    }

    /// Takes a key's value out.
    pub fn remove(&mut self, key: K) -> Option<V> {
        unboxed(self.tree.remove(key.number()))
    }

    /// The smallest key, with its value.
    pub fn first(&self) -> Option<(K, &V)> {
        entry(self.tree.from(0))
    }

    /// Takes the entry of the smallest key out.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        let (key, _) = self.first()?;
        Some((key, self.remove(key)?))
    }

    /// The entry with the largest key that is not above `key`.
    pub fn at_or_before(&self, key: K) -> Option<(K, &V)> {
        entry(self.tree.to(key.number()))
    }

    /// The entry with the largest key below `key`.
    pub fn before(&self, key: K) -> Option<(K, &V)> {
        entry(self.tree.to(key.number().checked_sub(1)?))
    }

    /// The entry with the smallest key that is not below `key`.
    pub fn at_or_after(&self, key: K) -> Option<(K, &V)> {
        entry(self.tree.from(key.number()))
    }

    /// The entry with the smallest key above `key`.
    pub fn after(&self, key: K) -> Option<(K, &V)> {
        entry(self.tree.from(key.number().checked_add(1)?))
    }

    /// All entries, in order.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter { entries: self.tree.iter(0, u128::MAX), types: PhantomData }
    }

    /// The entries from `start` to `end`, without that, in order.
    pub fn range(&self, start: K, end: K) -> Iter<'_, K, V> {
        let entries = match end.number().checked_sub(1) {
            Some(last) => self.tree.iter(start.number(), last),
            None => self.tree.iter(1, 0),
        };
        Iter { entries, types: PhantomData }
    }
}

fn unboxed<V: Any>(value: Option<tree::Value>) -> Option<V> {
    value?.downcast().ok().map(|value| *value)
}

fn entry<K: Key, V: Any>(found: Option<(u128, &tree::Value)>) -> Option<(K, &V)> {
    let (key, value) = found?;
    Some((K::from_number(key), value.downcast_ref()?))
}

/// Entries in order.
pub struct Iter<'a, K, V> {
    entries: Entries<'a>,
    types: PhantomData<(K, &'a V)>,
}

impl<'a, K: Key, V: Any> Iterator for Iter<'a, K, V> {
    type Item = (K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        entry(self.entries.next())
    }
}

impl<'a, K: Key, V: Any + Send + Sync> IntoIterator for &'a OrderedMap<K, V> {
    type Item = (K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests;
