//! open(2), openat2(2), creat(2), memfd_create(2), close(2), close_range(2).

use super::base;
use crate::{
    dev::BlockDevice,
    inode::New,
    node_file::NodeFile,
    state::State,
    tmpfs::TmpfsNode,
    tree::{self, Location},
    walk::Walk,
};
use alloc::sync::Arc;
use core::any::Any;
use rumpkin_abi::{Errno, linux::general};
use rumpkin_collections::{try_arc, try_concat, try_format};
use rumpkin_spine::{
    Call, SystemCall,
    file::{File, OpenFile},
    io,
    process::Process,
    system_calls,
};
use rumpuser::memory::PAGE_SIZE;

pub const CALLS: &[SystemCall] = system_calls! {
    open => open;
    openat => openat;
    openat2 => openat2, "RESOLVE_NO_XDEV, NO_MAGICLINKS, NO_SYMLINKS, BENEATH, IN_ROOT";
    creat => creat;
    memfd_create => memfd_create, "MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_NOEXEC_SEAL, MFD_EXEC; no huge pages";
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
            let inode = found.directory.inode.create(&found.name, New::File(wish.mode))?;
            Location { mount: found.directory.mount.clone(), inode }
        }
    };
    let content = if wish.has(general::O_PATH) { None } else { Some(open_content(process, &place, &wish)?) };
    OpenFile::new(try_arc(NodeFile::new(place, found.directory, found.name, content))?, flags)
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
        general::S_IFREG if (wish.writes() || wish.has(general::O_TRUNC)) && place.mount.info.read_only => {
            Err(Errno::EROFS)
        }
        _ => Ok(()),
    }
}

fn open_content(process: &Process, place: &Location, wish: &Wish) -> Result<Arc<dyn File>, Errno> {
    let content = place.inode.clone().open(&process.kernel, wish.flags)?;
    let device: &dyn Any = &*content;
    if device.downcast_ref::<BlockDevice>().is_some_and(|disk| wish.writes() && disk.read_only()) {
        return Err(Errno::EACCES);
    }
    if wish.has(general::O_TRUNC) && place.inode.kind() == general::S_IFREG {
        content.truncate(0)?;
    }
    Ok(content)
}

/// `O_TMPFILE`: a file in a directory's file system, without a name.
fn open_unnamed(process: &Process, directory: Location, wish: &Wish) -> Result<Arc<OpenFile>, Errno> {
    if !directory.inode.is_directory() {
        return Err(Errno::ENOTDIR);
    }
    if !wish.writes() {
        return Err(Errno::EINVAL);
    }
    let any: &dyn Any = &*directory.inode;
    let inode = any.downcast_ref::<TmpfsNode>().ok_or(Errno::EOPNOTSUPP)?.unnamed(wish.mode, general::F_SEAL_SEAL)?;
    let place = Location { mount: directory.mount.clone(), inode };
    let content = open_content(process, &place, wish)?;
    let name = try_format(format_args!("#{}", place.inode.number()))?.into_bytes();
    let flags = wish.flags & !(general::O_TMPFILE & !general::O_DIRECTORY);
    OpenFile::new(try_arc(NodeFile::new(place, directory, name, Some(content)))?, flags & !general::O_DIRECTORY)
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

fn memfd_create(call: &mut Call<'_>) -> Result<usize, Errno> {
    /// Longest name (`MFD_NAME_MAX_LEN`).
    const MAX_NAME: usize = 249;
    let flags = call.uint(1);
    let known = general::MFD_CLOEXEC | general::MFD_ALLOW_SEALING | general::MFD_NOEXEC_SEAL | general::MFD_EXEC;
    let both = general::MFD_NOEXEC_SEAL | general::MFD_EXEC;
    if flags & !known != 0 || flags & both == both {
        return Err(Errno::EINVAL);
    }
    let name = io::read_string(call.argument(0), MAX_NAME.saturating_add(1))?;
    let name = try_concat(&[b"memfd:", &*name.ok_or(Errno::EINVAL)?])?;
    let kernel = call.kernel();
    let (permissions, seals) = match flags & (general::MFD_ALLOW_SEALING | general::MFD_NOEXEC_SEAL) {
        0 => (0o777, general::F_SEAL_SEAL),
        general::MFD_ALLOW_SEALING => (0o777, 0),
        _ => (0o666, general::F_SEAL_EXEC),
    };
    let inode = tree::of(kernel)?.unnamed.unnamed(permissions, seals)?;
    let root = tree::of(kernel)?.root();
    let place = Location { mount: root.mount.clone(), inode: inode.clone() };
    let file = try_arc(NodeFile::new(place, root, name, Some(inode)))?;
    let open = OpenFile::new(file, general::O_RDWR | general::O_LARGEFILE)?;
    let descriptor = call.process().descriptors.insert(open, flags & general::MFD_CLOEXEC != 0, 0)?;
    Ok(descriptor as usize)
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
