//! The table of file descriptors of a process.

use crate::file::OpenFile;
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicUsize, Ordering};
use rumpkin_abi::Errno;
use rumpkin_collections::{OutOfMemory, TryVec, try_box};
use rumpuser::sync::Mutex;

/// Most descriptors that a process can ask for (`/proc/sys/fs/nr_open`).
pub const MAX_DESCRIPTORS: usize = 65536;

/// One slot.
struct Slot {
    file: Arc<OpenFile>,
    close_on_exec: bool,
}

/// As many slots as a word has bits.
const PER_CHUNK: usize = u64::BITS as usize;

/// Slots that stay where they are while the table grows.
#[derive(Default)]
struct Chunk {
    /// One bit per slot that is taken, filled or not, so that the lowest free one is found 64 at a time.
    taken: u64,
    /// None while all are free.
    slots: Option<Box<[Option<Slot>; PER_CHUNK]>>,
}

impl Chunk {
    fn slot(&self, place: usize) -> Option<&Slot> {
        self.slots.as_ref()?.get(place)?.as_ref()
    }

    fn place_mut(&mut self, place: usize) -> Option<&mut Option<Slot>> {
        self.slots.as_mut()?.get_mut(place)
    }
}

#[derive(Default)]
struct Slots(Vec<Chunk>);

impl Slots {
    fn get(&self, descriptor: i32) -> Option<&Slot> {
        let index = usize::try_from(descriptor).ok()?;
        self.0.get(index / PER_CHUNK)?.slot(index % PER_CHUNK)
    }

    fn get_mut(&mut self, descriptor: i32) -> Option<&mut Slot> {
        let index = usize::try_from(descriptor).ok()?;
        self.0.get_mut(index / PER_CHUNK)?.place_mut(index % PER_CHUNK)?.as_mut()
    }

    /// The lowest free slot from `least` on; there may be no such slot yet.
    fn lowest_free(&self, least: usize) -> usize {
        let first = least / PER_CHUNK;
        for (index, chunk) in self.0.iter().enumerate().skip(first) {
            let below = if index == first { (1u64 << (least % PER_CHUNK)).wrapping_sub(1) } else { 0 };
            let free = !(chunk.taken | below);
            if free != 0 {
                return index.saturating_mul(PER_CHUNK).saturating_add(free.trailing_zeros() as usize);
            }
        }
        least.max(self.0.len().saturating_mul(PER_CHUNK))
    }

    /// The filled slots from `least` on, in order.
    fn filled(&self, least: usize) -> impl Iterator<Item = usize> + '_ {
        let chunks = self.0.iter().enumerate().skip(least / PER_CHUNK);
        let indices = chunks.flat_map(|(number, chunk)| {
            let filled = (0..PER_CHUNK).filter(|place| chunk.taken >> place & 1 != 0 && chunk.slot(*place).is_some());
            filled.map(move |place| number.saturating_mul(PER_CHUNK).saturating_add(place))
        });
        indices.filter(move |index| *index >= least)
    }

    /// Takes a slot.
    fn occupy(&mut self, index: usize) -> Result<(), OutOfMemory> {
        let number = index / PER_CHUNK;
        self.0.try_reserve_more(number.saturating_add(1).saturating_sub(self.0.len()))?;
        while self.0.len() <= number {
            self.0.try_push(Chunk::default())?;
        }
        if let Some(chunk) = self.0.get_mut(number) {
            if chunk.slots.is_none() {
                chunk.slots = Some(try_box([const { None }; PER_CHUNK])?);
            }
            chunk.taken |= 1 << (index % PER_CHUNK);
        }
        Ok(())
    }

    /// Whether a slot is taken, filled or not.
    fn is_taken(&self, index: usize) -> bool {
        self.0.get(index / PER_CHUNK).is_some_and(|chunk| chunk.taken & 1 << (index % PER_CHUNK) != 0)
    }

    /// Puts something into a slot that is taken; what was there comes back.
    fn put(&mut self, index: usize, slot: Slot) -> Option<Slot> {
        self.0.get_mut(index / PER_CHUNK)?.place_mut(index % PER_CHUNK)?.replace(slot)
    }

    /// Empties a slot that is filled.
    fn take(&mut self, index: usize) -> Option<Slot> {
        let slot = self.0.get_mut(index / PER_CHUNK)?.place_mut(index % PER_CHUNK)?.take();
        if slot.is_some() {
            self.release(index);
        }
        slot
    }

    /// Gives back a slot that is empty.
    fn release(&mut self, index: usize) {
        if let Some(chunk) = self.0.get_mut(index / PER_CHUNK) {
            chunk.taken &= !(1 << (index % PER_CHUNK));
            if chunk.taken == 0 && index >= PER_CHUNK {
                chunk.slots = None;
            }
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
        slots.occupy(index).map_err(|_| Errno::ENFILE)?;
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
        slots.occupy(index).map_err(|_| Errno::ENFILE)?;
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
        i32::try_from(self.slots.lock().filled(least).next()?).ok()
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.slots.lock().filled(0).count()
    }

    /// Closes everything; the descriptions come back, to be dropped without the table's lock.
    pub fn drain(&self) -> impl Iterator<Item = Arc<OpenFile>> + use<> {
        let slots = core::mem::take(&mut *self.slots.lock());
        slots.0.into_iter().filter_map(|chunk| chunk.slots).flat_map(|slots| *slots).flatten().map(|slot| slot.file)
    }
}
