//! The tree of mounted file systems: places in it, and the way between a place and its path.

use crate::{
    calls::{Locks, RecordLocks},
    dev::{self, ConsoleFile},
    erofs::Erofs,
    generated::Generated,
    inode::Inode,
    names::Names,
    node_file::NodeFile,
    proc::ProcessDirectories,
    root::Root,
    tmpfs::{Limit, Tmpfs, TmpfsNode},
    variable::{self, Found},
};
use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};
use rumpkin_abi::{Errno, linux::general};
use rumpkin_collections::{OutOfMemory, TryVec, try_arc, try_to_vec};
use rumpkin_spine::{
    Kernel,
    file::{File, OpenFile},
};
use rumpuser::memory::{PAGE_SIZE, total_frames};
use spin::Once;

/// What a mounted file system says of itself.
#[derive(Debug, Clone)]
pub struct MountInfo {
    /// Type, as in `/proc/mounts`.
    pub kind: &'static str,
    /// Where it is mounted.
    pub path: &'static str,
    /// `f_type` (statfs(2)).
    pub magic: u32,
    /// Nothing in it can be changed.
    pub read_only: bool,
    /// Its device number (`st_dev`).
    pub device: u64,
}

/// A file system in its place.
pub struct Mount {
    /// What it says of itself.
    pub info: MountInfo,
    /// Its top directory.
    pub root: Arc<dyn Inode>,
    /// The directory that it covers; `None` for the root file system.
    on: Option<Location>,
    /// Which of its own directories are covered by others: a bit for each number, modulo 64.
    covered: AtomicU64,
    /// How full it is, if it can be.
    pub limit: Option<Arc<Limit>>,
}

/// An inode in the tree. Two mounts may show inodes of equal numbers, so both together make an identity.
#[derive(Clone)]
pub struct Location {
    /// The file system.
    pub mount: Arc<Mount>,
    /// The inode in it.
    pub inode: Arc<dyn Inode>,
}

/// The bit of a number in [`Mount::covered`].
fn bit(number: u64) -> u64 {
    1u64.wrapping_shl(number as u32)
}

impl PartialEq for Location {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.mount, &other.mount) && self.inode.number() == other.inode.number()
    }
}

/// The tree of a kernel; a part of it.
pub struct Tree {
    /// Files without a name (memfd_create(2)).
    pub unnamed: Arc<TmpfsNode>,
    root: Location,
    mounts: Vec<Arc<Mount>>,
    /// What the root file system remembers.
    _names: Arc<Names<Root>>,
}

/// This component's part of the kernel. The tree is built when the first process needs it: by then every component has
/// registered its files.
pub struct Vfs {
    tree: Once<Tree>,
    /// The console, the same for all who open it.
    pub console: Arc<ConsoleFile>,
    /// Locks of flock(2).
    pub locks: Arc<Locks>,
    /// Locks of fcntl(2).
    pub record_locks: Arc<RecordLocks>,
    limit: Arc<Limit>,
}

impl Vfs {
    /// Without a tree yet.
    #[expect(clippy::disallowed_methods, reason = "once, at boot")]
    pub fn new(kernel: &Kernel) -> Vfs {
        // Half of memory in all, whichever file system it goes to.
        let limit = Arc::new(Limit::new(total_frames() / 2));
        let console = ConsoleFile::new(kernel.console.clone());
        Vfs { tree: Once::new(), console, locks: Arc::default(), record_locks: Arc::default(), limit }
    }

    /// The part of a kernel. `ENOSYS` if this component is not registered.
    pub fn of(kernel: &Kernel) -> Result<&Vfs, Errno> {
        kernel.parts.get().ok_or(Errno::ENOSYS)
    }

    /// The tree of this kernel. `ENOMEM` if there is no memory to make it.
    pub fn tree<'a>(&'a self, kernel: &Kernel) -> Result<&'a Tree, Errno> {
        self.tree.try_call_once(|| Tree::new(kernel, self))
    }
}

/// `st_dev` of files without a name.
const UNNAMED_DEVICE: u64 = 0x1001;

