//! The kernel's half of the address space.
//!
//! ```text
//! 0xffff_8000_0000_0000  direct map: all memory, writable, never executable (the kernel's code and constants read-only)
//! 0xffff_c000_0000_0000  device registers, uncached
//! 0xffff_c080_0000_0000  kernel stacks, each above its guard pages
//! 0xffff_ffff_8000_0000  the kernel image: text r-x, constants r--, variables rw-
//! ```

/// Bytes in a page and in a frame.
pub const PAGE_SIZE: usize = 4096;
/// The first address that is not a user's.
pub const USER_END: usize = 0x7fff_ffff_f000;
/// Where physical address 0 is mapped.
pub const DIRECT_MAP: usize = 0xffff_8000_0000_0000;
/// Size of the direct map's window: 64 TiB.
pub const DIRECT_MAP_SIZE: usize = 1 << 46;
/// Where device registers are mapped.
pub const MMIO: usize = 0xffff_c000_0000_0000;
/// Size of the registers' window: one entry of the top table.
pub const MMIO_SIZE: usize = 1 << 39;
/// Where kernel stacks are mapped.
pub const STACKS: usize = 0xffff_c080_0000_0000;
/// Size of the stacks' window: one entry of the top table.
pub const STACKS_SIZE: usize = 1 << 39;
/// What is added to a physical address of the kernel image to get the virtual one.
pub const KERNEL_BASE: usize = 0xffff_ffff_8000_0000;

/// The direct map's address of a physical address.
pub const fn direct(physical: u64) -> usize {
    DIRECT_MAP.wrapping_add(physical as usize)
}
