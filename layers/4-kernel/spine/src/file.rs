//! Files: what every open thing can do, and the open file description that a descriptor points at (open(2)).

use crate::{
    io::{Sink, Source},
    notice::{Notice, Owner, Recipient},
    wait::{Events, Observer, WaitQueue, Waiter, block_on},
};
use alloc::sync::Arc;
use core::{
    any::Any,
    sync::atomic::{AtomicU32, Ordering},
};
use rumpkin_abi::{Errno, Stat, linux::general};
use rumpkin_collections::try_arc;
use rumpkin_mm::Mappable;
use rumpuser::{clock, sync::Mutex};
use spin::Once;

/// One entry of a directory (getdents64(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryEntry<'a> {
    /// Inode number.
    pub inode: u64,
    /// `DT_*`.
    pub kind: u8,
    /// The name, without a terminating zero.
    pub name: &'a [u8],
    /// Where the next entry begins, for the position.
    pub next: u64,
}

/// What is done with each entry of a directory: whether there should be more, comes back.
pub type EachEntry<'a> = &'a mut dyn FnMut(&DirectoryEntry<'_>) -> Result<bool, Errno>;

/// The thread of a program that makes a call, as files see it.
pub trait Caller: Waiter {
    /// The number of its process.
    fn process_id(&self) -> u32;

    /// Nobody is left to read what it writes: SIGPIPE.
    fn broken_pipe(&self);
}

impl<T: Caller + ?Sized> Caller for Arc<T> {
    fn process_id(&self) -> u32 {
        (**self).process_id()
    }

    fn broken_pipe(&self) {
        (**self).broken_pipe();
    }
}

/// Something that is open. No method waits for readiness: where there is nothing yet, it says `EAGAIN`.
pub trait File: Any + Send + Sync {
    /// Reads at `position` (0 where there is none). 0 bytes is the end.
    fn read(&self, _position: u64, _destination: &mut dyn Sink) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }

    /// Writes at `position`.
    fn write(&self, _position: u64, _source: &mut dyn Source) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }

    /// Whether the file has positions. One that has not is a stream.
    fn seekable(&self) -> bool {
        false
    }

    /// Whether bytes are written to it in a row, and not messages: where nobody reads them any more, SIGPIPE is raised.
    fn is_stream(&self) -> bool {
        true
    }

    /// Attributes.
    fn stat(&self) -> Result<Stat, Errno>;

    /// Readiness now.
    fn poll(&self) -> Events {
        Events::READ | Events::WRITE | Events::READ_NORMAL | Events::WRITE_NORMAL
    }

    /// Announces changes of readiness; `None` for a file that is always ready.
    fn wait_queue(&self) -> Option<&WaitQueue> {
        None
    }

    /// How long one wait for these events lasts at most, in nanoseconds (SO_RCVTIMEO, SO_SNDTIMEO); `None`: for ever.
    fn patience(&self, _events: Events) -> Option<u64> {
        None
    }

    /// Device-specific operations. `ENOTTY` for one that is not known.
    fn ioctl(&self, _caller: &dyn Caller, _command: u32, _argument: usize) -> Result<usize, Errno> {
        Err(Errno::ENOTTY)
    }

    /// fcntl(2) commands that are the file's own: the size of a pipe, seals. `EINVAL` for one that is not known.
    fn control(&self, _command: u32, _argument: usize) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }

    /// Sets the length.
    fn truncate(&self, _length: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    /// Makes what was written durable; with `data_only`, not the times.
    fn sync(&self, _data_only: bool) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    /// Directory entries from `position` on, until `each` says false. It is called with the directory locked, and so touches
    /// neither user memory nor the directory.
    fn read_directory(&self, _position: u64, _each: EachEntry<'_>) -> Result<(), Errno> {
        Err(Errno::ENOTDIR)
    }

    /// The pages of the file, for mmap(2). `ENODEV` for a file that has none.
    fn mappable(&self) -> Result<Arc<dyn Mappable>, Errno> {
        Err(Errno::ENODEV)
    }

    /// The same, for a shared mapping through which stores reach the file, or may once it is made writable. The file takes no
    /// seal against writing as long as what comes back is kept. `EPERM` for one that has such a seal.
    fn mappable_for_stores(&self) -> Result<Arc<dyn Mappable>, Errno> {
        self.mappable()
    }
}

