//! The table of file descriptors of a process.

use crate::file::OpenFile;
use alloc::{sync::Arc, vec::Vec};
use rumpkin_abi::Errno;
use rumpuser::{
    memory::{PAGE_SIZE, free_frames, kernel_has_room},
    sync::Mutex,
};

/// Most descriptors of a process (`RLIMIT_NOFILE`).
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

    /// Puts something into a slot; what was there comes back. `ENFILE` if memory has run out but for what the kernel keeps
    /// for needs that it cannot refuse, as it can an open file.
    fn put(&mut self, index: usize, slot: Slot) -> Result<Option<Slot>, Errno> {
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
        Ok(self.slots.get_mut(index).and_then(|place| place.replace(slot)))
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

    /// Empties a slot.
    fn take(&mut self, index: usize) -> Option<Slot> {
        if let Some(word) = self.taken.get_mut(index / 64) {
            *word &= !(1 << (index % 64));
        }
        self.slots.get_mut(index).and_then(Option::take)
    }
}

/// Descriptors and the open file descriptions that they point at.
#[derive(Default)]
pub struct DescriptorTable(Mutex<Slots>);

impl DescriptorTable {
    /// What the descriptor points at; `EBADF` if nothing.
    pub fn get(&self, descriptor: i32) -> Result<Arc<OpenFile>, Errno> {
        self.0.lock().get(descriptor).map(|slot| slot.file.clone()).ok_or(Errno::EBADF)
    }

    /// The lowest free descriptor that is at least `least` now points at `file`. `EMFILE` if there is none, `ENFILE` if
    /// memory has run out.
    pub fn insert(&self, file: Arc<OpenFile>, close_on_exec: bool, least: usize) -> Result<i32, Errno> {
        let mut slots = self.0.lock();
        if least >= MAX_DESCRIPTORS {
            return Err(Errno::EINVAL);
        }
        let descriptor = slots.lowest_free(least);
        if descriptor >= MAX_DESCRIPTORS {
            return Err(Errno::EMFILE);
        }
        slots.put(descriptor, Slot { file, close_on_exec })?;
        i32::try_from(descriptor).map_err(|_| Errno::EMFILE)
    }

    /// `descriptor` now points at `file`; what it pointed at before comes back (dup2(2)).
    pub fn replace(
        &self,
        descriptor: i32,
        file: Arc<OpenFile>,
        close_on_exec: bool,
    ) -> Result<Option<Arc<OpenFile>>, Errno> {
        let index = usize::try_from(descriptor).map_err(|_| Errno::EBADF)?;
        if index >= MAX_DESCRIPTORS {
            return Err(Errno::EBADF);
        }
        let old = self.0.lock().put(index, Slot { file, close_on_exec })?;
        Ok(old.map(|slot| slot.file))
    }

    /// Closes a descriptor; the description comes back, to be dropped without the table's lock.
    pub fn remove(&self, descriptor: i32) -> Result<Arc<OpenFile>, Errno> {
        let index = usize::try_from(descriptor).map_err(|_| Errno::EBADF)?;
        let slot = self.0.lock().take(index).ok_or(Errno::EBADF)?;
        Ok(slot.file)
    }

    /// The close-on-exec flag.
    pub fn close_on_exec(&self, descriptor: i32) -> Result<bool, Errno> {
        self.0.lock().get(descriptor).map(|slot| slot.close_on_exec).ok_or(Errno::EBADF)
    }

    /// Sets the close-on-exec flag.
    pub fn set_close_on_exec(&self, descriptor: i32, value: bool) -> Result<(), Errno> {
        self.0.lock().get_mut(descriptor).map(|slot| slot.close_on_exec = value).ok_or(Errno::EBADF)
    }

    /// The lowest open descriptor from `least` on.
    pub fn next(&self, least: usize) -> Option<i32> {
        let slots = self.0.lock();
        let open = slots.slots.iter().enumerate().skip(least).find(|(_, slot)| slot.is_some());
        open.and_then(|(index, _)| i32::try_from(index).ok())
    }

    /// Every open descriptor, in order.
    pub fn descriptors(&self) -> Vec<i32> {
        let slots = self.0.lock();
        let open = slots.slots.iter().enumerate().filter(|(_, slot)| slot.is_some());
        open.filter_map(|(index, _)| i32::try_from(index).ok()).collect()
    }

    /// Closes everything; the descriptions come back.
    pub fn drain(&self) -> Vec<Arc<OpenFile>> {
        let slots = core::mem::take(&mut *self.0.lock());
        slots.slots.into_iter().flatten().map(|slot| slot.file).collect()
    }
}
