//! Pages, frames and what may be done with them.

/// Bytes in a page and in a frame.
pub const PAGE_SIZE: usize = 4096;

/// The first address that is not a user's: the canonical lower half less one page (Linux's `TASK_SIZE_MAX`).
pub const USER_END: usize = 0x7fff_ffff_f000;

/// Number of a frame: its physical address divided by [`PAGE_SIZE`].
pub type FrameNumber = u64;

/// There is no memory for this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory;

bitflags::bitflags! {
    /// What user code may do with a page. Readable is implied by either of the others on x86.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Protection: u8 {
        /// May be read.
        const READ = 1;
        /// May be written.
        const WRITE = 2;
        /// May be executed.
        const EXECUTE = 4;
    }
}

/// One mapped page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// What is mapped.
    pub frame: FrameNumber,
    /// What user code may do with it.
    pub protection: Protection,
    /// Never writable, whatever the protection says: a write faults, and the pager makes a copy.
    pub copy_on_write: bool,
}

/// The frames of the vDSO: clock data, and the code that reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VdsoFrames {
    /// The clock page.
    pub clock: FrameNumber,
    /// The first frame of the ELF image.
    pub code: FrameNumber,
    /// Number of frames of the ELF image, which are consecutive.
    pub code_frames: usize,
}
