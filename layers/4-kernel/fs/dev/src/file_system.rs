//! `/dev` as a type of file systems: a tmpfs with a file for each device that is registered.

use alloc::sync::Arc;
use rumpkin_collections::try_to_vec;
use rumpkin_spine::Kernel;
use rumpkin_vfs::{
    FileSystem, FileSystemType, MountError, Registry, Request,
    inode::{Inode, New},
    options::Options,
};

/// Links that programs expect.
const LINKS: [(&[u8], &[u8]); 4] = [
    (b"fd", b"/proc/self/fd"),
    (b"stdin", b"/proc/self/fd/0"),
    (b"stdout", b"/proc/self/fd/1"),
    (b"stderr", b"/proc/self/fd/2"),
];

/// The type.
pub struct Type;

impl FileSystemType for Type {
    fn name(&self) -> &'static str {
        "devtmpfs"
    }

    fn mount(&self, kernel: &Kernel, request: &Request<'_>) -> Result<Arc<dyn FileSystem>, MountError> {
        let tmpfs = Registry::find_type(kernel, b"tmpfs").map_err(|error| match error {
            MountError::Type(..) => MountError::Needs("tmpfs"),
            error => error,
        })?;
        let made = tmpfs.mount(kernel, &Request { options: Options(b"mode=0755"), ..*request })?;
        fill(kernel, &*made.root())?;
        Ok(made)
    }
}

fn fill(kernel: &Kernel, top: &dyn Inode) -> Result<(), MountError> {
    for (name, mode, number) in Registry::devices(kernel)? {
        top.create(name.as_bytes(), New::Device(mode, number))?;
    }
    for (name, target) in LINKS {
        top.create(name, New::Symlink(try_to_vec(target)?))?;
    }
    // Where tmpfs of shm_open(3) is mounted.
    top.create(b"shm", New::Directory(0o1777))?;
    Ok(())
}