/// The tree of a kernel. `ENOSYS` if this component is not registered.
pub fn of(kernel: &Kernel) -> Result<&Tree, Errno> {
    Vfs::of(kernel)?.tree(kernel)
}

/// Folders that are writable and lost at power-off.
const TEMPORARY: [&str; 4] = ["/tmp", "/var/tmp", "/run", "/dev/shm"];

impl Tree {
    fn new(kernel: &Kernel, vfs: &Vfs) -> Result<Tree, Errno> {
        let lower = rumpuser::boot::data().root_file_system.and_then(|image| match Erofs::new(image, 1) {
            Ok(file_system) => Some(file_system),
            Err(error) => {
                log::error!("root file system: {error}; starting with an empty one");
                None
            }
        });
        let mut folders = Vec::new();
        folders.try_extend_from_slice(&["/proc", "/sys", "/dev", "/tmp", "/var/tmp", "/run"])?;
        let mut variable = Vec::new();
        for path in variable::FOLDERS.into_iter().chain(["/var/run"]) {
            let found = variable::find(lower.as_ref(), path);
            if !matches!(found, Found::Other) {
                folders.try_push(path)?;
                variable.try_push((path, found))?;
            }
        }
        let generated = Generated::new(kernel, &folders);
        let (root, names) = Root::new(lower, generated.clone(), 1)?;
        let info = MountInfo { kind: "erofs", path: "/", magic: 0xe0f5_e1e2, read_only: true, device: 1 };
        let root = Location::top(try_arc(Mount { info, root, on: None, covered: AtomicU64::new(0), limit: None })?);
        let limit = &vfs.limit;
        let unnamed = Tmpfs::new(UNNAMED_DEVICE, limit.clone(), 0o700)?;
        let mut tree = Tree { unnamed, root: root.clone(), mounts: Vec::new(), _names: names };
        tree.mounts.try_push(root.mount)?;

        tree.mount_at(kernel, "proc", "/proc", 0x9fa0, None, |device| ProcessDirectories::new(&generated, device))?;
        tree.mount_at(kernel, "devtmpfs", "/dev", 0x0102_1994, Some(limit.clone()), |device| {
            Ok(dev::populate(kernel, vfs, Tmpfs::new(device, limit.clone(), 0o755)?))
        })?;
        for path in TEMPORARY {
            let permissions = if path == "/run" { 0o755 } else { 0o1777 };
            tree.mount_at(kernel, "tmpfs", path, 0x0102_1994, Some(limit.clone()), |device| {
                let top = Tmpfs::new(device, limit.clone(), permissions)?;
                if let Some(folder) = generated.descendant(path)
                    && let Err(error) = folder.copy_to(kernel, &*top)
                {
                    log::error!("{path} is incomplete: {error:?}");
                }
                Ok(top)
            })?;
        }
        tree.mount_variable(kernel, limit, &variable)?;
        Ok(tree)
    }

