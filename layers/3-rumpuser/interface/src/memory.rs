//! Frames of physical memory, and address spaces that map them.

use crate::hypercalls::*;
use alloc::{sync::Arc, vec::Vec};
use core::{fmt, mem::ManuallyDrop, ptr::NonNull};

pub use rumpkin_vocabulary::{
    Access, Fault, FrameNumber, OutOfMemory, PAGE_SIZE, Page, Pager, Protection, USER_END, VdsoFrames,
};

/// One owner of a frame of [`PAGE_SIZE`] bytes. Cloning makes another owner of the same frame.
pub struct Frame(FrameNumber);

impl Frame {
    /// A zeroed frame; `None` when memory for users has run out.
    pub fn allocate() -> Option<Frame> {
        rumpuser_frame_allocate().map(Frame)
    }

    /// The frame under one page-aligned page of the boot payload; it is never freed. `None` if `page` is not one.
    pub fn of_payload(page: &'static [u8]) -> Option<Frame> {
        rumpuser_payload_frame(page).map(Frame)
    }

    /// Whether this is the only owner.
    pub fn is_unique(&self) -> bool {
        rumpuser_frame_is_unique(self.0)
    }

    /// Copies from the frame, starting at `offset`; returns how many bytes there were.
    pub fn read(&self, offset: usize, buffer: &mut [u8]) -> usize {
        let length = buffer.len().min(PAGE_SIZE.saturating_sub(offset));
        if let Some(buffer) = buffer.get_mut(..length) {
            rumpuser_frame_read(self.0, offset, buffer);
        }
        length
    }

    /// Copies into the frame, starting at `offset`; returns how many bytes there was room for.
    pub fn write(&self, offset: usize, data: &[u8]) -> usize {
        let length = data.len().min(PAGE_SIZE.saturating_sub(offset));
        if let Some(data) = data.get(..length) {
            rumpuser_frame_write(self.0, offset, data);
        }
        length
    }

    /// A new frame with the same content.
    pub fn duplicate(&self) -> Option<Frame> {
        let copy = Frame::allocate()?;
        rumpuser_frame_copy(self.0, copy.0);
        Some(copy)
    }

    /// Takes over one owner (for back ends).
    pub fn from_number(number: FrameNumber) -> Frame {
        Frame(number)
    }

    /// Gives up the wrapper and keeps the owner (for back ends).
    pub fn into_number(self) -> FrameNumber {
        ManuallyDrop::new(self).0
    }

    /// The frame's number, which stays the same as long as anyone owns it.
    pub fn number(&self) -> FrameNumber {
        self.0
    }
}

impl Clone for Frame {
    fn clone(&self) -> Self {
        rumpuser_frame_retain(self.0);
        Frame(self.0)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        rumpuser_frame_release(self.0);
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({:#x})", self.0)
    }
}

/// Frames in all.
pub fn total_frames() -> usize {
    rumpuser_frame_counts().0
}

/// Frames that user memory may still take.
pub fn free_frames() -> usize {
    rumpuser_frame_counts().1
}

/// Sees to it that the allocations which the caller makes next, of `bytes` bytes in all and none larger than a page, succeed;
/// refuses if that would take what is kept for those who release memory. It holds until the caller waits or asks anew.
///
/// Whoever allocates something whose size or number an outsider decides asks first; what is larger than a page is allocated
/// by calls that can fail. Does not block.
pub fn ensure(bytes: usize) -> Result<(), OutOfMemory> {
    if rumpuser_heap_ensure(bytes) { Ok(()) } else { Err(OutOfMemory) }
}

/// A [`Page`] that owns its frame.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// What is mapped.
    pub frame: Frame,
    /// What user code may do with it.
    pub protection: Protection,
    /// Never writable, whatever the protection says: a write faults, and the pager makes a copy.
    pub copy_on_write: bool,
}

impl Mapping {
    /// Takes over one owner of the page's frame (for back ends).
    pub fn from_page(page: Page) -> Mapping {
        let Page { frame, protection, copy_on_write } = page;
        Mapping { frame: Frame::from_number(frame), protection, copy_on_write }
    }

    /// Gives up the wrapper and keeps the owner of the frame (for back ends).
    pub fn into_page(self) -> Page {
        let Mapping { frame, protection, copy_on_write } = self;
        Page { frame: frame.into_number(), protection, copy_on_write }
    }
}

/// A set of mappings from user addresses to frames.
#[derive(Debug)]
pub struct AddressSpace(NonNull<()>);

// SAFETY: a back end's address-space handles may be used from any thread (the contract of `Backend`).
unsafe impl Send for AddressSpace {}
// SAFETY: as above; the back end locks inside.
unsafe impl Sync for AddressSpace {}

impl AddressSpace {
    /// An empty one, whose faults go to `pager`.
    pub fn new(pager: Arc<dyn Pager>) -> Result<Self, OutOfMemory> {
        rumpuser_space_create(pager).map(AddressSpace)
    }

    /// Makes it the calling thread's. It must outlive the thread's use of it: call [`deactivate`] before dropping it.
    pub fn activate(&self) {
        rumpuser_space_activate(Some(self.0));
    }

    /// Maps a page at a page-aligned address below [`USER_END`], in place of what was there.
    pub fn map(&self, address: usize, mapping: Mapping) -> Result<(), OutOfMemory> {
        let page = mapping.into_page();
        rumpuser_space_map(self.0, address, page).inspect_err(|_| drop(Frame::from_number(page.frame)))
    }

    /// What is mapped at a page-aligned address.
    pub fn query(&self, address: usize) -> Option<Mapping> {
        rumpuser_space_query(self.0, address).map(Mapping::from_page)
    }

    /// Unmaps a page-aligned range, on every CPU, and lets go of its frames.
    pub fn unmap(&self, address: usize, length: usize) {
        rumpuser_space_unmap(self.0, address, length);
    }

    /// Changes the protection of what is mapped in a page-aligned range.
    pub fn protect(&self, address: usize, length: usize, protection: Protection) {
        rumpuser_space_protect(self.0, address, length, protection);
    }

    /// Moves what is mapped at `from` to `to`, where nothing is mapped.
    pub fn move_range(&self, from: usize, to: usize, length: usize) -> Result<(), OutOfMemory> {
        rumpuser_space_move(self.0, from, to, length)
    }
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        rumpuser_space_destroy(self.0);
    }
}

/// Leaves the calling thread without an address space.
pub fn deactivate() {
    rumpuser_space_activate(None);
}

/// The vDSO: one page of clock data, followed in the address space by the code pages, which begin with its ELF header.
#[derive(Debug)]
pub struct Vdso {
    /// The clock page, read-only to users; the back end keeps it current.
    pub clock: Frame,
    /// The ELF image (`AT_SYSINFO_EHDR` points at its first byte); it finds the clock page just below itself.
    pub code: Vec<Frame>,
}

/// The vDSO of this machine.
pub fn vdso() -> Result<Vdso, OutOfMemory> {
    let frames = rumpuser_vdso()?;
    let clock = Frame::from_number(frames.clock);
    let owned = (frames.code..).take(frames.code_frames).map(Frame::from_number);
    let mut code = Vec::new();
    let room = ensure(frames.code_frames * size_of::<Frame>())
        .and_then(|()| code.try_reserve_exact(frames.code_frames).map_err(|_| OutOfMemory));
    match room {
        Ok(()) => code.extend(owned),
        Err(_) => owned.for_each(drop),
    }
    room.map(|()| Vdso { clock, code })
}
