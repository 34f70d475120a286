//! Places in the tree, and their paths.

use crate::{inode::Inode, mount::Mount};
use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::Ordering;
use rumpkin_abi::Errno;
use rumpkin_collections::{OutOfMemory, TryVec};
use rumpuser::memory::PAGE_SIZE;

/// An inode in the tree. Two mounts may show inodes of equal numbers, so both together make an identity.
#[derive(Clone)]
pub struct Location {
    /// The file system in its place.
    pub mount: Arc<Mount>,
    /// The inode in it.
    pub inode: Arc<dyn Inode>,
}

impl PartialEq for Location {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.mount, &other.mount) && self.inode.number() == other.inode.number()
    }
}

/// What a directory is shown as.
pub(crate) enum Shown {
    /// An entry of the directory above it.
    Entry(Location),
    /// The top of the tree.
    Top,
    /// The top of what is no longer in the tree.
    Nowhere,
}

impl Location {
    /// What a mount shows.
    pub fn top(mount: Arc<Mount>) -> Location {
        Location { inode: mount.root.clone(), mount }
    }

    fn is_top(&self) -> bool {
        self.inode.number() == self.mount.root.number()
    }

    /// The directory that is shown here: from the top of a mount, the one that it lies on.
    pub(crate) fn shown(&self) -> Shown {
        let mut place = self.clone();
        while place.is_top() {
            if !place.mount.attached.load(Ordering::Relaxed) {
                return Shown::Nowhere;
            }
            match place.mount.on.clone() {
                Some(on) => place = on,
                None => return Shown::Top,
            }
        }
        Shown::Entry(place)
    }

    /// The directory above, in the same mount, of one that is not its top.
    pub(crate) fn above(&self) -> Result<Location, Errno> {
        let inode = self.inode.parent()?;
        // The mount knows the whole of its top directory, an inode below perhaps only its number.
        let top = inode.number() == self.mount.root.number();
        Ok(Location { inode: if top { self.mount.root.clone() } else { inode }, mount: self.mount.clone() })
    }

    /// The absolute path of a directory. `ENOENT` for one that has been removed, or lies in what has been unmounted.
    pub fn path(&self) -> Result<Vec<u8>, Errno> {
        let mut names = Vec::new();
        let mut place = self.clone();
        // A component takes at least two bytes, so a longer chain has no path that fits anywhere.
        for _ in 0..PAGE_SIZE / 2 {
            let shown = match place.shown() {
                Shown::Entry(shown) => shown,
                Shown::Top => return Ok(join(&names)?),
                Shown::Nowhere => return Err(Errno::ENOENT),
            };
            place = shown.above()?;
            names.try_push(place.inode.name_of(shown.inode.number())?)?;
        }
        Err(Errno::ENAMETOOLONG)
    }

    /// The path of an entry of this directory.
    pub fn path_of(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        let mut path = self.path()?;
        if !path.ends_with(b"/") {
            path.try_push(b'/')?;
        }
        path.try_extend_from_slice(name)?;
        Ok(path)
    }

    /// The path of a directory in its file system.
    pub fn path_in_file_system(&self) -> Result<Vec<u8>, Errno> {
        let (mut names, mut inode, root) = (Vec::new(), self.inode.clone(), self.mount.file_system.root().number());
        while inode.number() != root && names.len() < PAGE_SIZE / 2 {
            let parent = inode.parent()?;
            names.try_push(parent.name_of(inode.number())?)?;
            inode = parent;
        }
        Ok(join(&names)?)
    }
}

fn join(names: &[Vec<u8>]) -> Result<Vec<u8>, OutOfMemory> {
    let mut path = Vec::new();
    for name in names.iter().rev() {
        path.try_push(b'/')?;
        path.try_extend_from_slice(name)?;
    }
    if path.is_empty() {
        path.try_push(b'/')?;
    }
    Ok(path)
}
