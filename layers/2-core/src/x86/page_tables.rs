//! The kernel's half of the page tables: the same tables in every address space.

use super::layout::{self, DIRECT_MAP_SIZE, PAGE_SIZE, direct};
use crate::{
    boot::{BootInfo, MemoryKind, PhysicalRange},
    memory::{OutOfMemory, frames, regions},
};
use core::arch::x86_64::__cpuid;
use spin::Mutex;
use x86_64::{
    PhysAddr, VirtAddr,
    instructions::tlb,
    registers::control::{Cr3, Cr3Flags},
    structures::paging::{PageTable, PhysFrame, Size4KiB, page_table::PageTableEntry},
};

/// What an entry of a page table allows.
pub(crate) use x86_64::structures::paging::PageTableFlags as Flags;

const LARGE: u64 = 2 << 20;
const HUGE: u64 = 1 << 30;

/// Constants of the kernel.
pub(crate) const READ_ONLY: Flags = Flags::PRESENT.union(Flags::NO_EXECUTE);
/// Variables of the kernel.
pub(crate) const WRITABLE: Flags = READ_ONLY.union(Flags::WRITABLE);
/// Device registers.
pub(crate) const DEVICE: Flags = WRITABLE.union(Flags::NO_CACHE).union(Flags::WRITE_THROUGH);

/// The top table that every address space copies its upper half from; its entries never change once made.
static ROOT: Mutex<Root> = Mutex::new(Root { frame: 0 });

struct Root {
    frame: u64,
}

/// The table in a frame.
///
/// # Safety
/// The frame holds a page table, and nobody else refers to it while the reference lives.
pub(crate) unsafe fn table(frame: u64) -> &'static mut PageTable {
    // SAFETY: frames are in the direct map; the rest is the caller's promise.
    unsafe { &mut *frames::address(frame).cast::<PageTable>() }
}

/// The frame that an entry points to.
pub(crate) fn entry_frame(entry: &PageTableEntry) -> u64 {
    entry.addr().as_u64() / PAGE_SIZE as u64
}

fn index(address: usize, level: u32) -> usize {
    (address >> (12 + 9 * level)) & 511
}

/// The table below an entry, made if there is none.
fn descend(entry: &mut PageTableEntry) -> Result<u64, OutOfMemory> {
    if entry.is_unused() {
        let frame = frames::allocate_kernel().ok_or(OutOfMemory)?;
        entry.set_addr(PhysAddr::new(frame * PAGE_SIZE as u64), Flags::PRESENT | Flags::WRITABLE);
    }
    Ok(entry_frame(entry))
}

impl Root {
    /// Maps a range with pages of the largest size that fits, up to `largest` bytes.
    fn map(&mut self, virt: usize, physical: PhysicalRange, flags: Flags, largest: u64) -> Result<(), OutOfMemory> {
        let mut done = 0;
        while done < physical.length {
            let (at, frame) = (virt + done as usize, physical.start + done);
            let left = physical.length - done;
            let fits = |size: u64| {
                size <= largest && left >= size && frame.is_multiple_of(size) && (at as u64).is_multiple_of(size)
            };
            let (level, size) = if fits(HUGE) {
                (2, HUGE)
            } else if fits(LARGE) {
                (1, LARGE)
            } else {
                (0, PAGE_SIZE as u64)
            };
            let flags = if level > 0 { flags | Flags::HUGE_PAGE } else { flags };
            self.entry(at, level)?.set_addr(PhysAddr::new(frame), flags);
            done += size;
        }
        Ok(())
    }

    /// The entry for an address at a level (0 for a 4 KiB page), with all tables above it.
    fn entry(&mut self, at: usize, level: u32) -> Result<&'static mut PageTableEntry, OutOfMemory> {
        let mut frame = self.frame;
        for above in (level + 1..=3).rev() {
            // SAFETY: the root and what its entries point to are page tables, reached only under the root's lock.
            frame = descend(&mut unsafe { table(frame) }[index(at, above)])?;
        }
        // SAFETY: as above.
        Ok(&mut unsafe { table(frame) }[index(at, level)])
    }
}

