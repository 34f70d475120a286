//! The grant table, version 1 (`grant_table.h`), and memory that is granted to another domain.
//!
//! Version 2 is for frames beyond 16 TiB and for grants that are handed on; both are nothing that a driver of ours needs, and
//! its table takes three times the memory. A reference is used again after its grant has ended. A grant that the other
//! domain still has mapped cannot end: then its memory and references are kept aside, and tried again when new memory is
//! granted, so that nobody else is ever given a page that a back end can reach.

use crate::devices::{
    error::{Error, Result},
    machine::{Machine, PAGE},
};
use alloc::vec::Vec;
use core::{
    arch::asm,
    ptr::{self, NonNull},
    sync::atomic::{AtomicU16, AtomicU32, Ordering},
};
use rumpkin_core::for_platform::dma::Buffer;
use xen_sys::{GRANTS_PER_FRAME_V1, GTF_permit_access, GTF_reading, GTF_readonly, GTF_writing};

/// The first references are the toolstack's (`GNTTAB_NR_RESERVED_ENTRIES`).
const RESERVED: u32 = 8;

/// `struct grant_entry_v1`, which the hypervisor reads and writes too.
#[repr(C)]
struct Entry {
    flags: AtomicU16,
    domain: AtomicU16,
    frame: AtomicU32,
}

impl Entry {
    fn permit(&self, access: Access) {
        let flags = GTF_permit_access | if access == Access::Read { GTF_readonly } else { 0 };
        self.flags.store(flags as u16, Ordering::Release);
    }

    /// Ends the grant; false if the other domain is using it.
    fn end(&self) -> bool {
        let in_use = (GTF_reading | GTF_writing) as u16;
        self.flags.fetch_update(Ordering::SeqCst, Ordering::Relaxed, |flags| (flags & in_use == 0).then_some(0)).is_ok()
    }
}

/// What the other domain may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read.
    Read,
    /// Read and write.
    Write,
}

/// The grant table of this domain. Used by threads only.
pub struct Table(spin::Mutex<State>);

struct State {
    /// Frames of the table that are mapped.
    frames: Vec<&'static [Entry; GRANTS_PER_FRAME_V1]>,
    /// References that grant nothing.
    free: Vec<u32>,
    /// What another domain would not let go of.
    quarantine: Vec<Parts>,
}

struct Grant {
    entry: &'static Entry,
    reference: u32,
}

/// Memory and its grants, one a page.
struct Parts {
    _pages: Buffer,
    grants: Vec<Grant>,
}

impl Parts {
    /// Ends all grants; false if some are in use.
    fn end(&self) -> bool {
        let mut all = true;
        for grant in &self.grants {
            all &= grant.entry.end();
        }
        all
    }
}

impl Table {
    /// An empty one; frames of the table are mapped as they are needed.
    pub const fn new() -> Self {
        Self(spin::Mutex::new(State { frames: Vec::new(), free: Vec::new(), quarantine: Vec::new() }))
    }

    /// Pages that are kept aside because another domain has them mapped.
    #[cfg(test)]
    pub fn quarantined(&self) -> usize {
        self.0.lock().quarantine.iter().map(|parts| parts.grants.len()).sum()
    }

    /// References that can be given out without a further frame.
    #[cfg(test)]
    pub fn free(&self) -> usize {
        self.0.lock().free.len()
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    fn grow(&mut self, machine: &dyn Machine) -> Result<()> {
        let index = self.frames.len() as u32;
        self.frames.try_reserve(1).map_err(|_| Error::Memory)?;
        self.free.try_reserve(GRANTS_PER_FRAME_V1).map_err(|_| Error::Memory)?;
        let frame = machine.grant_frame(index).ok_or(Error::NoGrants)?;
        // SAFETY: The machine gives us this frame for ever; entries are atomic, and any bits are an entry.
        self.frames.push(unsafe { frame.cast::<[Entry; GRANTS_PER_FRAME_V1]>().as_ref() });
        let first = index * GRANTS_PER_FRAME_V1 as u32;
        self.free.extend((first.max(RESERVED)..first + GRANTS_PER_FRAME_V1 as u32).rev());
        Ok(())
    }

    fn grant(&mut self, machine: &dyn Machine, domain: u16, frame: u64, access: Access) -> Result<Grant> {
        let frame = u32::try_from(frame).map_err(|_| Error::NoGrants)?;
        if self.free.is_empty() {
            self.grow(machine)?;
        }
        let reference = self.free.pop().ok_or(Error::NoGrants)?;
        let (table, index) = (reference as usize / GRANTS_PER_FRAME_V1, reference as usize % GRANTS_PER_FRAME_V1);
        let entry = &self.frames.get(table).ok_or(Error::NoGrants)?[index];
        entry.domain.store(domain, Ordering::Relaxed);
        entry.frame.store(frame, Ordering::Relaxed);
        entry.permit(access);
        Ok(Grant { entry, reference })
    }

    /// Frees memory whose grants end, and keeps the rest.
    fn retire(&mut self, parts: Parts) {
        if parts.end() {
            self.free.extend(parts.grants.iter().map(|grant| grant.reference));
        } else {
            self.quarantine.push(parts);
        }
    }
}

/// What can lie in shared memory.
///
/// # Safety
/// Any bits are a value.
pub unsafe trait Message: Copy {}
// SAFETY: An integer.
unsafe impl Message for u32 {}

/// Pages that another domain may reach. What it may write is read volatile or by an opaque copy, and there are references
/// only to what it cannot write. Outside of the memory reads give nothing and writes do nothing.
pub struct Memory {
    machine: &'static dyn Machine,
    access: Access,
    length: usize,
    base: NonNull<u8>,
    parts: Option<Parts>,
}

// SAFETY: Owned memory, accessed through `&self` by volatile words and opaque copies only.
unsafe impl Send for Memory {}
// SAFETY: As above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Allocates zeroed pages and grants each of them.
    #[cold]
    pub fn new(machine: &'static dyn Machine, domain: u16, pages: usize, access: Access) -> Result<Self> {
        let mut table = machine.grants().0.lock();
        for parts in core::mem::take(&mut table.quarantine) {
            table.retire(parts);
        }
        let allocation = machine.services().allocate(pages * PAGE).map_err(|_| Error::Memory)?;
        let (base, first) = (allocation.as_ptr(), allocation.physical() / PAGE as u64);
        let mut parts = Parts { _pages: allocation, grants: Vec::new() };
        let result = parts.grants.try_reserve_exact(pages).map_err(|_| Error::Memory).and_then(|()| {
            (0..pages as u64).try_for_each(|page| {
                parts.grants.push(table.grant(machine, domain, first + page, access)?);
                Ok(())
            })
        });
        if let Err(error) = result {
            table.retire(parts);
            return Err(error);
        }
        Ok(Self { machine, access, length: pages * PAGE, base, parts: Some(parts) })
    }

