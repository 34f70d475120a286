//! Random bytes from the back end's cryptographic generator.

use crate::hypercalls::*;

/// Fills the buffer. Does not block: the generator is seeded before the kernel starts.
pub fn fill(buffer: &mut [u8]) {
    rumpuser_random_fill(buffer);
}

/// A random word.
pub fn next_u64() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
