//! What is in the directories of processes and threads: links and files.

use crate::{open_file_node::OpenFileNode, process_files, setting::Setting};
use alloc::{sync::Arc, vec::Vec};
use rumpkin_abi::{Errno, Stat, linux::general};
use rumpkin_collections::{try_arc, try_format, try_to_vec};
use rumpkin_spine::{
    Kernel,
    file::File,
    process::{Process, Thread},
};
use rumpkin_vfs::{
    NodeFile, State, Walk,
    generated::{GeneratedNode, Listing, Snapshot, read_only_stat},
    inode::{Inode, Link},
    or_name,
};
use rumpuser::clock;

/// Whose directory it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Whoever looks.
    Caller,
    /// The process of this number.
    Process(u32),
    /// A thread, by the numbers of its process and itself.
    Thread(u32, u32),
}

/// What is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// `self`
    SelfLink,
    /// `thread-self`
    ThreadSelfLink,
    /// The directory itself.
    Directory,
    /// `exe`
    Executable,
    /// `cwd`
    WorkingDirectory,
    /// `root`
    RootDirectory,
    /// `fd`
    Descriptors,
    /// An entry of it.
    Descriptor(i32),
    /// `task`
    Tasks,
    /// Index into the table of files.
    File(usize),
}

impl What {
    /// Inode numbers: the owner's above, and the kind below.
    pub fn number(self, owner: u32) -> u64 {
        let low = match self {
            What::SelfLink => 1,
            What::ThreadSelfLink => 2,
            What::Directory => 3,
            What::Executable => 4,
            What::WorkingDirectory => 5,
            What::RootDirectory => 6,
            What::Descriptors => 7,
            What::Tasks => 8,
            What::File(index) => (index as u64).saturating_add(16),
            What::Descriptor(descriptor) => u64::from(descriptor.unsigned_abs()).saturating_add(256),
        };
        u64::from(owner) << 24 | low
    }

    fn mode(self) -> u32 {
        match self {
            What::Directory | What::Tasks => general::S_IFDIR | 0o555,
            What::Descriptors => general::S_IFDIR | 0o500,
            What::File(index) if writable_file(index) => general::S_IFREG | 0o644,
            What::File(_) => general::S_IFREG | 0o444,
            What::Descriptor(_) => general::S_IFLNK | 0o700,
            _ => general::S_IFLNK | 0o777,
        }
    }
}

/// Whether a file of this index can be written.
fn writable_file(index: usize) -> bool {
    process_files::FILES.get(index).is_some_and(|file| file.store.is_some())
}

/// An inode below a process's directory.
pub struct ProcessNode {
    owner: Owner,
    what: What,
    top: Arc<GeneratedNode>,
    device: u64,
}

impl ProcessNode {
    /// The inode, in a file system with this top directory on this device.
    pub fn new(owner: Owner, what: What, top: Arc<GeneratedNode>, device: u64) -> Self {
        ProcessNode { owner, what, top, device }
    }

    fn id(&self) -> u32 {
        match self.owner {
            Owner::Caller => 0,
            Owner::Process(id) => id,
            // Numbers of threads are not those of other processes.
            Owner::Thread(_, id) => id,
        }
    }

    fn process(&self, kernel: &Kernel) -> Result<Arc<Process>, Errno> {
        match self.owner {
            Owner::Process(id) | Owner::Thread(id, _) => kernel.process(id).ok_or(Errno::ESRCH),
            Owner::Caller => Err(Errno::ENOENT),
        }
    }

    fn sibling(&self, owner: Owner, what: What) -> Result<Arc<dyn Inode>, Errno> {
        Ok(try_arc(ProcessNode { owner, what, top: self.top.clone(), device: self.device })?)
    }

    fn child(&self, what: What) -> Result<Arc<dyn Inode>, Errno> {
        self.sibling(self.owner, what)
    }

    fn listing(&self, kernel: &Kernel) -> Result<Listing, Errno> {
        let process = self.process(kernel)?;
        let mut listing = Listing::new(self.number(), self.number())?;
        let mut add = |name: &[u8], what: What| listing.add(name, what.number(self.id()), what.mode());
        match self.what {
            What::Directory => {
                for (index, file) in process_files::FILES.iter().enumerate() {
                    add(file.name.as_bytes(), What::File(index))?;
                }
                for (name, what) in ENTRIES {
                    if self.has(what) {
                        add(name, what)?;
                    }
                }
            }
            What::Descriptors => {
                let mut least = 0usize;
                while let Some(descriptor) = process.descriptors.next(least) {
                    let number = descriptor.unsigned_abs();
                    add(&decimal(number)?, What::Descriptor(descriptor))?;
                    least = (number as usize).saturating_add(1);
                }
            }
            What::Tasks => {
                process.with_threads(|threads| {
                    threads.iter().map(|thread| thread.id).try_for_each(|id| add_directory_of(&mut listing, id))
                })?;
            }
            _ => return Err(Errno::ENOTDIR),
        }
        Ok(listing)
    }

    /// A thread's directory has no threads.
    fn has(&self, what: What) -> bool {
        what != What::Tasks || matches!(self.owner, Owner::Process(_))
    }
}

/// What is in a process's directory besides its files.
const ENTRIES: [(&[u8], What); 5] = [
    (b"exe", What::Executable),
    (b"cwd", What::WorkingDirectory),
    (b"root", What::RootDirectory),
    (b"fd", What::Descriptors),
    (b"task", What::Tasks),
];

