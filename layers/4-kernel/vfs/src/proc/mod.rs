//! `/proc`: what programs read of the kernel (generated files) and of processes (directories by number).

mod kernel_files;
mod process_files;
mod setting;

pub use kernel_files::register;

use crate::{
    generated::{Generated, GeneratedNode, Listing, Snapshot, read_only_stat},
    inode::{Inode, Link},
    node_file::{NodeFile, or_name},
    open_file_node::OpenFileNode,
    state::State,
    tree,
    walk::{NO_PROCESS_LINKS, Walk},
};
use alloc::{sync::Arc, vec::Vec};
use rumpkin_abi::{Errno, Stat, linux::general};
use rumpkin_collections::{OutOfMemory, try_arc, try_format, try_to_vec};
use rumpkin_spine::{
    Kernel,
    file::File,
    process::{Process, Thread},
};
use rumpuser::clock;
use setting::Setting;

/// The top directory of `/proc`: generated files, and a directory for each process.
pub struct ProcessDirectories {
    generated: Arc<Generated>,
    top: Arc<GeneratedNode>,
    device: u64,
}

impl ProcessDirectories {
    /// On this device; the generated files are those under `/proc`.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(generated: &Arc<Generated>, device: u64) -> Result<Arc<dyn Inode>, OutOfMemory> {
        let generated = generated.child(b"proc").unwrap_or(generated).clone();
        let top = GeneratedNode::new(generated.clone(), device)?;
        Ok(try_arc(ProcessDirectories { generated, top, device })?)
    }
}

impl File for ProcessDirectories {
    fn stat(&self) -> Result<Stat, Errno> {
        self.top.stat()
    }
}

impl Inode for ProcessDirectories {
    fn kind(&self) -> u32 {
        general::S_IFDIR
    }

    fn number(&self) -> u64 {
        self.generated.number
    }

    fn lookup(&self, kernel: &Kernel, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        let node = |owner, what| -> Result<Arc<dyn Inode>, Errno> {
            Ok(try_arc(ProcessNode { owner, what, top: self.top.clone(), device: self.device })?)
        };
        match name {
            b"self" => return node(Owner::Caller, What::SelfLink),
            b"thread-self" => return node(Owner::Caller, What::ThreadSelfLink),
            _ => {}
        }
        match number(name) {
            Some(id) => {
                kernel.process(id).ok_or(Errno::ENOENT)?;
                node(Owner::Process(id), What::Directory)
            }
            None => self.top.lookup(kernel, name),
        }
    }

    fn name_of(&self, number: u64) -> Result<Vec<u8>, Errno> {
        // Numbers of generated files lie far above those of processes.
        if number >= self.generated.number { self.top.name_of(number) } else { decimal(number >> 24) }
    }

    fn open(self: Arc<Self>, kernel: &Kernel, _flags: u32) -> Result<Arc<dyn File>, Errno> {
        let mut listing = Listing::new(self.number(), self.number())?;
        for (name, child) in self.generated.children() {
            listing.add(name, child.number, child.attributes(0).mode)?;
        }
        listing.add(b"self", What::SelfLink.number(0), general::S_IFLNK)?;
        listing.add(b"thread-self", What::ThreadSelfLink.number(0), general::S_IFLNK)?;
        kernel.with_processes(|processes| {
            processes.iter().map(|process| process.id).try_for_each(|id| listing.add_directory_of(id))
        })?;
        Ok(try_arc(listing)?)
    }
}

/// A decimal number without leading zeroes.
fn number(name: &[u8]) -> Option<u32> {
    let canonical = name == b"0" || name.first().is_some_and(|digit| (b'1'..=b'9').contains(digit));
    core::str::from_utf8(name).ok().filter(|_| canonical)?.parse().ok()
}

fn decimal(number: impl Into<u64>) -> Result<Vec<u8>, Errno> {
    Ok(try_format(format_args!("{}", number.into()))?.into_bytes())
}

impl Listing {
    /// Adds the directory of a process or a thread.
    fn add_directory_of(&mut self, id: u32) -> Result<(), Errno> {
        Ok(self.add(&decimal(id)?, What::Directory.number(id), general::S_IFDIR)?)
    }
}

/// Whose directory it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Caller,
    Process(u32),
    Thread(u32, u32),
}

/// What is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    SelfLink,
    ThreadSelfLink,
    Directory,
    Executable,
    WorkingDirectory,
    RootDirectory,
    Descriptors,
    Descriptor(i32),
    Tasks,
    /// Index into the table of files.
    File(usize),
}

impl What {
    /// Inode numbers: the owner's above, and the kind below.
    fn number(self, owner: u32) -> u64 {
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
struct ProcessNode {
    owner: Owner,
    what: What,
    top: Arc<GeneratedNode>,
    device: u64,
}

impl ProcessNode {
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
                    threads.iter().map(|thread| thread.id).try_for_each(|id| listing.add_directory_of(id))
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
        let tree = tree::of(kernel)?;
        let place = match self.what {
            What::Executable => {
                let start = State::of(&owner)?.directory();
                let found = Walk::new(tree, &owner, start, NO_PROCESS_LINKS).run(&owner.program.path, true)?;
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
