//! The devices of mem(4) and random(4), and `/dev/tty` of a program without a terminal.

use alloc::sync::Arc;
use rumpkin_abi::{Errno, Stat, linux::general};
use rumpkin_collections::try_arc;
use rumpkin_mm::Mappable;
use rumpkin_spine::{
    file::{Caller, File},
    io::{Sink, Source},
};
use rumpkin_vfs::devices::{Driver, device_number, device_stat};
use rumpuser::{memory::Frame, random};

const CHUNK: usize = 1024;

/// A device without state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryDevice {
    /// Takes everything, gives nothing.
    Null,
    /// Gives zeroes.
    Zero,
    /// As `Zero`, and always full.
    Full,
    /// Random bytes.
    Random,
    /// Random bytes.
    Urandom,
}

use MemoryDevice::{Full, Null, Random, Urandom, Zero};

impl MemoryDevice {
    /// Its number on Linux.
    pub fn number(self) -> u64 {
        let minor = match self {
            Null => 3,
            Zero => 5,
            Full => 7,
            Random => 8,
            Urandom => 9,
        };
        device_number(1, minor)
    }
}

impl Driver for MemoryDevice {
    fn open(self: Arc<Self>, _flags: u32) -> Result<Arc<dyn File>, Errno> {
        Ok(self)
    }
}

impl File for MemoryDevice {
    fn read(&self, _position: u64, destination: &mut dyn Sink) -> Result<usize, Errno> {
        let mut done = 0usize;
        while *self != Null && destination.room() > 0 {
            let mut chunk = [0; CHUNK];
            let piece = chunk.get_mut(..CHUNK.min(destination.room())).unwrap_or_default();
            if matches!(self, Random | Urandom) {
                random::fill(piece);
            }
            match destination.put(piece) {
                Ok(put) => done = done.saturating_add(put),
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn write(&self, _position: u64, source: &mut dyn Source) -> Result<usize, Errno> {
        match self {
            Full => Err(Errno::ENOSPC),
            // The generator has its own sources; what is written is thanked for.
            _ => Ok(source.left()),
        }
    }

    fn seekable(&self) -> bool {
        true
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(device_stat(general::S_IFCHR, self.number()))
    }

    fn ioctl(&self, _caller: &dyn Caller, command: u32, argument: usize) -> Result<usize, Errno> {
        match (self, command) {
            (Random | Urandom, RNDGETENTCNT) => {
                rumpkin_spine::io::write_value(argument, &256i32)?;
                Ok(0)
            }
            _ => Err(Errno::ENOTTY),
        }
    }

    fn mappable(&self) -> Result<Arc<dyn Mappable>, Errno> {
        if *self == Zero { Ok(try_arc(Zeroes)?) } else { Err(Errno::ENODEV) }
    }
}

/// `RNDGETENTCNT` (random(4)).
const RNDGETENTCNT: u32 = 0x8004_5200;

/// Endless pages of zeroes, each mapping its own.
struct Zeroes;

impl Mappable for Zeroes {
    fn frame(&self, _index: u64) -> Result<Frame, Errno> {
        Frame::allocate().ok_or(Errno::ENOMEM)
    }
}

/// `/dev/tty`: there is no controlling terminal.
pub struct NoTerminal;

impl Driver for NoTerminal {
    fn open(self: Arc<Self>, _flags: u32) -> Result<Arc<dyn File>, Errno> {
        Ok(self)
    }
}

impl File for NoTerminal {
    fn read(&self, _position: u64, _destination: &mut dyn Sink) -> Result<usize, Errno> {
        Err(Errno::ENXIO)
    }

    fn write(&self, _position: u64, _source: &mut dyn Source) -> Result<usize, Errno> {
        Err(Errno::ENXIO)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(device_stat(general::S_IFCHR, device_number(5, 0)))
    }
}