impl File for ProcessNode {
    fn stat(&self) -> Result<Stat, Errno> {
        Ok(read_only_stat(self.device, self.number(), self.what.mode(), clock::realtime()))
    }
}

impl Inode for ProcessNode {
    fn kind(&self) -> u32 {
        self.what.mode() & general::S_IFMT
    }

    fn number(&self) -> u64 {
        self.what.number(self.id())
    }

    fn lookup(&self, kernel: &Kernel, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        let process = self.process(kernel).map_err(|_| Errno::ENOENT)?;
        match self.what {
            What::Directory => {
                if let Some((_, what)) = ENTRIES.iter().find(|(entry, what)| *entry == name && self.has(*what)) {
                    return self.child(*what);
                }
                let index = process_files::FILES.iter().position(|file| file.name.as_bytes() == name);
                self.child(What::File(index.ok_or(Errno::ENOENT)?))
            }
            What::Descriptors => {
                let descriptor = number(name).and_then(|number| i32::try_from(number).ok()).ok_or(Errno::ENOENT)?;
                process.descriptors.get(descriptor).map_err(|_| Errno::ENOENT)?;
                self.child(What::Descriptor(descriptor))
            }
            What::Tasks => {
                let id = number(name).filter(|&id| process.thread(id).is_some()).ok_or(Errno::ENOENT)?;
                self.sibling(Owner::Thread(process.id, id), What::Directory)
            }
            _ => Err(Errno::ENOTDIR),
        }
    }

    fn parent(&self) -> Result<Arc<dyn Inode>, Errno> {
        match (self.what, self.owner) {
            (What::Descriptors | What::Tasks, _) => self.child(What::Directory),
            (What::Directory, Owner::Thread(process, _)) => self.sibling(Owner::Process(process), What::Tasks),
            _ => Ok(self.top.clone()),
        }
    }

    fn name_of(&self, number: u64) -> Result<Vec<u8>, Errno> {
        for (name, what) in ENTRIES {
            if what.number(self.id()) == number {
                return Ok(try_to_vec(name)?);
            }
        }
        decimal(number >> 24)
    }

    fn is_magic(&self) -> bool {
        !matches!(self.what, What::SelfLink | What::ThreadSelfLink)
    }

    fn follow(&self, process: &Process) -> Result<Link, Errno> {
        let kernel = &process.kernel;
        match self.what {
            What::SelfLink => return Ok(Link::Path(decimal(process.id)?)),
            What::ThreadSelfLink => {
                let current =
                    |threads: &[Arc<Thread>]| threads.iter().find(|thread| thread.is_current()).map(|it| it.id);
                let id = process.with_threads(current).unwrap_or(process.id);
                return Ok(Link::Path(try_format(format_args!("{}/task/{id}", process.id))?.into_bytes()));
            }
            _ => {}
        }
        let owner = self.process(kernel)?;
        let tree = rumpkin_vfs::tree(kernel)?;
        let place = match self.what {
            What::Executable => {
                let start = State::of(&owner)?.directory();
                let found =
                    Walk::new(tree, &owner, start, general::RESOLVE_NO_MAGICLINKS).run(&owner.program.path, true)?;
                let path = found.directory.path_of(&found.name)?;
                return Ok(Link::Place(found.existing()?, path));
            }
            What::WorkingDirectory => State::of(&owner)?.directory(),
            What::RootDirectory => tree.root(),
            What::Descriptor(descriptor) => {
                let open = owner.descriptors.get(descriptor).map_err(|_| Errno::ENOENT)?;
                return match open.downcast::<NodeFile>() {
                    Some(file) => Ok(Link::Place(file.place.clone(), file.path(kernel)?)),
                    None => OpenFileNode::link(tree, open),
                };
            }
            _ => return Err(Errno::EINVAL),
        };
        let path = or_name(place.path(), b"(deleted)")?;
        Ok(Link::Place(place, path))
    }

    fn open(self: Arc<Self>, kernel: &Kernel, _flags: u32) -> Result<Arc<dyn File>, Errno> {
        if let What::File(index) = self.what {
            let process = self.process(kernel)?;
            let thread = match self.owner {
                Owner::Thread(_, id) => process.thread(id),
                _ => process.thread(process.id),
            };
            let file = process_files::FILES.get(index).ok_or(Errno::ENOENT)?;
            if let Some(store) = file.store {
                return Ok(try_arc(Setting { process, content: file.content, store })?);
            }
            return Ok(try_arc(Snapshot((file.content)(&process, thread.as_deref())?))?);
        }
        Ok(try_arc(self.listing(kernel)?)?)
    }
}

/// A decimal number without leading zeroes.
pub fn number(name: &[u8]) -> Option<u32> {
    let canonical = name == b"0" || name.first().is_some_and(|digit| (b'1'..=b'9').contains(digit));
    core::str::from_utf8(name).ok().filter(|_| canonical)?.parse().ok()
}

/// A number as a name.
pub fn decimal(number: impl Into<u64>) -> Result<Vec<u8>, Errno> {
    Ok(try_format(format_args!("{}", number.into()))?.into_bytes())
}

/// Lists the directory of a process or a thread.
pub fn add_directory_of(listing: &mut Listing, id: u32) -> Result<(), Errno> {
    Ok(listing.add(&decimal(id)?, What::Directory.number(id), general::S_IFDIR)?)
}
