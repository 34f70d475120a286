//! Generated files and the directories made up for them: `/etc/hosts`, `/proc/meminfo`, mount points.

use crate::inode::{Inode, New};
use alloc::{
    sync::{Arc, Weak},
    vec::Vec,
};
use rumpkin_abi::{Errno, Stat, linux::general};
use rumpkin_collections::{OutOfMemory, TryVec, try_arc, try_to_vec};
use rumpkin_spine::{
    Kernel,
    file::{DirectoryEntry, EachEntry, File},
    io::Sink,
};
use rumpuser::{clock, memory::PAGE_SIZE};

/// Numbers of made-up inodes begin here; a real file system in a payload does not come so far.
const FIRST_NUMBER: u64 = 1 << 48;

/// A made-up directory, or a generated file.
pub struct Generated {
    /// Its inode number.
    pub number: u64,
    content: Content,
    /// When it was made up (nanoseconds since 1970).
    time: u64,
    parent: Weak<Generated>,
}

enum Content {
    /// Sorted by name.
    Directory(Vec<(Vec<u8>, Arc<Generated>)>),
    /// Index into the kernel's generated files.
    File { index: usize, stand_in: bool },
}

/// The plan of a tree, before parents and children point at each other.
enum Plan {
    /// Sorted by name.
    Directory(Vec<(Vec<u8>, Plan)>),
    File {
        index: usize,
        stand_in: bool,
    },
}

/// Where a name is, or where it belongs.
fn position<T>(entries: &[(Vec<u8>, T)], name: &[u8]) -> Result<usize, usize> {
    entries.binary_search_by(|(other, _)| other.as_slice().cmp(name))
}

#[expect(clippy::disallowed_methods, reason = "the plan is made at boot, of what components have registered")]
impl Plan {
    /// Adds a path; a file on the way to another one is replaced by the directory that is needed there.
    fn add(&mut self, path: &str, leaf: Plan) {
        let mut at = self;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            if !matches!(at, Plan::Directory(_)) {
                *at = Plan::Directory(Vec::new());
            }
            let Plan::Directory(entries) = at else { return };
            let index = position(entries, name.as_bytes()).unwrap_or_else(|index| {
                entries.insert(index, (name.as_bytes().to_vec(), Plan::Directory(Vec::new())));
                index
            });
            let Some((_, entry)) = entries.get_mut(index) else { return };
            at = entry;
        }
        match (&at, &leaf) {
            (Plan::Directory(entries), Plan::File { .. }) if !entries.is_empty() => {}
            (_, Plan::Directory(_)) => {}
            _ => *at = leaf,
        }
    }

    fn build(self, parent: Weak<Generated>, next: &mut u64, time: u64) -> Arc<Generated> {
        let number = *next;
        *next = next.saturating_add(1);
        Arc::new_cyclic(|this| {
            let content = match self {
                Plan::File { index, stand_in } => Content::File { index, stand_in },
                Plan::Directory(entries) => Content::Directory(
                    entries.into_iter().map(|(name, plan)| (name, plan.build(this.clone(), next, time))).collect(),
                ),
            };
            Generated { number, content, time, parent }
        })
    }
}