/// An open file description: a file, a position, and the status flags.
pub struct OpenFile {
    file: Arc<dyn File>,
    /// `O_*`: the access mode and the status flags.
    flags: AtomicU32,
    position: Mutex<u64>,
    closed: WaitQueue,
    /// Tells of readiness by a signal.
    notice: Once<Arc<Notice>>,
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if let (Some(notice), Some(queue)) = (self.notice.get(), self.file.wait_queue()) {
            let observer: Arc<dyn Observer> = notice.clone();
            queue.remove(&observer);
        }
        self.closed.notify(Events::INVALID);
    }
}

/// Status flags that `fcntl(F_SETFL)` may change.
const CHANGEABLE_FLAGS: u32 = general::O_APPEND | general::O_NONBLOCK | general::O_DIRECT | general::O_NOATIME;

impl OpenFile {
    /// Opens a file with `O_*` flags, of which the creation flags are forgotten. `ENFILE` if there is no memory for it.
    pub fn new(file: Arc<dyn File>, flags: u32) -> Result<Arc<OpenFile>, Errno> {
        let forgotten = general::O_CREAT | general::O_EXCL | general::O_TRUNC | general::O_NOCTTY | general::O_CLOEXEC;
        let open = OpenFile {
            file,
            flags: AtomicU32::new(flags & !forgotten),
            position: Mutex::new(0),
            closed: WaitQueue::new(),
            notice: Once::new(),
        };
        try_arc(open).map_err(|_| Errno::ENFILE)
    }

    /// The file.
    pub fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    /// Announces `INVALID` when the last descriptor of the description has been closed. Observers must not own it.
    pub fn closed(&self) -> &WaitQueue {
        &self.closed
    }

    /// The file as a type of a component's own, if it is one.
    pub fn downcast<T: File>(&self) -> Option<&T> {
        let file: &dyn Any = &*self.file;
        file.downcast_ref()
    }

    /// Access mode and status flags.
    pub fn flags(&self) -> u32 {
        self.flags.load(Ordering::Relaxed)
    }

    /// Changes the status flags that may be changed.
    pub fn set_flags(&self, flags: u32) {
        let kept = self.flags() & !CHANGEABLE_FLAGS;
        self.flags.store(kept | flags & CHANGEABLE_FLAGS, Ordering::Relaxed);
    }

    /// Sets or clears `O_ASYNC`; whether it was set comes back.
    fn set_asynchronous(&self, on: bool) -> bool {
        let before = match on {
            true => self.flags.fetch_or(general::FASYNC, Ordering::Relaxed),
            false => self.flags.fetch_and(!general::FASYNC, Ordering::Relaxed),
        };
        before & general::FASYNC != 0
    }

    /// What tells of the file's readiness; made when first asked for. `ENOMEM` without memory.
    fn notice(&self) -> Result<&Arc<Notice>, Errno> {
        self.notice.try_call_once(|| Ok(try_arc(Notice::default())?))
    }

    /// Who is told of readiness.
    pub fn owner(&self) -> Owner {
        self.notice.get().map_or(Owner::Nobody, |notice| notice.owner())
    }

    /// Sets who is told: `owner`, as fcntl(2) names it, who is `recipient`.
    pub fn set_owner(&self, owner: Owner, recipient: Recipient) -> Result<(), Errno> {
        self.notice()?.set_owner(owner, recipient);
        Ok(())
    }

    /// The signal that tells; 0 for SIGIO.
    pub fn owner_signal(&self) -> u8 {
        self.notice.get().map_or(0, |notice| notice.signal())
    }

    /// Sets the signal. `EINVAL` for a number that is none.
    pub fn set_owner_signal(&self, signal: usize) -> Result<(), Errno> {
        self.notice()?.set_signal(signal)
    }

