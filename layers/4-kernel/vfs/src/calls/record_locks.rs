//! Record locks (`F_SETLK` and `F_OFD_SETLK` of fcntl(2)): ranges of a file's bytes, held by a process or by an open file
//! description, each of which may only run into the locks of others.

use crate::tree::Vfs;
use alloc::{
    sync::{Arc, Weak},
    vec::Vec,
};
use rumpkin_abi::{Errno, linux::general};
use rumpkin_collections::{OrderedMap, TryVec, try_arc};
use rumpkin_spine::{
    Call,
    file::OpenFile,
    io,
    process::Process,
    wait::{Events, Observer, WaitQueue, block_on},
};
use rumpuser::sync::Mutex;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A file: device and inode number.
type FileId = (u64, u64);

/// The last byte of the longest file.
const LAST: u64 = i64::MAX as u64;

/// Who holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// A process, by its number; it loses its locks of a file with any descriptor of that file.
    Process(u32),
    /// A description, by its address, which stays its own until it has told that it is closed.
    Description(usize),
}

impl Owner {
    fn key(self) -> (u64, u64) {
        match self {
            Owner::Process(id) => (0, id.into()),
            Owner::Description(address) => (1, address as u64),
        }
    }
}

/// A range that is locked, or to be locked; both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Record {
    file: FileId,
    owner: Owner,
    start: u64,
    end: u64,
    exclusive: bool,
}

impl Record {
    fn touches(&self, other: &Record) -> bool {
        self.file == other.file && self.start <= other.end && other.start <= self.end
    }

    fn excludes(&self, other: &Record) -> bool {
        self.touches(other) && self.owner != other.owner && (self.exclusive || other.exclusive)
    }
}

#[derive(Default)]
struct Held {
    /// In the order of files, and of their first bytes.
    records: Vec<Record>,
    /// Owners that tell of their end.
    watched: OrderedMap<(u64, u64), ()>,
}

impl Held {
    fn conflict(&self, wanted: &Record) -> Option<Record> {
        self.records.iter().find(|held| held.excludes(wanted)).copied()
    }

    /// Takes a range away from its owner, and gives it to him anew if `locked`. Refused before anything has changed.
    fn set(&mut self, new: Record, locked: bool) -> Result<(), Errno> {
        // One record that is cut in two, and the new one.
        self.records.try_reserve_more(2).map_err(|_| Errno::ENOLCK)?;
        // Only the first record that it touches has something left before it, only the last one behind it.
        let (mut before, mut behind) = (None, None);
        let mut joined = new;
        self.records.retain(|held| {
            if held.owner != new.owner || held.file != new.file {
                return true;
            }
            let adjoins = held.start <= new.end.saturating_add(1) && new.start <= held.end.saturating_add(1);
            if locked && adjoins && held.exclusive == new.exclusive {
                joined.start = joined.start.min(held.start);
                joined.end = joined.end.max(held.end);
                return false;
            }
            if !held.touches(&new) {
                return true;
            }
            before = before.or((held.start < new.start).then(|| Record { end: new.start.saturating_sub(1), ..*held }));
            behind = behind.or((held.end > new.end).then(|| Record { start: new.end.saturating_add(1), ..*held }));
            false
        });
        for piece in [before, locked.then_some(joined), behind].into_iter().flatten() {
            let place = self.records.partition_point(|held| (held.file, held.start) <= (piece.file, piece.start));
            self.records.try_insert(place, piece).map_err(|_| Errno::ENOLCK)?;
        }
        Ok(())
    }
}

/// Every record lock.
#[derive(Default)]
pub struct RecordLocks {
    held: Mutex<Held>,
    queue: WaitQueue,
}

/// Gives an owner's locks back at his end.
struct Release {
    locks: Weak<RecordLocks>,
    owner: Owner,
}

impl Observer for Release {
    fn changed(&self, _events: Events) {
        if let Some(locks) = self.locks.upgrade() {
            locks.held.lock().watched.remove(self.owner.key());
            locks.release(self.owner, None);
        }
    }
}

impl RecordLocks {
    /// Gives back an owner's locks, of one file or of all.
    fn release(&self, owner: Owner, file: Option<FileId>) {
        let released = {
            let records = &mut self.held.lock().records;
            let before = records.len();
            records.retain(|held| held.owner != owner || file.is_some_and(|file| file != held.file));
            records.len() != before
        };
        if released {
            self.queue.notify(Events::READ);
        }
    }

    /// `EAGAIN` while another owner's lock is in the way, `ENOLCK` without memory.
    fn acquire(&self, wanted: Record) -> Result<(), Errno> {
        let mut held = self.held.lock();
        match held.conflict(&wanted) {
            Some(_) => Err(Errno::EAGAIN),
            None => held.set(wanted, true),
        }
    }

