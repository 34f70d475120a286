//! Where data comes from and goes to: user memory as a rule, a kernel buffer for calls from inside.

use alloc::vec::Vec;
use rumpkin_abi::{Errno, IoVector};
use rumpkin_collections::{TryVec, try_with_capacity};
use rumpuser::{memory::USER_END, user};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

/// Most buffers in one vectored call (`IOV_MAX`, readv(2)).
pub const MAX_VECTORS: usize = 1024;

/// Most bytes that one read or write moves (`MAX_RW_COUNT`, read(2)).
pub const MAX_TRANSFER: usize = 0x7fff_f000;

/// Takes the data of a read.
pub trait Sink {
    /// Takes as much of `data` as there is room for. `EFAULT` if not even the first byte can be stored.
    fn put(&mut self, data: &[u8]) -> Result<usize, Errno>;

    /// Bytes that there is room for.
    fn room(&self) -> usize;
}

/// Gives the data of a write.
pub trait Source {
    /// Fills as much of `buffer` as there is data for. `EFAULT` if not even the first byte can be loaded.
    fn take(&mut self, buffer: &mut [u8]) -> Result<usize, Errno>;

    /// As [`take`](Source::take), and leaves it there: for what can only be taken whole, and perhaps later.
    fn peek(&self, buffer: &mut [u8]) -> Result<usize, Errno>;

    /// Goes on behind so many bytes, which have been looked at.
    fn skip(&mut self, count: usize);

    /// Bytes that are left.
    fn left(&self) -> usize;
}

/// One or several buffers in user memory.
pub struct UserBuffers {
    first: (usize, usize),
    rest: alloc::vec::IntoIter<(usize, usize)>,
    left: usize,
}

impl UserBuffers {
    /// One buffer, cut to [`MAX_TRANSFER`]. `EFAULT` if it is not in user memory at all.
    pub fn new(address: usize, length: usize) -> Result<Self, Errno> {
        let length = length.min(MAX_TRANSFER);
        check_range(address, length)?;
        Ok(UserBuffers { first: (address, length), rest: Vec::new().into_iter(), left: length })
    }

    /// The buffers of an array of `struct iovec` in user memory. `EINVAL` for too many or a total that overflows, `ENOMEM` if
    /// there is no memory for the list.
    pub fn from_vectors(address: usize, count: usize) -> Result<Self, Errno> {
        if count > MAX_VECTORS {
            return Err(Errno::EINVAL);
        }
        let mut buffers = try_with_capacity(count)?;
        let mut total = 0usize;
        for index in 0..count {
            let vector: IoVector = read_value(address.saturating_add(index.saturating_mul(size_of::<IoVector>())))?;
            if vector.length > isize::MAX as u64 {
                return Err(Errno::EINVAL);
            }
            let length = (vector.length as usize).min(MAX_TRANSFER.saturating_sub(total));
            check_range(vector.base as usize, length)?;
            total = total.saturating_add(length);
            buffers.try_push((vector.base as usize, length))?;
        }
        Ok(UserBuffers { first: (0, 0), rest: buffers.into_iter(), left: total })
    }

    /// The next piece, of at most `most` bytes; `None` at the end.
    fn next(&mut self, most: usize) -> Option<(usize, usize)> {
        while self.first.1 == 0 {
            self.first = self.rest.next()?;
        }
        Some((self.first.0, self.first.1.min(most)))
    }

    fn advance(&mut self, length: usize) {
        self.first = (self.first.0.saturating_add(length), self.first.1.saturating_sub(length));
        self.left = self.left.saturating_sub(length);
    }

    fn each(
        &mut self,
        total: usize,
        mut access: impl FnMut(usize, usize, usize) -> Result<(), user::Fault>,
    ) -> Result<usize, Errno> {
        let mut done = 0usize;
        while let Some((address, length)) = self.next(total.saturating_sub(done)) {
            if length == 0 {
                break;
            }
            if access(address, done, length).is_err() {
                return if done == 0 { Err(Errno::EFAULT) } else { Ok(done) };
            }
            self.advance(length);
            done = done.saturating_add(length);
        }
        Ok(done)
    }
}

