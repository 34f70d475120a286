//! What the file system keeps for each process: its working directory and its file mode mask.

use crate::{location::Location, tree::Tree};
use core::sync::atomic::{AtomicU32, Ordering};
use rumpkin_abi::Errno;
use rumpkin_spine::process::Process;
use rumpuser::sync::Mutex;

/// A part of each process.
pub struct State {
    directory: Mutex<Location>,
    mask: AtomicU32,
}

impl State {
    /// What a program starts with: the root directory, and a mask of 022.
    pub fn new(tree: &Tree) -> State {
        State { directory: Mutex::new(tree.root()), mask: AtomicU32::new(0o022) }
    }

    /// That of a process. `ENOSYS` if this component is not registered.
    pub fn of(process: &Process) -> Result<&State, Errno> {
        process.parts.get().ok_or(Errno::ENOSYS)
    }

    /// The working directory.
    pub fn directory(&self) -> Location {
        self.directory.lock().clone()
    }

    /// Sets the working directory. `ENOTDIR` if it is not one.
    pub fn set_directory(&self, directory: Location) -> Result<(), Errno> {
        if !directory.inode.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        // The old one is dropped after the lock is let go.
        let _old = core::mem::replace(&mut *self.directory.lock(), directory);
        Ok(())
    }

    /// Permissions that a new file does not get.
    pub fn mask(&self) -> u32 {
        self.mask.load(Ordering::Relaxed)
    }

    /// Sets the mask; the old one comes back.
    pub fn set_mask(&self, mask: u32) -> u32 {
        self.mask.swap(mask & 0o777, Ordering::Relaxed)
    }
}