    /// Makes the folders of `/var` writable that the image leaves empty.
    fn mount_variable(
        &mut self,
        kernel: &Kernel,
        limit: &Arc<Limit>,
        folders: &[(&'static str, Found)],
    ) -> Result<(), Errno> {
        let run = self.find(kernel, "/run")?;
        for (path, found) in folders {
            let device = self.next_device();
            let top: Arc<dyn Inode> = match (*path, found) {
                ("/var/run", Found::Nothing) => run.inode.clone(),
                ("/var/lock", _) => Tmpfs::new(device, limit.clone(), 0o1777)?,
                _ => Tmpfs::new(device, limit.clone(), 0o755)?,
            };
            if let Found::Folder(folder) = found {
                match variable::copy(folder, &*top) {
                    Ok(true) => {}
                    Ok(false) => continue,
                    Err(error) => {
                        log::error!("{path} stays as the image has it, read-only: {error:?}");
                        continue;
                    }
                }
            }
            self.mount_at(kernel, "tmpfs", path, 0x0102_1994, Some(limit.clone()), |_| Ok(top))?;
        }
        Ok(())
    }

    /// The device number of the next file system.
    fn next_device(&self) -> u64 {
        self.mounts.len().saturating_add(1) as u64
    }

    fn mount_at(
        &mut self,
        kernel: &Kernel,
        kind: &'static str,
        path: &'static str,
        magic: u32,
        limit: Option<Arc<Limit>>,
        root: impl FnOnce(u64) -> Result<Arc<dyn Inode>, OutOfMemory>,
    ) -> Result<(), OutOfMemory> {
        let device = self.next_device();
        let Ok(on) = self.find(kernel, path) else {
            log::error!("{path}: cannot be mounted on");
            return Ok(());
        };
        on.mount.covered.fetch_or(bit(on.inode.number()), Ordering::Relaxed);
        let info = MountInfo { kind, path, magic, read_only: false, device };
        let root = root(device)?;
        self.mounts.try_push(try_arc(Mount { info, root, covered: AtomicU64::new(0), on: Some(on), limit })?)
    }

    /// The top of the tree.
    pub fn root(&self) -> Location {
        self.root.clone()
    }

    /// Every mount, the root's first.
    pub fn mounts(&self) -> &[Arc<Mount>] {
        &self.mounts
    }

    /// The top of the file system that is mounted on a place, or the place itself.
    pub fn cover(&self, mut place: Location) -> Location {
        loop {
            // Nearly every place is told from the few covered ones by this alone.
            if place.mount.covered.load(Ordering::Relaxed) & bit(place.inode.number()) == 0 {
                return place;
            }
            let covers = |mount: &&Arc<Mount>| mount.on.as_ref() == Some(&place);
            match self.mounts.iter().find(covers) {
                Some(mount) => place = Location::top(mount.clone()),
                None => return place,
            }
        }
    }

    /// The directory above a directory; that of the root is the root.
    pub fn parent(&self, place: &Location) -> Result<Location, Errno> {
        match place.uncovered() {
            Some(place) => Ok(self.cover(place.above()?)),
            None => Ok(self.root()),
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
}

impl Location {
    fn top(mount: Arc<Mount>) -> Location {
        Location { inode: mount.root.clone(), mount }
    }

    /// The directory that is shown here: from the top of a file system, the one that it is mounted on. `None` for the
    /// root.
    fn uncovered(&self) -> Option<Location> {
        let mut place = self.clone();
        while place.inode.number() == place.mount.root.number() {
            place = place.mount.on.clone()?;
        }
        Some(place)
    }

    /// The directory above, in the same file system, of one that is not its top.
    fn above(&self) -> Result<Location, Errno> {
        let inode = self.inode.parent()?;
        // The mount knows the whole of its top directory, an inode below perhaps only its number.
        let top = inode.number() == self.mount.root.number();
        Ok(Location { inode: if top { self.mount.root.clone() } else { inode }, mount: self.mount.clone() })
    }

    /// The absolute path of a directory. `ENOENT` for one that has been removed.
    pub fn path(&self) -> Result<Vec<u8>, Errno> {
        let mut names = Vec::new();
        let mut place = self.clone();
        // A component takes at least two bytes, so a longer chain has no path that fits anywhere.
        for _ in 0..PAGE_SIZE / 2 {
            let Some(shown) = place.uncovered() else { return Ok(join(&names)?) };
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

/// The console by its place in the tree, so that it has a name there.
pub fn open_console(kernel: &Kernel, tree: &Tree) -> Result<Arc<OpenFile>, Errno> {
    let opened = Vfs::of(kernel).and_then(|vfs| {
        let directory = tree.find(kernel, "/dev")?;
        let place = tree.find(kernel, "/dev/console")?;
        Ok(try_arc(NodeFile::new(place, directory, try_to_vec(b"console")?, Some(vfs.console.clone())))?)
    });
    let file: Arc<dyn File> = match opened {
        Ok(file) => file,
        Err(_) => ConsoleFile::new(kernel.console.clone()),
    };
    OpenFile::new(file, general::O_RDWR | general::O_LARGEFILE)
}
