//! What `/proc/self/fd/3` leads to when descriptor 3 was not opened by a path: a pipe, a socket, an epoll instance.

use alloc::sync::Arc;
use rumpkin_abi::{Errno, Stat, linux::general};
use rumpkin_collections::{try_arc, try_format};
use rumpkin_spine::{
    Kernel,
    file::{File, OpenFile},
};
use rumpkin_vfs::{
    Location, Tree,
    inode::{Inode, Link},
};

/// An inode for a file that has none.
pub struct OpenFileNode {
    open: Arc<OpenFile>,
    stat: Stat,
}

impl OpenFileNode {
    /// Where the descriptor's link leads, and what it reads as.
    pub fn link(tree: &Tree, open: Arc<OpenFile>) -> Result<Link, Errno> {
        let stat = open.file().stat()?;
        let text = match stat.mode & general::S_IFMT {
            general::S_IFSOCK => try_format(format_args!("socket:[{}]", stat.inode))?,
            general::S_IFIFO => try_format(format_args!("pipe:[{}]", stat.inode))?,
            _ => try_format(format_args!("anon_inode:[{}]", stat.inode))?,
        };
        let mount = tree.root().mount;
        Ok(Link::Place(Location { mount, inode: try_arc(OpenFileNode { open, stat })? }, text.into_bytes()))
    }
}

impl File for OpenFileNode {
    fn stat(&self) -> Result<Stat, Errno> {
        self.open.file().stat()
    }
}

impl Inode for OpenFileNode {
    fn kind(&self) -> u32 {
        self.stat.mode & general::S_IFMT
    }

    fn number(&self) -> u64 {
        self.stat.inode
    }

    fn open(self: Arc<Self>, _kernel: &Kernel, flags: u32) -> Result<Arc<dyn File>, Errno> {
        let reads = flags & general::O_ACCMODE != general::O_WRONLY;
        let writes = flags & general::O_ACCMODE != general::O_RDONLY;
        match self.kind() {
            general::S_IFSOCK => Err(Errno::ENXIO),
            // The other end of a pipe is another file, which cannot be had through this one.
            _ if reads && !self.open.readable() || writes && !self.open.writable() => Err(Errno::EACCES),
            _ => Ok(self.open.file().clone()),
        }
    }
}
