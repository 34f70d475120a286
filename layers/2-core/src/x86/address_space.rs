//! Address spaces: page tables for the user half, with the owners of the frames they map.

use super::{
    layout::{PAGE_SIZE, USER_END},
    page_tables::{entry_frame, share_upper_half, table},
    translation,
};
use crate::{
    memory::{
        OutOfMemory,
        frames::{self, FrameNumber},
    },
    thread::{self, UserMemory},
};
use alloc::sync::Arc;
use core::ptr::NonNull;
use rumpkin_vocabulary::{Page, Pager, Protection};
use x86_64::{
    PhysAddr, VirtAddr,
    instructions::tlb,
    structures::paging::{PageTableFlags as Flags, page_table::PageTableEntry},
};

// The protection is kept in bits that the processor ignores, since a page that may not be read is not present.
const PROTECTION: u32 = 9;
const COPY_ON_WRITE: Flags = Flags::BIT_52;
/// There is a frame, present or not.
const OWNED: Flags = Flags::BIT_53;

/// The flags of a page's entry. No page is a user page to the processor: user code runs in ring 0.
fn flags(page: &Page) -> Flags {
    let kept = u64::from(page.protection.bits()) << PROTECTION;
    let mut flags = OWNED | Flags::from_bits_retain(kept);
    flags.set(Flags::PRESENT, !page.protection.is_empty());
    flags.set(Flags::WRITABLE, page.protection.contains(Protection::WRITE) && !page.copy_on_write);
    flags.set(Flags::NO_EXECUTE, !page.protection.contains(Protection::EXECUTE));
    flags.set(COPY_ON_WRITE, page.copy_on_write);
    flags
}

/// The page that an entry maps.
fn page_of(entry: &PageTableEntry) -> Option<Page> {
    let flags = entry.flags();
    flags.contains(OWNED).then(|| Page {
        frame: entry_frame(entry),
        protection: Protection::from_bits_truncate((flags.bits() >> PROTECTION) as u8),
        copy_on_write: flags.contains(COPY_ON_WRITE),
    })
}

/// Has an entry map a page.
fn store(page: &Page, entry: &mut PageTableEntry) {
    entry.set_addr(PhysAddr::new(page.frame * PAGE_SIZE as u64), flags(page));
}

/// An address space.
pub struct AddressSpace {
    root: FrameNumber,
    pager: Arc<dyn Pager>,
    /// Held while the tables are walked or changed; never while anything blocks.
    lock: spin::Mutex<()>,
}

impl AddressSpace {
    /// An empty one.
    pub fn new(pager: Arc<dyn Pager>) -> Result<AddressSpace, OutOfMemory> {
        let root = frames::allocate_user().ok_or(OutOfMemory)?;
        // SAFETY: the frame is new and ours, and zeroes are an empty table.
        share_upper_half(unsafe { table(root) });
        Ok(AddressSpace { root, pager, lock: spin::Mutex::new(()) })
    }

    /// Makes an address space the calling thread's, or none.
    ///
    /// # Safety
    /// It stays alive until the thread has another, or none, or has ended.
    pub unsafe fn activate(space: Option<&AddressSpace>) {
        frames::serve_program();
        let memory = space.map(|space| UserMemory { table: space.root, pager: NonNull::from(&*space.pager) });
        // SAFETY: table and pager live as long as the space; the table's upper half is the kernel's.
        unsafe { thread::set_user_memory(memory) };
    }

    /// Maps a page, in place of what was there, taking over one owner of the frame unless it refuses. An address that is not a user's is
    /// treated as out of memory.
    pub fn map(&self, address: usize, page: Page) -> Result<(), OutOfMemory> {
        let _guard = self.lock.lock();
        let entry = self.entry(address)?;
        let old = page_of(entry);
        store(&page, entry);
        if let Some(old) = old {
            let mut flush = Flush::new(self.root);
            flush.page(address);
            drop(flush);
            frames::release(old.frame);
        }
        Ok(())
    }

