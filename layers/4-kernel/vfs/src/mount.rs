//! A file system in its place: what is shown there, and under which rules.

use crate::{file_system::FileSystem, inode::Inode, location::Location};
use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use rumpkin_abi::{Errno, linux::general};
use rumpkin_collections::{OutOfMemory, TryVec, TryWrite, try_to_vec};

/// Rules of a mount that are kept as they were given.
pub const RULES: u32 = general::MS_NOSUID | general::MS_NODEV;

/// Bits of [`Mount::state`].
const MOUNT_READ_ONLY: usize = 1;
const FILE_SYSTEM_READ_ONLY: usize = 2;
const READ_ONLY: usize = MOUNT_READ_ONLY | FILE_SYSTEM_READ_ONLY;
const WRITER: usize = 4;

/// A file system in its place.
pub struct Mount {
    /// A number of its own.
    pub id: u64,
    /// Its type, as in `/proc/mounts`.
    pub kind: &'static str,
    /// What it was mounted from, or a name that was given for it.
    pub source: Vec<u8>,
    /// The file system.
    pub file_system: Arc<dyn FileSystem>,
    /// The directory of it that is shown: its top one, but for `MS_BIND`.
    pub root: Arc<dyn Inode>,
    /// The directory that it covers; `None` for the root file system, and for one that is in no tree.
    pub(crate) on: Option<Location>,
    /// It has not been unmounted. What was, stays as it is for those who use it, and leads nowhere but down.
    pub(crate) attached: AtomicBool,
    /// Which of its directories are covered by others: a bit for each number, modulo 64.
    pub(crate) covered: AtomicU64,
    /// [`RULES`]
    rules: AtomicU32,
    /// Whether it may be written to, here and at all; and above these bits, how many are about it.
    state: AtomicUsize,
}

/// What is mounted, and how.
pub struct NewMount {
    /// Its type.
    pub kind: &'static str,
    /// What it was mounted from.
    pub source: Vec<u8>,
    /// The file system.
    pub file_system: Arc<dyn FileSystem>,
    /// The directory of it that is to be shown.
    pub root: Arc<dyn Inode>,
    /// `MS_*`, of which `MS_RDONLY` and `RULES` count.
    pub flags: u32,
}

impl Mount {
    /// Not in a tree yet.
    pub(crate) fn new(id: u64, new: NewMount, on: Option<Location>, attached: bool) -> Mount {
        let fixed = if new.file_system.read_only() { FILE_SYSTEM_READ_ONLY } else { 0 };
        let here = if new.flags & general::MS_RDONLY != 0 { MOUNT_READ_ONLY } else { 0 };
        Mount {
            id,
            kind: new.kind,
            source: new.source,
            file_system: new.file_system,
            root: new.root,
            on,
            attached: AtomicBool::new(attached),
            covered: AtomicU64::new(0),
            rules: AtomicU32::new(new.flags & RULES),
            state: AtomicUsize::new(fixed | here),
        }
    }

    /// A mount in no tree, for files without a name.
    pub fn unlisted(new: NewMount) -> Mount {
        Mount::new(0, new, None, false)
    }

    /// The mount that it lies on.
    pub fn parent(&self) -> Option<&Arc<Mount>> {
        self.on.as_ref().map(|on| &on.mount)
    }

    /// Whether nothing can be changed through it.
    pub fn read_only(&self) -> bool {
        self.state.load(Ordering::Relaxed) & READ_ONLY != 0
    }

    /// Whether a rule holds here.
    pub fn has(&self, rule: u32) -> bool {
        self.rules.load(Ordering::Relaxed) & rule != 0
    }

    /// Begins a change, which lasts as long as what comes back is kept. `EROFS` if it is read-only.
    pub fn write(&self) -> Result<Writing<'_>, Errno> {
        self.begin_writing()?;
        Ok(Writing(self))
    }

    /// The same, for as long as a file is open.
    pub fn write_long(self: &Arc<Self>) -> Result<LongWriting, Errno> {
        self.begin_writing()?;
        Ok(LongWriting(self.clone()))
    }

    fn begin_writing(&self) -> Result<(), Errno> {
        let count = |state: usize| (state & READ_ONLY == 0).then(|| state.saturating_add(WRITER));
        self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count).map(drop).map_err(|_| Errno::EROFS)
    }

    fn end_writing(&self) {
        self.state.fetch_sub(WRITER, Ordering::Relaxed);
    }

    /// Sets or clears a bit of the state. `EBUSY` if somebody writes.
    fn set_state(&self, bit: usize, on: bool) -> Result<(), Errno> {
        let change = |state: usize| match on {
            true if state >= WRITER => None,
            true => Some(state | bit),
            false => Some(state & !bit),
        };
        self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change).map(drop).map_err(|_| Errno::EBUSY)
    }

    /// Makes it read-only here, or undoes that. `EBUSY` while somebody writes through it.
    pub(crate) fn set_read_only(&self, on: bool) -> Result<(), Errno> {
        self.set_state(MOUNT_READ_ONLY, on)
    }

    /// The same of its whole file system, as far as it is seen here.
    pub(crate) fn set_file_system_read_only(&self, on: bool) -> Result<(), Errno> {
        self.set_state(FILE_SYSTEM_READ_ONLY, on)
    }

    /// Whether its whole file system is read-only.
    pub(crate) fn file_system_read_only(&self) -> bool {
        self.state.load(Ordering::Relaxed) & FILE_SYSTEM_READ_ONLY != 0
    }

    /// Sets the other rules.
    pub(crate) fn set_rules(&self, flags: u32) {
        self.rules.store(flags & RULES, Ordering::Relaxed);
    }

    /// The rules that hold, as `MS_*`.
    pub fn flags(&self) -> u32 {
        self.rules.load(Ordering::Relaxed) | if self.read_only() { general::MS_RDONLY } else { 0 }
    }

    /// The absolute path that it is found at. `ENOENT` once it is unmounted.
    pub fn path(&self) -> Result<Vec<u8>, Errno> {
        match &self.on {
            _ if !self.attached.load(Ordering::Relaxed) => Err(Errno::ENOENT),
            Some(on) => on.path(),
            None => Ok(try_to_vec(b"/")?),
        }
    }

    /// Writes the rules for `/proc/mounts`.
    pub fn show_rules(&self, text: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        text.try_write(format_args!("{}", if self.read_only() { "ro" } else { "rw" }))?;
        for (rule, name) in [(general::MS_NOSUID, ",nosuid"), (general::MS_NODEV, ",nodev")] {
            if self.has(rule) {
                text.try_extend_from_slice(name.as_bytes())?;
            }
        }
        text.try_extend_from_slice(b",relatime")
    }
}

/// A change that goes on: meanwhile the mount is not made read-only.
pub struct Writing<'a>(&'a Mount);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.end_writing();
    }
}

/// A file that is open for writing, or mapped so: meanwhile the mount is not made read-only.
pub struct LongWriting(Arc<Mount>);

impl Drop for LongWriting {
    fn drop(&mut self) {
        self.0.end_writing();
    }
}
