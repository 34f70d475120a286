//! The strings that a program is given.

use alloc::vec::Vec;
use rumpkin_abi::Errno;
use rumpkin_collections::{OutOfMemory, TryVec, try_to_vec};

/// Strings that a program is started with, one behind the other and each with a zero byte at its end, as it finds them
/// in its memory and in `/proc`. However many they are, they take one allocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strings {
    bytes: Vec<u8>,
    count: usize,
}

impl Strings {
    /// Adds the string that `parts` are, one behind the other. They hold no zero byte.
    pub fn push<const N: usize>(&mut self, parts: [&[u8]; N]) -> Result<(), Errno> {
        let length = parts.iter().fold(1usize, |sum, part| sum.saturating_add(part.len()));
        self.bytes.try_reserve_more(length)?;
        for part in parts {
            self.bytes.try_extend_from_slice(part)?;
        }
        self.bytes.try_push(0)?;
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// A copy.
    pub fn try_clone(&self) -> Result<Strings, OutOfMemory> {
        Ok(Strings { bytes: try_to_vec(&self.bytes)?, count: self.count })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All of them, with their zero bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The strings, without their zero bytes.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.split_inclusive(|&byte| byte == 0).map(|text| text.strip_suffix(&[0]).unwrap_or(text))
    }

    /// The bytes that a program's stack has for them: themselves, and a pointer to each.
    pub fn cost(&self) -> usize {
        self.bytes.len().saturating_add(self.count.saturating_mul(8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumpuser_hosted as _;

    #[test]
    fn strings_stand_as_programs_find_them() {
        let mut strings = Strings::default();
        assert!(strings.is_empty());
        for parts in [[&b"K"[..], b"=v"], [b"", b""], [b"\xff", b""]] {
            strings.push(parts).unwrap();
        }
        assert_eq!(strings.bytes(), b"K=v\0\0\xff\0");
        assert_eq!(strings.iter().collect::<Vec<_>>(), [&b"K=v"[..], b"", b"\xff"]);
        assert_eq!((strings.count(), strings.cost()), (3, 7 + 3 * 8));
    }
}
