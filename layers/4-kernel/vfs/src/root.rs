//! The root file system: what was booted, with generated files laid over it.
//!
//! Directories that hold generated files are *merged*: their paths are known from the start, so the directories under them are found
//! once. Every file is the lower file system's own inode; only directories are wrapped, since each may lead to a merged one.

use crate::{
    file_system::{FileSystem, Statistics},
    generated::{Generated, Listing, Snapshot},
    inode::Inode,
    names::Names,
};
use alloc::{
    sync::{Arc, Weak},
    vec::Vec,
};
use rumpkin_abi::{Errno, Stat, linux::general};
use rumpkin_collections::{OutOfMemory, try_arc};
use rumpkin_spine::{
    Kernel,
    file::{EachEntry, File},
    io::Sink,
};

/// `RAMFS_MAGIC`, which a root file system of nothing but made-up files has.
const NONE_MAGIC: u32 = 0x8584_58f6;

/// What is remembered of names, in a file system that never changes.
type Known = Names<Arc<dyn Inode>>;

/// What all inodes of the root file system share.
struct Shared {
    top: Arc<Generated>,
    /// Sorted by number.
    merged: Vec<Merged>,
    device: u64,
    /// The file system owns it: inodes that own the cache which they are in would never go.
    names: Weak<Known>,
}

/// A directory of the lower file system with its made-up counterpart.
struct Merged {
    number: u64,
    lower: Arc<dyn Inode>,
    upper: Arc<Generated>,
}

impl Shared {
    /// The made-up counterpart of one of the lower file system's directories.
    fn merged(&self, number: u64) -> Option<&Arc<Generated>> {
        let index = self.merged.binary_search_by_key(&number, |merged| merged.number).ok()?;
        self.merged.get(index).map(|merged| &merged.upper)
    }
}

/// The root file system, and what it owns.
pub struct RootFileSystem {
    lower: Option<Arc<dyn FileSystem>>,
    top: Arc<dyn Inode>,
    _names: Arc<Known>,
}

impl RootFileSystem {
    /// Of the file system that was booted, if any, and generated files.
    #[expect(clippy::disallowed_methods, reason = "once, at boot")]
    pub fn new(
        kernel: &Kernel,
        lower: Option<Arc<dyn FileSystem>>,
        generated: Arc<Generated>,
    ) -> Result<Arc<Self>, Errno> {
        let node = lower.as_ref().map(|lower| lower.root());
        let mut merged = Vec::new();
        if let Some(node) = &node {
            find_merged(kernel, node, &generated, &mut merged);
        }
        let device = node.as_ref().map_or(Ok(1), |node| node.stat().map(|stat| stat.device))?;
        let names = Arc::new(Names::new());
        let shared = Arc::new(Shared { top: generated.clone(), merged, device, names: Arc::downgrade(&names) });
        let top = Root::join(shared, node, Some(generated))?;
        Ok(try_arc(RootFileSystem { lower, top, _names: names })?)
    }
}

impl FileSystem for RootFileSystem {
    fn root(&self) -> Arc<dyn Inode> {
        self.top.clone()
    }

    fn statistics(&self) -> Statistics {
        let none = Statistics { magic: NONE_MAGIC, block_size: 4096, ..Statistics::default() };
        self.lower.as_ref().map_or(none, |lower| lower.statistics())
    }

    fn read_only(&self) -> bool {
        true
    }
}

/// A directory of the root file system (of the lower file system, made up, or both: merged), or a generated file.
struct Root {
    shared: Arc<Shared>,
    number: u64,
    lower: Option<Arc<dyn Inode>>,
    upper: Option<Arc<Generated>>,
}

impl Root {
    fn join(
        shared: Arc<Shared>,
        lower: Option<Arc<dyn Inode>>,
        upper: Option<Arc<Generated>>,
    ) -> Result<Arc<Root>, OutOfMemory> {
        let number = match (&lower, &upper) {
            (Some(lower), _) => lower.number(),
            (None, Some(upper)) => upper.number,
            (None, None) => 0,
        };
        try_arc(Root { shared, number, lower, upper })
    }

    fn with(&self, lower: Option<Arc<dyn Inode>>, upper: Option<Arc<Generated>>) -> Result<Arc<dyn Inode>, Errno> {
        Ok(Root::join(self.shared.clone(), lower, upper)?)
    }

    fn of_lower(&self, node: Arc<dyn Inode>) -> Result<Arc<dyn Inode>, Errno> {
        if !node.is_directory() {
            return Ok(node);
        }
        let upper = self.shared.merged(node.number()).cloned();
        self.with(Some(node), upper)
    }

    /// The made-up directory and, where the lower file system has it too, that one.
    fn of_generated(&self, upper: Arc<Generated>) -> Result<Arc<dyn Inode>, Errno> {
        let merged = self.shared.merged.iter().find(|merged| Arc::ptr_eq(&merged.upper, &upper));
        self.with(merged.map(|merged| merged.lower.clone()), Some(upper))
    }

