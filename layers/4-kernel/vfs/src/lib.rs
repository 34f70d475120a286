//! Layer 4: the file system: path lookup, the read-only root (EROFS) with generated files over it, tmpfs, `/dev`, `/proc`.
//!
//! ```text
//!   descriptor ──▶ OpenFile ──▶ NodeFile ──▶ Inode (erofs, tmpfs, generated, proc) ──▶ content: pages, device, snapshot
//!                                   │
//!                                   └──▶ Location = mount + inode, found by a Walk through the Tree
//! ```
//!
//! Directories find their entries in O(log n), in place; only the root file system, which never changes, keeps names in a
//! cache. A directory knows the directory above it, so `..` and getcwd(2) stay right when directories are moved.
//!
//! Depends on the kernel crate alone. Invariants: what an image, a disk or a program hands over never panics; no lock that
//! the pager takes is held while user memory is touched; the tree is fixed once it is built.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]

extern crate alloc;

mod calls;
mod dev;
mod erofs;
mod generated;
mod inode;
mod names;
mod node_file;
mod open_file_node;
mod proc;
mod root;
mod state;
mod tmpfs;
mod tree;
mod variable;
mod walk;

pub use node_file::NodeFile;

use alloc::{sync::Arc, vec::Vec};
use rumpkin_abi::{Errno, linux::general};
use rumpkin_collections::{OutOfMemory, TryVec};
use rumpkin_spine::{Kernel, file::OpenFile, process::Process};
use rumpuser::memory::PAGE_SIZE;
use state::State;
use tree::Vfs;

/// Adds the file system to a kernel.
#[expect(clippy::disallowed_methods, reason = "once, at boot")]
pub fn register(kernel: &mut Kernel) {
    let vfs = Arc::new(Vfs::new(kernel));
    kernel.parts.insert(vfs);
    proc::register(kernel);
    calls::register(kernel);
    kernel.on_process(|kernel, parts| {
        let tree = tree::of(kernel).map_err(|_| OutOfMemory)?;
        parts.try_insert(State::new(tree))
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
fn zeroes(length: usize) -> Result<Vec<u8>, OutOfMemory> {
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

/// Opens the console for reading and writing, as descriptors 0, 1 and 2 of a program.
pub fn open_console(kernel: &Kernel) -> Result<Arc<OpenFile>, Errno> {
    match tree::of(kernel) {
        Ok(tree) => tree::open_console(kernel, tree),
        // Without this component registered, a console that is nobody else's.
        Err(_) => OpenFile::new(dev::ConsoleFile::new(kernel.console.clone()), general::O_RDWR),
    }
}
