//! Inodes: what a file system is made of, and how directories lead from one to the next.

use crate::location::Location;
use alloc::{sync::Arc, vec::Vec};
use rumpkin_abi::{Errno, linux::general};
use rumpkin_collections::try_to_vec;
use rumpkin_spine::{Kernel, file::File, process::Process};

/// What a symbolic link leads to.
pub enum Link {
    /// A path, looked up from the link's own directory.
    Path(Vec<u8>),
    /// A place, whatever its path (`/proc/self/exe`, `/proc/self/fd/3`); the path is what readlink(2) tells.
    Place(Location, Vec<u8>),
}

/// What a new directory entry is to be.
pub enum New {
    /// An empty regular file with these permissions.
    File(u32),
    /// An empty directory with these permissions.
    Directory(u32),
    /// A symbolic link with this text.
    Symlink(Vec<u8>),
    /// The name of a socket, with these permissions.
    Socket(u32),
    /// A device of this number; the mode is `S_IFCHR` or `S_IFBLK`, and its permissions.
    Device(u32, u64),
}

/// Attributes that are to change; `None` stays. Times are nanoseconds since 1970.
#[derive(Debug, Default, Clone, Copy)]
pub struct Change {
    /// Permission bits (`07777`).
    pub permissions: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Time of last access.
    pub access_time: Option<u64>,
    /// Time of last modification.
    pub modify_time: Option<u64>,
}

/// A file, directory, link or device of a file system. What an open one can do is in [`File`]; `stat` is cheap, and for a device it
/// gives the number.
///
/// Names are bytes, never contain a slash and are never empty, `.` or `..`. Whoever calls a method that changes something has seen
/// to it that the mount may be written to ([`Mount::write`](crate::Mount::write)); they default to `EROFS`. A file system that keeps
/// state with an inode gives the same inode for the same number; its pages in memory, if it has any, are behind
/// [`File::mappable`], [`File::read`] and [`File::write`] alike.
pub trait Inode: File {
    /// The type, as `S_IF*`.
    fn kind(&self) -> u32;

    /// The number, unique in its file system.
    fn number(&self) -> u64;

    /// The entry of that name.
    fn lookup(&self, _kernel: &Kernel, _name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        Err(Errno::ENOTDIR)
    }

    /// The directory that a directory lies in; the root of a file system gives itself.
    fn parent(&self) -> Result<Arc<dyn Inode>, Errno> {
        Err(Errno::ENOTDIR)
    }

    /// The name that a directory's child directory of this number has.
    fn name_of(&self, number: u64) -> Result<Vec<u8>, Errno> {
        let mut name = None;
        self.read_directory(0, &mut |entry| {
            if entry.inode == number && entry.name != b"." && entry.name != b".." {
                name = Some(try_to_vec(entry.name)?);
            }
            Ok(name.is_none())
        })?;
        name.ok_or(Errno::ENOENT)
    }

    /// Where a symbolic link leads. `EINVAL` for anything else.
    fn follow(&self, _process: &Process) -> Result<Link, Errno> {
        Err(Errno::EINVAL)
    }

    /// Whether following it leads to a place whatever its path (`RESOLVE_NO_MAGICLINKS`).
    fn is_magic(&self) -> bool {
        false
    }

    /// What reads and writes go to, once the inode is opened with these `O_*` flags. Devices are opened by their number instead.
    fn open(self: Arc<Self>, kernel: &Kernel, flags: u32) -> Result<Arc<dyn File>, Errno>;

    /// Adds an entry. `EEXIST` if the name is taken.
    fn create(&self, _name: &[u8], _new: New) -> Result<Arc<dyn Inode>, Errno> {
        Err(Errno::EROFS)
    }

    /// A regular file with these permissions in the file system of this directory, without a name (`O_TMPFILE`).
    fn create_unnamed(&self, _permissions: u32) -> Result<Arc<dyn Inode>, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Adds an entry for an inode of the same file system.
    fn link(&self, _name: &[u8], _inode: &Arc<dyn Inode>) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }

    /// Removes an entry: an empty directory if `directory`, else anything but one.
    fn unlink(&self, _name: &[u8], _directory: bool) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }

    /// Moves an entry to `target`, a directory of the same file system, under `RENAME_*` flags.
    fn rename(&self, _name: &[u8], _target: &Arc<dyn Inode>, _new: &[u8], _flags: u32) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }

    /// Changes attributes.
    fn change(&self, _change: &Change) -> Result<(), Errno> {
        Err(Errno::EROFS)
    }

    /// fallocate(2) with these `FALLOC_FL_*`.
    fn allocate(&self, _mode: u32, _offset: u64, _length: u64) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// The first data (or, with `hole`, the first hole) at or after `offset` (`SEEK_DATA`, `SEEK_HOLE`).
    fn seek(&self, offset: u64, hole: bool) -> Result<u64, Errno> {
        let size = u64::try_from(self.stat()?.size).unwrap_or(0);
        match (offset < size, hole) {
            (false, _) => Err(Errno::ENXIO),
            (true, true) => Ok(size),
            (true, false) => Ok(offset),
        }
    }

    /// The whole content, if it lies in memory for good.
    fn in_place(&self) -> Option<&'static [u8]> {
        None
    }

    /// Whether it is a directory.
    fn is_directory(&self) -> bool {
        self.kind() == general::S_IFDIR
    }
}

/// `DT_*` of a type.
pub fn directory_type(kind: u32) -> u8 {
    (kind >> 12) as u8 & 15
}
