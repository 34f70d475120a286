//! open(2), openat2(2), creat(2), close(2), close_range(2).

use super::base;
use crate::{inode::New, location::Location, node_file::NodeFile, registry::Registry, state::State, tree, walk::Walk};
use alloc::{sync::Arc, vec::Vec};
use rumpkin_abi::{Errno, linux::general};
use rumpkin_collections::{try_arc, try_format};
use rumpkin_spine::{Call, SystemCall, file::OpenFile, io, process::Process, system_calls};
use rumpuser::memory::PAGE_SIZE;

pub const CALLS: &[SystemCall] = system_calls! {
    open => open;
    openat => openat;
    openat2 => openat2, "RESOLVE_NO_XDEV, NO_MAGICLINKS, NO_SYMLINKS, BENEATH, IN_ROOT";
    creat => creat;
    close => close;
    close_range => close_range, "CLOSE_RANGE_CLOEXEC, CLOSE_RANGE_UNSHARE (nothing is shared)";
};

/// Every flag that openat2(2) knows.
const VALID_FLAGS: u32 = general::O_ACCMODE
    | general::O_CREAT
    | general::O_EXCL
    | general::O_NOCTTY
    | general::O_TRUNC
    | general::O_APPEND
    | general::O_NONBLOCK
    | general::O_SYNC
    | general::O_DIRECT
    | general::O_LARGEFILE
    | general::O_DIRECTORY
    | general::O_NOFOLLOW
    | general::O_NOATIME
    | general::O_CLOEXEC
    | general::O_PATH
    | general::O_TMPFILE
    | FASYNC;
const FASYNC: u32 = 0x2000;

/// What a program wants opened, and how.
struct Wish {
    flags: u32,
    mode: u32,
    resolve: u32,
}

impl Wish {
    fn has(&self, flag: u32) -> bool {
        self.flags & flag == flag
    }

    fn writes(&self) -> bool {
        self.flags & general::O_ACCMODE != general::O_RDONLY
    }
}

/// Opens a path that begins at `start`, with `O_*` flags, permissions for a new file, and `RESOLVE_*` rules.
pub fn open_at(
    process: &Process,
    start: Location,
    path: &[u8],
    flags: u32,
    mode: u32,
    resolve: u32,
) -> Result<Arc<OpenFile>, Errno> {
    // With O_PATH most flags mean nothing (open(2)).
    let kept = general::O_PATH | general::O_DIRECTORY | general::O_NOFOLLOW | general::O_CLOEXEC;
    let flags = if flags & general::O_PATH != 0 { flags & kept } else { flags | general::O_LARGEFILE };
    let mode = mode & 0o7777 & !State::of(process)?.mask();
    let wish = Wish { flags, mode, resolve };
    if wish.has(general::O_CREAT | general::O_DIRECTORY) && !wish.has(general::O_TMPFILE) {
        return Err(Errno::EINVAL);
    }
    let tree = tree::of(&process.kernel)?;
    let exclusive = wish.has(general::O_CREAT | general::O_EXCL);
    let follow = !wish.has(general::O_NOFOLLOW) && !exclusive;
    let mut walk = Walk::new(tree, process, start, wish.resolve);
    let found = if wish.has(general::O_CREAT) { walk.create(path, follow)? } else { walk.run(path, follow)? };
    if wish.has(general::O_TMPFILE) {
        return open_unnamed(process, found.existing()?, &wish);
    }
    let place = match found.target {
        Some(_) if exclusive => return Err(Errno::EEXIST),
        Some(place) => {
            check(&place, &wish)?;
            place
        }
        None if !wish.has(general::O_CREAT) => return Err(Errno::ENOENT),
        None => {
            let _writing = found.directory.mount.write()?;
            let inode = found.directory.inode.create(&found.name, New::File(wish.mode))?;
            Location { mount: found.directory.mount.clone(), inode }
        }
    };
    OpenFile::new(try_arc(open_node(process, place, found.directory, found.name, &wish)?)?, flags)
}

/// Whether something that exists may be opened so.
fn check(place: &Location, wish: &Wish) -> Result<(), Errno> {
    let directory_wanted = wish.has(general::O_DIRECTORY);
    match place.inode.kind() {
        general::S_IFDIR if wish.writes() || wish.has(general::O_CREAT) => Err(Errno::EISDIR),
        general::S_IFDIR => Ok(()),
        _ if directory_wanted => Err(Errno::ENOTDIR),
        _ if wish.has(general::O_PATH) => Ok(()),
        general::S_IFLNK => Err(Errno::ELOOP),
        _ => Ok(()),
    }
}

/// Opens what was found, or made, in a directory.
fn open_node(
    process: &Process,
    place: Location,
    directory: Location,
    name: Vec<u8>,
    wish: &Wish,
) -> Result<NodeFile, Errno> {
    if wish.has(general::O_PATH) {
        return Ok(NodeFile::new(place, directory, name, None));
    }
    let kernel = &process.kernel;
    let kind = place.inode.kind();
    if matches!(kind, general::S_IFCHR | general::S_IFBLK) {
        if place.mount.has(general::MS_NODEV) {
            return Err(Errno::EACCES);
        }
        let device = Registry::open_device(kernel, kind, place.inode.stat()?.special_device, wish.flags)?;
        return Ok(NodeFile::new(place, directory, name, Some(device)));
    }
    let truncates = wish.has(general::O_TRUNC);
    let writing =
        (kind == general::S_IFREG && (wish.writes() || truncates)).then(|| place.mount.write_long()).transpose()?;
    let content = place.inode.clone().open(kernel, wish.flags)?;
    if truncates && kind == general::S_IFREG {
        content.truncate(0)?;
    }
    let file = NodeFile::new(place, directory, name, Some(content));
    Ok(match writing {
        Some(writing) if wish.writes() => file.for_writing(writing),
        _ => file,
    })
}

