//! Moving data: read(2), write(2) and their relatives, lseek(2), sendfile(2), copy_file_range(2).

use crate::{node_file::NodeFile, zeroes};
use alloc::{sync::Arc, vec::Vec};
use rumpkin_abi::{Errno, linux::general};
use rumpkin_spine::{
    Call, SystemCall,
    file::OpenFile,
    io::{self, MAX_TRANSFER, Sink, Source, UserBuffers},
    system_calls,
};

pub const CALLS: &[SystemCall] = system_calls! {
    read => read;
    write => write;
    pread64 => pread64;
    pwrite64 => pwrite64;
    readv => readv;
    writev => writev;
    preadv => preadv;
    pwritev => pwritev;
    preadv2 => preadv2, "RWF_HIPRI, RWF_DSYNC, RWF_SYNC";
    pwritev2 => pwritev2, "RWF_HIPRI, RWF_DSYNC, RWF_SYNC";
    lseek => lseek;
    sendfile => sendfile;
    copy_file_range => copy_file_range;
    splice => splice, "none: EINVAL";
};

/// Bytes that are copied at once from file to file.
const BUFFER: usize = 64 * 1024;

/// `O_DIRECT` transfers of a disk are whole sectors, in memory too.
fn check_direct(open: &OpenFile, offset: Option<u64>, address: usize, length: usize) -> Result<(), Errno> {
    if open.flags() & general::O_DIRECT == 0 {
        return Ok(());
    }
    let disk = open.downcast::<NodeFile>().is_some_and(|file| file.disk().is_some());
    let position = offset.unwrap_or_else(|| *open.position().lock());
    if disk && !(position | address as u64 | length as u64).is_multiple_of(512) {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

fn do_read(call: &Call<'_>, open: &OpenFile, offset: Option<u64>, sink: &mut dyn Sink) -> Result<usize, Errno> {
    open.read(call.thread, offset, sink)
}

fn do_write(call: &Call<'_>, open: &OpenFile, offset: Option<u64>, source: &mut dyn Source) -> Result<usize, Errno> {
    let done = open.write(call.thread, offset, source)?;
    if open.flags() & general::O_DSYNC != 0 && open.file().seekable() {
        open.file().sync(true)?;
    }
    Ok(done)
}

/// A position that a program gives; negative ones are `EINVAL`.
fn position(value: usize) -> Result<u64, Errno> {
    u64::try_from(value as i64).map_err(|_| Errno::EINVAL)
}

fn read(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = call.process().descriptors.get(call.int(0))?;
    check_direct(&open, None, call.argument(1), call.argument(2))?;
    do_read(call, &open, None, &mut UserBuffers::new(call.argument(1), call.argument(2))?)
}

fn write(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = call.process().descriptors.get(call.int(0))?;
    check_direct(&open, None, call.argument(1), call.argument(2))?;
    do_write(call, &open, None, &mut UserBuffers::new(call.argument(1), call.argument(2))?)
}

fn pread64(call: &mut Call<'_>) -> Result<usize, Errno> {
    let offset = Some(position(call.argument(3))?);
    let open = call.process().descriptors.get(call.int(0))?;
    check_direct(&open, offset, call.argument(1), call.argument(2))?;
    do_read(call, &open, offset, &mut UserBuffers::new(call.argument(1), call.argument(2))?)
}

fn pwrite64(call: &mut Call<'_>) -> Result<usize, Errno> {
    let offset = Some(position(call.argument(3))?);
    let open = call.process().descriptors.get(call.int(0))?;
    check_direct(&open, offset, call.argument(1), call.argument(2))?;
    do_write(call, &open, offset, &mut UserBuffers::new(call.argument(1), call.argument(2))?)
}

fn vectors(call: &Call<'_>, offset: Option<u64>) -> Result<(Arc<OpenFile>, UserBuffers), Errno> {
    let open = call.process().descriptors.get(call.int(0))?;
    let buffers = UserBuffers::from_vectors(call.argument(1), call.argument(2))?;
    // The vectors' own addresses are not looked at: an unaligned one is merely slower here.
    check_direct(&open, offset, 0, buffers.room())?;
    Ok((open, buffers))
}

fn readv(call: &mut Call<'_>) -> Result<usize, Errno> {
    let (open, mut buffers) = vectors(call, None)?;
    do_read(call, &open, None, &mut buffers)
}

fn writev(call: &mut Call<'_>) -> Result<usize, Errno> {
    let (open, mut buffers) = vectors(call, None)?;
    do_write(call, &open, None, &mut buffers)
}

fn preadv(call: &mut Call<'_>) -> Result<usize, Errno> {
    let offset = Some(position(call.argument(3))?);
    let (open, mut buffers) = vectors(call, offset)?;
    do_read(call, &open, offset, &mut buffers)
}

fn pwritev(call: &mut Call<'_>) -> Result<usize, Errno> {
    let offset = Some(position(call.argument(3))?);
    let (open, mut buffers) = vectors(call, offset)?;
    do_write(call, &open, offset, &mut buffers)
}

/// The offset (-1 for the description's position) and the flags of preadv2(2).
fn extended(call: &Call<'_>) -> Result<(Option<u64>, u32), Errno> {
    let known = general::RWF_HIPRI | general::RWF_DSYNC | general::RWF_SYNC;
    let flags = call.uint(5);
    if flags & !known != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let offset = call.argument(3);
    Ok((if offset == usize::MAX { None } else { Some(position(offset)?) }, flags))
}

fn preadv2(call: &mut Call<'_>) -> Result<usize, Errno> {
    let (offset, _) = extended(call)?;
    let (open, mut buffers) = vectors(call, offset)?;
    do_read(call, &open, offset, &mut buffers)
}

fn pwritev2(call: &mut Call<'_>) -> Result<usize, Errno> {
    let (offset, flags) = extended(call)?;
    let (open, mut buffers) = vectors(call, offset)?;
    let done = do_write(call, &open, offset, &mut buffers)?;
    if flags & (general::RWF_DSYNC | general::RWF_SYNC) != 0 && open.file().seekable() {
        open.file().sync(flags & general::RWF_SYNC == 0)?;
    }
    Ok(done)
}

fn lseek(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = call.process().descriptors.get(call.int(0))?;
    if open.flags() & general::O_PATH != 0 {
        return Err(Errno::EBADF);
    }
    if !open.file().seekable() {
        return Err(Errno::ESPIPE);
    }
    let offset = call.argument(1) as i64;
    let mut current = open.position().lock();
    let target = match call.uint(2) {
        general::SEEK_SET => Some(offset),
        general::SEEK_CUR => i64::try_from(*current).ok().and_then(|current| current.checked_add(offset)),
        general::SEEK_END => size(&open)?.checked_add(offset),
        whence @ (general::SEEK_DATA | general::SEEK_HOLE) => {
            let file = open.downcast::<NodeFile>().ok_or(Errno::EINVAL)?;
            let from = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
            i64::try_from(file.inode().seek(from, whence == general::SEEK_HOLE)?).ok()
        }
        _ => return Err(Errno::EINVAL),
    };
    let target = target.ok_or(Errno::EOVERFLOW)?;
    *current = u64::try_from(target).map_err(|_| Errno::EINVAL)?;
    Ok(target as usize)
}

/// The end of a file; of a disk, which has no size of its own as an inode, its capacity.
fn size(open: &OpenFile) -> Result<i64, Errno> {
    let disk = open.downcast::<NodeFile>().and_then(|file| file.disk());
    Ok(disk.map_or_else(|| open.file().stat(), |disk| disk.stat())?.size)
}

/// Copies from file to file at these offsets. Stops at the end of the input, or when the output takes no more.
fn copy(
    call: &Call<'_>,
    input: &OpenFile,
    mut from: u64,
    output: &OpenFile,
    to: Option<u64>,
    count: usize,
) -> Result<usize, Errno> {
    if !input.readable() || !output.writable() {
        return Err(Errno::EBADF);
    }
    let in_place = input.downcast::<NodeFile>().and_then(|file| file.inode().in_place());
    let mut done = 0usize;
    let mut buffer = if in_place.is_some() { Vec::new() } else { zeroes(BUFFER.min(count))? };
    while done < count {
        let wanted = count.saturating_sub(done);
        let data = match in_place {
            Some(all) => {
                let rest = usize::try_from(from).ok().and_then(|from| all.get(from..)).unwrap_or_default();
                rest.get(..wanted).unwrap_or(rest)
            }
            None => {
                let room = wanted.min(buffer.len());
                let mut sink = buffer.get_mut(..room).unwrap_or_default();
                let length = input.file().read(from, &mut sink);
                match length {
                    Ok(length) => buffer.get(..length).unwrap_or_default(),
                    Err(error) if done == 0 => return Err(error),
                    Err(_) => break,
                }
            }
        };
        if data.is_empty() {
            break;
        }
        let mut source = data;
        let at = to.map(|to| to.saturating_add(done as u64));
        let written = match output.write(call.thread, at, &mut source) {
            Ok(written) => written,
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        };
        done = done.saturating_add(written);
        from = from.saturating_add(written as u64);
        if written < data.len() {
            break;
        }
    }
    Ok(done)
}

fn sendfile(call: &mut Call<'_>) -> Result<usize, Errno> {
    let descriptors = &call.process().descriptors;
    let input = descriptors.get(call.int(1))?;
    let (pointer, count) = (call.argument(2), call.argument(3).min(MAX_TRANSFER));
    let given = match pointer {
        0 => None,
        pointer => Some(io::read_value::<u64>(pointer)? as usize),
    };
    if !input.readable() {
        return Err(Errno::EBADF);
    }
    if !input.file().seekable() {
        return Err(if given.is_some() { Errno::ESPIPE } else { Errno::EINVAL });
    }
    let given = given.map(position).transpose()?;
    let output = descriptors.get(call.int(0))?;
    if !output.writable() {
        return Err(Errno::EBADF);
    }
    // Nor to what is no file, socket or pipe, but a counter or a set.
    let appends = output.flags() & general::O_APPEND != 0;
    if appends || input.file().stat()?.mode & general::S_IFMT == general::S_IFDIR || is_anonymous(&output)? {
        return Err(Errno::EINVAL);
    }
    if let Some(from) = given {
        let done = copy(call, &input, from, &output, None, count)?;
        io::write_value(pointer, &from.saturating_add(done as u64))?;
        return Ok(done);
    }
    let from = *input.position().lock();
    let done = copy(call, &input, from, &output, None, count)?;
    *input.position().lock() = from.saturating_add(done as u64);
    Ok(done)
}

/// Whether it is a file of no type.
fn is_anonymous(open: &OpenFile) -> Result<bool, Errno> {
    Ok(open.file().stat()?.mode & general::S_IFMT == 0)
}

fn copy_file_range(call: &mut Call<'_>) -> Result<usize, Errno> {
    let descriptors = &call.process().descriptors;
    let (input, output) = (descriptors.get(call.int(0))?, descriptors.get(call.int(2))?);
    if call.uint(5) != 0 {
        return Err(Errno::EINVAL);
    }
    let (from, to) = (file_offset(&input, call.argument(1))?, file_offset(&output, call.argument(3))?);
    if output.flags() & general::O_APPEND != 0 {
        return Err(Errno::EBADF);
    }
    let (one, other) = (input.file().stat()?, output.file().stat()?);
    let count = call.argument(4).min(MAX_TRANSFER);
    if one.device == other.device && one.inode == other.inode && from.abs_diff(to) < count as u64 {
        return Err(Errno::EINVAL);
    }
    let done = copy(call, &input, from, &output, Some(to), count)?;
    for (open, pointer, begin) in [(&input, call.argument(1), from), (&output, call.argument(3), to)] {
        let end = begin.saturating_add(done as u64);
        if pointer == 0 {
            *open.position().lock() = end;
        } else {
            io::write_value(pointer, &end)?;
        }
    }
    Ok(done)
}

/// Where copying begins in a regular file: at a given offset, or at the description's position.
fn file_offset(open: &OpenFile, pointer: usize) -> Result<u64, Errno> {
    match open.file().stat()?.mode & general::S_IFMT {
        general::S_IFREG => {}
        general::S_IFDIR => return Err(Errno::EISDIR),
        _ => return Err(Errno::EINVAL),
    }
    match pointer {
        0 => Ok(*open.position().lock()),
        pointer => u64::try_from(io::read_value::<i64>(pointer)?).map_err(|_| Errno::EOVERFLOW),
    }
}

/// There is nothing to be gained by it here; callers fall back on read(2) and write(2).
fn splice(_call: &mut Call<'_>) -> Result<usize, Errno> {
    Err(Errno::EINVAL)
}
