//! Inodes of an EROFS image, as the tree sees them.

use crate::format::{Erofs, Inode as Raw};
use alloc::{sync::Arc, vec::Vec};
use rumpkin_abi::{Errno, Stat, linux::general};
use rumpkin_collections::{TryVec, try_arc};
use rumpkin_mm::Mappable;
use rumpkin_spine::{
    Kernel,
    file::{DirectoryEntry, EachEntry, File},
    io::Sink,
    process::Process,
};
use rumpkin_vfs::inode::{Inode, Link};
use rumpuser::memory::{Frame, PAGE_SIZE};

/// An inode of an image.
#[derive(Clone)]
pub struct ErofsNode {
    file_system: Arc<Erofs>,
    number: u64,
    raw: Raw,
}

impl ErofsNode {
    /// The inode of this number.
    pub fn new(file_system: &Arc<Erofs>, number: u64) -> Result<ErofsNode, Errno> {
        Ok(ErofsNode { file_system: file_system.clone(), number, raw: file_system.inode(number)? })
    }

    /// The entry of a directory.
    pub fn child(&self, name: &[u8]) -> Result<ErofsNode, Errno> {
        if !self.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        let entry = self.file_system.find(&self.raw, name)?;
        ErofsNode::new(&self.file_system, entry.number)
    }

    /// The directory above.
    pub fn above(&self) -> Result<ErofsNode, Errno> {
        self.child(b"..")
    }
}

impl Mappable for ErofsNode {
    fn frame(&self, index: u64) -> Result<Frame, Errno> {
        let offset = index.checked_mul(PAGE_SIZE as u64).ok_or(Errno::ENXIO)?;
        if offset >= self.raw.size {
            return Err(Errno::ENXIO);
        }
        let data = self.file_system.data(&self.raw, offset);
        if let Some(frame) = data.get(..PAGE_SIZE).and_then(Frame::of_payload) {
            return Ok(frame);
        }
        // The end of the file, or a page that is not aligned in the payload: a copy, zero-filled.
        let frame = Frame::allocate().ok_or(Errno::ENOMEM)?;
        let mut filled = 0usize;
        while filled < PAGE_SIZE {
            let data = self.file_system.data(&self.raw, offset.saturating_add(filled as u64));
            if data.is_empty() {
                break;
            }
            filled = filled.saturating_add(frame.write(filled, data));
        }
        Ok(frame)
    }

    fn frame_at_hand(&self, index: u64) -> Option<Frame> {
        let data = self.file_system.data(&self.raw, index.checked_mul(PAGE_SIZE as u64)?);
        data.get(..PAGE_SIZE).and_then(Frame::of_payload)
    }
}

impl File for ErofsNode {
    fn read(&self, position: u64, destination: &mut dyn Sink) -> Result<usize, Errno> {
        if self.is_directory() {
            return Err(Errno::EISDIR);
        }
        let mut done = 0usize;
        while destination.room() > 0 {
            let data = self.file_system.data(&self.raw, position.saturating_add(done as u64));
            let data = data.get(..destination.room()).unwrap_or(data);
            if data.is_empty() {
                break;
            }
            match destination.put(data) {
                Ok(0) => break,
                Ok(length) => done = done.saturating_add(length),
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn seekable(&self) -> bool {
        true
    }

    fn stat(&self) -> Result<Stat, Errno> {
        let (seconds, nanoseconds) = self.raw.time;
        let nanoseconds = u64::from(nanoseconds);
        Ok(Stat {
            device: self.file_system.device,
            inode: self.number,
            links: u64::from(self.raw.links),
            mode: self.raw.mode,
            uid: self.raw.uid,
            gid: self.raw.gid,
            size: self.raw.size as i64,
            block_size: PAGE_SIZE as i64,
            blocks: self.raw.size.div_ceil(512) as i64,
            access_time: seconds,
            access_nanoseconds: nanoseconds,
            modify_time: seconds,
            modify_nanoseconds: nanoseconds,
            change_time: seconds,
            change_nanoseconds: nanoseconds,
            ..Stat::default()
        })
    }

    fn sync(&self, _data_only: bool) -> Result<(), Errno> {
        Ok(())
    }

    fn read_directory(&self, position: u64, each: EachEntry<'_>) -> Result<(), Errno> {
        if !self.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        self.file_system.entries(&self.raw, position, &mut |entry, next| {
            each(&DirectoryEntry { inode: entry.number, kind: entry.kind, name: entry.name, next })
        })
    }

    fn mappable(&self) -> Result<Arc<dyn Mappable>, Errno> {
        if self.kind() != general::S_IFREG {
            return Err(Errno::ENODEV);
        }
        Ok(try_arc(self.clone())?)
    }
}

impl Inode for ErofsNode {
    fn kind(&self) -> u32 {
        self.raw.mode & general::S_IFMT
    }

    fn number(&self) -> u64 {
        self.number
    }

    fn lookup(&self, _kernel: &Kernel, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        Ok(try_arc(self.child(name)?)?)
    }

    fn parent(&self) -> Result<Arc<dyn Inode>, Errno> {
        Ok(try_arc(self.above()?)?)
    }

    fn follow(&self, _process: &Process) -> Result<Link, Errno> {
        if self.kind() != general::S_IFLNK {
            return Err(Errno::EINVAL);
        }
        let mut text = Vec::new();
        text.try_resize(self.raw.size.min(PAGE_SIZE as u64) as usize, 0)?;
        let mut sink: &mut [u8] = &mut text;
        self.read(0, &mut sink)?;
        Ok(Link::Path(text))
    }

    fn open(self: Arc<Self>, _kernel: &Kernel, _flags: u32) -> Result<Arc<dyn File>, Errno> {
        match self.kind() {
            general::S_IFREG | general::S_IFDIR => Ok(self),
            _ => Err(Errno::ENXIO),
        }
    }

    fn in_place(&self) -> Option<&'static [u8]> {
        let data = self.file_system.data(&self.raw, 0);
        (data.len() as u64 == self.raw.size).then_some(data)
    }
}
