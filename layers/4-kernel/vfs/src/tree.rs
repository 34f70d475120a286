//! The tree of mounted file systems: the table of mounts, and the way from a place to the next.

use crate::{
    calls::{Locks, RecordLocks},
    file_system::{MountError, Request},
    generated::Generated,
    location::{Location, Shown},
    mount::{Mount, NewMount},
    options::{self, Options, WORDS},
    registry::Registry,
    start,
};
use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};
use rumpkin_abi::{Errno, linux::general};
use rumpkin_collections::{OutOfMemory, TryVec, try_arc, try_to_vec};
use rumpkin_spine::Kernel;
use spin::{Once, RwLock};

/// This component's part of the kernel. The tree is built when the first process needs it: by then every component has
/// registered its files.
#[derive(Default)]
pub struct Vfs {
    tree: Once<Tree>,
    /// Locks of flock(2).
    pub(crate) locks: Arc<Locks>,
    /// Locks of fcntl(2).
    pub(crate) record_locks: Arc<RecordLocks>,
    /// Numbers for file systems that lie on no device.
    devices: AtomicU64,
}

impl Vfs {
    /// The part of a kernel. `ENOSYS` if this component is not registered.
    pub(crate) fn of(kernel: &Kernel) -> Result<&Vfs, Errno> {
        kernel.parts.get().ok_or(Errno::ENOSYS)
    }

    /// The tree of this kernel. `ENOMEM` if there is no memory to make it.
    fn tree<'a>(&'a self, kernel: &Kernel) -> Result<&'a Tree, Errno> {
        self.tree.try_call_once(|| start::tree(kernel, self))
    }

    /// A number that nobody has, for the `st_dev` of a file system that lies on no device.
    pub(crate) fn next_device(&self) -> u64 {
        self.devices.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }
}

/// The tree of a kernel. `ENOSYS` if this component is not registered.
pub fn of(kernel: &Kernel) -> Result<&Tree, Errno> {
    Vfs::of(kernel)?.tree(kernel)
}

/// A number that nobody has, for the `st_dev` of a file system that is mounted nowhere.
pub fn next_device(kernel: &Kernel) -> Result<u64, Errno> {
    Ok(Vfs::of(kernel)?.next_device())
}

/// The bit of a number in [`Mount::covered`].
fn bit(number: u64) -> u64 {
    1u64.wrapping_shl(number as u32)
}

/// The tree of a kernel; a part of it.
pub struct Tree {
    root: Location,
    /// The files that components have added.
    generated: Arc<Generated>,
    next_id: AtomicU64,
    /// Every mount, each behind the one that it lies on. The lock is held for a look alone: nothing in it waits.
    mounts: RwLock<Vec<Arc<Mount>>>,
}

impl Tree {
    /// A tree of one file system.
    pub(crate) fn new(root: NewMount, generated: Arc<Generated>) -> Result<Tree, OutOfMemory> {
        let root = try_arc(Mount::new(1, root, None, true))?;
        let mut mounts = Vec::new();
        mounts.try_push(root.clone())?;
        Ok(Tree { root: Location::top(root), generated, next_id: AtomicU64::new(2), mounts: RwLock::new(mounts) })
    }

    /// The files that components have added.
    pub(crate) fn generated(&self) -> &Arc<Generated> {
        &self.generated
    }

    /// The top of the tree.
    pub fn root(&self) -> Location {
        self.root.clone()
    }

    /// Every mount, the root's first. Whoever keeps them keeps them from being unmounted.
    pub fn mounts(&self) -> Result<Vec<Arc<Mount>>, OutOfMemory> {
        try_to_vec(&self.mounts.read())
    }

    /// The top of the file system that is mounted on a place, or the place itself.
    pub fn cover(&self, mut place: Location) -> Location {
        loop {
            // Nearly every place is told from the few covered ones by this alone.
            if place.mount.covered.load(Ordering::Relaxed) & bit(place.inode.number()) == 0 {
                return place;
            }
            let covering = self.mounts.read().iter().find(|mount| mount.on.as_ref() == Some(&place)).cloned();
            match covering {
                Some(mount) => place = Location::top(mount),
                None => return place,
            }
        }
    }

    /// The directory above a directory; that of the root is the root.
    pub fn parent(&self, place: &Location) -> Result<Location, Errno> {
        match place.shown() {
            Shown::Entry(place) => Ok(self.cover(place.above()?)),
            Shown::Top => Ok(self.root()),
            Shown::Nowhere => Ok(place.clone()),
        }
    }

