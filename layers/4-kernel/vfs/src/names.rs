//! A cache of names in a file system that never changes: what was found, and what was found missing.
//!
//! Direct-mapped: a name has one slot, and the latest to want it has it. Nothing ever has to be taken out.

use alloc::{boxed::Box, vec::Vec};
use rumpkin_collections::{TryVec, try_to_vec};
use rumpuser::sync::Mutex;

const SLOTS: usize = 256;

/// Names longer than this are not kept.
const MAX_NAME: usize = 64;

struct Entry<T> {
    directory: u64,
    name: Box<[u8]>,
    found: Option<T>,
}

/// Names, each with the number of its directory, and what they lead to.
pub struct Names<T>(Mutex<Vec<Option<Entry<T>>>>);

impl<T: Clone> Names<T> {
    /// No names. Memory is taken with the first.
    pub const fn new() -> Self {
        Names(Mutex::new(Vec::new()))
    }

    /// What is known: nothing, that it is missing, or what it is.
    pub fn get(&self, directory: u64, name: &[u8]) -> Option<Option<T>> {
        let slots = self.0.lock();
        let entry = slots.get(slot(directory, name))?.as_ref()?;
        (entry.directory == directory && *entry.name == *name).then(|| entry.found.clone())
    }

    /// Notes what a name leads to, or that it is missing.
    pub fn put(&self, directory: u64, name: &[u8], found: Option<T>) {
        if name.len() > MAX_NAME {
            return;
        }
        // Without memory to note it, it is looked for again next time.
        let Ok(copy) = try_to_vec(name) else { return };
        let entry = Entry { directory, name: copy.into_boxed_slice(), found };
        let mut slots = self.0.lock();
        while slots.len() < SLOTS {
            if slots.try_push(None).is_err() {
                return;
            }
        }
        let old = slots.get_mut(slot(directory, name)).and_then(|slot| slot.replace(entry));
        drop(slots);
        drop(old);
    }
}

/// FNV-1a, over the bytes of both.
pub fn hash(directory: u64, name: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ directory.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    name.iter().fold(start, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn slot(directory: u64, name: &[u8]) -> usize {
    // The upper bits depend on every byte.
    (hash(directory, name) >> 32) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumpuser_hosted as _;

    #[test]
    fn latest_name_of_a_slot_is_kept() {
        let names = Names::new();
        assert_eq!(names.get(1, b"a"), None);
        for number in 0..1000u64 {
            names.put(number, b"name", Some(number));
            assert_eq!(names.get(number, b"name"), Some(Some(number)));
            assert_eq!(names.get(number, b"nam"), None);
        }
        names.put(7, b"absent", None);
        assert_eq!(names.get(7, b"absent"), Some(None));
        assert_eq!(names.get(8, b"absent"), None);
        names.put(7, &[b'x'; 65], None);
        assert_eq!(names.get(7, &[b'x'; 65]), None);
    }
}