impl Sink for UserBuffers {
    fn put(&mut self, data: &[u8]) -> Result<usize, Errno> {
        self.each(data.len(), |address, done, length| {
            user::write(address, data.get(done..done.saturating_add(length)).unwrap_or_default())
        })
    }

    fn room(&self) -> usize {
        self.left
    }
}

impl Source for UserBuffers {
    fn take(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.each(buffer.len(), |address, done, length| {
            user::read(address, buffer.get_mut(done..done.saturating_add(length)).unwrap_or_default())
        })
    }

    fn peek(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let mut done = 0usize;
        for (address, length) in core::iter::once(&self.first).chain(self.rest.as_slice()) {
            let rest = buffer.get_mut(done..).unwrap_or_default();
            let length = rest.len().min(*length);
            match user::read(*address, rest.get_mut(..length).unwrap_or_default()) {
                Ok(()) => done = done.saturating_add(length),
                Err(_) if done == 0 => return Err(Errno::EFAULT),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn skip(&mut self, count: usize) {
        let mut left = count;
        while left > 0
            && let Some((_, length)) = self.next(left)
        {
            self.advance(length);
            left = left.saturating_sub(length);
        }
    }

    fn left(&self) -> usize {
        self.left
    }
}

impl Sink for &mut [u8] {
    fn put(&mut self, data: &[u8]) -> Result<usize, Errno> {
        let length = data.len().min(self.len());
        if let Some((head, tail)) = core::mem::take(self).split_at_mut_checked(length) {
            head.copy_from_slice(data.get(..length).unwrap_or_default());
            *self = tail;
        }
        Ok(length)
    }

    fn room(&self) -> usize {
        self.len()
    }
}

impl Source for &[u8] {
    fn take(&mut self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let length = buffer.len().min(self.len());
        if let Some((head, tail)) = self.split_at_checked(length) {
            buffer.get_mut(..length).unwrap_or_default().copy_from_slice(head);
            *self = tail;
        }
        Ok(length)
    }

    fn peek(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let mut copy = *self;
        copy.take(buffer)
    }

    fn skip(&mut self, count: usize) {
        *self = self.get(count..).unwrap_or_default();
    }

    fn left(&self) -> usize {
        self.len()
    }
}

fn check_range(address: usize, length: usize) -> Result<(), Errno> {
    match address.checked_add(length) {
        Some(end) if end <= USER_END || length == 0 => Ok(()),
        _ => Err(Errno::EFAULT),
    }
}

/// Reads a structure from user memory.
pub fn read_value<T: FromBytes + IntoBytes + FromZeros>(address: usize) -> Result<T, Errno> {
    let mut value = T::new_zeroed();
    user::read(address, value.as_mut_bytes()).map_err(|_| Errno::EFAULT)?;
    Ok(value)
}

/// Writes a structure to user memory.
pub fn write_value<T: IntoBytes + Immutable>(address: usize, value: &T) -> Result<(), Errno> {
    user::write(address, value.as_bytes()).map_err(|_| Errno::EFAULT)
}

/// Reads a path. `ENAMETOOLONG` without a terminating zero within `PATH_MAX`.
pub fn read_path(address: usize) -> Result<Vec<u8>, Errno> {
    read_string(address, linux_path_max())?.ok_or(Errno::ENAMETOOLONG)
}

/// Reads a string up to its terminating zero, which is left out. `Ok(None)` if there is none within `limit` bytes.
pub fn read_string(address: usize, limit: usize) -> Result<Option<Vec<u8>>, Errno> {
    user::read_string(address, limit).map_err(|error| match error {
        user::StringError::Fault(_) => Errno::EFAULT,
        user::StringError::OutOfMemory => Errno::ENOMEM,
    })
}

fn linux_path_max() -> usize {
    rumpkin_abi::linux::general::PATH_MAX as usize
}