    /// Sees to it that an owner's locks end with him.
    fn watch(self: &Arc<Self>, owner: Owner, end: (&WaitQueue, Events)) -> Result<(), Errno> {
        let watched = &mut self.held.lock().watched;
        if watched.contains_key(owner.key()) {
            return Ok(());
        }
        watched.try_insert(owner.key(), ()).map_err(|_| Errno::ENOLCK)?;
        let told =
            try_arc(Release { locks: Arc::downgrade(self), owner }).and_then(|release| end.0.add(end.1, release));
        told.map_err(|_| {
            watched.remove(owner.key());
            Errno::ENOLCK
        })
    }
}

/// `struct flock`.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Flock {
    kind: u16,
    whence: u16,
    padding: u32,
    start: i64,
    length: i64,
    process: i32,
    padding_end: u32,
}

impl Flock {
    /// The first and the last byte that are meant.
    fn range(&self, open: &OpenFile) -> Result<(u64, u64), Errno> {
        let base = match u32::from(self.whence) {
            general::SEEK_SET => 0,
            general::SEEK_CUR => *open.position().lock() as i64,
            general::SEEK_END => open.file().stat()?.size,
            _ => return Err(Errno::EINVAL),
        };
        let start = base.checked_add(self.start).ok_or(Errno::EOVERFLOW)?;
        // A negative length is that of what lies before.
        let (first, end) = match self.length {
            0 => (start, None),
            1.. => (start, Some(start.checked_add(self.length.saturating_sub(1)).ok_or(Errno::EOVERFLOW)?)),
            _ => (start.checked_add(self.length).ok_or(Errno::EINVAL)?, Some(start.saturating_sub(1))),
        };
        let first = u64::try_from(first).map_err(|_| Errno::EINVAL)?;
        Ok((first, end.map_or(LAST, |end| end as u64)))
    }

    /// Tells of a lock; those of descriptions belong to no process.
    fn tell(&mut self, record: &Record) {
        self.kind = if record.exclusive { general::F_WRLCK } else { general::F_RDLCK } as u16;
        self.whence = general::SEEK_SET as u16;
        self.start = record.start as i64;
        self.length =
            if record.end == LAST { 0 } else { record.end.saturating_sub(record.start).saturating_add(1) as i64 };
        self.process = match record.owner {
            Owner::Process(id) => id as i32,
            Owner::Description(_) => -1,
        };
    }
}

/// `F_GETLK`, `F_SETLK`, `F_SETLKW`, and their `F_OFD_` relatives.
pub fn control(call: &Call<'_>, open: &Arc<OpenFile>, command: u32, argument: usize) -> Result<usize, Errno> {
    let of_description = matches!(command, general::F_OFD_GETLK | general::F_OFD_SETLK | general::F_OFD_SETLKW);
    let mut lock: Flock = io::read_value(argument)?;
    let (kind, (start, end)) = (u32::from(lock.kind), lock.range(open)?);
    if kind > general::F_UNLCK || of_description && lock.process != 0 {
        return Err(Errno::EINVAL);
    }
    let stat = open.file().stat()?;
    let process = call.process();
    let owner =
        if of_description { Owner::Description(Arc::as_ptr(open) as usize) } else { Owner::Process(process.id) };
    let file = (stat.device, stat.inode);
    let record = Record { file, owner, start, end, exclusive: kind == general::F_WRLCK };
    let locks = &Vfs::of(call.kernel())?.record_locks;
    if matches!(command, general::F_GETLK | general::F_OFD_GETLK) {
        if kind == general::F_UNLCK {
            return Err(Errno::EINVAL);
        }
        match locks.held.lock().conflict(&record) {
            Some(held) => lock.tell(&held),
            None => lock.kind = general::F_UNLCK as u16,
        }
        io::write_value(argument, &lock)?;
        return Ok(0);
    }
    match kind {
        general::F_RDLCK if !open.readable() => return Err(Errno::EBADF),
        general::F_WRLCK if !open.writable() => return Err(Errno::EBADF),
        general::F_UNLCK => {
            locks.held.lock().set(record, false)?;
            locks.queue.notify(Events::READ);
            return Ok(0);
        }
        _ => {}
    }
    let end = if of_description { (open.closed(), Events::INVALID) } else { (&process.ended, Events::READ) };
    locks.watch(owner, end)?;
    if matches!(command, general::F_SETLKW | general::F_OFD_SETLKW) {
        block_on(call.thread, &[(&locks.queue, Events::READ)], None, || locks.acquire(record).map(Some))?;
    } else {
        locks.acquire(record)?;
    }
    // It may have been made weaker.
    locks.queue.notify(Events::READ);
    Ok(0)
}

/// A process has closed one of its descriptors: its locks of that file are gone, whichever descriptor they came by (fcntl(2)).
pub fn closed(process: &Process, open: &OpenFile) {
    let Ok(vfs) = Vfs::of(&process.kernel) else { return };
    let locks = &vfs.record_locks;
    let owner = Owner::Process(process.id);
    let may_have_some = locks.held.lock().watched.contains_key(owner.key());
    if may_have_some && let Ok(stat) = open.file().stat() {
        locks.release(owner, Some((stat.device, stat.inode)));
    }
}