    /// The place of an absolute path without symbolic links.
    pub fn find(&self, kernel: &Kernel, path: &str) -> Result<Location, Errno> {
        let mut at = self.root();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let inode = at.inode.lookup(kernel, name.as_bytes())?;
            at = self.cover(Location { mount: at.mount, inode });
        }
        Ok(at)
    }

    /// Mounts on a directory. `ENOTDIR` if it is none, `ENOENT` if it has been removed, `EINVAL` if it is not in the tree.
    pub(crate) fn mount(&self, on: Location, new: NewMount) -> Result<Arc<Mount>, Errno> {
        if !on.inode.is_directory() || !new.root.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        on.inode.parent()?;
        let (parent, number) = (on.mount.clone(), on.inode.number());
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mount = try_arc(Mount::new(id, new, Some(on), true))?;
        let mut mounts = self.mounts.write();
        if !parent.attached.load(Ordering::Relaxed) {
            return Err(Errno::EINVAL);
        }
        mounts.try_push(mount.clone())?;
        parent.covered.fetch_or(bit(number), Ordering::Relaxed);
        Ok(mount)
    }

    /// Changes the flags of a mount: of this place alone, or of its file system wherever it is seen. `EBUSY` if it is to be made
    /// read-only while somebody writes.
    pub(crate) fn remount(&self, mount: &Mount, flags: u32, everywhere: bool) -> Result<(), Errno> {
        let read_only = flags & general::MS_RDONLY != 0;
        if everywhere {
            if !read_only && mount.file_system.read_only() {
                return Err(Errno::EROFS);
            }
            let mounts = self.mounts.write();
            let was = mount.file_system_read_only();
            let theirs = || mounts.iter().filter(|other| Arc::ptr_eq(&other.file_system, &mount.file_system));
            let mut changed = theirs().try_for_each(|other| other.set_file_system_read_only(read_only));
            changed = changed.and_then(|()| mount.set_read_only(read_only));
            if changed.is_err() {
                // What had been changed was not written to, or is made writable anew.
                let _ = theirs().try_for_each(|other| other.set_file_system_read_only(was));
                return changed;
            }
        } else {
            mount.set_read_only(read_only)?;
        }
        mount.set_rules(flags);
        Ok(())
    }

    /// Takes a mount out of the tree, which `place` is the top of; with `MNT_DETACH` all that lies on it, too, whoever uses it.
    /// `EINVAL` for what is no mount, `EBUSY` if somebody uses it.
    pub(crate) fn unmount(&self, place: Location, detach: bool) -> Result<(), Errno> {
        let mount = place.mount.clone();
        if place.inode.number() != mount.root.number() {
            return Err(Errno::EINVAL);
        }
        let Some(on) = &mount.on else { return Err(Errno::EBUSY) };
        mount.file_system.sync()?;
        let before;
        {
            let mut mounts = self.mounts.write();
            // Kept until the lock is let go: with its last user goes a file system.
            before = try_to_vec(&mounts)?;
            if !mount.attached.load(Ordering::Relaxed) {
                return Err(Errno::EINVAL);
            }
            // Both tables', `place` and `mount`.
            if !detach && Arc::strong_count(&mount) > 4 {
                return Err(Errno::EBUSY);
            }
            mount.attached.store(false, Ordering::Relaxed);
            mounts.retain(|one| {
                // What lies on another stands behind it.
                if one.parent().is_some_and(|below| !below.attached.load(Ordering::Relaxed)) {
                    one.attached.store(false, Ordering::Relaxed);
                }
                one.attached.load(Ordering::Relaxed)
            });
            let left =
                mounts.iter().filter_map(|one| one.on.as_ref()).filter(|left| Arc::ptr_eq(&left.mount, &on.mount));
            let covered = left.fold(0, |bits, place| bits | bit(place.inode.number()));
            on.mount.covered.store(covered, Ordering::Relaxed);
        }
        drop(before);
        Ok(())
    }
}

/// What mount(2) is asked for.
pub struct Wish<'a> {
    /// What holds the file system, as its type understands it.
    pub source: &'a [u8],
    /// The type.
    pub kind: &'a [u8],
    /// `MS_*`, of which `MS_RDONLY` and `mount::RULES` count.
    pub flags: u32,
    /// Options, as in fstab(5): those of mount(8) for every type, and the type's own.
    pub options: &'a [u8],
}

/// Makes a file system and mounts it on a directory.
pub fn mount(kernel: &Kernel, on: Location, wish: &Wish<'_>) -> Result<(), MountError> {
    let tree = of(kernel)?;
    let kind = Registry::find_type(kernel, wish.kind)?;
    let (flags, rest) = options::split(wish.options)?;
    let request = Request {
        source: wish.source,
        options: Options(&rest),
        device: next_device(kernel)?,
        generated: &tree.generated,
    };
    request.options.check(&*kind, &WORDS)?;
    let file_system = kind.mount(kernel, &request)?;
    let new = NewMount {
        kind: kind.name(),
        source: try_to_vec(wish.source)?,
        root: file_system.root(),
        file_system,
        flags: wish.flags | flags,
    };
    tree.mount(on, new)?;
    Ok(())
}

/// Makes everything durable that was written to any file system. The first error comes back, after all have been asked.
pub fn sync(kernel: &Kernel) -> Result<(), Errno> {
    let mut result = Ok(());
    for mount in of(kernel)?.mounts()? {
        result = result.and(mount.file_system.sync());
    }
    result
}
