//! A table whose keys stay unique: index and generation, so that a key of something gone never finds a newcomer.
//!
//! Its entries lie in chunks, which never move and are given back when they are empty; removing an entry allocates nothing.

use alloc::vec::Vec;
use core::num::NonZeroU32;
use rumpkin_collections::{OutOfMemory, TryVec, try_with_capacity};

/// Key of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    index: u32,
    generation: NonZeroU32,
}

enum Slot<T> {
    Taken {
        generation: NonZeroU32,
        value: T,
    },
    Free {
        /// The next free one of the chunk.
        next: Option<u32>,
    },
}

struct Chunk<T> {
    /// Those that were ever used; all have room. Without memory while none is taken.
    slots: Vec<Slot<T>>,
    taken: usize,
    /// The first free one of `slots`.
    free: Option<u32>,
    /// The next chunk with room.
    next: Option<u32>,
}

impl<T> Chunk<T> {
    /// A chunk has a power of two of them, in half a page at most.
    const SLOTS: usize = 1 << Self::BITS;
    const BITS: u32 = match (1920 / size_of::<Slot<T>>()).checked_ilog2() {
        Some(bits) => bits,
        None => 0,
    };

    fn is_full(&self) -> bool {
        self.taken >= Self::SLOTS
    }
}

/// The table. Every operation is O(1).
pub struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    /// The first chunk with room.
    open: Option<u32>,
    length: usize,
    generation: NonZeroU32,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { chunks: Vec::new(), open: None, length: 0, generation: NonZeroU32::MIN }
    }
}

impl<T> Slab<T> {
    /// Adds a value; it is dropped if there is no room for it.
    pub fn try_insert(&mut self, value: T) -> Result<Key, OutOfMemory> {
        let number = match self.open {
            Some(number) => number,
            None => {
                let number = u32::try_from(self.chunks.len()).map_err(|_| OutOfMemory)?;
                self.chunks.try_push(Chunk { slots: Vec::new(), taken: 0, free: None, next: None })?;
                self.open = Some(number);
                number
            }
        };
        let chunk = self.chunks.get_mut(number as usize).ok_or(OutOfMemory)?;
        if chunk.slots.capacity() == 0 {
            chunk.slots = try_with_capacity(Chunk::<T>::SLOTS)?;
        }
        let generation = self.generation;
        let taken = Slot::Taken { generation, value };
        let position = match chunk.free {
            Some(position) => {
                let slot = chunk.slots.get_mut(position as usize).ok_or(OutOfMemory)?;
                if let Slot::Free { next } = core::mem::replace(slot, taken) {
                    chunk.free = next;
                }
                position as usize
            }
            None => {
                chunk.slots.try_push(taken)?;
                chunk.slots.len().saturating_sub(1)
            }
        };
        let index = (number as usize).saturating_mul(Chunk::<T>::SLOTS).saturating_add(position);
        let index = u32::try_from(index).map_err(|_| OutOfMemory)?;
        chunk.taken = chunk.taken.saturating_add(1);
        if chunk.is_full() {
            self.open = chunk.next.take();
        }
        self.length = self.length.saturating_add(1);
        self.generation = generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        Ok(Key { index, generation })
    }

    fn place(key: Key) -> (usize, usize) {
        let index = key.index as usize;
        (index.wrapping_shr(Chunk::<T>::BITS), index & Chunk::<T>::SLOTS.wrapping_sub(1))
    }

    /// The value of a key, if it is still there.
    pub fn get(&self, key: Key) -> Option<&T> {
        let (number, position) = Self::place(key);
        match self.chunks.get(number)?.slots.get(position)? {
            Slot::Taken { generation, value } if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    /// The value of a key, if it is still there.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (number, position) = Self::place(key);
        match self.chunks.get_mut(number)?.slots.get_mut(position)? {
            Slot::Taken { generation, value } if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    /// Takes a value out.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        let (number, position) = Self::place(key);
        let chunk = self.chunks.get_mut(number)?;
        let slot = chunk.slots.get_mut(position)?;
        let Slot::Taken { value, .. } = core::mem::replace(slot, Slot::Free { next: chunk.free }) else { return None };
        chunk.free = Some(position as u32);
        if chunk.is_full() {
            chunk.next = self.open.replace(number as u32);
        }
        chunk.taken = chunk.taken.saturating_sub(1);
        if chunk.taken == 0 {
            chunk.slots = Vec::new();
            chunk.free = None;
        }
        self.length = self.length.saturating_sub(1);
        if self.length == 0 {
            self.chunks = Vec::new();
            self.open = None;
        }
        Some(value)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;
    use rumpuser_hosted as _;

    #[test]
    fn an_old_key_does_not_find_a_newcomer() {
        let mut slab = Slab::default();
        let one = slab.try_insert(1).unwrap();
        assert_eq!(slab.remove(one), Some(1));
        let two = slab.try_insert(2).unwrap();
        assert_eq!((slab.get(one), slab.get(two), slab.len()), (None, Some(&2), 1));
        assert_eq!(slab.remove(one), None);
    }

    proptest! {
        /// Many more than a chunk holds, some of which go in any order: what is there is found, and empty chunks hold no memory.
        #[test]
        fn what_is_there_is_found(steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..400)) {
            let mut slab = Slab::<[u64; 60]>::default();
            let mut model = BTreeMap::new();
            for (number, (add, which)) in (0u64..).zip(steps) {
                if add || model.is_empty() {
                    model.insert(slab.try_insert([number; 60]).unwrap(), number);
                } else {
                    let key = *model.keys().nth(which.index(model.len())).unwrap();
                    prop_assert_eq!(slab.remove(key).map(|value| value[0]), model.remove(&key));
                    prop_assert!(slab.get(key).is_none() && slab.remove(key).is_none());
                }
                prop_assert_eq!(slab.len(), model.len());
                prop_assert!(model.iter().all(|(key, number)| slab.get(*key).is_some_and(|value| value[0] == *number)));
                prop_assert!(slab.chunks.iter().all(|chunk| (chunk.taken == 0) == (chunk.slots.capacity() == 0)));
            }
        }
    }
}
