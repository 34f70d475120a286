//! tmpfs as a type of file systems, and its options.

use crate::{
    limit::Limit,
    node::{Tmpfs, TmpfsNode},
};
use alloc::{sync::Arc, vec::Vec};
use rumpkin_collections::{OutOfMemory, TryWrite, try_arc};
use rumpkin_spine::Kernel;
use rumpkin_vfs::{
    FileSystem, FileSystemType, MountError, Request, Statistics,
    inode::Inode,
    options::{self, Options},
};
use rumpuser::memory::{PAGE_SIZE, total_frames};

/// `TMPFS_MAGIC`.
const MAGIC: u32 = 0x0102_1994;

/// The type.
pub struct Temporary {
    /// Of all its file systems together.
    all: Arc<Limit>,
}

/// What options ask for.
#[derive(Default)]
struct Wanted {
    /// In frames.
    size: Option<usize>,
    mode: Option<u32>,
}

impl Wanted {
    fn read(options: Options<'_>) -> Result<Wanted, MountError> {
        let mut wanted = Wanted::default();
        for (name, value) in options.iter() {
            let value = value.unwrap_or_default();
            match name {
                b"size" => {
                    let size = frames(value);
                    wanted.size = Some(size.ok_or_else(|| {
                        MountError::value(
                            name,
                            "a number of bytes, as 65536, 64k, 16m or 1g, or of percent of memory, as 10%",
                        )
                    })?);
                }
                _ => {
                    let mode = options::number(value, 8).and_then(|mode| u32::try_from(mode).ok());
                    let mode = mode.filter(|mode| *mode <= 0o7777);
                    wanted.mode = Some(mode.ok_or_else(|| MountError::value(name, "permissions in octal, as 1777"))?);
                }
            }
        }
        Ok(wanted)
    }
}

/// A size in frames, rounded up.
fn frames(text: &[u8]) -> Option<usize> {
    match text.split_last() {
        Some((b'%', percent)) => {
            let percent = usize::try_from(options::number(percent, 10)?).ok()?;
            (total_frames() / 100).checked_mul(percent)
        }
        _ => usize::try_from(options::bytes(text)?.div_ceil(PAGE_SIZE as u64)).ok(),
    }
}

impl Temporary {
    /// The type, whose file systems together have this limit.
    pub fn new(all: Arc<Limit>) -> Self {
        Temporary { all }
    }
}

impl FileSystemType for Temporary {
    fn name(&self) -> &'static str {
        "tmpfs"
    }

    fn options(&self) -> &'static [&'static str] {
        &["size", "mode"]
    }

    fn mount(&self, _kernel: &Kernel, request: &Request<'_>) -> Result<Arc<dyn FileSystem>, MountError> {
        let wanted = Wanted::read(request.options)?;
        let (limit, own) = match wanted.size {
            // None is as much as may be (tmpfs(5)).
            Some(size @ 1..) => (try_arc(Limit::new(size, Some(self.all.clone())))?, true),
            _ => (self.all.clone(), false),
        };
        Ok(try_arc(Mounted::new(request.device, limit, own, wanted.mode.unwrap_or(0o1777))?)?)
    }
}

/// A tmpfs.
pub struct Mounted {
    /// Its top directory.
    pub top: Arc<TmpfsNode>,
    limit: Arc<Limit>,
    /// The limit is its own.
    own: bool,
    /// As it was given.
    mode: u32,
}

impl Mounted {
    /// An empty one on this device; the limit may be its own, and the mode is that of its top directory.
    pub fn new(device: u64, limit: Arc<Limit>, own: bool, mode: u32) -> Result<Self, OutOfMemory> {
        Ok(Mounted { top: Tmpfs::top(device, limit.clone(), mode)?, limit, own, mode })
    }
}

impl FileSystem for Mounted {
    fn root(&self) -> Arc<dyn Inode> {
        self.top.clone()
    }

    fn statistics(&self) -> Statistics {
        let (total, free) = (self.limit.total(), self.limit.free());
        Statistics {
            magic: MAGIC,
            block_size: PAGE_SIZE as u32,
            blocks: total as u64,
            blocks_free: free as u64,
            files: total as u64,
            files_free: total.saturating_sub(self.limit.inodes()) as u64,
        }
    }

    fn remount(&self, options: Options<'_>) -> Result<(), MountError> {
        match Wanted::read(options)?.size {
            Some(size @ 1..) if self.own => Ok(self.limit.set_total(size)?),
            Some(_) => Err(MountError::value(b"size", "a limit from the beginning, to be changed afterwards")),
            // The top directory's permissions are changed by chmod(2); Linux lets `mode` pass, too.
            None => Ok(()),
        }
    }

    fn show_options(&self, text: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        if self.own {
            text.try_write(format_args!(",size={}k", self.limit.total().saturating_mul(PAGE_SIZE / 1024)))?;
        }
        if self.mode != 0o1777 {
            text.try_write(format_args!(",mode={:o}", self.mode))?;
        }
        Ok(())
    }
}
