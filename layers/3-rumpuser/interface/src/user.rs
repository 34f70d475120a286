//! Checked access to the memory of the calling thread's user program.
//!
//! Every function may call the pager, and so may block; none may be called while holding a lock that the pager takes.

pub use crate::memory::Fault;
use crate::{hypercalls::*, memory::PAGE_SIZE};
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

/// Reads a string up to its terminating zero, which is left out. `Ok(None)` if there is none within `limit` bytes.
pub fn read_string(address: usize, limit: usize) -> Result<Option<Vec<u8>>, Fault> {
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
            string.extend_from_slice(end.to_bytes());
            return Ok(Some(string));
        }
        string.extend_from_slice(chunk);
        at = at.checked_add(length).ok_or(Fault { address: at })?;
    }
    Ok(None)
}
