//! Folders of the root file system that programs write to: a file system in memory takes their place as long as there is nothing in
//! them but folders, which are made anew.

use crate::inode::{Change, Inode, New};
use alloc::{sync::Arc, vec::Vec};
use rumpkin_abi::{Errno, linux::general};
use rumpkin_collections::{TryVec, try_to_vec};
use rumpkin_spine::Kernel;

/// A root file system with more folders in one of them is taken at its word.
const MOST: usize = 256;

/// What the root file system has in the place of a folder.
pub enum Found {
    /// Nothing.
    Nothing,
    /// A folder.
    Folder(Arc<dyn Inode>),
    /// Something else, or something else on the way there.
    Other,
}

/// Looks for an absolute path without following symbolic links. A file system that is damaged there has something else.
pub fn find(kernel: &Kernel, top: Option<&Arc<dyn Inode>>, path: &str) -> Found {
    let Some(top) = top else { return Found::Nothing };
    let mut names = path.split('/').filter(|name| !name.is_empty());
    match names.try_fold(top.clone(), |folder, name| folder.lookup(kernel, name.as_bytes())) {
        Ok(node) if node.is_directory() => Found::Folder(node),
        Err(Errno::ENOENT) => Found::Nothing,
        _ => Found::Other,
    }
}

/// Makes the folders in one folder in another. False if there is anything else in it.
pub fn copy(kernel: &Kernel, folder: &dyn Inode, to: &dyn Inode) -> Result<bool, Errno> {
    copy_some(kernel, folder, to, &mut MOST.clone())
}

fn copy_some(kernel: &Kernel, folder: &dyn Inode, to: &dyn Inode, left: &mut usize) -> Result<bool, Errno> {
    let stat = folder.stat()?;
    let (permissions, uid, gid) = (Some(stat.mode & 0o7777), Some(stat.uid), Some(stat.gid));
    to.change(&Change { permissions, uid, gid, ..Change::default() })?;
    let (mut names, mut folders_only) = (Vec::new(), true);
    folder.read_directory(0, &mut |entry| {
        if entry.name != b"." && entry.name != b".." {
            folders_only = u32::from(entry.kind) == general::DT_DIR && *left > 0;
            *left = left.saturating_sub(1);
            names.try_push(try_to_vec(entry.name)?)?;
        }
        Ok(folders_only)
    })?;
    for name in names {
        if !folders_only {
            break;
        }
        let (from, into) = (folder.lookup(kernel, &name)?, to.create(&name, New::Directory(0o755))?);
        folders_only = copy_some(kernel, &*from, &*into, left)?;
    }
    Ok(folders_only)
}
