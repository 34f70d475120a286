//! Calls on descriptors: open(2), read(2), write(2), fcntl(2), close(2).

use crate::ProgramThread;
use alloc::vec::Vec;
use rumpkin_abi::{Errno, linux::general};
use rumpkin_collections::try_concat;

impl ProgramThread {
    /// Opens a path with `O_*` flags.
    pub fn open(&self, path: &[u8], flags: u32) -> Result<usize, Errno> {
        let path = self.argument(&try_concat(&[path, b"\0"])?)?;
        self.call(general::__NR_openat, &[general::AT_FDCWD as usize, path, flags as usize, 0o644])
    }

    /// Reads at most `length` bytes (and at most 64 KiB); empty at the end.
    pub fn read(&self, descriptor: usize, length: usize) -> Result<Vec<u8>, Errno> {
        let (at, most) = self.data();
        let done = self.call(general::__NR_read, &[descriptor, at, length.min(most)])?;
        self.fetch(at, done)
    }

    /// Writes at most 64 KiB of `data`; how much.
    pub fn write(&self, descriptor: usize, data: &[u8]) -> Result<usize, Errno> {
        let (at, most) = self.data();
        let data = data.get(..most).unwrap_or(data);
        rumpuser::user::write(at, data).map_err(|_| Errno::EFAULT)?;
        self.call(general::__NR_write, &[descriptor, at, data.len()])
    }

    /// Writes all of `data`.
    pub fn write_all(&self, descriptor: usize, mut data: &[u8]) -> Result<(), Errno> {
        while !data.is_empty() {
            let done = self.write(descriptor, data)?;
            data = data.get(done..).unwrap_or_default();
        }
        Ok(())
    }

    /// Has calls on a description return `EAGAIN` where they would wait, or not.
    pub fn set_nonblocking(&self, descriptor: usize, on: bool) -> Result<(), Errno> {
        let flags = if on { general::O_NONBLOCK } else { 0 };
        self.call(general::__NR_fcntl, &[descriptor, general::F_SETFL as usize, flags as usize]).map(|_| ())
    }

    /// Closes a descriptor.
    pub fn close(&self, descriptor: usize) -> Result<(), Errno> {
        self.call(general::__NR_close, &[descriptor]).map(|_| ())
    }
}
