//! Disks as block special files: any position and length, through read-modify-write where a sector is not whole.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};
use rumpkin_abi::{
    Errno, Stat,
    linux::{general, ioctl},
};
use rumpkin_spine::{
    file::{Caller, File},
    io::{Sink, Source, read_value, write_value},
};
use rumpkin_vfs::{
    devices::{Driver, device_stat},
    zeroes,
};
use rumpuser::{
    device::{Disk, DiskError},
    sync::Mutex,
};

const SECTOR: u64 = 512;

/// Bytes that pass through the kernel at once.
const BUFFER: u64 = 64 * 1024;

/// A disk.
pub struct BlockDevice {
    disk: Arc<dyn Disk>,
    name: String,
    number: u64,
    sectors: u64,
    read_only: bool,
    /// Held over a read-modify-write, so that two of them don't undo each other.
    partial: Mutex<()>,
    /// How often it has failed.
    failures: AtomicU64,
}

fn errno(error: DiskError) -> Errno {
    match error {
        DiskError::Io => Errno::EIO,
        DiskError::ReadOnly => Errno::EPERM,
        DiskError::OutOfRange => Errno::ENOSPC,
        DiskError::Unsupported => Errno::EOPNOTSUPP,
    }
}

/// A range of bytes and the sectors around it.
struct Span {
    first: u64,
    count: u64,
    /// Where the bytes begin in the sectors.
    lead: usize,
    length: usize,
}

impl Span {
    fn new(position: u64, length: u64) -> Span {
        let first = position / SECTOR;
        let count = position.saturating_add(length).div_ceil(SECTOR).saturating_sub(first);
        Span { first, count, lead: (position % SECTOR) as usize, length: length as usize }
    }

    fn bytes_of_sectors(&self) -> usize {
        self.count.saturating_mul(SECTOR) as usize
    }

    fn whole(&self) -> bool {
        self.lead == 0 && (self.length as u64).is_multiple_of(SECTOR)
    }

    fn bytes<'a>(&self, buffer: &'a mut [u8]) -> &'a mut [u8] {
        buffer.get_mut(self.lead..self.lead.saturating_add(self.length)).unwrap_or_default()
    }
}

impl BlockDevice {
    /// A major number of those that Linux gives out dynamically.
    pub const MAJOR: u64 = 254;

    /// A disk under a name and a device number.
    pub fn new(disk: Arc<dyn Disk>, name: String, number: u64) -> BlockDevice {
        let info = disk.info();
        BlockDevice {
            disk,
            name,
            number,
            sectors: info.sectors,
            read_only: info.read_only,
            partial: Mutex::new(()),
            failures: AtomicU64::new(0),
        }
    }

    /// What the program is told of a failure. The log is told, too, if the device has failed: the first time, the second, the
    /// fourth and so on, since a program may try again and again.
    fn failed(&self, doing: &str, sector: u64, error: DiskError) -> Errno {
        if error == DiskError::Io {
            let count = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            if count.is_power_of_two() {
                log::error!("{}: {doing} failed at sector {sector} (failure {count} of this disk)", self.name);
            }
        }
        errno(error)
    }

    /// Bytes on the disk.
    fn size(&self) -> u64 {
        self.sectors.saturating_mul(SECTOR)
    }

    /// The next piece of a transfer at `position`, of at most `wanted` bytes, with a buffer for its sectors; `None` at the end of
    /// the disk.
    fn span(&self, position: u64, wanted: usize) -> Result<Option<(Span, Vec<u8>)>, Errno> {
        let length = self.size().saturating_sub(position).min(wanted as u64).min(BUFFER);
        if length == 0 {
            return Ok(None);
        }
        let mut buffer = zeroes(Span::new(position, length).bytes_of_sectors())?;
        // It may have come out shorter: whole sectors, and of what is wanted what lies in them.
        let fits = (buffer.len() as u64).saturating_sub(position % SECTOR);
        let span = Span::new(position, length.min(fits));
        buffer.truncate(span.bytes_of_sectors());
        Ok(Some((span, buffer)))
    }