    /// The entry of a directory, looked for where it lies.
    fn find(&self, kernel: &Kernel, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        let upper = self.upper.as_ref().and_then(|upper| upper.child(name));
        let lower = match &self.lower {
            Some(lower) => lower.lookup(kernel, name),
            None => Err(Errno::ENOENT),
        };
        match (upper, lower) {
            (None, lower) => self.of_lower(lower?),
            (Some(upper), Ok(lower)) if upper.is_stand_in() || self.shared.merged(lower.number()).is_some() => {
                self.of_lower(lower)
            }
            (Some(upper), _) => self.with(None, Some(upper.clone())),
        }
    }

    fn listing(&self) -> Result<Listing, Errno> {
        let parent = self.parent()?.number();
        let mut listing = Listing::new(self.number(), parent)?;
        if let Some(lower) = &self.lower {
            lower.read_directory(0, &mut |entry| {
                let shown = match self.upper.as_ref().and_then(|upper| upper.child(entry.name)) {
                    Some(child) => child.is_stand_in() || self.shared.merged(entry.inode).is_some(),
                    None => entry.name != b"." && entry.name != b"..",
                };
                if shown {
                    listing.add(entry.name, entry.inode, u32::from(entry.kind) << 12)?;
                }
                Ok(true)
            })?;
        }
        for (name, child) in self.upper.iter().flat_map(|upper| upper.children()) {
            if !listing.contains(name) {
                listing.add(name, child.number, child.attributes(0).mode)?;
            }
        }
        Ok(listing)
    }
}

/// Notes which of the lower file system's directories have a made-up counterpart.
#[expect(clippy::disallowed_methods, reason = "at boot, once for each directory that components have files in")]
fn find_merged(kernel: &Kernel, lower: &Arc<dyn Inode>, upper: &Arc<Generated>, merged: &mut Vec<Merged>) {
    if !lower.is_directory() {
        return;
    }
    match merged.binary_search_by_key(&lower.number(), |merged| merged.number) {
        Ok(_) => return,
        Err(place) => {
            merged.insert(place, Merged { number: lower.number(), lower: lower.clone(), upper: upper.clone() });
        }
    }
    for (name, child) in upper.children() {
        let is_directory = child.attributes(0).mode & general::S_IFMT == general::S_IFDIR;
        if let (true, Ok(node)) = (is_directory, lower.lookup(kernel, name)) {
            find_merged(kernel, &node, child, merged);
        }
    }
}

impl File for Root {
    fn read(&self, _position: u64, _destination: &mut dyn Sink) -> Result<usize, Errno> {
        Err(Errno::EISDIR)
    }

    fn seekable(&self) -> bool {
        true
    }

    fn stat(&self) -> Result<Stat, Errno> {
        match (&self.lower, &self.upper) {
            (Some(lower), _) => lower.stat(),
            (None, Some(upper)) => Ok(upper.attributes(self.shared.device)),
            (None, None) => Err(Errno::EIO),
        }
    }

    fn sync(&self, _data_only: bool) -> Result<(), Errno> {
        Ok(())
    }

    fn read_directory(&self, position: u64, each: EachEntry<'_>) -> Result<(), Errno> {
        match (&self.lower, &self.upper) {
            (Some(lower), None) => lower.read_directory(position, each),
            _ => self.listing()?.read_directory(position, each),
        }
    }
}

impl Inode for Root {
    fn kind(&self) -> u32 {
        match (&self.lower, &self.upper) {
            (None, Some(upper)) => upper.attributes(0).mode & general::S_IFMT,
            _ => general::S_IFDIR,
        }
    }

    fn number(&self) -> u64 {
        self.number
    }

    fn lookup(&self, kernel: &Kernel, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        let Some(names) = self.shared.names.upgrade() else { return self.find(kernel, name) };
        if let Some(known) = names.get(self.number, name) {
            return known.ok_or(Errno::ENOENT);
        }
        match self.find(kernel, name) {
            Ok(inode) => {
                names.put(self.number, name, Some(inode.clone()));
                Ok(inode)
            }
            Err(error) => {
                if error == Errno::ENOENT {
                    names.put(self.number, name, None);
                }
                Err(error)
            }
        }
    }

    fn parent(&self) -> Result<Arc<dyn Inode>, Errno> {
        match (&self.lower, &self.upper) {
            (_, Some(upper)) => self.of_generated(upper.above().unwrap_or(self.shared.top.clone())),
            (Some(lower), None) => self.of_lower(lower.parent()?),
            (None, None) => Err(Errno::EIO),
        }
    }

    fn open(self: Arc<Self>, kernel: &Kernel, _flags: u32) -> Result<Arc<dyn File>, Errno> {
        match &self.upper {
            Some(upper) if !self.is_directory() => Ok(try_arc(Snapshot(upper.content(kernel)?))?),
            _ => Ok(self),
        }
    }
}
