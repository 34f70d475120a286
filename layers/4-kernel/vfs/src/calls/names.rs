//! Making, removing and moving names: mkdir(2), unlink(2), rename(2), link(2), symlink(2), readlink(2).

use super::{Target, walk, walker};
use crate::{
    inode::{Inode, Link, New},
    location::Location,
    state::State,
    walk::Found,
};
use alloc::sync::Arc;
use rumpkin_abi::{Errno, linux::general};
use rumpkin_spine::{Call, SystemCall, file::File, io, names::SocketNames, process::Process, system_calls};

pub const CALLS: &[SystemCall] = system_calls! {
    mkdir => mkdir;
    mkdirat => mkdirat;
    rmdir => rmdir;
    unlink => unlink;
    unlinkat => unlinkat;
    rename => rename;
    renameat => renameat;
    renameat2 => renameat2, "RENAME_NOREPLACE, RENAME_EXCHANGE";
    link => link;
    linkat => linkat;
    symlink => symlink;
    symlinkat => symlinkat;
    readlink => readlink;
    readlinkat => readlinkat;
    mknod => mknod, "none: EPERM";
    mknodat => mknod, "none: EPERM";
};

const CWD: i32 = general::AT_FDCWD;

/// The entry that a path names, without following a link in its last component.
fn entry(call: &Call<'_>, descriptor: i32, path: usize) -> Result<Found, Errno> {
    let path = io::read_path(path)?;
    walker(call.process(), descriptor, &path)?.entry(&path)
}

/// The directory and name for something new. `EEXIST` if it is there.
fn vacancy(call: &Call<'_>, descriptor: i32, path: usize) -> Result<Found, Errno> {
    let found = entry(call, descriptor, path)?;
    if found.target.is_some() { Err(Errno::EEXIST) } else { Ok(found) }
}

/// Makes what is not there.
fn create(found: &Found, new: New) -> Result<Arc<dyn Inode>, Errno> {
    let _writing = found.directory.mount.write()?;
    found.directory.inode.create(&found.name, new)
}

/// What the file system does for sockets.
pub const SOCKETS: SocketNames = SocketNames { make: make_socket, find: find_socket };

fn make_socket(process: &Process, path: &[u8]) -> Result<Arc<dyn File>, Errno> {
    let found = walker(process, CWD, path)?.entry(path)?;
    if found.target.is_some() {
        return Err(Errno::EEXIST);
    }
    let permissions = 0o777 & !State::of(process)?.mask();
    Ok(create(&found, New::Socket(permissions))?)
}

fn find_socket(process: &Process, path: &[u8]) -> Result<Arc<dyn File>, Errno> {
    Ok(walk(process, CWD, path, true)?.existing()?.inode)
}

fn make_directory(call: &Call<'_>, descriptor: i32, path: usize, mode: u32) -> Result<usize, Errno> {
    let found = vacancy(call, descriptor, path)?;
    let mode = mode & 0o1777 & !State::of(call.process())?.mask();
    create(&found, New::Directory(mode))?;
    Ok(0)
}

fn mkdir(call: &mut Call<'_>) -> Result<usize, Errno> {
    make_directory(call, CWD, call.argument(0), call.uint(1))
}

fn mkdirat(call: &mut Call<'_>) -> Result<usize, Errno> {
    make_directory(call, call.int(0), call.argument(1), call.uint(2))
}

fn remove(call: &Call<'_>, descriptor: i32, path: usize, directory: bool) -> Result<usize, Errno> {
    let found = entry(call, descriptor, path)?;
    match (&*found.name, directory) {
        (b".", true) => return Err(Errno::EINVAL),
        (b"..", true) => return Err(Errno::ENOTEMPTY),
        (b"/", true) => return Err(Errno::EBUSY),
        (b"." | b".." | b"/", false) => return Err(Errno::EISDIR),
        _ => {}
    }
    let target = found.target.ok_or(Errno::ENOENT)?;
    if !Arc::ptr_eq(&target.mount, &found.directory.mount) {
        return Err(if directory { Errno::EBUSY } else { Errno::EISDIR });
    }
    if found.trailing_slash && !directory {
        return Err(if target.inode.is_directory() { Errno::EISDIR } else { Errno::ENOTDIR });
    }
    let _writing = found.directory.mount.write()?;
    found.directory.inode.unlink(&found.name, directory)?;
    Ok(0)
}

fn rmdir(call: &mut Call<'_>) -> Result<usize, Errno> {
    remove(call, CWD, call.argument(0), true)
}

fn unlink(call: &mut Call<'_>) -> Result<usize, Errno> {
    remove(call, CWD, call.argument(0), false)
}

fn unlinkat(call: &mut Call<'_>) -> Result<usize, Errno> {
    let flags = call.uint(2);
    if flags & !general::AT_REMOVEDIR != 0 {
        return Err(Errno::EINVAL);
    }
    remove(call, call.int(0), call.argument(1), flags != 0)
}

