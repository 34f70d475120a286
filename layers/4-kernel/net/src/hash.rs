//! Hash tables keyed by what a packet carries: seeded at random, so that a peer cannot choose colliding keys.

use core::hash::{BuildHasher, Hasher};

/// A hash table with a seed of its own.
pub type HashMap<K, V> = hashbrown::HashMap<K, V, Seed>;

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
