//! Inodes of a tmpfs: files, directories, symbolic links, devices.

use crate::{content::Pages, directory::Directory, limit::Limit};
use alloc::{
    sync::{Arc, Weak},
    vec::Vec,
};
use core::sync::atomic::{AtomicU64, Ordering};
use rumpkin_abi::{Errno, Stat, linux::general};
use rumpkin_collections::{OutOfMemory, try_arc, try_arc_cyclic, try_to_vec};
use rumpkin_mm::Mappable;
use rumpkin_spine::{
    Kernel,
    file::{DirectoryEntry, EachEntry, File},
    io::{Sink, Source},
    process::Process,
};
use rumpkin_vfs::inode::{Change, Inode, Link, New, directory_type};
use rumpuser::{clock, memory::PAGE_SIZE, sync::Mutex};

const SECOND: u64 = 1_000_000_000;

/// Seals that are kept (memfd_create(2)).
const ALL_SEALS: u32 = general::F_SEAL_SEAL
    | general::F_SEAL_SHRINK
    | general::F_SEAL_GROW
    | general::F_SEAL_WRITE
    | general::F_SEAL_FUTURE_WRITE
    | general::F_SEAL_EXEC;

/// Whoever may execute a file (`chmod(2)`).
const EXECUTABLE: u32 = 0o111;

/// What all inodes of one tmpfs share.
pub struct Tmpfs {
    device: u64,
    limit: Arc<Limit>,
    next_number: AtomicU64,
    /// Held by whoever changes directories.
    pub(super) changes: Mutex<()>,
}

/// What an inode is.
pub(super) enum Kind {
    File(Arc<Pages>),
    Directory(Mutex<Directory>),
    Symlink(Vec<u8>),
    /// The name of a socket.
    Socket,
    /// A device: its number, and `S_IFCHR` or `S_IFBLK`.
    Device(u64, u32),
}

#[derive(Clone, Copy)]
pub(super) struct Attributes {
    permissions: u32,
    uid: u32,
    gid: u32,
    pub links: u64,
    access: u64,
    modify: u64,
    pub change: u64,
}

/// An inode.
pub struct TmpfsNode {
    pub(super) file_system: Arc<Tmpfs>,
    pub(super) kind: Kind,
    pub(super) attributes: Mutex<Attributes>,
    number: u64,
    /// It counts as one of the inodes that there may be.
    counted: bool,
    this: Weak<TmpfsNode>,
}

impl Drop for TmpfsNode {
    fn drop(&mut self) {
        if self.counted {
            self.file_system.limit.give_inode_back();
        }
    }
}

impl Tmpfs {
    /// An empty file system; its top directory comes back.
    pub fn top(device: u64, limit: Arc<Limit>, permissions: u32) -> Result<Arc<TmpfsNode>, OutOfMemory> {
        let file_system = try_arc(Tmpfs { device, limit, next_number: AtomicU64::new(1), changes: Mutex::new(()) })?;
        TmpfsNode::build(&file_system, Kind::Directory(Mutex::new(Directory::new(Weak::new()))), permissions, false)
    }
}

impl TmpfsNode {
    fn new(file_system: &Arc<Tmpfs>, kind: Kind, permissions: u32) -> Result<Arc<TmpfsNode>, Errno> {
        file_system.limit.take_inode()?;
        TmpfsNode::build(file_system, kind, permissions, true).map_err(|_| {
            file_system.limit.give_inode_back();
            Errno::ENOSPC
        })
    }

    fn build(
        file_system: &Arc<Tmpfs>,
        kind: Kind,
        permissions: u32,
        counted: bool,
    ) -> Result<Arc<TmpfsNode>, OutOfMemory> {
        let now = clock::realtime();
        let links = if matches!(kind, Kind::Directory(_)) { 2 } else { 1 };
        let attributes = Attributes {
            permissions: permissions & 0o7777,
            uid: 0,
            gid: 0,
            links,
            access: now,
            modify: now,
            change: now,
        };
        let number = file_system.next_number.fetch_add(1, Ordering::Relaxed);
        let file_system = file_system.clone();
        try_arc_cyclic(|this| TmpfsNode {
            file_system,
            kind,
            attributes: Mutex::new(attributes),
            number,
            counted,
            this: this.clone(),
        })
    }

    /// A file without a name, with these seals (memfd_create(2), `O_TMPFILE`).
    pub fn unnamed(&self, permissions: u32, seals: u32) -> Result<Arc<TmpfsNode>, Errno> {
        let pages = Pages::new(self.file_system.limit.clone(), seals)?;
        let node = TmpfsNode::new(&self.file_system, Kind::File(pages), permissions)?;
        node.attributes.lock().links = 0;
        Ok(node)
    }