/// Builds the final tables and loads them: the boot entry's, with their identity map, are out of force.
///
/// # Panics
/// If there is no memory for them.
pub(crate) fn initialize(boot: &BootInfo) {
    build(boot).expect("no memory for the kernel's page tables");
}

fn build(boot: &BootInfo) -> Result<(), OutOfMemory> {
    const GIGABYTE_PAGES: u32 = 1 << 26;
    let largest = if __cpuid(0x8000_0001).edx & GIGABYTE_PAGES != 0 { HUGE } else { LARGE };
    let mut root = ROOT.lock();
    root.frame = frames::allocate_kernel().ok_or(OutOfMemory)?;

    let image = boot.image;
    let constant = PhysicalRange { start: image.text.start, length: image.rodata.end() - image.text.start };
    let page = PAGE_SIZE as u64;
    let mut behind = 0;
    for region in boot.memory.iter().filter(|region| region.range.length != 0) {
        if region.kind == MemoryKind::Reserved || region.range.end() > DIRECT_MAP_SIZE as u64 {
            continue;
        }
        // Tables of the firmware need not begin or end on a page. One that two regions share is mapped once: what is in a
        // large page already has no table of its own.
        let start = (region.range.start / page * page).max(behind);
        behind = region.range.end().next_multiple_of(page).max(start);
        let whole = PhysicalRange { start, length: behind - start };
        let mut result = Ok(());
        regions::without(whole, &[constant], &mut |piece| {
            result = result.and(root.map(direct(piece.start), piece, WRITABLE, largest));
        });
        result?;
    }
    root.map(direct(constant.start), constant, READ_ONLY, largest)?;

    for (section, flags) in [(image.text, Flags::PRESENT), (image.rodata, READ_ONLY), (image.data, WRITABLE)] {
        let start = layout::image() + section.start as usize;
        root.map(start, section, flags, PAGE_SIZE as u64)?;
    }
    // These windows fill later; their top entries must be there before any address space copies them.
    for window in [layout::mmio(), layout::stacks()] {
        root.entry(window, 2)?;
    }
    // SAFETY: the new tables map code, data and stack of the caller where they are now.
    unsafe { Cr3::write(physical_frame(root.frame), Cr3Flags::empty()) };
    Ok(())
}

fn physical_frame(frame: u64) -> PhysFrame<Size4KiB> {
    PhysFrame::containing_address(PhysAddr::new(frame * PAGE_SIZE as u64))
}

/// The frame of the top table without a user half.
pub(crate) fn root() -> u64 {
    ROOT.lock().frame
}

/// Fills the upper half of an address space's top table.
pub(crate) fn share_upper_half(table_of_space: &mut PageTable) {
    let root = ROOT.lock();
    // SAFETY: the lock is held.
    let kernel = unsafe { table(root.frame) };
    for (mine, theirs) in table_of_space.iter_mut().zip(kernel.iter()).skip(256) {
        *mine = theirs.clone();
    }
}

/// Maps a range in the kernel's half, in 4 KiB pages. The caller owns these addresses.
pub(crate) fn map(virt: usize, physical: PhysicalRange, flags: Flags) -> Result<(), OutOfMemory> {
    ROOT.lock().map(virt, physical, flags, PAGE_SIZE as u64)
}

/// Unmaps a page of the kernel's half on this CPU; what was mapped comes back.
///
/// Other CPUs may still have it in their translation caches: the caller has seen to it that none uses it.
pub(crate) fn unmap(virt: usize) -> Option<u64> {
    let mut root = ROOT.lock();
    let entry = root.entry(virt, 0).ok()?;
    if entry.is_unused() {
        return None;
    }
    let frame = entry_frame(entry);
    entry.set_unused();
    tlb::flush(VirtAddr::new(virt as u64));
    Some(frame)
}

/// Loads a top table into this CPU.
///
/// # Safety
/// The frame holds a top table whose upper half is the kernel's.
pub(crate) unsafe fn load(frame: u64) {
    // SAFETY: the kernel stays mapped where it is; the lower half is only touched through the accessors.
    unsafe { Cr3::write(physical_frame(frame), Cr3Flags::empty()) };
}
