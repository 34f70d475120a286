//! Hash tables keyed by what a packet carries: seeded at random, so that a peer cannot choose colliding keys.

use core::hash::{BuildHasher, Hash, Hasher};
use rumpkin_collections::OutOfMemory;
use rumpuser::memory::ensure;

/// A hash table with a seed of its own, which grows by asking and gives back what it no longer needs.
pub struct HashMap<K, V>(hashbrown::HashMap<K, V, Seed>);

impl<K: Hash + Eq, V: Copy> HashMap<K, V> {
    /// Nothing.
    pub fn new() -> Self {
        HashMap(hashbrown::HashMap::with_hasher(Seed::new()))
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<V> {
        self.0.get(key).copied()
    }

    /// Gives a key a value; the old one comes back. What replaces another is never refused.
    pub fn try_insert(&mut self, key: K, value: V) -> Result<Option<V>, OutOfMemory> {
        if let Some(place) = self.0.get_mut(&key) {
            return Ok(Some(core::mem::replace(place, value)));
        }
        if self.0.len() >= self.0.capacity() {
            let as_many_again = self.0.len().saturating_add(1);
            Self::reserve(&mut self.0, as_many_again)?;
        }
        Ok(self.0.insert(key, value))
    }

    /// Room for so many entries more, in a table that is empty or moves.
    fn reserve(table: &mut hashbrown::HashMap<K, V, Seed>, more: usize) -> Result<(), OutOfMemory> {
        /// What the table has at most for each entry that there is room for, with its mark: it is no less than 7/16 full.
        const SPARSE: usize = 3;
        /// The smallest table has four places, and each some marks more than it has places.
        const FEWEST: usize = 2;
        const MARKS: usize = 64;
        let entries = table.len().saturating_add(more).max(FEWEST);
        let places = entries.saturating_mul(size_of::<(K, V)>().saturating_add(1)).saturating_mul(SPARSE);
        ensure(places.saturating_add(MARKS))?;
        table.try_reserve(more).map_err(|_| OutOfMemory)
    }

    /// Takes a key's value out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        /// Tables up to this are not worth the work.
        const SMALL: usize = 56;
        let value = self.0.remove(key)?;
        if self.0.is_empty() {
            let seed = *self.0.hasher();
            self.0 = hashbrown::HashMap::with_hasher(seed);
        } else if self.0.capacity() > SMALL && self.0.len() < self.0.capacity() / 8 {
            self.shrink();
        }
        Some(value)
    }

    /// Moves to a smaller table, if there is memory for it.
    fn shrink(&mut self) {
        let mut smaller = hashbrown::HashMap::with_hasher(*self.0.hasher());
        if Self::reserve(&mut smaller, self.0.len().saturating_mul(2)).is_ok() {
            for (key, value) in self.0.drain() {
                smaller.insert(key, value);
            }
            self.0 = smaller;
        }
    }

    /// A number for a key that nobody outside can foretell.
    pub fn hash(&self, key: &K) -> usize {
        self.0.hasher().hash_one(key) as usize
    }
}

/// The secret of a table.
#[derive(Clone, Copy)]
pub struct Seed(u64, u64);

impl Seed {
    /// A random one.
    pub fn new() -> Seed {
        Seed(rumpuser::random::next_u64() | 1, rumpuser::random::next_u64())
    }
}

impl BuildHasher for Seed {
    type Hasher = Mixer;

    fn build_hasher(&self) -> Mixer {
        Mixer { state: self.1, multiplier: self.0 }
    }
}

/// Folded multiplication by a secret.
pub struct Mixer {
    state: u64,
    multiplier: u64,
}

impl Mixer {
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.state ^ word).wrapping_mul(u128::from(self.multiplier ^ 0x9e37_79b9_7f4a_7c15));
        self.state = (product as u64) ^ ((product >> 64) as u64) ^ self.multiplier.rotate_left(23);
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        let product = u128::from(self.state).wrapping_mul(u128::from(self.multiplier));
        (product as u64) ^ ((product >> 64) as u64)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u16(&mut self, value: u16) {
        self.mix(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumpuser_hosted::{Machine, Requests};
    use std::sync::Arc;

    #[test]
    fn a_table_that_shrinks_keeps_what_is_in_it() {
        let mut table = HashMap::new();
        for number in 0..5000u64 {
            assert_eq!(table.try_insert(number, number + 1), Ok(None));
        }
        for number in 10..5000 {
            assert_eq!(table.remove(&number), Some(number + 1));
        }
        assert!(table.0.capacity() < 100, "{}", table.0.capacity());
        assert!((0..10).all(|number| table.get(&number) == Some(number + 1)));
        (0..10).for_each(|number| assert!(table.remove(&number).is_some()));
        assert_eq!(table.0.capacity(), 0);
    }

    #[test]
    fn without_memory_a_table_neither_grows_nor_shrinks() {
        let machine = Machine { requests: Arc::new(Requests::refusing(2, u64::MAX)), ..Machine::default() };
        machine.simulate(1, || {
            let mut table = HashMap::new();
            let kept = (0..100u64).filter(|number| table.try_insert(*number, ()).is_ok()).count();
            assert_eq!((kept, table.0.len()), (table.0.capacity(), table.0.capacity()));
            assert_eq!(table.try_insert(0, ()), Ok(Some(())));
        });
    }
}