    pub(super) fn of(inode: &Arc<dyn Inode>) -> Result<Arc<TmpfsNode>, Errno> {
        let any: Arc<dyn core::any::Any + Send + Sync> = inode.clone();
        any.downcast().map_err(|_| Errno::EXDEV)
    }

    pub(super) fn this(&self) -> Result<Arc<TmpfsNode>, Errno> {
        self.this.upgrade().ok_or(Errno::ENOENT)
    }

    /// Notes a modification now.
    pub(super) fn touch(&self) {
        let now = clock::realtime();
        let mut attributes = self.attributes.lock();
        attributes.modify = now;
        attributes.change = now;
    }

    fn make(&self, new: New) -> Result<Arc<TmpfsNode>, Errno> {
        let (kind, permissions) = match new {
            New::File(permissions) => {
                (Kind::File(Pages::new(self.file_system.limit.clone(), general::F_SEAL_SEAL)?), permissions)
            }
            New::Directory(permissions) => {
                (Kind::Directory(Mutex::new(Directory::new(self.this.clone()))), permissions)
            }
            New::Symlink(text) => (Kind::Symlink(text), 0o777),
            New::Socket(permissions) => (Kind::Socket, permissions),
            New::Device(mode, number) => (Kind::Device(number, mode & general::S_IFMT), mode),
        };
        TmpfsNode::new(&self.file_system, kind, permissions)
    }

    fn file(&self) -> Result<&Arc<Pages>, Errno> {
        match &self.kind {
            Kind::File(pages) => Ok(pages),
            Kind::Directory(_) => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }
}

impl File for TmpfsNode {
    fn read(&self, position: u64, destination: &mut dyn Sink) -> Result<usize, Errno> {
        let done = self.file()?.read(position, destination)?;
        // As with `relatime`: only the first read after a change is noted.
        let mut attributes = self.attributes.lock();
        if attributes.access <= attributes.modify {
            attributes.access = clock::realtime();
        }
        Ok(done)
    }

    fn write(&self, position: u64, source: &mut dyn Source) -> Result<usize, Errno> {
        let done = self.file()?.write(position, source)?;
        self.touch();
        Ok(done)
    }

    fn seekable(&self) -> bool {
        true
    }

    fn stat(&self) -> Result<Stat, Errno> {
        let attributes = *self.attributes.lock();
        let (size, frames, special_device) = match &self.kind {
            Kind::File(pages) => (pages.length(), pages.frames(), 0),
            Kind::Directory(directory) => (directory.lock().len().saturating_mul(20) as u64, 0, 0),
            Kind::Symlink(text) => (text.len() as u64, 0, 0),
            Kind::Socket => (0, 0, 0),
            Kind::Device(number, _) => (0, 0, *number),
        };
        Ok(Stat {
            device: self.file_system.device,
            inode: self.number,
            links: attributes.links,
            mode: self.kind() | attributes.permissions,
            uid: attributes.uid,
            gid: attributes.gid,
            special_device,
            size: size as i64,
            block_size: PAGE_SIZE as i64,
            blocks: frames.saturating_mul(PAGE_SIZE / 512) as i64,
            access_time: attributes.access / SECOND,
            access_nanoseconds: attributes.access % SECOND,
            modify_time: attributes.modify / SECOND,
            modify_nanoseconds: attributes.modify % SECOND,
            change_time: attributes.change / SECOND,
            change_nanoseconds: attributes.change % SECOND,
            ..Stat::default()
        })
    }

