//! Directories of a tmpfs: entries by name, and by the position that readers of the directory come back to.

use crate::node::{Kind, TmpfsNode};
use alloc::{
    sync::{Arc, Weak},
    vec::Vec,
};
use rumpkin_abi::{Errno, linux::general};
use rumpkin_collections::{OrderedMap, try_to_vec};
use rumpkin_vfs::inode::Inode;
use rumpuser::sync::MutexGuard;

/// The entries of a directory.
pub(super) struct Directory {
    /// Entries by position; a position is never used twice, so removing entries disturbs no reader.
    entries: OrderedMap<u64, (Vec<u8>, Arc<TmpfsNode>)>,
    /// Positions by the name's hash and themselves.
    names: OrderedMap<(u64, u64), ()>,
    next: u64,
    parent: Weak<TmpfsNode>,
    removed: bool,
}

impl Directory {
    pub fn new(parent: Weak<TmpfsNode>) -> Directory {
        // Positions 0 and 1 are those of `.` and `..`.
        Directory { entries: OrderedMap::new(), names: OrderedMap::new(), next: 3, parent, removed: false }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn removed(&self) -> bool {
        self.removed
    }

    pub fn parent(&self) -> Option<Arc<TmpfsNode>> {
        self.parent.upgrade()
    }

    fn position(&self, name: &[u8]) -> Option<u64> {
        let hash = hash(name);
        let mut alike = self.names.range((hash, 0), (hash, u64::MAX)).map(|((_, position), ())| position);
        alike.find(|position| self.entries.get(*position).is_some_and(|(other, _)| other == name))
    }

    fn get(&self, name: &[u8]) -> Result<Arc<TmpfsNode>, Errno> {
        let entry = self.position(name).and_then(|position| self.entries.get(position));
        entry.map(|(_, node)| node.clone()).ok_or(Errno::ENOENT)
    }

    /// The entries behind a position, each with its own position, until `each` says false.
    pub fn entries_behind(
        &self,
        mut position: u64,
        mut each: impl FnMut(&[u8], &TmpfsNode, u64) -> Result<bool, Errno>,
    ) -> Result<(), Errno> {
        while let Some((next, (name, node))) = self.entries.after(position)
            && each(name, node, next)?
        {
            position = next;
        }
        Ok(())
    }

    /// Adds or replaces an entry; what was there comes back. Only an entry that is new can be refused (`ENOSPC`).
    fn put(&mut self, name: &[u8], node: Arc<TmpfsNode>) -> Result<Option<Arc<TmpfsNode>>, Errno> {
        if let Some((_, old)) = self.position(name).and_then(|position| self.entries.get_mut(position)) {
            return Ok(Some(core::mem::replace(old, node)));
        }
        let key = (hash(name), self.next);
        let added = try_to_vec(name).and_then(|name| {
            self.names.try_insert(key, ())?;
            self.entries.try_insert(self.next, (name, node))
        });
        if added.is_err() {
            self.names.remove(key);
            return Err(Errno::ENOSPC);
        }
        self.next = self.next.saturating_add(1);
        Ok(None)
    }

    fn take(&mut self, name: &[u8]) -> Option<Arc<TmpfsNode>> {
        let position = self.position(name)?;
        self.names.remove((hash(name), position));
        self.entries.remove(position).map(|(_, node)| node)
    }
}

/// Names that collide are found one after the other, and only harm the program that chose them.
fn hash(name: &[u8]) -> u64 {
    rumpkin_vfs::hash(0, name)
}

impl TmpfsNode {
    fn directory(&self) -> Result<MutexGuard<'_, Directory>, Errno> {
        match &self.kind {
            Kind::Directory(directory) => Ok(directory.lock()),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// The directory, if entries can still be added to it.
    fn live_directory(&self) -> Result<MutexGuard<'_, Directory>, Errno> {
        let directory = self.directory()?;
        if directory.removed { Err(Errno::ENOENT) } else { Ok(directory) }
    }

    pub(super) fn find(&self, name: &[u8]) -> Result<Arc<TmpfsNode>, Errno> {
        self.directory()?.get(name)
    }

    fn add_links(&self, count: i64) {
        let mut attributes = self.attributes.lock();
        attributes.links = attributes.links.saturating_add_signed(count);
        attributes.change = rumpuser::clock::realtime();
    }

