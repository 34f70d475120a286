//! The console that a program starts with: by its name in the tree where it has one, else as it is.

use crate::{
    devices::{device_number, device_stat},
    node_file::NodeFile,
    registry::Registry,
    tree,
};
use alloc::sync::Arc;
use rumpkin_abi::{Errno, Stat, linux::general};
use rumpkin_collections::{try_arc, try_to_vec};
use rumpkin_spine::{
    Kernel,
    file::{File, OpenFile},
    io::{Sink, Source},
};
use rumpuser::device::Console;

/// Its number on Linux.
pub const NUMBER: u64 = device_number(5, 1);

const FLAGS: u32 = general::O_RDWR | general::O_LARGEFILE;

/// Bytes that pass through the kernel's stack at once.
const CHUNK: usize = 1024;

/// Opens it.
pub(crate) fn open(kernel: &Kernel) -> Result<Arc<OpenFile>, Errno> {
    let Ok(device) = Registry::open_device(kernel, general::S_IFCHR, NUMBER, FLAGS) else {
        return OpenFile::new(try_arc(Screen(kernel.console.clone()))?, FLAGS);
    };
    let named = tree::of(kernel).and_then(|tree| {
        let (directory, place) = (tree.find(kernel, "/dev")?, tree.find(kernel, "/dev/console")?);
        Ok(try_arc(NodeFile::new(place, directory, try_to_vec(b"console")?, Some(device.clone())))?)
    });
    let file: Arc<dyn File> = match named {
        Ok(file) => file,
        Err(_) => device,
    };
    OpenFile::new(file, FLAGS)
}

/// The console of an image without devices: what is written is shown, and there is nothing to read.
struct Screen(Arc<dyn Console>);

impl File for Screen {
    fn read(&self, _position: u64, _destination: &mut dyn Sink) -> Result<usize, Errno> {
        Ok(0)
    }

    fn write(&self, _position: u64, source: &mut dyn Source) -> Result<usize, Errno> {
        write(&*self.0, source)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(device_stat(general::S_IFCHR, NUMBER))
    }
}

/// Writes everything to a console.
pub fn write(console: &dyn Console, source: &mut dyn Source) -> Result<usize, Errno> {
    let mut done = 0usize;
    while source.left() > 0 {
        let mut chunk = [0; CHUNK];
        let length = CHUNK.min(source.left());
        match source.take(chunk.get_mut(..length).unwrap_or_default()) {
            Ok(0) => break,
            Ok(taken) => {
                console.write(chunk.get(..taken).unwrap_or_default());
                done = done.saturating_add(taken);
            }
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(done)
}
