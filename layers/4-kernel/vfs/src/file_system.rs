//! File systems as components bring them: a type, which is registered, and what mounting one gives.
//!
//! ```text
//!   FileSystemType ──mount──▶ FileSystem ──root──▶ Inode ──lookup──▶ Inode ──open──▶ File
//!     "tmpfs"                   one of them          its top            …               what read(2) goes to
//! ```

use crate::{generated::Generated, inode::Inode, options::Options};
use alloc::{sync::Arc, vec::Vec};
use core::fmt;
use rumpkin_abi::Errno;
use rumpkin_collections::{OutOfMemory, try_to_vec};
use rumpkin_spine::Kernel;

/// A type of file systems. Its component [registers](crate::Registry::add_type) it.
pub trait FileSystemType: Send + Sync {
    /// Its name in mount(2), `/proc/mounts` and `/proc/filesystems`.
    fn name(&self) -> &'static str;

    /// Whether its source is a device. The others are `nodev` in `/proc/filesystems`.
    fn on_device(&self) -> bool {
        false
    }

    /// The names of its options. A mount with another one is refused before it comes here.
    fn options(&self) -> &'static [&'static str] {
        &[]
    }

    /// The root file system that was booted, read where it lies; `device` is its number. `None` if it is not of this type.
    fn root(&self, _image: &'static [u8], _device: u64) -> Option<Result<Arc<dyn FileSystem>, MountError>> {
        None
    }

    /// Makes a file system that can be mounted. It may be mounted in several places, and lives as long as it is used in one.
    fn mount(&self, kernel: &Kernel, request: &Request<'_>) -> Result<Arc<dyn FileSystem>, MountError>;
}

/// What a file system is made of.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// What holds it, in whatever way the type understands it: a path, or just a name to be shown.
    pub source: &'a [u8],
    /// Options of its type.
    pub options: Options<'a>,
    /// A number that nobody has, for the `st_dev` of a file system that lies on no device.
    pub device: u64,
    /// The files that components have added, from the top of the tree on.
    pub generated: &'a Arc<Generated>,
}

/// A file system, mounted or about to be. Without state but for what its inodes share.
pub trait FileSystem: Send + Sync {
    /// Its top directory: the same inode each time.
    fn root(&self) -> Arc<dyn Inode>;

    /// What statfs(2) tells.
    fn statistics(&self) -> Statistics;

    /// Whether nothing in it can ever be changed.
    fn read_only(&self) -> bool {
        false
    }

    /// Makes everything durable that was written (syncfs(2), sync(2), umount(2)).
    fn sync(&self) -> Result<(), Errno> {
        Ok(())
    }

    /// Changes options of its type (`MS_REMOUNT`). All or none of them.
    fn remount(&self, options: Options<'_>) -> Result<(), MountError> {
        match options.iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(MountError::fixed(name)),
        }
    }

    /// Writes its options for `/proc/mounts`, each with a comma before it.
    fn show_options(&self, _text: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        Ok(())
    }
}

/// What statfs(2) tells of a file system.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Statistics {
    /// `f_type`.
    pub magic: u32,
    /// Bytes in a block.
    pub block_size: u32,
    /// Blocks in all.
    pub blocks: u64,
    /// Blocks that are free.
    pub blocks_free: u64,
    /// Inodes that there can be.
    pub files: u64,
    /// Inodes that can still be made.
    pub files_free: u64,
}

/// Why a file system is not mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountError {
    /// No component has registered this type; these are registered.
    Type(Vec<u8>, Vec<&'static str>),
    /// The type has no such option; these it has.
    Option(Vec<u8>, Vec<&'static str>),
    /// The option's value is not what it must be.
    Value(Vec<u8>, &'static str),
    /// The option cannot be changed once it is mounted.
    Fixed(Vec<u8>),
    /// It needs another type, which no component has registered.
    Needs(&'static str),
    /// The source is not what the type can read.
    Source(&'static str, Errno),
    /// Anything else.
    System(Errno),
}

impl MountError {
    /// An option whose value must be something else.
    pub fn value(option: &[u8], wanted: &'static str) -> MountError {
        try_to_vec(option).map_or(MountError::System(Errno::ENOMEM), |option| MountError::Value(option, wanted))
    }

    fn fixed(option: &[u8]) -> MountError {
        try_to_vec(option).map_or(MountError::System(Errno::ENOMEM), MountError::Fixed)
    }

    /// What mount(2) gives.
    pub fn errno(&self) -> Errno {
        match self {
            MountError::Type(..) | MountError::Needs(_) => Errno::ENODEV,
            MountError::Option(..) | MountError::Value(..) | MountError::Fixed(_) => Errno::EINVAL,
            MountError::Source(_, errno) | MountError::System(errno) => *errno,
        }
    }
}

impl From<Errno> for MountError {
    fn from(errno: Errno) -> Self {
        MountError::System(errno)
    }
}

impl From<OutOfMemory> for MountError {
    fn from(_: OutOfMemory) -> Self {
        MountError::System(Errno::ENOMEM)
    }
}

/// Names, one behind the other.
struct List<'a>(&'a [&'static str]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            write!(f, "{}{name}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Display for MountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MountError::Type(name, known) => {
                write!(f, "no component of this image has file systems of type `{}`; ", name.escape_ascii())?;
                write!(f, "there are {}", List(known))
            }
            MountError::Option(name, known) => {
                write!(f, "`{}` is not a known option; there are {}", name.escape_ascii(), List(known))
            }
            MountError::Value(option, wanted) => write!(f, "`{}`: must be {wanted}", option.escape_ascii()),
            MountError::Fixed(option) => write!(f, "`{}` cannot be changed afterwards", option.escape_ascii()),
            MountError::Needs(kind) => write!(f, "it needs the component `{kind}`, which this image is without"),
            MountError::Source(why, _) => write!(f, "its source {why}"),
            MountError::System(errno) => write!(f, "{errno:?}"),
        }
    }
}