    pub(super) fn insert(&self, name: &[u8], node: Arc<TmpfsNode>) -> Result<(), Errno> {
        let _changes = self.file_system.changes.lock();
        let mut directory = self.live_directory()?;
        if directory.get(name).is_ok() {
            return Err(Errno::EEXIST);
        }
        let is_directory = node.is_directory();
        directory.put(name, node)?;
        drop(directory);
        if is_directory {
            self.add_links(1);
        }
        self.touch();
        Ok(())
    }

    pub(super) fn add_link(&self, name: &[u8], node: Arc<TmpfsNode>) -> Result<(), Errno> {
        if !Arc::ptr_eq(&self.file_system, &node.file_system) {
            return Err(Errno::EXDEV);
        }
        if node.is_directory() {
            return Err(Errno::EPERM);
        }
        self.insert(name, node.clone())?;
        node.add_links(1);
        Ok(())
    }

    /// Forgets that an entry leads to the node.
    fn unlinked(&self) {
        if let Kind::Directory(directory) = &self.kind {
            directory.lock().removed = true;
            self.add_links(-2);
        } else {
            self.add_links(-1);
        }
    }

    fn check_empty(&self) -> Result<(), Errno> {
        if self.directory()?.len() > 0 { Err(Errno::ENOTEMPTY) } else { Ok(()) }
    }

    pub(super) fn remove(&self, name: &[u8], directory: bool) -> Result<(), Errno> {
        let _changes = self.file_system.changes.lock();
        let node = self.find(name)?;
        match (directory, node.is_directory()) {
            (true, false) => return Err(Errno::ENOTDIR),
            (false, true) => return Err(Errno::EISDIR),
            (true, true) => node.check_empty()?,
            (false, false) => {}
        }
        self.directory()?.take(name);
        node.unlinked();
        if directory {
            self.add_links(-1);
        }
        self.touch();
        Ok(())
    }

    /// Whether a directory is another, or lies somewhere below it.
    fn is_within(&self, other: &TmpfsNode) -> Result<bool, Errno> {
        let mut at = self.this()?;
        loop {
            if at.number() == other.number() {
                return Ok(true);
            }
            let parent = at.directory()?.parent();
            match parent {
                Some(parent) => at = parent,
                None => return Ok(false),
            }
        }
    }

    pub(super) fn move_entry(&self, name: &[u8], target: &Arc<TmpfsNode>, new: &[u8], flags: u32) -> Result<(), Errno> {
        if !Arc::ptr_eq(&self.file_system, &target.file_system) {
            return Err(Errno::EXDEV);
        }
        let _changes = self.file_system.changes.lock();
        let node = self.find(name)?;
        drop(target.live_directory()?);
        if node.is_directory() && target.is_within(&node)? {
            return Err(Errno::EINVAL);
        }
        let old = match target.find(new) {
            Ok(old) => Some(old),
            Err(Errno::ENOENT) => None,
            Err(error) => return Err(error),
        };
        if flags & general::RENAME_EXCHANGE != 0 {
            let old = old.ok_or(Errno::ENOENT)?;
            if old.is_directory() && self.is_within(&old)? {
                return Err(Errno::EINVAL);
            }
            self.place(name, old, target)?;
            target.place(new, node, self)?;
        } else {
            if let Some(old) = old {
                if flags & general::RENAME_NOREPLACE != 0 {
                    return Err(Errno::EEXIST);
                }
                if old.number() == node.number() {
                    return Ok(());
                }
                // Whatever the source is.
                if old.is_directory() && self.is_within(&old)? {
                    return Err(Errno::ENOTEMPTY);
                }
                match (node.is_directory(), old.is_directory()) {
                    (true, false) => return Err(Errno::ENOTDIR),
                    (false, true) => return Err(Errno::EISDIR),
                    (true, true) => {
                        old.check_empty()?;
                        target.add_links(-1);
                    }
                    (false, false) => {}
                }
                old.unlinked();
            }
            target.place(new, node, self)?;
            self.directory()?.take(name);
        }
        self.touch();
        target.touch();
        Ok(())
    }

    /// Puts a node that came from another directory under a name, and moves the count of its `..` over.
    fn place(&self, name: &[u8], node: Arc<TmpfsNode>, from: &TmpfsNode) -> Result<(), Errno> {
        let this = self.this()?;
        // The entry that is replaced is dropped after the directory's lock is let go.
        let _old = self.directory()?.put(name, node.clone())?;
        if let (Kind::Directory(directory), true) = (&node.kind, self.number() != from.number()) {
            directory.lock().parent = Arc::downgrade(&this);
            self.add_links(1);
            from.add_links(-1);
        }
        node.attributes.lock().change = rumpuser::clock::realtime();
        Ok(())
    }
}
