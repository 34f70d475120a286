//! Locks of whole files between open file descriptions: flock(2).

use crate::tree::Vfs;
use alloc::{
    sync::{Arc, Weak},
    vec::Vec,
};
use core::ops::Range;
use rumpkin_abi::{Errno, linux::general};
use rumpkin_collections::{TryVec, try_arc};
use rumpkin_spine::{
    Call, SystemCall,
    file::OpenFile,
    system_calls,
    wait::{Events, Observer, WaitQueue, block_on},
};
use rumpuser::sync::Mutex;

pub const CALLS: &[SystemCall] = system_calls! {
    flock => flock;
};

/// A file: device and inode number.
type FileId = (u64, u64);

/// Who holds a lock: a description, by its address, which stays its own until it has told that it is closed.
struct Holder {
    file: FileId,
    description: usize,
    exclusive: bool,
    /// Kept with the description, to be told of its end.
    release: Arc<dyn Observer>,
}

/// Every lock of flock(2).
#[derive(Default)]
pub struct Locks {
    /// Sorted by file.
    held: Mutex<Vec<Holder>>,
    queue: WaitQueue,
}

/// Gives a description's lock back when the description is closed.
struct Release {
    locks: Weak<Locks>,
    file: FileId,
    description: usize,
}

impl Observer for Release {
    fn changed(&self, _events: Events) {
        if let Some(locks) = self.locks.upgrade() {
            drop(locks.release(self.file, self.description));
        }
    }
}

/// The holders of a file's lock.
fn holders(held: &[Holder], file: FileId) -> Range<usize> {
    held.partition_point(|holder| holder.file < file)..held.partition_point(|holder| holder.file <= file)
}

impl Locks {
    fn release(&self, file: FileId, description: usize) -> Option<Holder> {
        let mut held = self.held.lock();
        let range = holders(&held, file);
        let mut theirs = held.get(range.clone()).unwrap_or_default().iter();
        let index = theirs.position(|holder| holder.description == description)?;
        let holder = held.remove(range.start.saturating_add(index));
        drop(held);
        self.queue.notify(Events::READ);
        Some(holder)
    }

    /// `EAGAIN` while another description's lock is in the way, `ENOLCK` without memory to note it. A lock that is held already is converted.
    fn acquire(self: &Arc<Self>, file: FileId, open: &Arc<OpenFile>, exclusive: bool) -> Result<(), Errno> {
        let description = Arc::as_ptr(open) as usize;
        let mut held = self.held.lock();
        let range = holders(&held, file);
        let theirs = held.get_mut(range.clone()).unwrap_or_default();
        let conflict = theirs.iter().any(|holder| holder.description != description && (holder.exclusive || exclusive));
        if conflict {
            return Err(Errno::EAGAIN);
        }
        if let Some(holder) = theirs.iter_mut().find(|holder| holder.description == description) {
            holder.exclusive = exclusive;
            return Ok(());
        }
        let noted = (|| {
            let release: Arc<dyn Observer> = try_arc(Release { locks: Arc::downgrade(self), file, description })?;
            held.try_reserve_more(1)?;
            open.closed().add(Events::INVALID, release.clone())?;
            held.try_insert(range.end, Holder { file, description, exclusive, release })
        })();
        noted.map_err(|_| Errno::ENOLCK)
    }
}

fn flock(call: &mut Call<'_>) -> Result<usize, Errno> {
    let open = call.process().descriptors.get(call.int(0))?;
    if open.flags() & general::O_PATH != 0 {
        return Err(Errno::EBADF);
    }
    let stat = open.file().stat()?;
    let file = (stat.device, stat.inode);
    let locks = Vfs::of(call.kernel())?.locks.clone();
    let operation = call.uint(1);
    let exclusive = match operation & !general::LOCK_NB {
        general::LOCK_SH => false,
        general::LOCK_EX => true,
        general::LOCK_UN => {
            if let Some(holder) = locks.release(file, Arc::as_ptr(&open) as usize) {
                open.closed().remove(&holder.release);
            }
            return Ok(0);
        }
        _ => return Err(Errno::EINVAL),
    };
    if operation & general::LOCK_NB != 0 {
        locks.acquire(file, &open, exclusive)?;
        return Ok(0);
    }
    block_on(call.thread, &[(&locks.queue, Events::READ)], None, || locks.acquire(file, &open, exclusive).map(Some))?;
    Ok(0)
}
