//! Directories: getdents64(2), getcwd(2), chdir(2), umask(2).

use super::walk;
use crate::{node_file::NodeFile, state::State};
use alloc::vec::Vec;
use rumpkin_abi::{Errno, linux::general};
use rumpkin_collections::{OutOfMemory, TryVec};
use rumpkin_spine::{Call, SystemCall, file::DirectoryEntry, io, system_calls};
use rumpuser::user;

pub const CALLS: &[SystemCall] = system_calls! {
    getdents64 => getdents64;
    getcwd => getcwd;
    chdir => chdir;
    fchdir => fchdir;
    umask => umask;
};

/// Most bytes of entries in one call.
const MAX_ENTRIES: usize = 32 * 1024;

/// Appends a `struct linux_dirent64`. False, and nothing appended, if there is no room.
fn append(buffer: &mut Vec<u8>, room: usize, entry: &DirectoryEntry<'_>) -> Result<bool, OutOfMemory> {
    const HEADER: usize = 19;
    let begin = buffer.len();
    let length = HEADER.saturating_add(entry.name.len()).saturating_add(1).next_multiple_of(8);
    let end = begin.saturating_add(length);
    if end > room {
        return Ok(false);
    }
    buffer.try_reserve_more(length)?;
    buffer.try_extend_from_slice(&entry.inode.to_le_bytes())?;
    buffer.try_extend_from_slice(&entry.next.to_le_bytes())?;
    buffer.try_extend_from_slice(&(length as u16).to_le_bytes())?;
    buffer.try_push(entry.kind)?;
    buffer.try_extend_from_slice(entry.name)?;
    buffer.try_resize(end, 0)?;
    Ok(true)
}

fn getdents64(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = call.process().descriptors.get(call.int(0))?;
    if open.flags() & general::O_PATH != 0 {
        return Err(Errno::EBADF);
    }
    let room = call.argument(2).min(MAX_ENTRIES);
    let mut buffer = Vec::new();
    let mut full = false;
    let mut position = open.position().lock();
    let mut next = *position;
    open.file().read_directory(*position, &mut |entry| {
        full = !append(&mut buffer, room, entry)?;
        if !full {
            next = entry.next;
        }
        Ok(!full)
    })?;
    if buffer.is_empty() {
        return if full { Err(Errno::EINVAL) } else { Ok(0) };
    }
    user::write(call.argument(1), &buffer).map_err(|_| Errno::EFAULT)?;
    *position = next;
    Ok(buffer.len())
}

fn getcwd(call: &mut Call<'_>) -> Result<usize, Errno> {
    let mut path = State::of(call.process())?.directory().path()?;
    path.try_push(0)?;
    if path.len() > call.argument(1) {
        return Err(Errno::ERANGE);
    }
    user::write(call.argument(0), &path).map_err(|_| Errno::EFAULT)?;
    Ok(path.len())
}

fn chdir(call: &mut Call<'_>) -> Result<usize, Errno> {
    let path = io::read_path(call.argument(0))?;
    let place = walk(call.process(), general::AT_FDCWD, &path, true)?.existing()?;
    State::of(call.process())?.set_directory(place)?;
    Ok(0)
}

fn fchdir(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = call.process().descriptors.get(call.int(0))?;
    let file = open.downcast::<NodeFile>().ok_or(Errno::ENOTDIR)?;
    State::of(call.process())?.set_directory(file.place.clone())?;
    Ok(0)
}

fn umask(call: &mut Call<'_>) -> Result<usize, Errno> {
    Ok(State::of(call.process())?.set_mask(call.uint(0)) as usize)
}