    /// What is mapped there; its frame has one more owner, the caller.
    pub fn query(&self, address: usize) -> Option<Page> {
        let _guard = self.lock.lock();
        let mut found = None;
        self.walk(address, PAGE_SIZE, &mut |_, entry| {
            found = page_of(entry);
        });
        if let Some(page) = found {
            frames::retain(page.frame);
        }
        found
    }

    /// Unmaps a range of whole pages and lets go of their frames. Costs nothing for tables that are not there.
    pub fn unmap(&self, address: usize, length: usize) {
        let _guard = self.lock.lock();
        // A batch at a time: first out of the tables, then out of the translation caches, then free.
        let end = address.saturating_add(length).min(USER_END);
        let mut at = address;
        while at < end {
            let mut batch = [0; 64];
            let mut count = 0;
            let mut flush = Flush::new(self.root);
            let resume = self.walk_while(at, end - at, &mut |address, entry| {
                let Some(page) = page_of(entry) else {
                    return true;
                };
                let Some(slot) = batch.get_mut(count) else {
                    return false;
                };
                *slot = page.frame;
                count += 1;
                if entry.flags().contains(Flags::PRESENT) {
                    flush.page(address);
                }
                entry.set_unused();
                true
            });
            drop(flush);
            batch.iter().take(count).copied().for_each(frames::release);
            at = resume;
        }
    }

    /// Changes the protection of what is mapped in a range of whole pages.
    pub fn protect(&self, address: usize, length: usize, protection: Protection) {
        let _guard = self.lock.lock();
        let mut flush = Flush::new(self.root);
        self.walk(address, length, &mut |address, entry| {
            if let Some(page) = page_of(entry) {
                if entry.flags().contains(Flags::PRESENT) {
                    flush.page(address);
                }
                store(&Page { protection, ..page }, entry);
            }
        });
    }

    /// Moves what is mapped from one range of whole pages to another, which is empty. On an error, what was moved stays moved.
    pub fn move_range(&self, from: usize, to: usize, length: usize) -> Result<(), OutOfMemory> {
        let _guard = self.lock.lock();
        let mut flush = Flush::new(self.root);
        let mut result = Ok(());
        self.walk(from, length, &mut |address, entry| {
            let Some(page) = page_of(entry) else {
                return;
            };
            if result.is_err() {
                return;
            }
            match self.entry(to + (address - from)) {
                Ok(target) => {
                    store(&page, target);
                    entry.set_unused();
                    flush.page(address);
                }
                Err(error) => result = Err(error),
            }
        });
        result
    }

    /// The last-level entry for an address, with the tables above it.
    #[allow(clippy::mut_from_ref)]
    fn entry(&self, address: usize) -> Result<&mut PageTableEntry, OutOfMemory> {
        if address >= USER_END {
            return Err(OutOfMemory);
        }
        let mut frame = self.root;
        for level in (1..=3).rev() {
            // SAFETY: the caller holds the lock; the root and what it points to are page tables of this space.
            let entry = &mut unsafe { table(frame) }[index(address, level)];
            if entry.is_unused() {
                let new = frames::allocate_user().ok_or(OutOfMemory)?;
                let address = PhysAddr::new(new * PAGE_SIZE as u64);
                entry.set_addr(address, Flags::PRESENT | Flags::WRITABLE);
            }
            frame = entry_frame(entry);
        }
        // SAFETY: as above.
        Ok(&mut unsafe { table(frame) }[index(address, 0)])
    }

    /// Calls `each` for every entry in use in a range, whose absent tables cost nothing.
    fn walk(&self, address: usize, length: usize, each: &mut dyn FnMut(usize, &mut PageTableEntry)) {
        self.walk_while(address, length, &mut |address, entry| {
            each(address, entry);
            true
        });
    }

