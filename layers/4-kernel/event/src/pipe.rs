//! Pipes (pipe(2), pipe(7)).

use crate::{CREATION_FLAGS, anonymous_stat};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};
use rumpkin_collections::{ByteQueue, try_arc};
use rumpkin_spine::{
    Call, Errno, UserPointer,
    abi::{
        Stat,
        linux::{general, ioctl},
    },
    file::{Caller, File, OpenFile},
    io::{Sink, Source, write_value},
    wait::{Events, WaitQueue},
};
use rumpuser::{memory::PAGE_SIZE, sync::Mutex};

/// Bytes that a new pipe holds.
const CAPACITY: usize = 16 * PAGE_SIZE;
/// The most that `F_SETPIPE_SZ` can ask for (`/proc/sys/fs/pipe-max-size`).
const MAX_CAPACITY: usize = 1 << 20;
/// Writes of up to this many bytes are not mixed with others'.
const ATOMIC_WRITE: usize = general::PIPE_BUF as usize;

/// What both ends share.
struct Pipe {
    bytes: Mutex<ByteQueue>,
    capacity: AtomicUsize,
    readers: AtomicUsize,
    writers: AtomicUsize,
    queue: WaitQueue,
}

/// The end to read from.
struct Reader(Arc<Pipe>);

/// The end to write to.
struct Writer(Arc<Pipe>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Ordering::SeqCst);
        self.0.queue.notify(Events::ERROR | Events::WRITE);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.writers.fetch_sub(1, Ordering::SeqCst);
        self.0.queue.notify(Events::HANG_UP | Events::READ);
    }
}

impl File for Reader {
    fn read(&self, _position: u64, destination: &mut dyn Sink) -> Result<usize, Errno> {
        let pipe = &self.0;
        let taken = {
            let mut bytes = pipe.bytes.lock();
            if bytes.is_empty() {
                return if pipe.writers.load(Ordering::SeqCst) == 0 || destination.room() == 0 {
                    Ok(0)
                } else {
                    Err(Errno::EAGAIN)
                };
            }
            let mut taken = 0usize;
            for piece in bytes.pieces() {
                match destination.put(piece) {
                    Ok(count) => taken = taken.saturating_add(count),
                    Err(error) if taken == 0 => return Err(error),
                    Err(_) => break,
                }
                if destination.room() == 0 {
                    break;
                }
            }
            bytes.consume(taken);
            taken
        };
        pipe.queue.notify(Events::WRITE);
        Ok(taken)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        anonymous_stat(general::S_IFIFO)
    }

    fn poll(&self) -> Events {
        let mut events = Events::empty();
        events.set(Events::READ | Events::READ_NORMAL, !self.0.bytes.lock().is_empty());
        events.set(Events::HANG_UP, self.0.writers.load(Ordering::SeqCst) == 0);
        events
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.0.queue)
    }

    fn ioctl(&self, _caller: &dyn Caller, command: u32, argument: usize) -> Result<usize, Errno> {
        self.0.ioctl(command, argument)
    }

    fn control(&self, command: u32, argument: usize) -> Result<usize, Errno> {
        self.0.control(command, argument)
    }
}

impl File for Writer {
    fn write(&self, _position: u64, source: &mut dyn Source) -> Result<usize, Errno> {
        let pipe = &self.0;
        let mut written = 0usize;
        // What went in before an error counts: it is told of, and the error comes with the next write.
        let mut failure = None;
        while source.left() > 0 && failure.is_none() {
            if pipe.readers.load(Ordering::SeqCst) == 0 {
                if written > 0 {
                    break;
                }
                return Err(Errno::EPIPE);
            }
            let mut bytes = pipe.bytes.lock();
            let room = pipe.capacity.load(Ordering::Relaxed).saturating_sub(bytes.len());
            let whole = written == 0 && source.left() <= ATOMIC_WRITE;
            if room == 0 || whole && room < source.left() {
                break;
            }
            let mut chunk = [0; 1024];
            let length = room.min(chunk.len()).min(source.left());
            // A write of up to ATOMIC_WRITE bytes goes in under one hold of the lock.
            let mut rest = if whole { source.left() } else { length };
            while rest > 0 {
                let chunk = chunk.get_mut(..rest.min(1024)).unwrap_or_default();
                // Looked at until there was room for it: what was taken cannot be given back.
                let added = source.peek(chunk).and_then(|length| {
                    bytes.try_extend(chunk.get(..length).unwrap_or_default())?;
                    source.skip(length);
                    Ok(length)
                });
                let taken = match added {
                    Ok(taken) => taken,
                    Err(error) => {
                        failure = Some(error);
                        break;
                    }
                };
                written = written.saturating_add(taken);
                rest = if taken == 0 { 0 } else { rest.saturating_sub(taken) };
            }
        }
        if let (0, Some(error)) = (written, failure) {
            return Err(error);
        }
        if written == 0 {
            return if source.left() == 0 { Ok(0) } else { Err(Errno::EAGAIN) };
        }
        pipe.queue.notify(Events::READ);
        Ok(written)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        anonymous_stat(general::S_IFIFO)
    }

