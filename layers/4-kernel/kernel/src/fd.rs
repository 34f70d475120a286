//! The table of file descriptors of a process.

use crate::file::OpenFile;
use alloc::{collections::BTreeSet, sync::Arc, vec::Vec};
use rumpkin_abi::Errno;
use rumpuser::sync::Mutex;

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
    /// Free slots below `slots.len()`, so that the lowest is found in O(log n).
    free: BTreeSet<usize>,
}

impl Slots {
    fn get(&self, descriptor: i32) -> Option<&Slot> {
        self.slots.get(usize::try_from(descriptor).ok()?)?.as_ref()
    }

    fn get_mut(&mut self, descriptor: i32) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(descriptor).ok()?)?.as_mut()
    }

    fn grow_to(&mut self, length: usize) {
        while self.slots.len() < length {
            self.free.insert(self.slots.len());
            self.slots.push(None);
        }
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

    /// The lowest free descriptor that is at least `least` now points at `file`. `EMFILE` if there is none.
    pub fn insert(&self, file: Arc<OpenFile>, close_on_exec: bool, least: usize) -> Result<i32, Errno> {
        let mut slots = self.0.lock();
        if least >= MAX_DESCRIPTORS {
            return Err(Errno::EINVAL);
        }
        slots.grow_to(least);
        let descriptor = match slots.free.range(least..).next().copied() {
            Some(descriptor) => descriptor,
            None => {
                let end = slots.slots.len();
                if end >= MAX_DESCRIPTORS {
                    return Err(Errno::EMFILE);
                }
                slots.grow_to(end.saturating_add(1));
                end
            }
        };
        slots.free.remove(&descriptor);
        if let Some(slot) = slots.slots.get_mut(descriptor) {
            *slot = Some(Slot { file, close_on_exec });
        }
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
        let mut slots = self.0.lock();
        slots.grow_to(index.saturating_add(1));
        slots.free.remove(&index);
        let slot = slots.slots.get_mut(index).ok_or(Errno::EBADF)?;
        Ok(slot.replace(Slot { file, close_on_exec }).map(|slot| slot.file))
    }

    /// Closes a descriptor; the description comes back, to be dropped without the table's lock.
    pub fn remove(&self, descriptor: i32) -> Result<Arc<OpenFile>, Errno> {
        let index = usize::try_from(descriptor).map_err(|_| Errno::EBADF)?;
        let mut slots = self.0.lock();
        let slot = slots.slots.get_mut(index).and_then(Option::take).ok_or(Errno::EBADF)?;
        slots.free.insert(index);
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
