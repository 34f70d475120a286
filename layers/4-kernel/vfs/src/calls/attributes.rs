//! Attributes: stat(2), statx(2), access(2), chmod(2), chown(2), utimensat(2), statfs(2), xattr(7).

use super::{Target, walk};
use crate::{devices::device_parts, inode::Change, mount::Mount, node_file::NodeFile};
use rumpkin_abi::{Errno, Stat, Timespec, linux::general};
use rumpkin_spine::{Call, SystemCall, io, system_calls};
use rumpuser::clock;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub const CALLS: &[SystemCall] = system_calls! {
    stat => stat;
    lstat => lstat;
    fstat => fstat;
    newfstatat => newfstatat;
    statx => statx;
    access => access;
    faccessat => faccessat;
    faccessat2 => faccessat2;
    chmod => chmod;
    fchmod => fchmod;
    fchmodat => fchmodat;
    fchmodat2 => fchmodat2;
    chown => chown;
    lchown => lchown;
    fchown => fchown;
    fchownat => fchownat;
    utimensat => utimensat;
    statfs => statfs;
    fstatfs => fstatfs;
    getxattr => no_attributes, "none: EOPNOTSUPP";
    lgetxattr => no_attributes, "none: EOPNOTSUPP";
    fgetxattr => no_attributes, "none: EOPNOTSUPP";
    setxattr => no_attributes, "none: EOPNOTSUPP";
    lsetxattr => no_attributes, "none: EOPNOTSUPP";
    fsetxattr => no_attributes, "none: EOPNOTSUPP";
    listxattr => no_attributes, "none: EOPNOTSUPP";
    llistxattr => no_attributes, "none: EOPNOTSUPP";
    flistxattr => no_attributes, "none: EOPNOTSUPP";
    removexattr => no_attributes, "none: EOPNOTSUPP";
    lremovexattr => no_attributes, "none: EOPNOTSUPP";
    fremovexattr => no_attributes, "none: EOPNOTSUPP";
};

const CWD: i32 = general::AT_FDCWD;

/// `struct statx`.
#[derive(Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Statx {
    mask: u32,
    block_size: u32,
    attributes: u64,
    links: u32,
    uid: u32,
    gid: u32,
    mode: u16,
    padding: u16,
    inode: u64,
    size: u64,
    blocks: u64,
    attributes_mask: u64,
    /// Access, birth, change, modification: seconds, nanoseconds, padding.
    times: [[u32; 4]; 4],
    special_major: u32,
    special_minor: u32,
    device_major: u32,
    device_minor: u32,
    mount: u64,
    direct: [u32; 2],
    unused: [u64; 12],
}

/// `struct statfs`.
#[derive(Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct StatFs {
    kind: i64,
    block_size: i64,
    blocks: u64,
    blocks_free: u64,
    blocks_available: u64,
    files: u64,
    files_free: u64,
    id: u64,
    name_length: i64,
    fragment_size: i64,
    flags: i64,
    unused: [i64; 4],
}

impl Target {
    fn stat(&self) -> Result<Stat, Errno> {
        match self {
            Target::Place(place) => place.inode.stat(),
            Target::Open(open) => open.file().stat(),
        }
    }

    /// Changes attributes. What is in no tree has none that can.
    fn change(&self, change: &Change) -> Result<usize, Errno> {
        let Target::Place(place) = self else { return Err(Errno::EPERM) };
        let _writing = place.mount.write()?;
        place.inode.change(change)?;
        Ok(0)
    }

    /// Whether it is a symbolic link.
    fn is_link(&self) -> bool {
        matches!(self, Target::Place(place) if place.inode.kind() == general::S_IFLNK)
    }
}

fn stat_path(call: &Call<'_>, follow: bool) -> Result<usize, Errno> {
    let target = Target::find(call, CWD, call.argument(0), 0, follow)?;
    io::write_value(call.argument(1), &target.stat()?)?;
    Ok(0)
}

fn stat(call: &mut Call<'_>) -> Result<usize, Errno> {
    stat_path(call, true)
}

fn lstat(call: &mut Call<'_>) -> Result<usize, Errno> {
    stat_path(call, false)
}

fn fstat(call: &mut Call<'_>) -> Result<usize, Errno> {
    let stat = call.process().descriptors.get(call.int(0))?.file().stat()?;
    io::write_value(call.argument(1), &stat)?;
    Ok(0)
}

/// Checks the flags of an `…at` call, and says whether a last symbolic link is followed.
fn follows(flags: u32, known: u32) -> Result<bool, Errno> {
    if flags & !known != 0 { Err(Errno::EINVAL) } else { Ok(flags & general::AT_SYMLINK_NOFOLLOW == 0) }
}

