//! Disks: `rumpuser_open` to `rumpuser_syncfd`.

use crate::{header::*, machine::machine, upcalls};
use alloc::{collections::VecDeque, sync::Arc};
use core::{
    ffi::{CStr, c_char, c_int, c_void},
    slice,
};
use rumpuser::{
    device::{Disk, DiskError},
    memory::{OutOfMemory, ensure},
    thread,
};
use spin::{Mutex, Once};

/// Disks that can be open at once.
const DESCRIPTORS: usize = 16;
const SECTOR: usize = 512;

/// A disk that has been opened, and what for.
#[derive(Clone)]
struct Open {
    disk: Arc<dyn Disk>,
    read: bool,
    write: bool,
}

static OPEN: Mutex<[Option<Open>; DESCRIPTORS]> = Mutex::new([const { None }; DESCRIPTORS]);

fn open(fd: c_int) -> Result<Open, c_int> {
    let open = usize::try_from(fd).ok().and_then(|fd| OPEN.lock().get(fd).cloned().flatten());
    open.ok_or(RUMPUSER_EBADF)
}

fn number(error: DiskError) -> c_int {
    match error {
        DiskError::Io => RUMPUSER_EIO,
        DiskError::ReadOnly => RUMPUSER_EROFS,
        DiskError::OutOfRange => RUMPUSER_EINVAL,
        DiskError::Unsupported => RUMPUSER_ENOTSUP,
    }
}

fn answer(result: Result<(), c_int>) -> c_int {
    result.err().unwrap_or(0)
}

