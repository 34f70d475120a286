//! Layer 4: the tree of files: path lookup, mounts, and the calls about files, whatever file systems there are.
//!
//! ```text
//!   descriptor ──▶ OpenFile ──▶ NodeFile ──▶ Inode (of a file system) ──▶ content: pages, device, snapshot
//!                                   │
//!                                   └──▶ Location = mount + inode, found by a Walk through the Tree
//! ```
//!
//! File systems are components of their own (`layers/4-kernel/fs`): each adds a [`FileSystemType`] to the [`Registry`], and gives
//! [`Inode`]s. The root is the file system that was booted, with the files that components have added over it. Only the root, which
//! never changes, keeps names in a cache; directories find their entries in O(log n). A directory knows the directory above it, so
//! `..` and getcwd(2) stay right when directories are moved.
//!
//! Depends on the crates of layer 4 that every component stands on (`spine`, `abi`, `mm`, `collections`) and on `rumpuser`, and on no
//! file system. Invariants: what a disk or a program hands over never panics; no lock that the pager takes is held while user memory is
//! touched; nothing is changed but through [`Mount::write`].
//!
//! [`Inode`]: inode::Inode
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]

extern crate alloc;

mod calls;
pub mod console;
pub mod devices;
mod file_system;
mod folders;
pub mod generated;
pub mod inode;
mod location;
mod mount;
mod names;
mod node_file;
pub mod options;
mod registry;
mod root;
mod start;
mod state;
mod tree;
mod walk;

pub use file_system::{FileSystem, FileSystemType, MountError, Request, Statistics};
pub use location::Location;
pub use mount::{LongWriting, Mount, NewMount, Writing};
pub use names::hash;
pub use node_file::{NodeFile, or_name};
pub use registry::{Registry, StartMount};
pub use state::State;
pub use tree::{Tree, Wish, next_device, of as tree};
pub use walk::{Found, Walk};

use alloc::{sync::Arc, vec::Vec};
use rumpkin_abi::{Errno, linux::general};
use rumpkin_collections::{OutOfMemory, TryVec};
use rumpkin_spine::{Kernel, file::OpenFile, process::Process};
use rumpuser::memory::PAGE_SIZE;
use tree::Vfs;

/// Adds the tree of files to a kernel.
#[expect(clippy::disallowed_methods, reason = "once, at boot")]
pub fn register(kernel: &mut Kernel) {
    Registry::of(kernel);
    kernel.parts.insert(Arc::new(Vfs::default()));
    calls::register(kernel);
    kernel.on_process(|kernel, parts| {
        let tree = tree::of(kernel).map_err(|_| OutOfMemory)?;
        parts.try_insert(State::new(tree))
    });
    kernel.on_stop(|kernel| {
        if let Err(error) = tree::sync(kernel) {
            log::error!("not everything could be written: {error:?}");
        }
    });
}

/// Opens a file for a process, as open(2) does; the path begins at its working directory unless it is absolute.
pub fn open(process: &Process, path: &[u8], flags: u32) -> Result<Arc<OpenFile>, Errno> {
    let start = if path.starts_with(b"/") {
        tree::of(&process.kernel)?.root()
    } else {
        calls::base(process, general::AT_FDCWD)?
    };
    calls::open_at(process, start, path, flags, 0o666, 0)
}

/// Reads a whole file. `EFBIG` beyond `limit` bytes.
pub fn read_all(process: &Process, path: &[u8], limit: usize) -> Result<Vec<u8>, Errno> {
    let open = open(process, path, general::O_RDONLY)?;
    let mut content = Vec::new();
    loop {
        let begin = content.len();
        content.try_resize(begin.saturating_add(PAGE_SIZE), 0)?;
        let mut sink = content.get_mut(begin..).unwrap_or_default();
        let length = open.file().read(begin as u64, &mut sink)?;
        content.truncate(begin.saturating_add(length));
        if length == 0 {
            return Ok(content);
        }
        if content.len() > limit {
            return Err(Errno::EFBIG);
        }
    }
}

/// A buffer of so many zeroes or, where memory is short or scattered, of fewer, but of a page at least.
pub fn zeroes(length: usize) -> Result<Vec<u8>, OutOfMemory> {
    let mut buffer = Vec::new();
    let whole = buffer.try_resize(length, 0);
    whole.or_else(|_| buffer.try_resize(length.min(PAGE_SIZE), 0))?;
    Ok(buffer)
}

/// Makes a directory the working directory of a process.
pub fn set_working_directory(process: &Process, path: &[u8]) -> Result<(), Errno> {
    let place = calls::walk(process, general::AT_FDCWD, path, true)?.existing()?;
    State::of(process)?.set_directory(place)
}

/// Mounts a file system on the directory of this path, as a process finds it.
pub fn mount(process: &Process, path: &[u8], wish: &Wish<'_>) -> Result<(), MountError> {
    let place = calls::walk(process, general::AT_FDCWD, path, true)?.existing()?;
    tree::mount(&process.kernel, place, wish)
}

/// Opens the console for reading and writing, as descriptors 0, 1 and 2 of a program.
pub fn open_console(kernel: &Kernel) -> Result<Arc<OpenFile>, Errno> {
    console::open(kernel)
}
