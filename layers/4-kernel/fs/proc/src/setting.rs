//! A file of a process's directory in `/proc` that can be written: it is made at each read, and takes what is written at once.

use crate::process_files::{Content, Store};
use alloc::sync::Arc;
use rumpkin_abi::{Errno, Stat, linux::general};
use rumpkin_spine::{
    file::File,
    io::{Sink, Source},
    process::Process,
};

/// Most bytes that a value takes; Linux's numbers have less.
const LONGEST: usize = 32;

/// An open one.
pub struct Setting {
    pub process: Arc<Process>,
    pub content: Content,
    pub store: Store,
}

impl File for Setting {
    fn read(&self, position: u64, destination: &mut dyn Sink) -> Result<usize, Errno> {
        let content = (self.content)(&self.process, None)?;
        let rest = usize::try_from(position).ok().and_then(|position| content.get(position..)).unwrap_or_default();
        if rest.is_empty() { Ok(0) } else { destination.put(rest) }
    }

    fn write(&self, _position: u64, source: &mut dyn Source) -> Result<usize, Errno> {
        let mut text = [0; LONGEST];
        let length = source.take(&mut text)?;
        (self.store)(&self.process, text.get(..length).unwrap_or_default())?;
        Ok(length)
    }

    fn truncate(&self, _length: u64) -> Result<(), Errno> {
        Ok(())
    }

    fn seekable(&self) -> bool {
        true
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(Stat { mode: general::S_IFREG | 0o644, ..Stat::default() })
    }

    fn sync(&self, _data_only: bool) -> Result<(), Errno> {
        Ok(())
    }
}
