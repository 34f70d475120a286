//! Where local sockets are found: abstract names, and inodes of the file system.

use crate::{no_buffers, slab::Key};
use alloc::vec::Vec;
use rumpkin_collections::{TryVec, try_format, try_to_vec};
use rumpkin_spine::Errno;

/// Names that are chosen for sockets have five digits.
const CHOSEN_NAMES: u32 = 1 << 20;

/// What finds a socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A name without a file, zero byte included. Each kind of socket has its own.
    Abstract(u32, Vec<u8>),
    /// Device and number of an inode.
    Inode(u64, u64),
}

/// The sockets that have a place.
#[derive(Default)]
pub struct Places {
    /// Sorted.
    sockets: Vec<(Place, Key)>,
    next_name: u32,
}

impl Places {
    fn search(&self, place: &Place) -> Result<usize, usize> {
        self.sockets.binary_search_by(|(other, _)| other.cmp(place))
    }

    /// The socket of a place.
    pub fn at(&self, place: &Place) -> Option<Key> {
        self.sockets.get(self.search(place).ok()?).map(|(_, key)| *key)
    }

    /// Adds a socket. `EADDRINUSE` if its place is taken.
    pub fn add(&mut self, place: Place, key: Key) -> Result<(), Errno> {
        match self.search(&place) {
            Ok(_) => Err(Errno::EADDRINUSE),
            Err(index) => self.sockets.try_insert(index, (place, key)).map_err(no_buffers),
        }
    }

    /// Takes out what is at a place.
    pub fn remove(&mut self, place: &Place) {
        if let Ok(index) = self.search(place) {
            self.sockets.remove(index);
        }
    }

    /// An abstract name that no socket of this kind has.
    pub fn free_name(&mut self, kind: u32) -> Result<Vec<u8>, Errno> {
        for _ in 0..CHOSEN_NAMES {
            let name = try_format(format_args!("\0{:05x}", self.next_name)).map_err(no_buffers)?.into_bytes();
            self.next_name = self.next_name.wrapping_add(1) % CHOSEN_NAMES;
            if self.at(&Place::Abstract(kind, try_to_vec(&name).map_err(no_buffers)?)).is_none() {
                return Ok(name);
            }
        }
        Err(Errno::ENOSPC)
    }
}
