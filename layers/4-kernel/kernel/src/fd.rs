//! The table of file descriptors of a process.

use crate::file::OpenFile;
use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicUsize, Ordering};
use rumpkin_abi::Errno;
use rumpuser::{
    memory::{PAGE_SIZE, free_frames, kernel_has_room},
    sync::Mutex,
};

/// Most descriptors that a process can ask for (`/proc/sys/fs/nr_open`).
pub const MAX_DESCRIPTORS: usize = 65536;

/// One slot.
#[derive(Clone)]
struct Slot {
    file: Arc<OpenFile>,
    close_on_exec: bool,
}

#[derive(Default)]
struct Slots {
    slots: Vec<Option<Slot>>,
    /// One bit per slot that is taken, so that the lowest free one is found 64 at a time.
    taken: Vec<u64>,
}

impl Slots {
    fn get(&self, descriptor: i32) -> Option<&Slot> {
        self.slots.get(usize::try_from(descriptor).ok()?)?.as_ref()
    }

    fn get_mut(&mut self, descriptor: i32) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(descriptor).ok()?)?.as_mut()
    }

    /// The lowest free slot from `least` on; there may be no such slot yet.
    fn lowest_free(&self, least: usize) -> usize {
        let first = least / 64;
        for (index, word) in self.taken.iter().enumerate().skip(first) {
            let below = if index == first { (1u64 << (least % 64)).wrapping_sub(1) } else { 0 };
            let free = !(word | below);
            if free != 0 {
                return index.saturating_mul(64).saturating_add(free.trailing_zeros() as usize);
            }
        }
        least.max(self.taken.len().saturating_mul(64))
    }

    /// Takes a slot. `ENFILE` if memory has run out but for what the kernel keeps for needs that it cannot refuse, as it can
    /// an open file.
    fn occupy(&mut self, index: usize) -> Result<(), Errno> {
        if !kernel_has_room() {
            return Err(Errno::ENFILE);
        }
        if index >= self.slots.len() {
            self.grow(index.saturating_add(1))?;
            self.slots.resize(index.saturating_add(1), None);
            self.taken.resize(self.slots.len().div_ceil(64), 0);
        }
        if let Some(word) = self.taken.get_mut(index / 64) {
            *word |= 1 << (index % 64);
        }
        Ok(())
    }

    /// Whether a slot is taken, filled or not.
    fn is_taken(&self, index: usize) -> bool {
        self.taken.get(index / 64).is_some_and(|word| word & 1 << (index % 64) != 0)
    }

    /// Puts something into a slot that is taken; what was there comes back.
    fn put(&mut self, index: usize, slot: Slot) -> Option<Slot> {
        self.slots.get_mut(index).and_then(|place| place.replace(slot))
    }

    /// Makes room for so many slots.
    fn grow(&mut self, length: usize) -> Result<(), Errno> {
        /// A table of less is not worth a look.
        const SMALL: usize = 1024;
        let grows = length > self.slots.capacity();
        let grown = length.max(self.slots.capacity().saturating_mul(2)).max(SMALL);
        // A large table is made of frames, and is there twice while it grows.
        let needed = grown.saturating_mul(size_of::<Option<Slot>>()).saturating_mul(2);
        if grows && grown > SMALL && needed > free_frames().saturating_mul(PAGE_SIZE) {
            return Err(Errno::ENFILE);
        }
        self.slots.try_reserve(length.saturating_sub(self.slots.len())).map_err(|_| Errno::ENFILE)
    }

    /// Empties a slot that is filled.
    fn take(&mut self, index: usize) -> Option<Slot> {
        let slot = self.slots.get_mut(index).and_then(Option::take);
        if slot.is_some() {
            self.release(index);
        }
        slot
    }

    /// Gives back a slot that is empty.
    fn release(&mut self, index: usize) {
        if let Some(word) = self.taken.get_mut(index / 64) {
            *word &= !(1 << (index % 64));
        }
    }
}

/// Descriptors and the open file descriptions that they point at.
pub struct DescriptorTable {
    slots: Mutex<Slots>,
    /// New descriptors are below this.
    limit: AtomicUsize,
}

impl Default for DescriptorTable {
    fn default() -> Self {
        DescriptorTable { slots: Mutex::default(), limit: AtomicUsize::new(MAX_DESCRIPTORS) }
    }
}

/// A descriptor that is taken, but points at nothing yet; given back unless it is filled.
pub struct Reservation<'a> {
    table: &'a DescriptorTable,
    index: usize,
    close_on_exec: bool,
    filled: bool,
}