fn move_name(call: &Call<'_>, from: (i32, usize), to: (i32, usize), flags: u32) -> Result<usize, Errno> {
    let known = general::RENAME_NOREPLACE | general::RENAME_EXCHANGE;
    if flags & !known != 0 || flags & known == known {
        return Err(Errno::EINVAL);
    }
    let old = entry(call, from.0, from.1)?;
    let new = entry(call, to.0, to.1)?;
    if !Arc::ptr_eq(&old.directory.mount, &new.directory.mount) {
        return Err(Errno::EXDEV);
    }
    if !old.is_entry() || !new.is_entry() {
        return Err(if flags & general::RENAME_NOREPLACE != 0 { Errno::EEXIST } else { Errno::EBUSY });
    }
    let source = old.target.ok_or(Errno::ENOENT)?;
    let is_directory = source.inode.is_directory();
    if !is_directory && (old.trailing_slash || new.trailing_slash) {
        return Err(Errno::ENOTDIR);
    }
    let covered = |place: &Location| !Arc::ptr_eq(&place.mount, &old.directory.mount);
    if covered(&source) || new.target.as_ref().is_some_and(covered) {
        return Err(Errno::EBUSY);
    }
    let _writing = old.directory.mount.write()?;
    old.directory.inode.rename(&old.name, &new.directory.inode, &new.name, flags)?;
    Ok(0)
}

fn rename(call: &mut Call<'_>) -> Result<usize, Errno> {
    move_name(call, (CWD, call.argument(0)), (CWD, call.argument(1)), 0)
}

fn renameat(call: &mut Call<'_>) -> Result<usize, Errno> {
    move_name(call, (call.int(0), call.argument(1)), (call.int(2), call.argument(3)), 0)
}

fn renameat2(call: &mut Call<'_>) -> Result<usize, Errno> {
    move_name(call, (call.int(0), call.argument(1)), (call.int(2), call.argument(3)), call.uint(4))
}

fn add_link(call: &Call<'_>, target: Target, descriptor: i32, path: usize) -> Result<usize, Errno> {
    let Target::Place(target) = target else { return Err(Errno::EXDEV) };
    let found = vacancy(call, descriptor, path)?;
    if found.trailing_slash {
        return Err(Errno::ENOENT);
    }
    if target.inode.is_directory() {
        return Err(Errno::EPERM);
    }
    if !Arc::ptr_eq(&target.mount, &found.directory.mount) {
        return Err(Errno::EXDEV);
    }
    let _writing = found.directory.mount.write()?;
    found.directory.inode.link(&found.name, &target.inode)?;
    Ok(0)
}

fn link(call: &mut Call<'_>) -> Result<usize, Errno> {
    let target = Target::find(call, CWD, call.argument(0), 0, false)?;
    add_link(call, target, CWD, call.argument(1))
}

fn linkat(call: &mut Call<'_>) -> Result<usize, Errno> {
    let flags = call.uint(4);
    if flags & !(general::AT_SYMLINK_FOLLOW | general::AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let follow = flags & general::AT_SYMLINK_FOLLOW != 0;
    let target = Target::find(call, call.int(0), call.argument(1), flags, follow)?;
    add_link(call, target, call.int(2), call.argument(3))
}

fn make_symlink(call: &Call<'_>, text: usize, descriptor: i32, path: usize) -> Result<usize, Errno> {
    let text = io::read_path(text)?;
    if text.is_empty() {
        return Err(Errno::ENOENT);
    }
    let found = vacancy(call, descriptor, path)?;
    if found.trailing_slash {
        return Err(Errno::ENOENT);
    }
    create(&found, New::Symlink(text))?;
    Ok(0)
}

fn symlink(call: &mut Call<'_>) -> Result<usize, Errno> {
    make_symlink(call, call.argument(0), CWD, call.argument(1))
}

fn symlinkat(call: &mut Call<'_>) -> Result<usize, Errno> {
    make_symlink(call, call.argument(0), call.int(1), call.argument(2))
}

fn read_link(call: &Call<'_>, descriptor: i32, path: usize, buffer: usize, size: usize) -> Result<usize, Errno> {
    if size as i32 <= 0 {
        return Err(Errno::EINVAL);
    }
    // With an empty path, the link that the descriptor was opened on (O_PATH | O_NOFOLLOW).
    let Target::Place(place) = Target::find(call, descriptor, path, general::AT_EMPTY_PATH, false)? else {
        return Err(Errno::ENOENT);
    };
    let text = match place.inode.follow(call.process())? {
        Link::Path(text) | Link::Place(_, text) => text,
    };
    let text = text.get(..size).unwrap_or(&text);
    rumpuser::user::write(buffer, text).map_err(|_| Errno::EFAULT)?;
    Ok(text.len())
}

fn readlink(call: &mut Call<'_>) -> Result<usize, Errno> {
    read_link(call, CWD, call.argument(0), call.argument(1), call.argument(2))
}

fn readlinkat(call: &mut Call<'_>) -> Result<usize, Errno> {
    read_link(call, call.int(0), call.argument(1), call.argument(2), call.argument(3))
}

/// There are no device files but those of `/dev`, and no named pipes.
fn mknod(_call: &mut Call<'_>) -> Result<usize, Errno> {
    Err(Errno::EPERM)
}
