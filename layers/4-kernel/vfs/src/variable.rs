//! The folders of `/var` that programs write to: temporary ones in place of what the image has there, as long as that is folders
//! and nothing in them, which are made anew.

use crate::{
    erofs::{Erofs, ErofsNode},
    inode::{Change, Inode, New},
};
use alloc::{sync::Arc, vec::Vec};
use rumpkin_abi::{Errno, linux::general};
use rumpkin_collections::{TryVec, try_to_vec};
use rumpkin_spine::file::File;

/// What the Filesystem Hierarchy Standard has there; `/var/tmp` is temporary in any case, and `/var/run` is `/run`.
pub const FOLDERS: [&str; 5] = ["/var/cache", "/var/lib", "/var/lock", "/var/log", "/var/spool"];

/// An image with more folders in one of them is taken at its word.
const MOST: usize = 256;

/// What an image has in the place of a folder that is to be written to.
pub enum Found {
    /// Nothing.
    Nothing,
    /// A folder.
    Folder(ErofsNode),
    /// Something else, or something else on the way there.
    Other,
}

/// Looks for an absolute path without following symbolic links. An image that is damaged there has something else.
pub fn find(image: Option<&Arc<Erofs>>, path: &str) -> Found {
    let Some(Ok(top)) = image.map(|image| ErofsNode::new(image, image.root())) else { return Found::Nothing };
    let mut names = path.split('/').filter(|name| !name.is_empty());
    match names.try_fold(top, |folder, name| folder.child(name.as_bytes())) {
        Ok(node) if node.is_directory() => Found::Folder(node),
        Err(Errno::ENOENT) => Found::Nothing,
        _ => Found::Other,
    }
}

/// Makes the folders in one of an image's in another. False if there is anything else in it.
pub fn copy(folder: &ErofsNode, to: &dyn Inode) -> Result<bool, Errno> {
    copy_some(folder, to, &mut MOST.clone())
}

fn copy_some(folder: &ErofsNode, to: &dyn Inode, left: &mut usize) -> Result<bool, Errno> {
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
        folders_only = copy_some(&folder.child(&name)?, &*to.create(&name, New::Directory(0o755))?, left)?;
    }
    Ok(folders_only)
}
