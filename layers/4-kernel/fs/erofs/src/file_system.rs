//! EROFS as a type of file systems.

use crate::{
    format::{self, Erofs},
    node::ErofsNode,
};
use alloc::sync::Arc;
use rumpkin_abi::Errno;
use rumpkin_collections::try_arc;
use rumpkin_spine::Kernel;
use rumpkin_vfs::{FileSystem, FileSystemType, MountError, Request, Statistics, inode::Inode};

/// The type.
pub struct Type;

impl FileSystemType for Type {
    fn name(&self) -> &'static str {
        "erofs"
    }

    fn on_device(&self) -> bool {
        true
    }

    fn root(&self, image: &'static [u8], device: u64) -> Option<Result<Arc<dyn FileSystem>, MountError>> {
        format::has_magic(image).then(|| open(image, device))
    }

    fn mount(&self, _kernel: &Kernel, _request: &Request<'_>) -> Result<Arc<dyn FileSystem>, MountError> {
        Err(MountError::Source("must be what was booted, since EROFS is read in place", Errno::ENOTBLK))
    }
}

fn open(image: &'static [u8], device: u64) -> Result<Arc<dyn FileSystem>, MountError> {
    let image = Erofs::new(image, device).map_err(|error| {
        log::error!("{error}");
        MountError::Source("is damaged, or of a kind that is not supported", Errno::EINVAL)
    })?;
    let top = try_arc(ErofsNode::new(&image, image.root())?)?;
    Ok(try_arc(Mounted { top, image })?)
}

/// An image.
struct Mounted {
    top: Arc<ErofsNode>,
    image: Arc<Erofs>,
}

impl FileSystem for Mounted {
    fn root(&self) -> Arc<dyn Inode> {
        self.top.clone()
    }

    fn statistics(&self) -> Statistics {
        let (block_size, blocks) = (self.image.block_size() as u32, self.image.blocks());
        Statistics { magic: format::MAGIC, block_size, blocks, ..Statistics::default() }
    }

    fn read_only(&self) -> bool {
        true
    }
}