impl Generated {
    /// The directories and files of a kernel's generated files, and these directories besides.
    pub(crate) fn new<'a>(kernel: &Kernel, directories: impl Iterator<Item = &'a str>) -> Arc<Generated> {
        let mut plan = Plan::Directory(Vec::new());
        for path in directories {
            plan.add(path, Plan::Directory(Vec::new()));
        }
        for (index, file) in kernel.generated_files.iter().enumerate() {
            plan.add(&file.path, Plan::File { index, stand_in: file.stand_in });
        }
        plan.build(Weak::new(), &mut FIRST_NUMBER.clone(), clock::realtime())
    }

    /// The entry of a directory.
    pub fn child(&self, name: &[u8]) -> Option<&Arc<Generated>> {
        match &self.content {
            Content::Directory(entries) => {
                let index = position(entries, name).ok()?;
                entries.get(index).map(|(_, child)| child)
            }
            Content::File { .. } => None,
        }
    }

    /// What is at a path from here.
    pub(crate) fn descendant(&self, path: &str) -> Option<&Generated> {
        path.split('/').filter(|name| !name.is_empty()).try_fold(self, |at, name| Some(&**at.child(name.as_bytes())?))
    }

    /// The entries of a directory, in order.
    pub fn children(&self) -> &[(Vec<u8>, Arc<Generated>)] {
        match &self.content {
            Content::Directory(entries) => entries,
            Content::File { .. } => &[],
        }
    }

    /// Whether a real file goes first.
    pub(crate) fn is_stand_in(&self) -> bool {
        matches!(self.content, Content::File { stand_in: true, .. })
    }

    /// The directory above; `None` at the top.
    pub fn above(&self) -> Option<Arc<Generated>> {
        self.parent.upgrade()
    }

    /// What stat(2) tells, on this device.
    pub fn attributes(&self, device: u64) -> Stat {
        let mode = match self.content {
            Content::Directory(_) => general::S_IFDIR | 0o755,
            Content::File { .. } => general::S_IFREG | 0o444,
        };
        read_only_stat(device, self.number, mode, self.time)
    }

    /// Puts the files of a folder into a file system that lies over it, as files of its own that only root can read.
    pub(crate) fn copy_to(&self, kernel: &Kernel, over: &dyn Inode) -> Result<(), Errno> {
        for (name, child) in self.children() {
            let Content::File { .. } = child.content else {
                child.copy_to(kernel, &*over.create(name, New::Directory(0o755))?)?;
                continue;
            };
            let file = over.create(name, New::File(0o400))?;
            let content = child.content(kernel)?;
            let mut rest = content.as_slice();
            while !rest.is_empty() {
                let position = content.len().saturating_sub(rest.len()) as u64;
                if file.write(position, &mut rest)? == 0 {
                    return Err(Errno::ENOSPC);
                }
            }
        }
        Ok(())
    }

    /// The content of a file, made now. `EISDIR` for a directory.
    pub fn content(&self, kernel: &Kernel) -> Result<Vec<u8>, Errno> {
        match self.content {
            Content::File { index, .. } => {
                let file = kernel.generated_files.get(index).ok_or(Errno::ENOENT)?;
                Ok((file.content)(kernel)?)
            }
            Content::Directory(_) => Err(Errno::EISDIR),
        }
    }
}

/// Attributes of a made-up file: root's, of unknown size, all times alike.
pub fn read_only_stat(device: u64, number: u64, mode: u32, time: u64) -> Stat {
    let (seconds, nanoseconds) = (time / 1_000_000_000, time % 1_000_000_000);
    Stat {
        device,
        inode: number,
        links: if mode & general::S_IFMT == general::S_IFDIR { 2 } else { 1 },
        mode,
        block_size: PAGE_SIZE as i64,
        access_time: seconds,
        access_nanoseconds: nanoseconds,
        modify_time: seconds,
        modify_nanoseconds: nanoseconds,
        change_time: seconds,
        change_nanoseconds: nanoseconds,
        ..Stat::default()
    }
}

/// A generated file of a file system without a lower layer (`/proc`).
pub struct GeneratedNode {
    node: Arc<Generated>,
    device: u64,
}

impl GeneratedNode {
    /// The node, on this device.
    pub fn new(node: Arc<Generated>, device: u64) -> Result<Arc<Self>, OutOfMemory> {
        try_arc(GeneratedNode { node, device })
    }
}

impl File for GeneratedNode {
    fn stat(&self) -> Result<Stat, Errno> {
        Ok(self.node.attributes(self.device))
    }
}

impl Inode for GeneratedNode {
    fn kind(&self) -> u32 {
        self.node.attributes(self.device).mode & general::S_IFMT
    }

