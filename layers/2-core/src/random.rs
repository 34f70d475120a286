//! Random bytes: a ChaCha20 generator with fast key erasure, seeded from everything that the machine offers.
//!
//! Each request makes a new key from the generator before it hands anything out, so that what was given cannot be worked
//! out from what is in memory later. The cipher is written out here since the known crates bring vector code along, which
//! the kernel must not have.

use crate::{clock, interface::Entropy, sync::IrqMutex, x86::instructions};
use alloc::sync::Arc;

static GENERATOR: IrqMutex<Generator> = IrqMutex::new(Generator { key: [0; 8] });

struct Generator {
    key: [u32; 8],
}

type Block = [u32; 16];

/// The ChaCha20 block function (RFC 8439 §2.3).
fn block(key: &[u32; 8], counter: u32, nonce: [u32; 3]) -> Block {
    const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];
    let mut start = [0; 16];
    start[..4].copy_from_slice(&CONSTANTS);
    start[4..12].copy_from_slice(key);
    start[12] = counter;
    start[13..].copy_from_slice(&nonce);
    let mut state = start;
    for _ in 0..10 {
        quarter(&mut state, 0, 4, 8, 12);
        quarter(&mut state, 1, 5, 9, 13);
        quarter(&mut state, 2, 6, 10, 14);
        quarter(&mut state, 3, 7, 11, 15);
        quarter(&mut state, 0, 5, 10, 15);
        quarter(&mut state, 1, 6, 11, 12);
        quarter(&mut state, 2, 7, 8, 13);
        quarter(&mut state, 3, 4, 9, 14);
    }
    for (word, initial) in state.iter_mut().zip(start) {
        *word = word.wrapping_add(initial);
    }
    state
}

fn quarter(state: &mut Block, a: usize, b: usize, c: usize, d: usize) {
    for (x, y, z, by) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
        state[x] = state[x].wrapping_add(state[y]);
        state[z] = (state[z] ^ state[x]).rotate_left(by);
    }
}

impl Generator {
    /// Takes the first half of a block for the next key.
    fn step(&mut self) {
        let first = block(&self.key, 0, [0; 3]);
        self.key.copy_from_slice(&first[..8]);
    }

    /// As [`Generator::step`]; what the old key gives besides is for the caller.
    fn renew(&mut self) -> [u32; 8] {
        let old = self.key;
        self.step();
        let mut output = [0; 8];
        output.copy_from_slice(&block(&old, 1, [0; 3])[..8]);
        output
    }

    /// Mixes bytes in: each piece changes the whole key.
    fn absorb(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(32) {
            for (index, &byte) in piece.iter().enumerate() {
                self.key[index / 4] ^= u32::from(byte) << (8 * (index % 4));
            }
            self.step();
        }
    }
}

/// Fills the buffer. Does not block; the generator is seeded before the first thread's work begins.
pub fn fill(buffer: &mut [u8]) {
    let key = GENERATOR.lock().renew();
    for (counter, piece) in (0..).zip(buffer.chunks_mut(64)) {
        let words = block(&key, counter, [1, 0, 0]);
        let bytes = words.iter().flat_map(|word| word.to_le_bytes());
        piece.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    }
}

/// Seeds the generator from the processor, the platform's sources and the jitter of the clock. On a thread.
pub(crate) fn seed(sources: &[Arc<dyn Entropy>]) {
    let mut obtained = 0;
    for source in sources {
        let mut bytes = [0; 32];
        let count = source.fill(&mut bytes).min(bytes.len());
        GENERATOR.lock().absorb(&bytes[..count]);
        obtained += count;
    }
    for _ in 0..4 {
        if let Some(word) = instructions::random() {
            GENERATOR.lock().absorb(&word.to_le_bytes());
            obtained += 8;
        }
    }
    // Always, since it costs little; and more of it when there is nothing better.
    let rounds = if obtained >= 32 { 16 } else { 256 };
    for _ in 0..rounds {
        let samples = [(); 4].map(|()| jitter().to_le_bytes());
        GENERATOR.lock().absorb(samples.as_flattened());
    }
    GENERATOR.lock().absorb(&clock::realtime().to_le_bytes());
    log::debug!("entropy: {obtained} bytes from hardware, {rounds} rounds of jitter");
}

/// How long some memory accesses took: its low bits are noise.
fn jitter() -> u64 {
    let start = instructions::tsc();
    let mut memory = [0u64; 8];
    for index in 0..8 {
        let slot = (start as usize >> (3 * index)) % 8;
        // SAFETY: a local; volatile so that the accesses happen.
        unsafe { core::ptr::write_volatile(&raw mut memory[slot], start ^ index as u64) };
    }
    instructions::tsc().wrapping_sub(start) ^ start.rotate_left(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_of_rfc_8439_section_2_3_2() {
        let key = core::array::from_fn(|index| {
            let first = 4 * index as u32;
            u32::from_le_bytes([first, first + 1, first + 2, first + 3].map(|byte| byte as u8))
        });
        let result = block(&key, 1, [0x0900_0000, 0x4a00_0000, 0]);
        assert_eq!(result[0], 0xe4e7_f110);
        assert_eq!(result[1], 0x1559_3bd1);
        assert_eq!(result[15], 0x4e3c_50a2);
    }

    #[test]
    fn what_is_absorbed_changes_what_comes_out_and_nothing_repeats() {
        let mut a = Generator { key: [0; 8] };
        let mut b = Generator { key: [0; 8] };
        assert_eq!(a.renew(), b.renew());
        b.absorb(b"x");
        let (first, second) = (a.renew(), b.renew());
        assert_ne!(first, second);
        assert_ne!(first, a.renew());
    }
}