/// `O_TMPFILE`: a file in a directory's file system, without a name.
fn open_unnamed(process: &Process, directory: Location, wish: &Wish) -> Result<Arc<OpenFile>, Errno> {
    if !directory.inode.is_directory() {
        return Err(Errno::ENOTDIR);
    }
    if !wish.writes() {
        return Err(Errno::EINVAL);
    }
    let inode = {
        let _writing = directory.mount.write()?;
        directory.inode.create_unnamed(wish.mode)?
    };
    let name = try_format(format_args!("#{}", inode.number()))?.into_bytes();
    let place = Location { mount: directory.mount.clone(), inode };
    let file = open_node(process, place, directory, name, wish)?;
    // `O_TMPFILE` has the bit of `O_DIRECTORY` in it.
    OpenFile::new(try_arc(file)?, wish.flags & !general::O_TMPFILE)
}

fn open_path(
    call: &Call<'_>,
    descriptor: i32,
    path: usize,
    flags: u32,
    mode: u32,
    resolve: u32,
) -> Result<usize, Errno> {
    let process = call.process();
    let path = io::read_path(path)?;
    let start = match (path.first(), resolve & (general::RESOLVE_IN_ROOT | general::RESOLVE_BENEATH)) {
        (None, _) => return Err(Errno::ENOENT),
        (Some(b'/'), 0) => tree::of(&process.kernel)?.root(),
        _ => base(process, descriptor)?,
    };
    // First the descriptor: without one, nothing is made or emptied.
    let reservation = process.descriptors.reserve(flags & general::O_CLOEXEC != 0, 0)?;
    let open = open_at(process, start, &path, flags, mode, resolve)?;
    Ok(reservation.fill(open) as usize)
}

fn open(call: &mut Call<'_>) -> Result<usize, Errno> {
    open_path(call, general::AT_FDCWD, call.argument(0), call.uint(1), call.uint(2), 0)
}

fn openat(call: &mut Call<'_>) -> Result<usize, Errno> {
    open_path(call, call.int(0), call.argument(1), call.uint(2), call.uint(3), 0)
}

fn creat(call: &mut Call<'_>) -> Result<usize, Errno> {
    let flags = general::O_CREAT | general::O_WRONLY | general::O_TRUNC;
    open_path(call, general::AT_FDCWD, call.argument(0), flags, call.uint(1), 0)
}

fn openat2(call: &mut Call<'_>) -> Result<usize, Errno> {
    const SIZE: usize = size_of::<[u64; 3]>();
    let size = call.argument(3);
    if size < SIZE {
        return Err(Errno::EINVAL);
    }
    // A longer structure is one of a newer kernel: fine as long as what we don't know is zero.
    if size > PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    for beyond in SIZE..size {
        if io::read_value::<u8>(call.argument(2).saturating_add(beyond))? != 0 {
            return Err(Errno::E2BIG);
        }
    }
    let [flags, mode, resolve]: [u64; 3] = io::read_value(call.argument(2))?;
    let known = general::RESOLVE_NO_XDEV
        | general::RESOLVE_NO_MAGICLINKS
        | general::RESOLVE_NO_SYMLINKS
        | general::RESOLVE_BENEATH
        | general::RESOLVE_IN_ROOT;
    let creates = flags & u64::from(general::O_CREAT) != 0
        || flags & u64::from(general::O_TMPFILE) == u64::from(general::O_TMPFILE);
    let both = u64::from(general::RESOLVE_BENEATH | general::RESOLVE_IN_ROOT);
    let wrong = flags & !u64::from(VALID_FLAGS) != 0
        || resolve & !u64::from(known) != 0
        || resolve & both == both
        || mode & !0o7777 != 0
        || mode != 0 && !creates;
    if wrong {
        return Err(Errno::EINVAL);
    }
    open_path(call, call.int(0), call.argument(1), flags as u32, mode as u32, resolve as u32)
}

fn close(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = call.process().descriptors.remove(call.int(0))?;
    super::record_locks::closed(call.process(), &open);
    Ok(0)
}

fn close_range(call: &mut Call<'_>) -> Result<usize, Errno> {
    const UNSHARE: u32 = 2;
    const CLOEXEC: u32 = 4;
    let (first, last, flags) = (call.uint(0), call.uint(1), call.uint(2));
    if flags & !(UNSHARE | CLOEXEC) != 0 || first > last {
        return Err(Errno::EINVAL);
    }
    let descriptors = &call.process().descriptors;
    let mut least = first as usize;
    while let Some(descriptor) = descriptors.next(least).filter(|descriptor| descriptor.unsigned_abs() <= last) {
        least = (descriptor.unsigned_abs() as usize).saturating_add(1);
        // Another thread may have closed it meanwhile, which is as good.
        let _ = match flags & CLOEXEC {
            0 => descriptors.remove(descriptor).map(|open| super::record_locks::closed(call.process(), &open)),
            _ => descriptors.set_close_on_exec(descriptor, true),
        };
    }
    Ok(0)
}
