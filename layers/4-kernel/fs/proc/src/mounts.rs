//! `/proc/mounts` and `/proc/self/mountinfo` (proc(5)), and `/proc/filesystems`.

use alloc::{sync::Arc, vec::Vec};
use rumpkin_abi::Errno;
use rumpkin_collections::{OutOfMemory, TryVec, TryWrite};
use rumpkin_spine::Kernel;
use rumpkin_vfs::{Location, Mount, Registry, devices::device_parts};

/// A field, in which white space is written in octal.
fn field(text: &mut Vec<u8>, value: &[u8]) -> Result<(), OutOfMemory> {
    for &byte in value {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' | b'#' => text.try_write(format_args!("\\{byte:03o}"))?,
            _ => text.try_push(byte)?,
        }
    }
    text.try_push(b' ')
}

/// Writes a line for each mount that has a path.
fn lines(
    kernel: &Kernel,
    mut line: impl FnMut(&mut Vec<u8>, &Arc<Mount>, &[u8]) -> Result<(), Errno>,
) -> Result<Vec<u8>, OutOfMemory> {
    let mut text = Vec::new();
    let Ok(tree) = rumpkin_vfs::tree(kernel) else { return Ok(text) };
    for mount in tree.mounts()? {
        let begin = text.len();
        // What has just gone, or lies in a directory that has, is found nowhere.
        match mount.path().and_then(|path| line(&mut text, &mount, &path)) {
            Err(Errno::ENOMEM) => return Err(OutOfMemory),
            Err(_) => text.truncate(begin),
            Ok(()) => {}
        }
    }
    Ok(text)
}

/// `/proc/mounts`.
pub fn mounts(kernel: &Kernel) -> Result<Vec<u8>, OutOfMemory> {
    lines(kernel, |text, mount, path| {
        field(text, &mount.source)?;
        field(text, path)?;
        field(text, mount.kind.as_bytes())?;
        mount.show_rules(text)?;
        mount.file_system.show_options(text)?;
        Ok(text.try_extend_from_slice(b" 0 0\n")?)
    })
}

/// `/proc/self/mountinfo`.
pub fn mount_information(kernel: &Kernel) -> Result<Vec<u8>, OutOfMemory> {
    lines(kernel, |text, mount, path| {
        let (major, minor) = device_parts(mount.root.stat()?.device);
        let parent = mount.parent().map_or(mount.id, |parent| parent.id);
        text.try_write(format_args!("{} {parent} {major}:{minor} ", mount.id))?;
        let root = Location::top(mount.clone());
        field(text, &root.path_in_file_system()?)?;
        field(text, path)?;
        mount.show_rules(text)?;
        text.try_extend_from_slice(b" - ")?;
        field(text, mount.kind.as_bytes())?;
        field(text, &mount.source)?;
        text.try_extend_from_slice(if mount.file_system.read_only() { b"ro" } else { b"rw" })?;
        mount.file_system.show_options(text)?;
        Ok(text.try_push(b'\n')?)
    })
}

/// `/proc/filesystems`.
pub fn file_systems(kernel: &Kernel) -> Result<Vec<u8>, OutOfMemory> {
    let mut text = Vec::new();
    for kind in Registry::types(kernel).map_err(|_| OutOfMemory)? {
        text.try_write(format_args!("{}\t{}\n", if kind.on_device() { "" } else { "nodev" }, kind.name()))?;
    }
    Ok(text)
}
