//! The root file system: the image of the payload with generated files laid over it.
//!
//! Directories that hold generated files are *merged*: their paths are known from the start, so the numbers of the image's
//! directories under them are found once, and every other inode is the image's own.

use crate::{
    erofs::{Erofs, ErofsNode},
    generated::{Generated, Listing, Snapshot},
    inode::{Inode, Link},
    names::Names,
};
use alloc::{
    sync::{Arc, Weak},
    vec::Vec,
};
use rumpkin_abi::{Errno, Stat, linux::general};
use rumpkin_collections::{OutOfMemory, try_arc};
use rumpkin_mm::Mappable;
use rumpkin_spine::{
    Kernel,
    file::{EachEntry, File},
    io::Sink,
    process::Process,
};

/// What all inodes of the root file system share.
struct Shared {
    lower: Option<Arc<Erofs>>,
    top: Arc<Generated>,
    /// Merged directories, sorted by the number of the image's.
    merged: Vec<(u64, Arc<Generated>)>,
    device: u64,
    /// The tree owns it: inodes that own the cache which they are in would never go.
    names: Weak<Names<Root>>,
}

impl Shared {
    /// The made-up counterpart of one of the image's directories.
    fn merged(&self, number: u64) -> Option<&Arc<Generated>> {
        let index = self.merged.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.merged.get(index).map(|(_, upper)| upper)
    }
}

/// An inode of the root file system: of the image, made up, or both (a merged directory).
pub struct Root {
    shared: Arc<Shared>,
    kind: u32,
    number: u64,
    lower: Option<ErofsNode>,
    upper: Option<Arc<Generated>>,
}

/// The top directory, and the cache of names.
type Top = (Arc<dyn Inode>, Arc<Names<Root>>);

impl Root {
    /// The top directory, and the cache of names, which is of use as long as somebody owns it.
    #[allow(clippy::new_ret_no_self)]
    #[expect(clippy::disallowed_methods, reason = "once, at boot")]
    pub fn new(lower: Option<Arc<Erofs>>, top: Arc<Generated>, device: u64) -> Result<Top, OutOfMemory> {
        let node = lower.as_ref().and_then(|lower| ErofsNode::new(lower, lower.root()).ok());
        let mut merged = Vec::new();
        if let Some(node) = &node {
            find_merged(node, &top, &mut merged);
        }
        let names = Arc::new(Names::new());
        let shared = Arc::new(Shared { lower, top: top.clone(), merged, device, names: Arc::downgrade(&names) });
        Ok((Root::join(shared, node, Some(top))?, names))
    }

    fn join(
        shared: Arc<Shared>,
        lower: Option<ErofsNode>,
        upper: Option<Arc<Generated>>,
    ) -> Result<Arc<Root>, OutOfMemory> {
        let (kind, number) = match (&lower, &upper) {
            (Some(lower), _) => (lower.kind(), lower.number()),
            (None, Some(upper)) => (upper.attributes(0).mode & general::S_IFMT, upper.number),
            (None, None) => (0, 0),
        };
        try_arc(Root { shared, kind, number, lower, upper })
    }

    fn with(&self, lower: Option<ErofsNode>, upper: Option<Arc<Generated>>) -> Result<Arc<Root>, OutOfMemory> {
        Root::join(self.shared.clone(), lower, upper)
    }

    fn of_image(&self, node: ErofsNode) -> Result<Arc<Root>, OutOfMemory> {
        let upper = self.shared.merged(node.number()).cloned();
        self.with(Some(node), upper)
    }

    /// The made-up directory and, where the image has it too, the image's.
    fn of_generated(&self, upper: Arc<Generated>) -> Result<Arc<Root>, OutOfMemory> {
        let merged = self.shared.merged.iter().find(|(_, other)| Arc::ptr_eq(other, &upper));
        let lower = merged.zip(self.shared.lower.as_ref());
        let lower = lower.and_then(|((number, _), file_system)| ErofsNode::new(file_system, *number).ok());
        self.with(lower, Some(upper))
    }

    /// The entry of a directory, looked for where it lies.
    fn find(&self, name: &[u8]) -> Result<Arc<Root>, Errno> {
        let upper = self.upper.as_ref().and_then(|upper| upper.child(name));
        let lower = match &self.lower {
            Some(lower) => lower.child(name),
            None => Err(Errno::ENOENT),
        };
        match (upper, lower) {
            (None, lower) => Ok(self.of_image(lower?)?),
            (Some(upper), Ok(lower)) if upper.is_stand_in() || self.shared.merged(lower.number()).is_some() => {
                Ok(self.of_image(lower)?)
            }
            (Some(upper), _) => Ok(self.with(None, Some(upper.clone()))?),
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

/// Notes which of the image's directories have a made-up counterpart.
#[expect(clippy::disallowed_methods, reason = "at boot, once for each directory that components have files in")]
fn find_merged(node: &ErofsNode, upper: &Arc<Generated>, merged: &mut Vec<(u64, Arc<Generated>)>) {
    if !node.is_directory() {
        return;
    }
    match merged.binary_search_by_key(&node.number(), |(number, _)| *number) {
        Ok(_) => return,
        Err(place) => merged.insert(place, (node.number(), upper.clone())),
    }
    for (name, child) in upper.children() {
        let is_directory = child.attributes(0).mode & general::S_IFMT == general::S_IFDIR;
        if let (true, Ok(node)) = (is_directory, node.child(name)) {
            find_merged(&node, child, merged);
        }
    }
}

impl File for Root {
    fn read(&self, position: u64, destination: &mut dyn Sink) -> Result<usize, Errno> {
        self.lower.as_ref().ok_or(Errno::EISDIR)?.read(position, destination)
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

    fn mappable(&self) -> Result<Arc<dyn Mappable>, Errno> {
        self.lower.as_ref().ok_or(Errno::ENODEV)?.mappable()
    }
}

impl Inode for Root {
    fn kind(&self) -> u32 {
        self.kind
    }

    fn number(&self) -> u64 {
        self.number
    }

    fn lookup(&self, _kernel: &Kernel, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        let Some(names) = self.shared.names.upgrade() else { return Ok(self.find(name)?) };
        if let Some(known) = names.get(self.number, name) {
            return Ok(known.ok_or(Errno::ENOENT)?);
        }
        match self.find(name) {
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
            (_, Some(upper)) => Ok(self.of_generated(upper.above().unwrap_or(self.shared.top.clone()))?),
            (Some(lower), None) => Ok(self.of_image(lower.above()?)?),
            (None, None) => Err(Errno::EIO),
        }
    }

    fn follow(&self, process: &Process) -> Result<Link, Errno> {
        self.lower.as_ref().ok_or(Errno::EINVAL)?.follow(process)
    }

    fn open(self: Arc<Self>, kernel: &Kernel, flags: u32) -> Result<Arc<dyn File>, Errno> {
        match (&self.lower, &self.upper) {
            _ if self.is_directory() => Ok(self),
            (None, Some(upper)) => Ok(try_arc(Snapshot(upper.content(kernel)?))?),
            (Some(_), _) if self.kind == general::S_IFREG => Ok(self),
            (Some(lower), _) => try_arc(lower.clone())?.open(kernel, flags),
            (None, None) => Err(Errno::EIO),
        }
    }

    fn in_place(&self) -> Option<&'static [u8]> {
        self.lower.as_ref()?.in_place()
    }
}