impl Reservation<'_> {
    /// The descriptor points at `file` from now on.
    pub fn fill(mut self, file: Arc<OpenFile>) -> i32 {
        self.filled = true;
        self.table.slots.lock().put(self.index, Slot { file, close_on_exec: self.close_on_exec });
        // No index is larger than the most descriptors.
        self.index as i32
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.filled {
            self.table.slots.lock().release(self.index);
        }
    }
}

impl DescriptorTable {
    /// What the descriptor points at; `EBADF` if nothing.
    pub fn get(&self, descriptor: i32) -> Result<Arc<OpenFile>, Errno> {
        self.slots.lock().get(descriptor).map(|slot| slot.file.clone()).ok_or(Errno::EBADF)
    }

    /// New descriptors are to be below `limit` (`RLIMIT_NOFILE`); what is open stays.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit.min(MAX_DESCRIPTORS), Ordering::Relaxed);
    }

    /// What new descriptors are below.
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Takes the lowest free descriptor that is at least `least`, before there is a file for it: whoever makes or accepts
    /// something for it must not lose that. Errors as [`DescriptorTable::insert`].
    pub fn reserve(&self, close_on_exec: bool, least: usize) -> Result<Reservation<'_>, Errno> {
        let mut slots = self.slots.lock();
        if least >= self.limit() {
            return Err(if least == 0 { Errno::EMFILE } else { Errno::EINVAL });
        }
        let index = slots.lowest_free(least);
        if index >= self.limit() {
            return Err(Errno::EMFILE);
        }
        slots.occupy(index)?;
        Ok(Reservation { table: self, index, close_on_exec, filled: false })
    }

    /// The lowest free descriptor that is at least `least` now points at `file`. `EMFILE` if there is none within the limit,
    /// `EINVAL` if `least` is not, `ENFILE` if memory has run out.
    pub fn insert(&self, file: Arc<OpenFile>, close_on_exec: bool, least: usize) -> Result<i32, Errno> {
        Ok(self.reserve(close_on_exec, least)?.fill(file))
    }

    /// `descriptor` now points at `file`; what it pointed at before comes back (dup2(2)). `EBADF` if it is not within the
    /// limit, `EBUSY` if another thread is about to fill it, `ENFILE` if memory has run out.
    pub fn replace(
        &self,
        descriptor: i32,
        file: Arc<OpenFile>,
        close_on_exec: bool,
    ) -> Result<Option<Arc<OpenFile>>, Errno> {
        let index = usize::try_from(descriptor).ok().filter(|index| *index < self.limit()).ok_or(Errno::EBADF)?;
        let mut slots = self.slots.lock();
        if slots.is_taken(index) && slots.get(descriptor).is_none() {
            return Err(Errno::EBUSY);
        }
        slots.occupy(index)?;
        Ok(slots.put(index, Slot { file, close_on_exec }).map(|slot| slot.file))
    }

    /// Closes a descriptor; the description comes back, to be dropped without the table's lock.
    pub fn remove(&self, descriptor: i32) -> Result<Arc<OpenFile>, Errno> {
        let index = usize::try_from(descriptor).map_err(|_| Errno::EBADF)?;
        let slot = self.slots.lock().take(index).ok_or(Errno::EBADF)?;
        Ok(slot.file)
    }

    /// The close-on-exec flag.
    pub fn close_on_exec(&self, descriptor: i32) -> Result<bool, Errno> {
        self.slots.lock().get(descriptor).map(|slot| slot.close_on_exec).ok_or(Errno::EBADF)
    }

    /// Sets the close-on-exec flag.
    pub fn set_close_on_exec(&self, descriptor: i32, value: bool) -> Result<(), Errno> {
        self.slots.lock().get_mut(descriptor).map(|slot| slot.close_on_exec = value).ok_or(Errno::EBADF)
    }

    /// The lowest open descriptor from `least` on.
    pub fn next(&self, least: usize) -> Option<i32> {
        let slots = self.slots.lock();
        let open = slots.slots.iter().enumerate().skip(least).find(|(_, slot)| slot.is_some());
        open.and_then(|(index, _)| i32::try_from(index).ok())
    }

    /// Every open descriptor, in order.
    pub fn descriptors(&self) -> Vec<i32> {
        let slots = self.slots.lock();
        let open = slots.slots.iter().enumerate().filter(|(_, slot)| slot.is_some());
        open.filter_map(|(index, _)| i32::try_from(index).ok()).collect()
    }

    /// Closes everything; the descriptions come back.
    pub fn drain(&self) -> Vec<Arc<OpenFile>> {
        let slots = core::mem::take(&mut *self.slots.lock());
        slots.slots.into_iter().flatten().map(|slot| slot.file).collect()
    }
}
