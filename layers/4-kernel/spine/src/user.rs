//! Addresses in a program's memory, as types that say what lies there.
//!
//! They are what a program says, and no more: each access checks the range, and asks the pager (`rumpuser::user`). None of it may
//! be done with a lock held that the pager takes.

use core::{fmt, marker::PhantomData};
use rumpkin_abi::Errno;
use rumpuser::user;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

/// The address of a `T`, or of the first of several.
pub struct UserPointer<T> {
    address: usize,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for UserPointer<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for UserPointer<T> {}

impl<T> fmt::Debug for UserPointer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.address)
    }
}

impl<T> UserPointer<T> {
    /// From what a program gave as an address.
    pub const fn new(address: usize) -> Self {
        UserPointer { address, kind: PhantomData }
    }

    /// As a number.
    pub const fn address(self) -> usize {
        self.address
    }

    /// The same address, of something else.
    pub const fn cast<U>(self) -> UserPointer<U> {
        UserPointer::new(self.address)
    }

    /// The `index`th from here; behind all of user memory if the address space ends before it.
    pub const fn at(self, index: usize) -> Self {
        UserPointer::new(self.address.saturating_add(index.saturating_mul(size_of::<T>())))
    }

    /// The bytes of so many from here on.
    pub const fn slice(self, count: usize) -> UserSlice {
        UserSlice { address: self.address, length: count.saturating_mul(size_of::<T>()) }
    }

    /// Copies it in. `EFAULT` if it is not all there.
    #[inline]
    pub fn read(self) -> Result<T, Errno>
    where
        T: FromBytes + IntoBytes + FromZeros,
    {
        let mut value = T::new_zeroed();
        user::read(self.address, value.as_mut_bytes()).map_err(|_| Errno::EFAULT)?;
        Ok(value)
    }

    /// Copies a value out. `EFAULT` if it cannot be stored whole.
    #[inline]
    pub fn write(self, value: &T) -> Result<(), Errno>
    where
        T: IntoBytes + Immutable,
    {
        user::write(self.address, value.as_bytes()).map_err(|_| Errno::EFAULT)
    }
}

impl UserPointer<u32> {
    /// Loads the word atomically. `EFAULT` if it is not aligned or not there.
    pub fn load(self) -> Result<u32, Errno> {
        user::load_u32(self.address).map_err(|_| Errno::EFAULT)
    }

    /// Replaces the word if it is `current`; what was there comes back. Errors as [`UserPointer::load`].
    pub fn compare_exchange(self, current: u32, new: u32) -> Result<u32, Errno> {
        user::compare_exchange_u32(self.address, current, new).map_err(|_| Errno::EFAULT)
    }
}

/// A range of a program's memory.
#[derive(Debug, Clone, Copy)]
pub struct UserSlice {
    address: usize,
    length: usize,
}

impl UserSlice {
    /// Its first address.
    pub const fn address(self) -> usize {
        self.address
    }

    /// Bytes.
    pub const fn len(self) -> usize {
        self.length
    }

    /// Whether it has none.
    pub const fn is_empty(self) -> bool {
        self.length == 0
    }

    /// Its first bytes, at most so many.
    pub fn first(self, most: usize) -> UserSlice {
        UserSlice { length: self.length.min(most), ..self }
    }

    /// What is left of it behind so many bytes.
    pub fn skip(self, count: usize) -> UserSlice {
        UserSlice { address: self.address.saturating_add(count), length: self.length.saturating_sub(count) }
    }

    /// Copies as many bytes in as both have room for; how many comes back. `EFAULT` if one of them is not there.
    pub fn read(self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let length = self.length.min(buffer.len());
        user::read(self.address, buffer.get_mut(..length).unwrap_or_default()).map_err(|_| Errno::EFAULT)?;
        Ok(length)
    }

    /// Copies as many bytes out as both have room for; how many comes back. `EFAULT` if one of them cannot be stored.
    pub fn write(self, data: &[u8]) -> Result<usize, Errno> {
        let length = self.length.min(data.len());
        user::write(self.address, data.get(..length).unwrap_or_default()).map_err(|_| Errno::EFAULT)?;
        Ok(length)
    }
}
