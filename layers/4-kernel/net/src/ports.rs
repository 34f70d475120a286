//! Which sockets are bound to a port.

use crate::slab::Key;
use alloc::vec::Vec;
use rumpkin_collections::{OrderedMap, OutOfMemory, TryVec};

/// The ports of one protocol that are taken.
#[derive(Default)]
pub struct Ports(OrderedMap<u64, Vec<Key>>);

impl Ports {
    /// The sockets that are bound to a port, in the order in which they came.
    pub fn of(&self, port: u16) -> &[Key] {
        self.0.get(port.into()).map_or(&[], Vec::as_slice)
    }

    /// Whether no socket is bound to a port.
    pub fn is_free(&self, port: u16) -> bool {
        self.of(port).is_empty()
    }

    /// Binds a socket.
    pub fn add(&mut self, port: u16, key: Key) -> Result<(), OutOfMemory> {
        if let Some(keys) = self.0.get_mut(port.into()) {
            return keys.try_push(key);
        }
        let mut keys = Vec::new();
        keys.try_push(key)?;
        self.0.try_insert(port.into(), keys).map(|_| ())
    }

    /// Lets go of a socket.
    pub fn remove(&mut self, port: u16, key: Key) {
        let Some(keys) = self.0.get_mut(port.into()) else { return };
        keys.retain(|other| *other != key);
        if keys.is_empty() {
            self.0.remove(port.into());
        }
    }
}
