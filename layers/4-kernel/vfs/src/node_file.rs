//! An open inode: where it was found, and what its reads and writes go to.

use crate::{inode::Inode, location::Location, mount::LongWriting};
use alloc::{sync::Arc, vec::Vec};
use rumpkin_abi::{Errno, Stat, linux::general};
use rumpkin_collections::{OutOfMemory, TryVec, try_arc, try_to_vec};
use rumpkin_mm::Mappable;
use rumpkin_spine::{
    Kernel,
    file::{Caller, EachEntry, File},
    io::{Sink, Source},
    wait::{Events, WaitQueue},
};
use rumpuser::memory::Frame;

/// The file of every description that open(2) makes.
pub struct NodeFile {
    /// The inode.
    pub place: Location,
    /// The directory that it was found in, and its name there; for a directory, itself and nothing.
    found: (Location, Vec<u8>),
    /// `None` for `O_PATH`.
    content: Option<Arc<dyn File>>,
    /// Of a regular file that is open for writing.
    writing: Option<LongWriting>,
}

impl NodeFile {
    /// An opened inode; `content` is what [`Inode::open`] gave.
    pub fn new(place: Location, directory: Location, name: Vec<u8>, content: Option<Arc<dyn File>>) -> Self {
        NodeFile { place, found: (directory, name), content, writing: None }
    }

    /// The same, open for writing.
    pub fn for_writing(self, writing: LongWriting) -> Self {
        NodeFile { writing: Some(writing), ..self }
    }

    /// The absolute path. One that has been removed ends in ` (deleted)`.
    pub fn path(&self, kernel: &Kernel) -> Result<Vec<u8>, Errno> {
        const DELETED: &[u8] = b" (deleted)";
        if self.place.inode.is_directory() {
            return or_name(self.place.path(), DELETED);
        }
        let (directory, name) = &self.found;
        let mut path = or_name(directory.path_of(name), name)?;
        let there = directory.inode.lookup(kernel, name);
        if !there.is_ok_and(|inode| inode.number() == self.place.inode.number()) {
            path.try_extend_from_slice(DELETED)?;
        }
        Ok(path)
    }

    /// The inode.
    pub fn inode(&self) -> &Arc<dyn Inode> {
        &self.place.inode
    }

    /// What reads and writes go to, if it is a disk, whose inode has no size of its own.
    pub fn disk(&self) -> Option<&dyn File> {
        self.content.as_deref().filter(|_| self.place.inode.kind() == general::S_IFBLK)
    }

    fn content(&self) -> Result<&dyn File, Errno> {
        self.content.as_deref().ok_or(Errno::EBADF)
    }

    fn named(&self, pages: Arc<dyn Mappable>, writing: Option<LongWriting>) -> Result<Arc<dyn Mappable>, Errno> {
        let (directory, name) = &self.found;
        Ok(try_arc(Named { pages, found: (directory.clone(), try_to_vec(name)?), _writing: writing })?)
    }
}

impl File for NodeFile {
    fn read(&self, position: u64, destination: &mut dyn Sink) -> Result<usize, Errno> {
        self.content()?.read(position, destination)
    }

    fn write(&self, position: u64, source: &mut dyn Source) -> Result<usize, Errno> {
        self.content()?.write(position, source)
    }

    fn seekable(&self) -> bool {
        self.content.as_ref().is_some_and(|content| content.seekable())
    }

    fn stat(&self) -> Result<Stat, Errno> {
        self.place.inode.stat()
    }

    fn poll(&self) -> Events {
        match &self.content {
            Some(content) => content.poll(),
            None => Events::INVALID,
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        self.content.as_ref()?.wait_queue()
    }

    fn ioctl(&self, caller: &dyn Caller, command: u32, argument: usize) -> Result<usize, Errno> {
        self.content()?.ioctl(caller, command, argument)
    }

    fn control(&self, command: u32, argument: usize) -> Result<usize, Errno> {
        self.content()?.control(command, argument)
    }

    fn truncate(&self, length: u64) -> Result<(), Errno> {
        self.content()?.truncate(length)
    }

    fn sync(&self, data_only: bool) -> Result<(), Errno> {
        self.content()?.sync(data_only)
    }

    fn read_directory(&self, position: u64, each: EachEntry<'_>) -> Result<(), Errno> {
        self.content()?.read_directory(position, each)
    }

    fn mappable(&self) -> Result<Arc<dyn Mappable>, Errno> {
        self.named(self.content()?.mappable()?, None)
    }

    fn mappable_for_stores(&self) -> Result<Arc<dyn Mappable>, Errno> {
        // Stores come through as long as it is mapped, even if the file is closed.
        let writing = self.writing.as_ref().map(|_| self.place.mount.write_long()).transpose()?;
        self.named(self.content()?.mappable_for_stores()?, writing)
    }
}

/// The pages of a file, with the path that the file was found at.
struct Named {
    pages: Arc<dyn Mappable>,
    found: (Location, Vec<u8>),
    _writing: Option<LongWriting>,
}

impl Mappable for Named {
    fn frame(&self, index: u64) -> Result<Frame, Errno> {
        self.pages.frame(index)
    }

    fn frame_at_hand(&self, index: u64) -> Option<Frame> {
        self.pages.frame_at_hand(index)
    }

    fn name(&self) -> Result<Vec<u8>, OutOfMemory> {
        let (directory, name) = &self.found;
        or_name(directory.path_of(name), name).map_err(|_| OutOfMemory)
    }
}

/// A path, or for something that has none any more, its name.
pub fn or_name(path: Result<Vec<u8>, Errno>, name: &[u8]) -> Result<Vec<u8>, Errno> {
    match path {
        Err(error) if error != Errno::ENOMEM => Ok(try_to_vec(name)?),
        path => path,
    }
}
