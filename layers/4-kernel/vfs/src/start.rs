//! The tree as it is when the first program starts: the root file system that was booted, the files of components over it, and what
//! components have mounted at the start.

use crate::{
    file_system::{FileSystem, FileSystemType, MountError, Request},
    folders::{self, Found},
    generated::Generated,
    inode::Inode,
    mount::NewMount,
    options::Options,
    registry::{Registry, StartMount},
    root::RootFileSystem,
    tree::{Tree, Vfs},
};
use alloc::{sync::Arc, vec::Vec};
use rumpkin_abi::Errno;
use rumpkin_collections::{TryVec, try_to_vec};
use rumpkin_spine::Kernel;

/// A mount of the start whose type is registered, and what the root file system has in its place.
struct Planned {
    mount: StartMount,
    kind: Arc<dyn FileSystemType>,
    found: Found,
}

/// Builds the tree.
pub fn tree(kernel: &Kernel, vfs: &Vfs) -> Result<Tree, Errno> {
    let types = Registry::types(kernel)?;
    let (kind, lower) = booted(&types, vfs);
    let top = lower.as_ref().map(|lower| lower.root());
    let mut plan = Vec::new();
    for mount in Registry::start_mounts(kernel)? {
        let found = if mount.keeps { folders::find(kernel, top.as_ref(), mount.target) } else { Found::Nothing };
        let kind = types.iter().find(|kind| kind.name() == mount.kind);
        if let (Some(kind), Found::Nothing | Found::Folder(_)) = (kind, &found) {
            plan.try_push(Planned { mount, kind: kind.clone(), found })?;
        }
    }
    let generated = Registry::with_folders(kernel, |folders| {
        let targets = plan.iter().map(|planned| planned.mount.target);
        Generated::new(kernel, targets.chain(folders.iter().map(|folder| folder.as_str())))
    })?;
    let file_system = RootFileSystem::new(kernel, lower, generated.clone())?;
    let (root, source) = (file_system.root(), try_to_vec(kind.as_bytes())?);
    let tree = Tree::new(NewMount { kind, source, file_system, root, flags: 0 }, generated)?;
    for planned in &plan {
        if let Err(error) = mount(kernel, vfs, &tree, planned) {
            log::error!("{} stays as the image has it: {error}", planned.mount.target);
        }
    }
    Ok(tree)
}

/// A type's name, and the file system.
type Booted = (&'static str, Option<Arc<dyn FileSystem>>);

/// The root file system that was booted. Without one that can be read, there is none.
fn booted(types: &[Arc<dyn FileSystemType>], vfs: &Vfs) -> Booted {
    const NONE: Booted = ("rootfs", None);
    let Some(image) = rumpuser::boot::data().root_file_system else { return NONE };
    let device = vfs.next_device();
    match types.iter().find_map(|kind| Some((kind.name(), kind.root(image, device)?))) {
        Some((kind, Ok(file_system))) => return (kind, Some(file_system)),
        Some((_, Err(error))) => log::error!("root file system: {error}; starting with an empty one"),
        None => log::error!("root file system: no component of this image can read it; starting with an empty one"),
    }
    NONE
}

fn mount(kernel: &Kernel, vfs: &Vfs, tree: &Tree, planned: &Planned) -> Result<(), MountError> {
    let StartMount { target, options, like, filled, .. } = planned.mount;
    let name = planned.kind.name();
    let (kind, file_system, root): (_, _, Arc<dyn Inode>) = match (like, &planned.found) {
        (Some(like), Found::Nothing) => {
            let place = tree.find(kernel, like)?;
            (place.mount.kind, place.mount.file_system.clone(), place.inode)
        }
        _ => {
            let request = Request {
                source: name.as_bytes(),
                options: Options(options.as_bytes()),
                device: vfs.next_device(),
                generated: tree.generated(),
            };
            let made = planned.kind.mount(kernel, &request)?;
            let root = made.root();
            (name, made, root)
        }
    };
    if let Found::Folder(folder) = &planned.found
        && !folders::copy(kernel, &**folder, &*root)?
    {
        return Ok(());
    }
    if filled
        && let Some(folder) = tree.generated().descendant(target)
        && let Err(error) = folder.copy_to(kernel, &*root)
    {
        log::error!("{target} is incomplete: {error:?}");
    }
    let new = NewMount { kind, source: try_to_vec(kind.as_bytes())?, file_system, root, flags: 0 };
    tree.mount(tree.find(kernel, target)?, new)?;
    Ok(())
}
