//! `/proc` as a type of file systems.

use crate::top::ProcessDirectories;
use alloc::sync::Arc;
use rumpkin_collections::try_arc;
use rumpkin_spine::Kernel;
use rumpkin_vfs::{FileSystem, FileSystemType, MountError, Request, Statistics, inode::Inode};
use rumpuser::memory::PAGE_SIZE;

/// `PROC_SUPER_MAGIC`.
const MAGIC: u32 = 0x9fa0;

/// The type.
pub struct Type;

impl FileSystemType for Type {
    fn name(&self) -> &'static str {
        "proc"
    }

    fn mount(&self, _kernel: &Kernel, request: &Request<'_>) -> Result<Arc<dyn FileSystem>, MountError> {
        let top = ProcessDirectories::new(request.generated, request.device)?;
        Ok(try_arc(Mounted(top))?)
    }
}

/// One `/proc`; all show the same.
struct Mounted(Arc<ProcessDirectories>);

impl FileSystem for Mounted {
    fn root(&self) -> Arc<dyn Inode> {
        self.0.clone()
    }

    fn statistics(&self) -> Statistics {
        Statistics { magic: MAGIC, block_size: PAGE_SIZE as u32, ..Statistics::default() }
    }
}
