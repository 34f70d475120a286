//! Which sockets are bound to a port.

use crate::slab::Key;
use alloc::vec::Vec;
use rumpkin_collections::OrderedMap;

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
    pub fn add(&mut self, port: u16, key: Key) {
        match self.0.get_mut(port.into()) {
            Some(keys) => keys.push(key),
            None => {
                self.0.insert(port.into(), Vec::from([key]));
            }
        }
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