    fn write_span(&self, span: &Span, mut buffer: Vec<u8>, source: &mut dyn Source) -> Result<usize, Errno> {
        // User memory is read before the lock is taken: the pager may be slow, and may need this very disk.
        let mut data = zeroes(span.length)?;
        let taken = source.take(&mut data)?;
        let data = data.get(..taken).unwrap_or_default();
        let whole = span.whole() && taken == span.length;
        let _guard = (!whole).then(|| self.partial.lock());
        if !whole {
            self.disk.read(span.first, &mut buffer).map_err(|error| self.failed("a read", span.first, error))?;
        }
        if let Some(target) = span.bytes(&mut buffer).get_mut(..taken) {
            target.copy_from_slice(data);
        }
        self.disk.write(span.first, &buffer).map_err(|error| self.failed("a write", span.first, error))?;
        Ok(taken)
    }

    fn discard(&self, argument: usize) -> Result<usize, Errno> {
        let [start, length]: [u64; 2] = read_value(argument)?;
        let end = start.checked_add(length).ok_or(Errno::EINVAL)?;
        if (start | length) % SECTOR != 0 || end > self.size() {
            return Err(Errno::EINVAL);
        }
        if self.read_only {
            return Err(Errno::EPERM);
        }
        let sector = start / SECTOR;
        self.disk.discard(sector, length / SECTOR).map_err(|error| self.failed("a discard", sector, error))?;
        Ok(0)
    }
}

impl Driver for BlockDevice {
    fn open(self: Arc<Self>, flags: u32) -> Result<Arc<dyn File>, Errno> {
        if self.read_only && flags & general::O_ACCMODE != general::O_RDONLY {
            return Err(Errno::EACCES);
        }
        Ok(self)
    }
}

impl File for BlockDevice {
    fn read(&self, position: u64, destination: &mut dyn Sink) -> Result<usize, Errno> {
        let mut done = 0usize;
        loop {
            let piece = self.span(position.saturating_add(done as u64), destination.room()).and_then(|piece| {
                let Some((span, mut buffer)) = piece else { return Ok(None) };
                self.disk.read(span.first, &mut buffer).map_err(|error| self.failed("a read", span.first, error))?;
                Ok(Some((destination.put(span.bytes(&mut buffer))?, span.length)))
            });
            match piece {
                Ok(Some((put, length))) if put == length => done = done.saturating_add(put),
                Ok(Some((put, _))) => return Ok(done.saturating_add(put)),
                Ok(None) => break,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn write(&self, position: u64, source: &mut dyn Source) -> Result<usize, Errno> {
        if self.read_only {
            return Err(Errno::EPERM);
        }
        let wanted = source.left();
        let mut done = 0usize;
        loop {
            let piece = self.span(position.saturating_add(done as u64), source.left()).and_then(|piece| {
                let Some((span, buffer)) = piece else { return Ok(None) };
                Ok(Some((self.write_span(&span, buffer, source)?, span.length)))
            });
            match piece {
                Ok(Some((written, length))) if written == length => done = done.saturating_add(written),
                Ok(Some((written, _))) => return Ok(done.saturating_add(written)),
                Ok(None) => break,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        if done == 0 && wanted > 0 { Err(Errno::ENOSPC) } else { Ok(done) }
    }

    fn seekable(&self) -> bool {
        true
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(Stat { size: self.size() as i64, ..device_stat(general::S_IFBLK, self.number) })
    }

    fn sync(&self, _data_only: bool) -> Result<(), Errno> {
        match self.disk.flush() {
            // Without a cache there is nothing to flush.
            Ok(()) | Err(DiskError::Unsupported) => Ok(()),
            Err(error) => Err(self.failed("a flush", 0, error)),
        }
    }

    fn ioctl(&self, _caller: &dyn Caller, command: u32, argument: usize) -> Result<usize, Errno> {
        let block_size = self.disk.info().block_size.max(SECTOR as usize);
        match command {
            ioctl::BLKGETSIZE64 => write_value(argument, &self.size())?,
            ioctl::BLKGETSIZE => write_value(argument, &self.sectors)?,
            ioctl::BLKSSZGET => write_value(argument, &(SECTOR as i32))?,
            ioctl::BLKBSZGET => write_value(argument, &4096i32)?,
            ioctl::BLKPBSZGET | ioctl::BLKIOMIN => write_value(argument, &(block_size as u32))?,
            ioctl::BLKROGET => write_value(argument, &i32::from(self.read_only))?,
            ioctl::BLKFLSBUF => self.sync(false)?,
            ioctl::BLKDISCARD => return self.discard(argument),
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }
}