    fn number(&self) -> u64 {
        self.node.number
    }

    fn lookup(&self, _kernel: &Kernel, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        let child = self.node.child(name).ok_or(Errno::ENOENT)?;
        Ok(GeneratedNode::new(child.clone(), self.device)?)
    }

    fn parent(&self) -> Result<Arc<dyn Inode>, Errno> {
        let parent = self.node.above().ok_or(Errno::ENOENT)?;
        Ok(GeneratedNode::new(parent, self.device)?)
    }

    fn name_of(&self, number: u64) -> Result<Vec<u8>, Errno> {
        let mut children = self.node.children().iter();
        let (name, _) = children.find(|(_, child)| child.number == number).ok_or(Errno::ENOENT)?;
        Ok(try_to_vec(name)?)
    }

    fn open(self: Arc<Self>, kernel: &Kernel, _flags: u32) -> Result<Arc<dyn File>, Errno> {
        if self.is_directory() {
            let parent = self.node.above().map_or(self.node.number, |parent| parent.number);
            let mut listing = Listing::new(self.node.number, parent)?;
            for (name, child) in self.node.children() {
                listing.add(name, child.number, child.attributes(self.device).mode)?;
            }
            return Ok(try_arc(listing)?);
        }
        Ok(try_arc(Snapshot(self.node.content(kernel)?))?)
    }
}

/// The content that a generated file had when it was opened.
pub struct Snapshot(pub Vec<u8>);

impl File for Snapshot {
    fn read(&self, position: u64, destination: &mut dyn Sink) -> Result<usize, Errno> {
        let rest = usize::try_from(position).ok().and_then(|position| self.0.get(position..)).unwrap_or_default();
        if rest.is_empty() { Ok(0) } else { destination.put(rest) }
    }

    fn seekable(&self) -> bool {
        true
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(Stat { mode: general::S_IFREG | 0o444, size: self.0.len() as i64, ..Stat::default() })
    }

    fn sync(&self, _data_only: bool) -> Result<(), Errno> {
        Ok(())
    }
}

/// The entries that a made-up directory had when it was opened.
pub struct Listing(Vec<Listed>);

struct Listed {
    name: Vec<u8>,
    inode: u64,
    kind: u8,
}

impl Listing {
    /// A listing of `.` and `..`.
    pub fn new(number: u64, parent: u64) -> Result<Listing, OutOfMemory> {
        let mut listing = Listing(Vec::new());
        listing.add(b".", number, general::S_IFDIR)?;
        listing.add(b"..", parent, general::S_IFDIR)?;
        Ok(listing)
    }

    /// Adds an entry of the type in `mode`.
    pub fn add(&mut self, name: &[u8], inode: u64, mode: u32) -> Result<(), OutOfMemory> {
        let kind = crate::inode::directory_type(mode & general::S_IFMT);
        self.0.try_push(Listed { name: try_to_vec(name)?, inode, kind })
    }

    /// Whether a name is in it.
    pub fn contains(&self, name: &[u8]) -> bool {
        self.0.iter().any(|entry| entry.name == name)
    }
}

impl File for Listing {
    fn read(&self, _position: u64, _destination: &mut dyn Sink) -> Result<usize, Errno> {
        Err(Errno::EISDIR)
    }

    fn seekable(&self) -> bool {
        true
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(Stat { mode: general::S_IFDIR | 0o555, ..Stat::default() })
    }

    fn sync(&self, _data_only: bool) -> Result<(), Errno> {
        Ok(())
    }

    fn read_directory(&self, position: u64, each: EachEntry<'_>) -> Result<(), Errno> {
        let from = usize::try_from(position).unwrap_or(usize::MAX);
        for (next, Listed { name, inode, kind }) in (1..).zip(&self.0).skip(from) {
            if !each(&DirectoryEntry { inode: *inode, kind: *kind, name, next })? {
                break;
            }
        }
        Ok(())
    }
}
