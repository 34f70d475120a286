//! Checked access to the memory of the calling thread's user program.
//!
//! Every function may call the pager, and so may block; none may be called while holding a lock that the pager takes.

pub use crate::memory::Fault;
use crate::{
    hypercalls::*,
    memory::{OutOfMemory, PAGE_SIZE, ensure},
};
use alloc::vec::Vec;
use core::ffi::CStr;

/// Copies `buffer.len()` bytes in.
pub fn read(address: usize, buffer: &mut [u8]) -> Result<(), Fault> {
    rumpuser_user_read(address, buffer)
}

/// Copies out. What lies before the address that failed may have been written.
pub fn write(address: usize, data: &[u8]) -> Result<(), Fault> {
    rumpuser_user_write(address, data)
}

/// Writes zeroes.
pub fn zero(address: usize, length: usize) -> Result<(), Fault> {
    rumpuser_user_zero(address, length)
}

/// Loads an aligned word atomically. A misaligned address is a fault.
pub fn load_u32(address: usize) -> Result<u32, Fault> {
    rumpuser_user_load_u32(address)
}

/// Replaces an aligned word if it is `current`; the value that was there comes back.
pub fn compare_exchange_u32(address: usize, current: u32, new: u32) -> Result<u32, Fault> {
    rumpuser_user_compare_exchange_u32(address, current, new)
}

/// Why a string cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StringError {
    /// It lies where nothing can be read.
    Fault(Fault),
    /// There is no memory for a copy.
    OutOfMemory,
}

impl From<Fault> for StringError {
    fn from(fault: Fault) -> Self {
        StringError::Fault(fault)
    }
}

impl From<OutOfMemory> for StringError {
    fn from(_: OutOfMemory) -> Self {
        StringError::OutOfMemory
    }
}

/// Appends, if there is memory for it.
fn extend(string: &mut Vec<u8>, bytes: &[u8]) -> Result<(), OutOfMemory> {
    let length = string.len().saturating_add(bytes.len());
    if length > string.capacity() {
        let grown = length.max(string.capacity().saturating_mul(2));
        ensure(grown)?;
        string.try_reserve_exact(grown - string.len()).map_err(|_| OutOfMemory)?;
    }
    string.extend_from_slice(bytes);
    Ok(())
}

/// Reads a string up to its terminating zero, which is left out. `Ok(None)` if there is none within `limit` bytes.
pub fn read_string(address: usize, limit: usize) -> Result<Option<Vec<u8>>, StringError> {
    let mut string = Vec::new();
    let mut at = address;
    while string.len() < limit {
        // Never across a page in one go: the next page need not be there.
        let rest_of_page = PAGE_SIZE - at % PAGE_SIZE;
        let mut chunk = [0; 64];
        let length = rest_of_page.min(chunk.len()).min(limit - string.len());
        let Some(chunk) = chunk.get_mut(..length) else {
            break;
        };
        read(at, chunk)?;
        if let Ok(end) = CStr::from_bytes_until_nul(chunk) {
            extend(&mut string, end.to_bytes())?;
            return Ok(Some(string));
        }
        extend(&mut string, chunk)?;
        at = at.checked_add(length).ok_or(Fault { address: at })?;
    }
    Ok(None)
}
