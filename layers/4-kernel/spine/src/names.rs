//! Names of sockets in the file system, for the components that have sockets, from the one that has files.

use crate::{file::File, process::Process};
use alloc::sync::Arc;
use rumpkin_abi::Errno;

/// From a path of a process to an inode.
type Finder = fn(&Process, &[u8]) -> Result<Arc<dyn File>, Errno>;

/// What the file system does for sockets; a part of the kernel.
pub struct SocketNames {
    /// Makes an inode of a socket at a path, with all permissions but those of the process's mask. `EEXIST` if something is there.
    pub make: Finder,
    /// The inode at a path.
    pub find: Finder,
}
