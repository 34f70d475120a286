//! A table whose keys stay unique: index and generation, so that a key of something gone never finds a newcomer.

use alloc::vec::Vec;

/// Key of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    /// A number below 2^63 that tells it from all others of its table.
    pub fn number(self) -> u64 {
        u64::from(self.index) << 32 | u64::from(self.generation)
    }
}

struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// The table. Every operation is O(1).
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Adds a value.
    pub fn insert(&mut self, value: T) -> Key {
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(index as usize)
        {
            slot.value = Some(value);
            return Key { index, generation: slot.generation };
        }
        // A table of 2^31 entries would not fit in memory.
        let index = self.slots.len() as u32;
        self.slots.push(Slot { generation: 0, value: Some(value) });
        Key { index, generation: 0 }
    }

    /// The value of a key, if it is still there.
    pub fn get(&self, key: Key) -> Option<&T> {
        self.slots.get(key.index as usize).filter(|slot| slot.generation == key.generation)?.value.as_ref()
    }

    /// The value of a key, if it is still there.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.slots.get_mut(key.index as usize).filter(|slot| slot.generation == key.generation)?.value.as_mut()
    }

    /// Takes a value out.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get_mut(key.index as usize).filter(|slot| slot.generation == key.generation)?;
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(value)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.slots.len().saturating_sub(self.free.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_key_does_not_find_a_newcomer() {
        let mut slab = Slab::default();
        let one = slab.insert(1);
        assert_eq!(slab.remove(one), Some(1));
        let two = slab.insert(2);
        assert_eq!((slab.get(one), slab.get(two), slab.len()), (None, Some(&2), 1));
        assert_eq!(slab.remove(one), None);
    }
}
