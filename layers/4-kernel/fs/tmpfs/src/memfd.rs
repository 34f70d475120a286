//! Files without a name: memfd_create(2).

use crate::{file_system::Mounted, limit::Limit, node::TmpfsNode};
use alloc::sync::Arc;
use rumpkin_abi::{Errno, linux::general};
use rumpkin_collections::{try_arc, try_concat, try_to_vec};
use rumpkin_spine::{Call, Kernel, SystemCall, file::OpenFile, io, system_calls};
use rumpkin_vfs::{Location, Mount, NewMount, NodeFile};
use spin::Once;

const CALLS: &[SystemCall] = system_calls! {
    memfd_create => memfd_create, "MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_NOEXEC_SEAL, MFD_EXEC; no huge pages";
};

/// The file system of these files, which is mounted nowhere.
struct Unnamed {
    mount: Arc<Mount>,
    top: Arc<TmpfsNode>,
}

/// A part of the kernel: it is made with the first file.
struct Lazy {
    limit: Arc<Limit>,
    made: Once<Unnamed>,
}

/// Adds the call to a kernel.
#[expect(clippy::disallowed_methods, reason = "once, at boot")]
pub fn register(kernel: &mut Kernel, limit: Arc<Limit>) {
    kernel.add_calls(CALLS);
    kernel.parts.insert(Arc::new(Lazy { limit, made: Once::new() }));
}

impl Unnamed {
    fn of(kernel: &Kernel) -> Result<&Unnamed, Errno> {
        let lazy: &Lazy = kernel.parts.get().ok_or(Errno::ENOSYS)?;
        lazy.made.try_call_once(|| {
            let file_system = Mounted::new(rumpkin_vfs::next_device(kernel)?, lazy.limit.clone(), false, 0o700)?;
            let top = file_system.top.clone();
            let source = try_to_vec(b"memfd")?;
            let new =
                NewMount { kind: "tmpfs", source, file_system: try_arc(file_system)?, root: top.clone(), flags: 0 };
            Ok(Unnamed { mount: try_arc(Mount::unlisted(new))?, top })
        })
    }
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
    let unnamed = Unnamed::of(kernel)?;
    let inode = unnamed.top.unnamed(permissions, seals)?;
    let place = Location { mount: unnamed.mount.clone(), inode: inode.clone() };
    let file = NodeFile::new(place, rumpkin_vfs::tree(kernel)?.root(), name, Some(inode));
    let file = try_arc(file.for_writing(unnamed.mount.write_long()?))?;
    let open = OpenFile::new(file, general::O_RDWR | general::O_LARGEFILE)?;
    let descriptor = call.process().descriptors.insert(open, flags & general::MFD_CLOEXEC != 0, 0)?;
    Ok(descriptor as usize)
}