const STAT_FLAGS: u32 = general::AT_SYMLINK_NOFOLLOW | general::AT_EMPTY_PATH | general::AT_NO_AUTOMOUNT;

fn newfstatat(call: &mut Call<'_>) -> Result<usize, Errno> {
    let flags = call.uint(3);
    let follow = follows(flags, STAT_FLAGS)?;
    let target = Target::find(call, call.int(0), call.argument(1), flags, follow)?;
    io::write_value(call.argument(2), &target.stat()?)?;
    Ok(0)
}

fn statx(call: &mut Call<'_>) -> Result<usize, Errno> {
    let (flags, mask) = (call.uint(2), call.uint(3));
    let follow = follows(flags, STAT_FLAGS | general::AT_STATX_SYNC_TYPE)?;
    if mask & general::STATX__RESERVED != 0 || flags & general::AT_STATX_SYNC_TYPE == general::AT_STATX_SYNC_TYPE {
        return Err(Errno::EINVAL);
    }
    let target = Target::find(call, call.int(0), call.argument(1), flags, follow)?;
    let stat = target.stat()?;
    let time = |seconds: u64, nanoseconds: u64| [seconds as u32, (seconds >> 32) as u32, nanoseconds as u32, 0];
    let ((special_major, special_minor), (device_major, device_minor)) =
        (device_parts(stat.special_device), device_parts(stat.device));
    let mount = match &target {
        Target::Place(place) => place.mount.id,
        Target::Open(_) => 0,
    };
    let value = Statx {
        mask: general::STATX_BASIC_STATS | general::STATX_MNT_ID,
        block_size: stat.block_size as u32,
        links: stat.links as u32,
        uid: stat.uid,
        gid: stat.gid,
        mode: stat.mode as u16,
        inode: stat.inode,
        size: stat.size as u64,
        blocks: stat.blocks as u64,
        times: [
            time(stat.access_time, stat.access_nanoseconds),
            [0; 4],
            time(stat.change_time, stat.change_nanoseconds),
            time(stat.modify_time, stat.modify_nanoseconds),
        ],
        special_major,
        special_minor,
        device_major,
        device_minor,
        mount,
        ..Statx::default()
    };
    io::write_value(call.argument(4), &value)?;
    Ok(0)
}

/// Everybody is root, whom permissions don't hold back: only executing what nobody may execute, and writing to a
/// read-only file system.
fn check_access(target: &Target, mode: u32) -> Result<usize, Errno> {
    if mode & !7 != 0 {
        return Err(Errno::EINVAL);
    }
    let stat = target.stat()?;
    let kind = stat.mode & general::S_IFMT;
    if mode & general::X_OK != 0 && kind == general::S_IFREG && stat.mode & 0o111 == 0 {
        return Err(Errno::EACCES);
    }
    let stored = matches!(kind, general::S_IFREG | general::S_IFDIR | general::S_IFLNK);
    match target {
        Target::Place(place) if mode & general::W_OK != 0 && stored && place.mount.read_only() => Err(Errno::EROFS),
        _ => Ok(0),
    }
}

fn access(call: &mut Call<'_>) -> Result<usize, Errno> {
    check_access(&Target::find(call, CWD, call.argument(0), 0, true)?, call.uint(1))
}

fn faccessat(call: &mut Call<'_>) -> Result<usize, Errno> {
    check_access(&Target::find(call, call.int(0), call.argument(1), 0, true)?, call.uint(2))
}

fn faccessat2(call: &mut Call<'_>) -> Result<usize, Errno> {
    let flags = call.uint(3);
    let follow = follows(flags, general::AT_SYMLINK_NOFOLLOW | general::AT_EMPTY_PATH | general::AT_EACCESS)?;
    check_access(&Target::find(call, call.int(0), call.argument(1), flags, follow)?, call.uint(2))
}

fn set_permissions(target: Target, mode: u32) -> Result<usize, Errno> {
    if target.is_link() {
        return Err(Errno::EOPNOTSUPP);
    }
    target.change(&Change { permissions: Some(mode & 0o7777), ..Change::default() })
}

fn chmod(call: &mut Call<'_>) -> Result<usize, Errno> {
    set_permissions(Target::find(call, CWD, call.argument(0), 0, true)?, call.uint(1))
}

fn fchmod(call: &mut Call<'_>) -> Result<usize, Errno> {
    set_permissions(opened(call)?, call.uint(1))
}

fn fchmodat(call: &mut Call<'_>) -> Result<usize, Errno> {
    set_permissions(Target::find(call, call.int(0), call.argument(1), 0, true)?, call.uint(2))
}

