//! A disk in memory: errors happen where they are asked for, and a power cut takes what had not been flushed.
//!
//! ```text
//!   write ──▶ cached: what reads see ──flush──▶ durable
//!               └── the writes since the last flush ──power cut──▶ each is kept, lost, or torn into sectors
//! ```

use super::{SECTOR, bytes};
use crate::random::Random;
use rumpuser::{
    clock,
    device::{Disk, DiskError, DiskInfo},
    thread,
};
use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
};

/// What goes wrong.
#[derive(Debug, Clone, Default)]
pub struct DiskFaults {
    /// Sectors that cannot be read.
    pub unreadable: Vec<Range<u64>>,
    /// Sectors that cannot be written.
    pub unwritable: Vec<Range<u64>>,
    /// Of a thousand reads and writes, how many fail, whatever their sectors. A write that fails may have been made in part.
    pub errors: u32,
    /// Flushes fail, and nothing becomes durable.
    pub flush_fails: bool,
    /// Nanoseconds that each call takes.
    pub delay: u64,
    /// The power goes after so many more writes.
    pub power_cut_after: Option<u64>,
}

/// What becomes, at a power cut, of each write that had not been flushed. The rest of a thousand is lost.
#[derive(Debug, Clone, Copy)]
pub struct PowerCut {
    /// Of a thousand, how many are made whole.
    pub kept: u32,
    /// Of a thousand, how many are made in part: some of their sectors, in any order.
    pub torn: u32,
}

struct State {
    durable: Vec<u8>,
    cached: Vec<u8>,
    /// Writes and discards since the last flush, in order: where, and what.
    unflushed: Vec<(usize, Vec<u8>)>,
    faults: DiskFaults,
    random: Random,
    /// Without power nothing works.
    off: bool,
}

/// The disk. It is shared by the kernel and by the test, which changes its faults while it is in use.
pub struct MemoryDisk {
    info: DiskInfo,
    state: Mutex<State>,
}

impl MemoryDisk {
    /// A disk with this content, cut to whole sectors. What its faults do follows from `seed`.
    pub fn new(content: Vec<u8>, seed: u64) -> Arc<MemoryDisk> {
        MemoryDisk::make(content, seed, false)
    }

    /// The same, but writes and discards are refused.
    pub fn new_read_only(content: Vec<u8>, seed: u64) -> Arc<MemoryDisk> {
        MemoryDisk::make(content, seed, true)
    }

    fn make(mut content: Vec<u8>, seed: u64, read_only: bool) -> Arc<MemoryDisk> {
        content.truncate(content.len() / SECTOR * SECTOR);
        let sectors = (content.len() / SECTOR) as u64;
        let info = DiskInfo { sectors, block_size: 4096, read_only, serial: "memory".into() };
        let state = State {
            durable: content.clone(),
            cached: content,
            unflushed: Vec::new(),
            faults: DiskFaults::default(),
            random: Random::new(seed),
            off: false,
        };
        Arc::new(MemoryDisk { info, state: Mutex::new(state) })
    }

    /// What goes wrong from now on.
    pub fn set_faults(&self, faults: DiskFaults) {
        self.lock().faults = faults;
    }

    /// Cuts the power, unless it is cut already: every further call fails. What the disk holds afterwards comes back, for a
    /// new disk to begin with.
    pub fn cut_power(&self, cut: PowerCut) -> Vec<u8> {
        let mut state = self.lock();
        state.off = true;
        for (at, data) in std::mem::take(&mut state.unflushed) {
            let fate = state.random.below(1000) as u32;
            for (index, sector) in data.chunks(SECTOR).enumerate() {
                if fate < cut.kept || fate < cut.kept + cut.torn && state.random.chance(500) {
                    let start = at + index * SECTOR;
                    state.durable[start..start + SECTOR].copy_from_slice(sector);
                }
            }
        }
        state.durable.clone()
    }

    /// Whether the power is gone.
    pub fn is_off(&self) -> bool {
        self.lock().off
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn check_writable(&self) -> Result<(), DiskError> {
        if self.info.read_only { Err(DiskError::ReadOnly) } else { Ok(()) }
    }

    /// Takes the time that a call takes, and fails if there is no power.
    fn begin(&self) -> Result<MutexGuard<'_, State>, DiskError> {
        let delay = self.lock().faults.delay;
        let end = clock::monotonic() + delay;
        let mut unparked = false;
        while delay > 0 && clock::monotonic() < end {
            unparked |= thread::park(Some(end));
        }
        if unparked {
            // The token was meant for an outer wait.
            thread::current().unpark();
        }
        let state = self.lock();
        if state.off { Err(DiskError::Io) } else { Ok(state) }
    }
}

fn is_bad(bad: &[Range<u64>], sector: u64, length: usize) -> bool {
    let end = sector + (length / SECTOR) as u64;
    bad.iter().any(|range| range.start < end && sector < range.end)
}

impl State {
    fn put(&mut self, at: usize, data: Vec<u8>) {
        self.cached[at..at + data.len()].copy_from_slice(&data);
        self.unflushed.push((at, data));
    }
}

impl Disk for MemoryDisk {
    fn info(&self) -> DiskInfo {
        self.info.clone()
    }

    fn read(&self, sector: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        let range = bytes(sector, buffer.len(), self.info.sectors)?;
        let mut state = self.begin()?;
        let errors = state.faults.errors;
        if is_bad(&state.faults.unreadable, sector, buffer.len()) || state.random.chance(errors) {
            return Err(DiskError::Io);
        }
        buffer.copy_from_slice(&state.cached[range]);
        Ok(())
    }

    fn write(&self, sector: u64, data: &[u8]) -> Result<(), DiskError> {
        self.check_writable()?;
        let range = bytes(sector, data.len(), self.info.sectors)?;
        let mut state = self.begin()?;
        if let Some(left) = &mut state.faults.power_cut_after {
            if *left == 0 {
                state.off = true;
                return Err(DiskError::Io);
            }
            *left -= 1;
        }
        let errors = state.faults.errors;
        if is_bad(&state.faults.unwritable, sector, data.len()) {
            return Err(DiskError::Io);
        }
        if state.random.chance(errors) {
            let done = state.random.below((data.len() / SECTOR) as u64 + 1) as usize * SECTOR;
            state.put(range.start, data[..done].to_vec());
            return Err(DiskError::Io);
        }
        state.put(range.start, data.to_vec());
        Ok(())
    }

    fn flush(&self) -> Result<(), DiskError> {
        let mut state = self.begin()?;
        if state.faults.flush_fails {
            return Err(DiskError::Io);
        }
        for (at, data) in std::mem::take(&mut state.unflushed) {
            state.durable[at..at + data.len()].copy_from_slice(&data);
        }
        Ok(())
    }

    /// The sectors read as zeroes afterwards.
    fn discard(&self, sector: u64, count: u64) -> Result<(), DiskError> {
        self.check_writable()?;
        let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(SECTOR));
        let range = bytes(sector, length.ok_or(DiskError::OutOfRange)?, self.info.sectors)?;
        let mut state = self.begin()?;
        state.put(range.start, vec![0; range.len()]);
        Ok(())
    }
}