    /// As `walk`, until `each` says false; returns where to go on, which is that entry's address or the end.
    fn walk_while(
        &self,
        address: usize,
        length: usize,
        each: &mut dyn FnMut(usize, &mut PageTableEntry) -> bool,
    ) -> usize {
        let end = address.saturating_add(length).min(USER_END);
        let mut at = address;
        'next: while at < end {
            let mut frame = self.root;
            for level in (1..=3).rev() {
                // SAFETY: as in `entry`.
                let entry = &unsafe { table(frame) }[index(at, level)];
                if entry.is_unused() {
                    let covered = 1usize << (12 + 9 * level);
                    at = (at / covered + 1) * covered;
                    continue 'next;
                }
                frame = entry_frame(entry);
            }
            // SAFETY: as in `entry`.
            let table = unsafe { table(frame) };
            // By index: the table's own iterator would walk over what is skipped.
            for slot in index(at, 0)..ENTRIES {
                if at >= end {
                    break;
                }
                let entry = &mut table[slot];
                if !entry.is_unused() && !each(at, entry) {
                    return at;
                }
                at += PAGE_SIZE;
            }
        }
        end
    }
}

/// Entries of a table.
const ENTRIES: usize = 512;

fn index(address: usize, level: u32) -> usize {
    (address >> (12 + 9 * level)) & 511
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        translation::leave(self.root);
        // SAFETY: nobody uses the space any more, and no processor has its tables loaded.
        unsafe { release_table(self.root, 3) };
    }
}

/// Lets go of the user half of a table (all of it below the top level) and of the table.
///
/// # Safety
/// The table belongs to a space that no longer exists.
unsafe fn release_table(frame: FrameNumber, level: u32) {
    let used = if level == 3 { 256 } else { 512 };
    // SAFETY: the caller's promise.
    for entry in unsafe { table(frame) }.iter().take(used) {
        if level == 0 {
            if let Some(page) = page_of(entry) {
                frames::release(page.frame);
            }
        } else if !entry.is_unused() {
            // SAFETY: the tables below belong to the same space.
            unsafe { release_table(entry_frame(entry), level - 1) };
        }
    }
    frames::release(frame);
}

/// Translations to forget: page by page while they are few, else all. Done when dropped.
///
/// This is the one place that invalidates user translations, so it is where the other CPUs that run the space are told.
struct Flush {
    root: FrameNumber,
    pages: [usize; Flush::FEW],
    count: usize,
}

impl Flush {
    const FEW: usize = 32;

    fn new(root: FrameNumber) -> Flush {
        Flush { root, pages: [0; Flush::FEW], count: 0 }
    }

    fn page(&mut self, address: usize) {
        if let Some(slot) = self.pages.get_mut(self.count) {
            *slot = address;
        }
        self.count += 1;
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        if self.count == 0 || !translation::is_in_force(self.root) {
            // Tables that are not in force have no translations: there are no address-space tags.
            return;
        }
        match self.pages.get(..self.count) {
            Some(pages) => pages.iter().for_each(|&page| tlb::flush(VirtAddr::new(page as u64))),
            None => tlb::flush_all(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_keeps_what_a_page_was_given_and_is_present_if_it_may_be_touched() {
        for protection in (0..8).map(Protection::from_bits_truncate) {
            for copy_on_write in [false, true] {
                let page = Page { frame: 0x12_3456_789a, protection, copy_on_write };
                let mut entry = PageTableEntry::new();
                store(&page, &mut entry);
                assert_eq!(page_of(&entry), Some(page));
                assert_eq!(entry.flags().contains(Flags::PRESENT), !protection.is_empty());
                let writable = protection.contains(Protection::WRITE) && !copy_on_write;
                assert_eq!(entry.flags().contains(Flags::WRITABLE), writable);
            }
        }
        assert_eq!(page_of(&PageTableEntry::new()), None);
    }
}