fn fchmodat2(call: &mut Call<'_>) -> Result<usize, Errno> {
    let flags = call.uint(3);
    let follow = follows(flags, general::AT_SYMLINK_NOFOLLOW | general::AT_EMPTY_PATH)?;
    set_permissions(Target::find(call, call.int(0), call.argument(1), flags, follow)?, call.uint(2))
}

/// The file of the descriptor in the first argument; one opened with `O_PATH` is `EBADF`.
fn opened(call: &Call<'_>) -> Result<Target, Errno> {
    let open = call.process().descriptors.get(call.int(0))?;
    if open.flags() & general::O_PATH != 0 { Err(Errno::EBADF) } else { Ok(Target::of(open)) }
}

fn set_owner(target: Target, uid: u32, gid: u32) -> Result<usize, Errno> {
    let given = |id: u32| (id != u32::MAX).then_some(id);
    target.change(&Change { uid: given(uid), gid: given(gid), ..Change::default() })
}

fn chown(call: &mut Call<'_>) -> Result<usize, Errno> {
    set_owner(Target::find(call, CWD, call.argument(0), 0, true)?, call.uint(1), call.uint(2))
}

fn lchown(call: &mut Call<'_>) -> Result<usize, Errno> {
    set_owner(Target::find(call, CWD, call.argument(0), 0, false)?, call.uint(1), call.uint(2))
}

fn fchown(call: &mut Call<'_>) -> Result<usize, Errno> {
    set_owner(opened(call)?, call.uint(1), call.uint(2))
}

fn fchownat(call: &mut Call<'_>) -> Result<usize, Errno> {
    let flags = call.uint(4);
    let follow = follows(flags, general::AT_SYMLINK_NOFOLLOW | general::AT_EMPTY_PATH)?;
    set_owner(Target::find(call, call.int(0), call.argument(1), flags, follow)?, call.uint(2), call.uint(3))
}

/// One of the two times of utimensat(2); `None` stays as it is.
fn new_time(time: Timespec) -> Result<Option<u64>, Errno> {
    match time.nanoseconds as u64 {
        now if now == u64::from(general::UTIME_NOW) => Ok(Some(clock::realtime())),
        omit if omit == u64::from(general::UTIME_OMIT) => Ok(None),
        _ => time.to_nanoseconds().map(Some),
    }
}

fn utimensat(call: &mut Call<'_>) -> Result<usize, Errno> {
    let flags = call.uint(3);
    let follow = follows(flags, general::AT_SYMLINK_NOFOLLOW | general::AT_EMPTY_PATH)?;
    let now = Timespec { seconds: 0, nanoseconds: i64::from(general::UTIME_NOW) };
    let [access, modify] = match call.argument(2) {
        0 => [now, now],
        address => {
            let [a, b, c, d]: [i64; 4] = io::read_value(address)?;
            [Timespec { seconds: a, nanoseconds: b }, Timespec { seconds: c, nanoseconds: d }]
        }
    };
    let change = Change { access_time: new_time(access)?, modify_time: new_time(modify)?, ..Change::default() };
    let target = match call.argument(1) {
        // futimens(3)
        0 if flags == 0 => opened(call)?,
        path => Target::find(call, call.int(0), path, flags, follow)?,
    };
    match (change.access_time, change.modify_time) {
        (None, None) => Ok(0),
        _ => target.change(&change),
    }
}

fn describe(mount: &Mount) -> Result<StatFs, Errno> {
    /// `ST_VALID`: the flags mean something. The others are numbered as `MS_*` are.
    const VALID: u32 = 0x20;
    let told = mount.file_system.statistics();
    Ok(StatFs {
        kind: i64::from(told.magic),
        block_size: i64::from(told.block_size),
        blocks: told.blocks,
        blocks_free: told.blocks_free,
        blocks_available: told.blocks_free,
        files: told.files,
        files_free: told.files_free,
        id: mount.root.stat()?.device,
        name_length: 255,
        fragment_size: i64::from(told.block_size),
        flags: i64::from(VALID | mount.flags()),
        ..StatFs::default()
    })
}

fn statfs(call: &mut Call<'_>) -> Result<usize, Errno> {
    let place = walk(call.process(), CWD, &io::read_path(call.argument(0))?, true)?.existing()?;
    io::write_value(call.argument(1), &describe(&place.mount)?)?;
    Ok(0)
}

fn fstatfs(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = call.process().descriptors.get(call.int(0))?;
    let file = open.downcast::<NodeFile>().ok_or(Errno::ENOSYS)?;
    io::write_value(call.argument(1), &describe(&file.place.mount)?)?;
    Ok(0)
}

/// No file system here has extended attributes.
fn no_attributes(_call: &mut Call<'_>) -> Result<usize, Errno> {
    Err(Errno::EOPNOTSUPP)
}
