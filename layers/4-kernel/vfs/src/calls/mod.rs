//! The system calls of this component, one file per family, and how they find what a program names.

mod attributes;
mod content;
mod descriptors;
mod directories;
mod locks;
mod mounts;
mod names;
mod open;
mod record_locks;
mod transfer;

pub use locks::Locks;
pub use open::open_at;
pub use record_locks::RecordLocks;

use crate::{
    location::Location,
    node_file::NodeFile,
    state::State,
    tree,
    walk::{Found, Walk},
};
use alloc::sync::Arc;
use rumpkin_abi::{Errno, linux::general};
use rumpkin_spine::{Call, Kernel, file::OpenFile, io, process::Process};

/// Adds the calls to a kernel.
#[expect(clippy::disallowed_methods, reason = "once, at boot")]
pub fn register(kernel: &mut Kernel) {
    for family in [
        attributes::CALLS,
        content::CALLS,
        descriptors::CALLS,
        directories::CALLS,
        locks::CALLS,
        mounts::CALLS,
        names::CALLS,
        open::CALLS,
        transfer::CALLS,
    ] {
        kernel.add_calls(family);
    }
    kernel.parts.insert(Arc::new(names::SOCKETS));
}

/// The place that relative paths begin at: the working directory, or an open directory.
pub fn base(process: &Process, descriptor: i32) -> Result<Location, Errno> {
    if descriptor == general::AT_FDCWD {
        return Ok(State::of(process)?.directory());
    }
    let open = process.descriptors.get(descriptor)?;
    let file = open.downcast::<NodeFile>().ok_or(Errno::ENOTDIR)?;
    if !file.inode().is_directory() {
        return Err(Errno::ENOTDIR);
    }
    Ok(file.place.clone())
}

/// Walks a path that begins at a descriptor's directory. An absolute path does not look at the descriptor.
pub fn walk(process: &Process, descriptor: i32, path: &[u8], follow: bool) -> Result<Found, Errno> {
    walker(process, descriptor, path)?.run(path, follow)
}

/// The walk of a path that begins at a descriptor's directory.
fn walker<'a>(process: &'a Process, descriptor: i32, path: &[u8]) -> Result<Walk<'a>, Errno> {
    // Before the descriptor is looked at, as on Linux.
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    let tree = tree::of(&process.kernel)?;
    let start = if path.first() == Some(&b'/') { tree.root() } else { base(process, descriptor)? };
    Ok(Walk::new(tree, process, start, 0))
}

/// What an `…at` call is about.
enum Target {
    /// Something in the tree.
    Place(Location),
    /// An open file that is in no tree.
    Open(Arc<OpenFile>),
}

impl Target {
    /// By descriptor and path; `flags` are `AT_SYMLINK_NOFOLLOW`, `AT_SYMLINK_FOLLOW` and `AT_EMPTY_PATH`.
    fn find(call: &Call<'_>, descriptor: i32, path: usize, flags: u32, follow: bool) -> Result<Target, Errno> {
        let process = call.process();
        let path = match (path, flags & general::AT_EMPTY_PATH != 0) {
            // Linux takes a null pointer for an empty path since 6.11.
            (0, true) => alloc::vec::Vec::new(),
            _ => io::read_path(path)?,
        };
        if path.is_empty() && flags & general::AT_EMPTY_PATH != 0 {
            if descriptor == general::AT_FDCWD {
                return Ok(Target::Place(State::of(process)?.directory()));
            }
            return Ok(Target::of(process.descriptors.get(descriptor)?));
        }
        Ok(Target::Place(walk(process, descriptor, &path, follow)?.existing()?))
    }

    fn of(open: Arc<OpenFile>) -> Target {
        match open.downcast::<NodeFile>() {
            Some(file) => Target::Place(file.place.clone()),
            None => Target::Open(open),
        }
    }
}