/// The disk of a path.
///
/// # Safety
/// `path` is null or a string that ends with a zero.
unsafe fn find(path: *const c_char) -> Result<Arc<dyn Disk>, c_int> {
    if path.is_null() {
        return Err(RUMPUSER_EINVAL);
    }
    // SAFETY: the caller's promise; it is not null.
    let path = unsafe { CStr::from_ptr(path) };
    let index = path.to_str().ok().and_then(|path| path.strip_prefix("disk")).and_then(|index| index.parse().ok());
    index.and_then(|index: usize| machine().disks.get(index)).cloned().ok_or(RUMPUSER_ENOENT)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_open(path: *const c_char, mode: c_int, fd: *mut c_int) -> c_int {
    // SAFETY: the header asks for a string.
    let disk = match unsafe { find(path) } {
        Ok(disk) => disk,
        Err(error) => return error,
    };
    let access = mode & RUMPUSER_OPEN_ACCMODE;
    let refused = mode & (RUMPUSER_OPEN_CREATE | RUMPUSER_OPEN_EXCL) != 0 || access == RUMPUSER_OPEN_ACCMODE;
    if refused || mode & RUMPUSER_OPEN_BIO == 0 {
        return RUMPUSER_EINVAL;
    }
    let open = Open { disk, read: access != RUMPUSER_OPEN_WRONLY, write: access != RUMPUSER_OPEN_RDONLY };
    if open.write && open.disk.info().read_only {
        return RUMPUSER_EROFS;
    }
    let mut descriptors = OPEN.lock();
    let Some(free) = descriptors.iter().position(Option::is_none) else { return RUMPUSER_EMFILE };
    descriptors[free] = Some(open);
    // SAFETY: the header asks for a place to store the descriptor.
    unsafe { fd.write(free as c_int) };
    0
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_close(fd: c_int) -> c_int {
    let closed = usize::try_from(fd).ok().and_then(|fd| OPEN.lock().get_mut(fd).and_then(Option::take));
    if closed.is_some() { 0 } else { RUMPUSER_EBADF }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_getfileinfo(path: *const c_char, size: *mut u64, kind: *mut c_int) -> c_int {
    // SAFETY: the header asks for a string.
    let disk = match unsafe { find(path) } {
        Ok(disk) => disk,
        Err(error) => return error,
    };
    if !size.is_null() {
        // SAFETY: the header asks for a place to store the size; it is not null.
        unsafe { size.write(disk.info().sectors.saturating_mul(SECTOR as u64)) };
    }
    if !kind.is_null() {
        // SAFETY: the header asks for a place to store the type; it is not null.
        unsafe { kind.write(RUMPUSER_FT_BLK) };
    }
    0
}

/// The sector of an offset, if a transfer of `length` bytes there is one of whole sectors.
fn sector(offset: i64, length: usize) -> Result<u64, c_int> {
    let offset = u64::try_from(offset).map_err(|_| RUMPUSER_EINVAL)?;
    let whole = offset.is_multiple_of(SECTOR as u64) && length.is_multiple_of(SECTOR) && length > 0;
    if whole { Ok(offset / SECTOR as u64) } else { Err(RUMPUSER_EINVAL) }
}

/// What the kernel gave to `rumpuser_bio`.
struct Job {
    open: Result<Open, c_int>,
    operation: c_int,
    data: *mut c_void,
    length: usize,
    offset: i64,
    done: rump_biodone_fn,
    argument: *mut c_void,
}

// SAFETY: the header says that the memory is the back end's until it calls `done`, which it may on any thread.
unsafe impl Send for Job {}

impl Job {
    fn transfer(&self) -> Result<(), c_int> {
        let open = self.open.as_ref().map_err(|error| *error)?;
        let sector = sector(self.offset, self.length)?;
        match self.operation & (RUMPUSER_BIO_READ | RUMPUSER_BIO_WRITE) {
            RUMPUSER_BIO_READ if open.read => {
                // SAFETY: the header asks for so much room, which is the back end's until `done` is called.
                let room = unsafe { slice::from_raw_parts_mut(self.data.cast(), self.length) };
                open.disk.read(sector, room).map_err(number)?;
            }
            RUMPUSER_BIO_WRITE if open.write => {
                // SAFETY: as above, for data.
                let data = unsafe { slice::from_raw_parts(self.data.cast_const().cast(), self.length) };
                open.disk.write(sector, data).map_err(number)?;
            }
            RUMPUSER_BIO_READ | RUMPUSER_BIO_WRITE => return Err(RUMPUSER_EBADF),
            _ => return Err(RUMPUSER_EINVAL),
        }
        if self.operation & RUMPUSER_BIO_SYNC != 0 { flush(&*open.disk) } else { Ok(()) }
    }

    fn run(self) {
        let result = self.transfer();
        let transferred = if result.is_ok() { self.length } else { 0 };
        if let Some(done) = self.done {
            // SAFETY: the kernel gave this function for this use, with this argument.
            upcalls::inside_kernel(|| unsafe { done(self.argument, transferred, answer(result)) });
        }
    }
}

fn flush(disk: &dyn Disk) -> Result<(), c_int> {
    match disk.flush() {
        // What it writes is durable at once.
        Ok(()) | Err(DiskError::Unsupported) => Ok(()),
        Err(error) => Err(number(error)),
    }
}

static JOBS: Mutex<VecDeque<Job>> = Mutex::new(VecDeque::new());

/// Makes room for one more.
fn reserve(jobs: &mut VecDeque<Job>) -> Result<(), OutOfMemory> {
    if jobs.len() == jobs.capacity() {
        let more = jobs.len().max(4);
        ensure((jobs.len() + more) * size_of::<Job>())?;
        jobs.try_reserve_exact(more).map_err(|_| OutOfMemory)?;
    }
    Ok(())
}

/// The thread that does what was given to `rumpuser_bio`, one after the other; `None` without memory for it.
fn worker() -> Option<&'static thread::Thread> {
    static WORKER: Once<Option<thread::Thread>> = Once::new();
    let start = || {
        thread::spawn("bio", || {
            loop {
                let job = JOBS.lock().pop_front();
                match job {
                    Some(job) => job.run(),
                    None => drop(thread::park(None)),
                }
            }
        })
    };
    WORKER.call_once(|| start().ok()).as_ref()
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_bio(
    fd: c_int,
    operation: c_int,
    data: *mut c_void,
    length: usize,
    offset: i64,
    done: rump_biodone_fn,
    argument: *mut c_void,
) {
    let job = Job { open: open(fd), operation, data, length, offset, done, argument };
    let Some(worker) = worker() else { return upcalls::blocking(|| job.run()) };
    {
        let mut jobs = JOBS.lock();
        if reserve(&mut jobs).is_ok() {
            jobs.push_back(job);
            return worker.unpark();
        }
    }
    // Slower, but done.
    upcalls::blocking(|| job.run());
}

/// Transfers each buffer in turn; how many bytes there were is stored.
///
/// # Safety
/// `vectors` are so many buffers, and `done` is a place for a number.
unsafe fn each(
    vectors: *const rumpuser_iov,
    count: usize,
    offset: i64,
    done: *mut usize,
    mut transfer: impl FnMut(&rumpuser_iov, u64) -> Result<(), c_int>,
) -> c_int {
    if offset == i64::from(RUMPUSER_IOV_NOSEEK) {
        return RUMPUSER_ENOTSUP;
    }
    // SAFETY: the caller's promise.
    let vectors = unsafe { slice::from_raw_parts(vectors, count) };
    let mut moved = 0usize;
    let result = upcalls::blocking(|| {
        for vector in vectors {
            let at = offset.checked_add_unsigned(moved as u64).ok_or(RUMPUSER_EINVAL)?;
            transfer(vector, sector(at, vector.iov_len)?)?;
            moved += vector.iov_len;
        }
        Ok(())
    });
    // SAFETY: the caller's promise.
    unsafe { done.write(moved) };
    answer(result)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_iovread(
    fd: c_int,
    vectors: *mut rumpuser_iov,
    count: usize,
    offset: i64,
    done: *mut usize,
) -> c_int {
    let open = match open(fd) {
        Ok(open) if open.read => open,
        _ => return RUMPUSER_EBADF,
    };
    let read = |vector: &rumpuser_iov, sector| {
        // SAFETY: the header asks for so much room in each buffer.
        let room = unsafe { slice::from_raw_parts_mut(vector.iov_base.cast(), vector.iov_len) };
        open.disk.read(sector, room).map_err(number)
    };
    // SAFETY: the header asks for so many buffers, and a place for the number.
    unsafe { each(vectors, count, offset, done, read) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_iovwrite(
    fd: c_int,
    vectors: *const rumpuser_iov,
    count: usize,
    offset: i64,
    done: *mut usize,
) -> c_int {
    let open = match open(fd) {
        Ok(open) if open.write => open,
        _ => return RUMPUSER_EBADF,
    };
    let write = |vector: &rumpuser_iov, sector| {
        // SAFETY: the header asks for so much data in each buffer.
        let data = unsafe { slice::from_raw_parts(vector.iov_base.cast_const().cast(), vector.iov_len) };
        open.disk.write(sector, data).map_err(number)
    };
    // SAFETY: the header asks for so many buffers, and a place for the number.
    unsafe { each(vectors, count, offset, done, write) }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_syncfd(fd: c_int, flags: c_int, _start: u64, _length: u64) -> c_int {
    if flags & (RUMPUSER_SYNCFD_READ | RUMPUSER_SYNCFD_WRITE) == 0 {
        return RUMPUSER_EINVAL;
    }
    answer(open(fd).and_then(|open| upcalls::blocking(|| flush(&*open.disk))))
}