    fn poll(&self) -> Events {
        let pipe = &self.0;
        let room = pipe.capacity.load(Ordering::Relaxed).saturating_sub(pipe.bytes.lock().len());
        let mut events = Events::empty();
        events.set(Events::WRITE | Events::WRITE_NORMAL, room >= ATOMIC_WRITE);
        events.set(Events::ERROR, pipe.readers.load(Ordering::SeqCst) == 0);
        events
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.0.queue)
    }

    fn ioctl(&self, _caller: &dyn Caller, command: u32, argument: usize) -> Result<usize, Errno> {
        self.0.ioctl(command, argument)
    }

    fn control(&self, command: u32, argument: usize) -> Result<usize, Errno> {
        self.0.control(command, argument)
    }
}

impl Pipe {
    fn ioctl(&self, command: u32, argument: usize) -> Result<usize, Errno> {
        match command {
            ioctl::FIONREAD => {
                let length = self.bytes.lock().len();
                write_value(argument, &i32::try_from(length).unwrap_or(i32::MAX))?;
                Ok(0)
            }
            _ => Err(Errno::ENOTTY),
        }
    }

    fn control(&self, command: u32, argument: usize) -> Result<usize, Errno> {
        match command {
            general::F_GETPIPE_SZ => Ok(self.capacity.load(Ordering::Relaxed)),
            general::F_SETPIPE_SZ => {
                let wanted = argument.max(PAGE_SIZE).checked_next_power_of_two().ok_or(Errno::EINVAL)?;
                if wanted > MAX_CAPACITY {
                    return Err(Errno::EPERM);
                }
                let bytes = self.bytes.lock();
                if wanted < bytes.len() {
                    return Err(Errno::EBUSY);
                }
                self.capacity.store(wanted, Ordering::Relaxed);
                drop(bytes);
                self.queue.notify(Events::WRITE);
                Ok(wanted)
            }
            _ => Err(Errno::EINVAL),
        }
    }
}

pub fn pipe(call: &mut Call<'_>, ends: UserPointer<[i32; 2]>) -> Result<usize, Errno> {
    create(call, ends, 0)
}

pub fn pipe2(call: &mut Call<'_>, ends: UserPointer<[i32; 2]>, flags: u32) -> Result<usize, Errno> {
    create(call, ends, flags)
}

fn create(call: &mut Call<'_>, ends: UserPointer<[i32; 2]>, flags: u32) -> Result<usize, Errno> {
    if flags & !CREATION_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let pipe = try_arc(Pipe {
        bytes: Mutex::new(ByteQueue::new()),
        capacity: AtomicUsize::new(CAPACITY),
        readers: AtomicUsize::new(1),
        writers: AtomicUsize::new(1),
        queue: WaitQueue::new(),
    })?;
    let status = flags & general::O_NONBLOCK;
    let reader = OpenFile::new(try_arc(Reader(pipe.clone()))?, general::O_RDONLY | status)?;
    let writer = OpenFile::new(try_arc(Writer(pipe))?, general::O_WRONLY | status)?;
    let close_on_exec = flags & general::O_CLOEXEC != 0;
    let descriptors = &call.process().descriptors;
    let first = descriptors.insert(reader, close_on_exec, 0)?;
    let written = descriptors
        .insert(writer, close_on_exec, 0)
        .and_then(|second| ends.write(&[first, second]).inspect_err(|_| drop(descriptors.remove(second))));
    written.inspect_err(|_| drop(descriptors.remove(first)))?;
    Ok(0)
}