    /// The grant reference of a page.
    pub fn reference(&self, page: usize) -> u32 {
        // No reference of ours is 0, which is the console's.
        self.grant(page).map_or(0, |grant| grant.reference)
    }

    fn grant(&self, page: usize) -> Option<&Grant> {
        self.parts.as_ref()?.grants.get(page)
    }

    fn at(&self, offset: usize, length: usize) -> Option<*mut u8> {
        (offset.checked_add(length)? <= self.length).then(|| self.base.as_ptr().wrapping_add(offset))
    }

    fn place<T>(&self, offset: usize) -> Option<*mut T> {
        if !offset.is_multiple_of(align_of::<T>()) {
            return None;
        }
        Some(self.at(offset, size_of::<T>())?.cast())
    }

    /// Reads a value, once.
    pub fn load<T: Message>(&self, offset: usize) -> Option<T> {
        let place = self.place::<T>(offset)?;
        // SAFETY: In bounds and aligned, and any bits are a value.
        Some(unsafe { ptr::read_volatile(place) })
    }

    /// Writes a value, once.
    pub fn store<T: Message>(&self, offset: usize, value: T) {
        if let Some(place) = self.place::<T>(offset) {
            // SAFETY: In bounds and aligned.
            unsafe { ptr::write_volatile(place, value) }
        }
    }

    /// Copies from the memory.
    pub fn read(&self, offset: usize, to: &mut [u8]) {
        if let Some(place) = self.at(offset, to.len()) {
            // SAFETY: In bounds on both sides, which do not overlap as the slice is not ours.
            unsafe { copy(place, to.as_mut_ptr(), to.len()) }
        }
    }

    /// Copies into the memory.
    pub fn write(&self, offset: usize, from: &[u8]) {
        if let Some(place) = self.at(offset, from.len()) {
            // SAFETY: As above.
            unsafe { copy(from.as_ptr(), place, from.len()) }
        }
    }

    /// Has memory that the other domain may only read written by `fill`; not called if it is not all within.
    pub fn fill(&mut self, offset: usize, length: usize, fill: &mut dyn FnMut(&mut [u8])) {
        if self.access == Access::Read
            && let Some(place) = self.at(offset, length)
        {
            // SAFETY: In bounds; nobody else writes it, and nobody of us reads it, because of `&mut self`.
            fill(unsafe { core::slice::from_raw_parts_mut(place, length) });
        }
    }

    /// Takes part of a page away from the other domain while `look` reads it.
    ///
    /// # Errors
    /// [`Error::Broken`], without a look, if the other domain is using the page.
    pub fn inspect(&mut self, page: usize, offset: usize, length: usize, look: impl FnOnce(&[u8])) -> Result<()> {
        let grant = self.grant(page).ok_or(Error::Broken("a page that is none"))?;
        if !grant.entry.end() {
            return Err(Error::Broken("a page is in use after it was given back"));
        }
        if offset <= PAGE
            && length <= PAGE - offset
            && let Some(place) = self.at(page * PAGE + offset, length)
        {
            // SAFETY: In bounds; nobody else can write it, now that its grant has ended.
            look(unsafe { core::slice::from_raw_parts(place, length) });
        }
        grant.entry.permit(self.access);
        Ok(())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            self.machine.grants().0.lock().retire(parts);
        }
    }
}

/// A copy that the compiler knows nothing of, so that it reads memory that others write once.
///
/// # Safety
/// Both sides are valid for `length` bytes and do not overlap.
unsafe fn copy(from: *const u8, to: *mut u8, length: usize) {
    // SAFETY: The caller's promise; the direction flag is clear.
    unsafe {
        asm!("rep movsb", inout("rcx") length => _, inout("rsi") from => _, inout("rdi") to => _,
            options(nostack, preserves_flags));
    }
}
