//! Transactions: several reads and writes that happen all at once or not at all.

use super::{Result, Store, StoreError};
use alloc::{string::String, vec::Vec};
use xen_sys::{XS_TRANSACTION_END, XS_TRANSACTION_START};

/// How often a transaction is tried that others keep coming before.
const ATTEMPTS: usize = 64;

/// A transaction that is under way.
pub struct Transaction<'a> {
    store: &'a Store,
    id: u32,
}

impl Store {
    /// Does `work` in a transaction, and again from the beginning when another one came first. If `work` fails, nothing of it
    /// happens. Blocks.
    pub fn transaction<T>(&self, mut work: impl FnMut(&Transaction<'_>) -> Result<T>) -> Result<T> {
        for _ in 0..ATTEMPTS {
            let answer = self.call(XS_TRANSACTION_START, super::NONE, &[b"\0"])?;
            let number = answer.split(|&byte| byte == 0).next().unwrap_or_default();
            let id = str::from_utf8(number).ok().and_then(|number| number.parse().ok());
            let id = id.filter(|&id| id != super::NONE).ok_or(StoreError::Malformed)?;
            let result = work(&Transaction { store: self, id });
            let verdict: &[u8] = if result.is_ok() { b"T\0" } else { b"F\0" };
            match (self.call(XS_TRANSACTION_END, id, &[verdict]), result) {
                (Err(StoreError::Again), _) | (_, Err(StoreError::Again)) => {}
                (_, Err(error)) | (Err(error), Ok(_)) => return Err(error),
                (Ok(_), Ok(value)) => return Ok(value),
            }
        }
        Err(StoreError::Again)
    }
}

impl Transaction<'_> {
    /// As [`Store::read`].
    pub fn read(&self, path: &str) -> Result<String> {
        self.store.read_in(self.id, path)
    }

    /// As [`Store::write`].
    pub fn write(&self, path: &str, value: &str) -> Result<()> {
        self.store.write_in(self.id, path, value)
    }

    /// As [`Store::list`].
    pub fn list(&self, path: &str) -> Result<Vec<String>> {
        self.store.list_in(self.id, path)
    }

    /// As [`Store::remove`].
    pub fn remove(&self, path: &str) -> Result<()> {
        self.store.remove_in(self.id, path)
    }
}
