//! Mounting and unmounting: mount(2), umount2(2).

use super::walk;
use crate::{
    file_system::MountError,
    location::Location,
    mount::{NewMount, RULES},
    options::{self, Options, WORDS},
    registry::Registry,
    tree::{self, Wish},
};
use alloc::vec::Vec;
use rumpkin_abi::{Errno, linux::general};
use rumpkin_collections::try_to_vec;
use rumpkin_spine::{Call, SystemCall, io, system_calls};
use rumpuser::memory::PAGE_SIZE;

pub const CALLS: &[SystemCall] = system_calls! {
    mount => mount, "MS_RDONLY, MS_NOSUID, MS_NODEV, MS_RELATIME (the only way that there is), MS_SILENT, MS_REMOUNT, MS_BIND (directories)";
    umount2 => umount2, "MNT_DETACH, MNT_FORCE (nothing waits that could be given up), UMOUNT_NOFOLLOW; the root stays";
};

const CWD: i32 = general::AT_FDCWD;

/// The directory that a path names.
fn directory(call: &Call<'_>, path: usize) -> Result<Location, Errno> {
    walk(call.process(), CWD, &io::read_path(path)?, true)?.existing()
}

/// A string that may be missing, of a page at most.
fn text(address: usize) -> Result<Option<Vec<u8>>, Errno> {
    match address {
        0 => Ok(None),
        address => io::read_string(address, PAGE_SIZE)?.ok_or(Errno::EINVAL).map(Some),
    }
}

fn mount(call: &mut Call<'_>) -> Result<usize, Errno> {
    /// What stood in the upper half before flags came to be so many.
    const MAGIC: u32 = 0xc0ed_0000;
    const KNOWN: u32 =
        general::MS_RDONLY | RULES | general::MS_RELATIME | general::MS_SILENT | general::MS_REMOUNT | general::MS_BIND;
    let flags = call.argument(3);
    let flags = if flags & 0xffff_0000 == MAGIC as usize { flags & 0xffff } else { flags };
    let flags = u32::try_from(flags).ok().filter(|flags| flags & !KNOWN == 0).ok_or(Errno::EINVAL)?;
    let (kind, source) = (text(call.argument(2))?, text(call.argument(0))?);
    let options = text(call.argument(4))?.unwrap_or_default();
    let on = directory(call, call.argument(1))?;
    let tree = tree::of(call.kernel())?;
    match flags & (general::MS_REMOUNT | general::MS_BIND) {
        0 => {
            let source = source.unwrap_or(try_to_vec(b"none")?);
            let kind = kind.ok_or(Errno::EINVAL)?;
            let wish = Wish { source: &source, kind: &kind, flags, options: &options };
            tree::mount(call.kernel(), on, &wish).map_err(|error| refused(&error))?;
        }
        general::MS_BIND => {
            let path = source.filter(|path| !path.is_empty()).ok_or(Errno::ENOENT)?;
            let Location { mount, inode } = walk(call.process(), CWD, &path, true)?.existing()?;
            // The flags are those of what is shown, until they are changed (mount(2)).
            let new = NewMount {
                kind: mount.kind,
                source: try_to_vec(&mount.source)?,
                file_system: mount.file_system.clone(),
                root: inode,
                flags: mount.flags(),
            };
            tree.mount(on, new)?;
        }
        change => {
            if on.inode.number() != on.mount.root.number() {
                return Err(Errno::EINVAL);
            }
            let everywhere = change == general::MS_REMOUNT;
            let mut flags = flags;
            if everywhere {
                let (words, rest) = options::split(&options).map_err(|error| error.errno())?;
                flags |= words;
                let kind =
                    Registry::find_type(call.kernel(), on.mount.kind.as_bytes()).map_err(|error| refused(&error))?;
                let options = Options(&rest);
                let changed = options.check(&*kind, &WORDS).and_then(|()| on.mount.file_system.remount(options));
                changed.map_err(|error| refused(&error))?;
            }
            tree.remount(&on.mount, flags, everywhere)?;
        }
    }
    Ok(0)
}

/// The call's error; the log is told more.
fn refused(error: &MountError) -> Errno {
    log::info!("mount: {error}");
    error.errno()
}

fn umount2(call: &mut Call<'_>) -> Result<usize, Errno> {
    let flags = call.uint(1);
    if flags & !(general::MNT_DETACH | general::MNT_FORCE | general::UMOUNT_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    let follow = flags & general::UMOUNT_NOFOLLOW == 0;
    let place = walk(call.process(), CWD, &io::read_path(call.argument(0))?, follow)?.existing()?;
    tree::of(call.kernel())?.unmount(place, flags & general::MNT_DETACH != 0)?;
    Ok(0)
}