    fn control(&self, command: u32, argument: usize) -> Result<usize, Errno> {
        let pages = self.file().map_err(|_| Errno::EINVAL)?;
        match command {
            general::F_GET_SEALS => Ok(pages.seals() as usize),
            general::F_ADD_SEALS if argument as u32 & !ALL_SEALS == 0 => {
                let mut seals = argument as u32;
                // What can be executed for ever must not be written either.
                if seals & general::F_SEAL_EXEC != 0 && self.attributes.lock().permissions & EXECUTABLE != 0 {
                    seals |= ALL_SEALS & !general::F_SEAL_SEAL;
                }
                pages.add_seals(seals)?;
                Ok(0)
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn truncate(&self, length: u64) -> Result<(), Errno> {
        self.file()?.truncate(length)?;
        self.touch();
        Ok(())
    }

    fn sync(&self, _data_only: bool) -> Result<(), Errno> {
        Ok(())
    }

    fn read_directory(&self, position: u64, each: EachEntry<'_>) -> Result<(), Errno> {
        let Kind::Directory(directory) = &self.kind else { return Err(Errno::ENOTDIR) };
        let parent = directory.lock().parent().map_or(self.number, |parent| parent.number);
        for (index, name, inode) in [(0, &b"."[..], self.number), (1, b"..", parent)] {
            let entry = DirectoryEntry {
                inode,
                kind: general::DT_DIR as u8,
                name,
                next: index.max(position).saturating_add(1),
            };
            if position <= index && !each(&entry)? {
                return Ok(());
            }
        }
        directory.lock().entries_behind(position.max(2), |name, node, next| {
            let kind = directory_type(node.kind());
            each(&DirectoryEntry { inode: node.number, kind, name, next })
        })
    }

    fn mappable(&self) -> Result<Arc<dyn Mappable>, Errno> {
        match &self.kind {
            Kind::File(pages) => Ok(pages.clone()),
            _ => Err(Errno::ENODEV),
        }
    }

    fn mappable_for_stores(&self) -> Result<Arc<dyn Mappable>, Errno> {
        match &self.kind {
            Kind::File(pages) => Ok(try_arc(pages.for_stores()?)?),
            _ => Err(Errno::ENODEV),
        }
    }
}

impl Inode for TmpfsNode {
    fn kind(&self) -> u32 {
        match &self.kind {
            Kind::File(_) => general::S_IFREG,
            Kind::Directory(_) => general::S_IFDIR,
            Kind::Symlink(_) => general::S_IFLNK,
            Kind::Socket => general::S_IFSOCK,
            Kind::Device(_, kind) => *kind,
        }
    }

    fn number(&self) -> u64 {
        self.number
    }

    fn lookup(&self, _kernel: &Kernel, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        Ok(self.find(name)?)
    }

    fn parent(&self) -> Result<Arc<dyn Inode>, Errno> {
        let Kind::Directory(directory) = &self.kind else { return Err(Errno::ENOTDIR) };
        let directory = directory.lock();
        match directory.parent() {
            _ if directory.removed() => Err(Errno::ENOENT),
            Some(parent) => Ok(parent),
            None => Ok(self.this()?),
        }
    }

    fn follow(&self, _process: &Process) -> Result<Link, Errno> {
        match &self.kind {
            Kind::Symlink(text) => Ok(Link::Path(try_to_vec(text)?)),
            _ => Err(Errno::EINVAL),
        }
    }

    fn open(self: Arc<Self>, _kernel: &Kernel, _flags: u32) -> Result<Arc<dyn File>, Errno> {
        match &self.kind {
            Kind::Symlink(_) => Err(Errno::ELOOP),
            // The one is connected to, the other opened by its number.
            Kind::Socket | Kind::Device(..) => Err(Errno::ENXIO),
            _ => Ok(self),
        }
    }

    fn create(&self, name: &[u8], new: New) -> Result<Arc<dyn Inode>, Errno> {
        let node = self.make(new)?;
        self.insert(name, node.clone())?;
        Ok(node)
    }

    fn create_unnamed(&self, permissions: u32) -> Result<Arc<dyn Inode>, Errno> {
        Ok(self.unnamed(permissions, general::F_SEAL_SEAL)?)
    }

    fn link(&self, name: &[u8], inode: &Arc<dyn Inode>) -> Result<(), Errno> {
        self.add_link(name, TmpfsNode::of(inode)?)
    }

    fn unlink(&self, name: &[u8], directory: bool) -> Result<(), Errno> {
        self.remove(name, directory)
    }

    fn rename(&self, name: &[u8], target: &Arc<dyn Inode>, new: &[u8], flags: u32) -> Result<(), Errno> {
        self.move_entry(name, &TmpfsNode::of(target)?, new, flags)
    }

    fn change(&self, change: &Change) -> Result<(), Errno> {
        let mut attributes = self.attributes.lock();
        let old = *attributes;
        let executable = change.permissions.is_some_and(|new| (new ^ old.permissions) & EXECUTABLE != 0);
        if executable && self.file().is_ok_and(|pages| pages.seals() & general::F_SEAL_EXEC != 0) {
            return Err(Errno::EPERM);
        }
        *attributes = Attributes {
            permissions: change.permissions.unwrap_or(old.permissions) & 0o7777,
            uid: change.uid.unwrap_or(old.uid),
            gid: change.gid.unwrap_or(old.gid),
            access: change.access_time.unwrap_or(old.access),
            modify: change.modify_time.unwrap_or(old.modify),
            change: clock::realtime(),
            links: old.links,
        };
        Ok(())
    }

    fn allocate(&self, mode: u32, offset: u64, length: u64) -> Result<(), Errno> {
        match &self.kind {
            Kind::File(pages) => pages.allocate(mode, offset, length),
            Kind::Directory(_) => Err(Errno::EISDIR),
            _ => Err(Errno::ENODEV),
        }
    }

    fn seek(&self, offset: u64, hole: bool) -> Result<u64, Errno> {
        self.file()?.seek(offset, hole)
    }
}