    /// Begins or ceases to tell (`O_ASYNC`). `ENOTTY` for a file that is always ready.
    pub fn tell_of_readiness(&self, descriptor: i32, tell: bool) -> Result<(), Errno> {
        let queue = self.file().wait_queue().ok_or(Errno::ENOTTY)?;
        let notice = self.notice()?;
        notice.descriptor.store(descriptor, Ordering::Relaxed);
        match (tell, self.set_asynchronous(tell)) {
            (true, false) => queue.add(Events::all(), notice.clone()).map_err(|_| {
                self.set_asynchronous(false);
                Errno::ENOMEM
            }),
            (false, true) => {
                let observer: Arc<dyn Observer> = notice.clone();
                queue.remove(&observer);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether calls return `EAGAIN` where they would wait.
    pub fn nonblocking(&self) -> bool {
        self.flags() & general::O_NONBLOCK != 0
    }

    /// Whether the access mode allows reading.
    pub fn readable(&self) -> bool {
        self.flags() & general::O_ACCMODE != general::O_WRONLY && self.flags() & general::O_PATH == 0
    }

    /// Whether the access mode allows writing.
    pub fn writable(&self) -> bool {
        self.flags() & general::O_ACCMODE != general::O_RDONLY && self.flags() & general::O_PATH == 0
    }

    /// The position, locked: reads and writes that use it are atomic with respect to each other.
    pub fn position(&self) -> &Mutex<u64> {
        &self.position
    }

    /// Runs `attempt` until it gives other than `EAGAIN`, waiting for `events` unless the description is non-blocking
    /// (or the call says so).
    pub fn wait_for<T>(
        &self,
        waiter: &dyn Waiter,
        events: Events,
        nonblocking: bool,
        mut attempt: impl FnMut() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        match attempt() {
            Err(Errno::EAGAIN) if !nonblocking && !self.nonblocking() => {}
            result => return result,
        }
        let Some(queue) = self.file.wait_queue() else { return Err(Errno::EAGAIN) };
        let deadline = self.file.patience(events).map(|patience| clock::monotonic().saturating_add(patience));
        match block_on(waiter, &[(queue, events)], deadline, || attempt().map(Some)) {
            // The deadline was the file's own: to the caller it is as if the file were non-blocking.
            Err(Errno::ETIMEDOUT) if deadline.is_some_and(|deadline| clock::monotonic() >= deadline) => {
                Err(Errno::EAGAIN)
            }
            // As in Linux, a wait that has its time is not begun again after a signal, for it would last longer.
            Err(Errno::ERESTARTSYS) if deadline.is_some() => Err(Errno::EINTR),
            result => result,
        }
    }

    /// read(2), or pread(2) with `offset`.
    pub fn read(&self, waiter: &dyn Waiter, offset: Option<u64>, destination: &mut dyn Sink) -> Result<usize, Errno> {
        if !self.readable() {
            return Err(Errno::EBADF);
        }
        if !self.file.seekable() {
            if offset.is_some() {
                return Err(Errno::ESPIPE);
            }
            return self.wait_for(waiter, Events::READ, false, || self.file.read(0, destination));
        }
        if let Some(offset) = offset {
            return self.file.read(offset, destination);
        }
        let mut position = self.position.lock();
        let done = self.file.read(*position, destination)?;
        *position = position.saturating_add(done as u64);
        Ok(done)
    }

    /// write(2), or pwrite(2) with `offset`. A stream takes all of it unless it is non-blocking. `EPIPE` of a stream raises SIGPIPE.
    pub fn write(&self, caller: &dyn Caller, offset: Option<u64>, source: &mut dyn Source) -> Result<usize, Errno> {
        if !self.writable() {
            return Err(Errno::EBADF);
        }
        if !self.file.seekable() {
            if offset.is_some() {
                return Err(Errno::ESPIPE);
            }
            let result = self.write_stream(caller, source);
            if result == Err(Errno::EPIPE) && self.file.is_stream() {
                caller.broken_pipe();
            }
            return result;
        }
        let append = self.flags() & general::O_APPEND != 0;
        if let (Some(offset), false) = (offset, append) {
            return self.file.write(offset, source);
        }
        let mut position = self.position.lock();
        let at = if append { u64::try_from(self.file.stat()?.size).unwrap_or(0) } else { *position };
        let done = self.file.write(at, source)?;
        if offset.is_none() {
            *position = at.saturating_add(done as u64);
        }
        Ok(done)
    }

    fn write_stream(&self, waiter: &dyn Waiter, source: &mut dyn Source) -> Result<usize, Errno> {
        let mut done = 0usize;
        loop {
            match self.wait_for(waiter, Events::WRITE, false, || self.file.write(0, source)) {
                Ok(written) => done = done.saturating_add(written),
                Err(_) if done > 0 => return Ok(done),
                Err(error) => return Err(error),
            }
            if source.left() == 0 || self.nonblocking() {
                return Ok(done);
            }
        }
    }
}
