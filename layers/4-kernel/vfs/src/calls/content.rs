//! The content of files as a whole: truncate(2), fallocate(2), fsync(2), posix_fadvise(2).

use super::walk;
use crate::{location::Location, node_file::NodeFile, tree};
use alloc::sync::Arc;
use rumpkin_abi::{Errno, linux::general};
use rumpkin_spine::{Call, SystemCall, file::OpenFile, io, system_calls};
use rumpuser::device::DiskError;

pub const CALLS: &[SystemCall] = system_calls! {
    truncate => truncate, "pages that are mapped stay, as zeroes, where Linux would send SIGBUS";
    ftruncate => ftruncate, "as truncate";
    fallocate => fallocate, "plain, KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE";
    fsync => fsync;
    fdatasync => fdatasync;
    sync => sync;
    syncfs => syncfs;
    sync_file_range => sync_file_range;
    fadvise64 => fadvise64;
    readahead => readahead;
};

fn length(value: usize) -> Result<u64, Errno> {
    u64::try_from(value as i64).map_err(|_| Errno::EINVAL)
}

fn truncate(call: &mut Call<'_>) -> Result<usize, Errno> {
    let length = length(call.argument(1))?;
    let Location { mount, inode } =
        walk(call.process(), general::AT_FDCWD, &io::read_path(call.argument(0))?, true)?.existing()?;
    match inode.kind() {
        general::S_IFREG => {
            let _writing = mount.write()?;
            inode.truncate(length).map(|()| 0)
        }
        general::S_IFDIR => Err(Errno::EISDIR),
        _ => Err(Errno::EINVAL),
    }
}

fn open(call: &Call<'_>) -> Result<Arc<OpenFile>, Errno> {
    let open = call.process().descriptors.get(call.int(0))?;
    if open.flags() & general::O_PATH != 0 { Err(Errno::EBADF) } else { Ok(open) }
}

fn ftruncate(call: &mut Call<'_>) -> Result<usize, Errno> {
    let length = length(call.argument(1))?;
    let open = open(call)?;
    // Not EBADF, though it is about the access mode (ftruncate(2)).
    if !open.writable() {
        return Err(Errno::EINVAL);
    }
    open.file().truncate(length)?;
    Ok(0)
}

fn fallocate(call: &mut Call<'_>) -> Result<usize, Errno> {
    let (mode, offset, length) = (call.uint(1), length(call.argument(2))?, length(call.argument(3))?);
    if length == 0 {
        return Err(Errno::EINVAL);
    }
    let open = open(call)?;
    if !open.writable() {
        return Err(Errno::EBADF);
    }
    match open.downcast::<NodeFile>() {
        Some(file) => file.inode().allocate(mode, offset, length).map(|()| 0),
        None if open.file().stat()?.mode & general::S_IFMT == general::S_IFIFO => Err(Errno::ESPIPE),
        None => Err(Errno::ENODEV),
    }
}

fn fsync(call: &mut Call<'_>) -> Result<usize, Errno> {
    open(call)?.file().sync(false).map(|()| 0)
}

fn fdatasync(call: &mut Call<'_>) -> Result<usize, Errno> {
    open(call)?.file().sync(true).map(|()| 0)
}

fn flush_disks(call: &Call<'_>) -> Result<(), Errno> {
    let mut result = Ok(());
    for disk in &call.kernel().disks {
        match disk.flush() {
            Ok(()) | Err(DiskError::Unsupported) => {}
            Err(_) => result = Err(Errno::EIO),
        }
    }
    result
}

fn sync(call: &mut Call<'_>) -> Result<usize, Errno> {
    // sync(2) has no way to tell of errors; fsync(2) tells.
    if tree::sync(call.kernel()).and(flush_disks(call)).is_err() {
        log::error!("sync: not everything could be written");
    }
    Ok(0)
}

fn syncfs(call: &mut Call<'_>) -> Result<usize, Errno> {
    if let Some(file) = open(call)?.downcast::<NodeFile>() {
        file.place.mount.file_system.sync()?;
    }
    Ok(0)
}

fn sync_file_range(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = open(call)?;
    if !open.file().seekable() {
        return Err(Errno::ESPIPE);
    }
    open.file().sync(true).map(|()| 0)
}

/// Advice about what is in memory anyway.
fn fadvise64(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = open(call)?;
    if open.file().stat()?.mode & general::S_IFMT == general::S_IFIFO {
        return Err(Errno::ESPIPE);
    }
    if call.argument(3) > 5 || (call.argument(2) as i64) < 0 {
        return Err(Errno::EINVAL);
    }
    Ok(0)
}

fn readahead(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = open(call)?;
    if !open.readable() {
        return Err(Errno::EBADF);
    }
    if open.file().mappable().is_err() {
        return Err(Errno::EINVAL);
    }
    Ok(0)
}
