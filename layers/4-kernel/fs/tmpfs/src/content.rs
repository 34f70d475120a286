//! The pages of a file in memory: sparse, counted against a limit, mappable.

use crate::limit::Limit;
use alloc::sync::Arc;
use rumpkin_abi::{Errno, linux::general};
use rumpkin_collections::{OrderedMap, OutOfMemory, try_arc};
use rumpkin_mm::Mappable;
use rumpkin_spine::io::{Sink, Source};
use rumpuser::{
    memory::{Frame, PAGE_SIZE},
    sync::Mutex,
};

/// Longest file (`MAX_LFS_FILESIZE`).
pub const MAX_SIZE: u64 = i64::MAX as u64;

/// The seals of a file that no new write may change.
const AGAINST_WRITING: u32 = general::F_SEAL_WRITE | general::F_SEAL_FUTURE_WRITE;

const PAGE: u64 = PAGE_SIZE as u64;

/// What passes through the kernel stack at once.
const CHUNK: usize = 2048;

#[derive(Default)]
struct State {
    frames: OrderedMap<u64, Frame>,
    length: u64,
    /// `F_SEAL_*`.
    seals: u32,
    /// Shared mappings through which stores come, or may.
    stores: usize,
}

/// The content of a file.
pub struct Pages {
    limit: Arc<Limit>,
    state: Mutex<State>,
}

fn page_of(position: u64) -> (u64, usize) {
    (position / PAGE, (position % PAGE) as usize)
}

impl State {
    fn sealed(&self, seals: u32) -> Result<(), Errno> {
        if self.seals & seals != 0 { Err(Errno::EPERM) } else { Ok(()) }
    }

    fn frame(&mut self, limit: &Limit, index: u64) -> Result<Frame, Errno> {
        if let Some(frame) = self.frames.get(index) {
            return Ok(frame.clone());
        }
        let frame = limit.take()?;
        if self.frames.try_insert(index, frame.clone()).is_err() {
            limit.give_back(1);
            return Err(Errno::ENOSPC);
        }
        Ok(frame)
    }

    /// Zeroes from `from` to `to`, within one page.
    fn zero_in_page(&self, from: u64, to: u64) {
        let (index, mut offset) = page_of(from);
        let mut left = to.saturating_sub(from) as usize;
        let Some(frame) = self.frames.get(index) else { return };
        let zeroes = [0; 256];
        while left > 0 {
            let piece = zeroes.get(..left.min(zeroes.len())).unwrap_or_default();
            let done = frame.write(offset, piece);
            if done == 0 {
                break;
            }
            offset = offset.saturating_add(done);
            left = left.saturating_sub(done);
        }
    }

    /// Gives up whole pages. One that is mapped somewhere stays, as zeroes: the mapping would go on to show what it held, and
    /// not what the file has there later.
    fn remove(&mut self, limit: &Limit, from: u64, to: u64) {
        let mut at = from;
        while let Some((index, frame)) = self.frames.range(at, to).next() {
            at = index.saturating_add(1);
            if frame.is_unique() {
                self.frames.remove(index);
                limit.give_back(1);
            } else {
                self.zero_in_page(index.saturating_mul(PAGE), at.saturating_mul(PAGE));
            }
        }
    }

    /// The file is about to have what lies between its end and `to`. There are zeroes, whatever a program has stored behind the
    /// end through a mapping.
    fn fill_gap(&self, to: u64) {
        let first = self.length.div_ceil(PAGE);
        self.zero_in_page(self.length, first.saturating_mul(PAGE).min(to));
        for (index, _) in self.frames.range(first, to.div_ceil(PAGE)) {
            self.zero_in_page(index.saturating_mul(PAGE), index.saturating_add(1).saturating_mul(PAGE));
        }
    }

    /// Makes a range read as zeroes.
    fn punch(&mut self, limit: &Limit, from: u64, to: u64) {
        let (first, last) = (from.div_ceil(PAGE), to / PAGE);
        if first > last {
            self.zero_in_page(from, to);
            return;
        }
        self.zero_in_page(from, first.saturating_mul(PAGE).min(to));
        self.zero_in_page(last.saturating_mul(PAGE).max(from), to);
        self.remove(limit, first, last);
    }
}

impl Pages {
    /// An empty file with these seals; `F_SEAL_SEAL` for one that takes none (memfd_create(2)).
    pub fn new(limit: Arc<Limit>, seals: u32) -> Result<Arc<Pages>, OutOfMemory> {
        try_arc(Pages { limit, state: Mutex::new(State { seals, ..State::default() }) })
    }

    /// Bytes in the file.
    pub fn length(&self) -> u64 {
        self.state.lock().length
    }

    /// Frames in use.
    pub fn frames(&self) -> usize {
        self.state.lock().frames.len()
    }

    /// Reads at a position.
    pub fn read(&self, position: u64, destination: &mut dyn Sink) -> Result<usize, Errno> {
        let mut done = 0usize;
        while destination.room() > 0 {
            let mut chunk = [0; CHUNK];
            let (index, offset) = page_of(position.saturating_add(done as u64));
            let (frame, left) = {
                let state = self.state.lock();
                let left = state.length.saturating_sub(position).saturating_sub(done as u64);
                (state.frames.get(index).cloned(), left)
            };
            let length = CHUNK.min(PAGE_SIZE.saturating_sub(offset)).min(destination.room());
            let length = length.min(usize::try_from(left).unwrap_or(usize::MAX));
            let piece = chunk.get_mut(..length).unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            if let Some(frame) = frame {
                frame.read(offset, piece);
            }
            match destination.put(piece) {
                Ok(put) if put == length => done = done.saturating_add(put),
                Ok(put) => return Ok(done.saturating_add(put)),
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    /// Writes at a position, growing the file. Short if memory runs out half-way.
    pub fn write(&self, position: u64, source: &mut dyn Source) -> Result<usize, Errno> {
        if position >= MAX_SIZE && source.left() > 0 {
            return Err(Errno::EFBIG);
        }
        let mut done = 0usize;
        while source.left() > 0 {
            let mut chunk = [0; CHUNK];
            let at = position.saturating_add(done as u64);
            let (index, offset) = page_of(at);
            let length = CHUNK.min(PAGE_SIZE.saturating_sub(offset)).min(source.left());
            let result = source.take(chunk.get_mut(..length).unwrap_or_default()).and_then(|taken| {
                let data = chunk.get(..taken).unwrap_or_default();
                self.store(index, offset, at, data)
            });
            match result {
                Ok(0) => break,
                Ok(stored) => done = done.saturating_add(stored),
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn store(&self, index: u64, offset: usize, at: u64, data: &[u8]) -> Result<usize, Errno> {
        let end = at.checked_add(data.len() as u64).filter(|&end| end <= MAX_SIZE).ok_or(Errno::EFBIG)?;
        let mut state = self.state.lock();
        state.sealed(AGAINST_WRITING)?;
        if end > state.length {
            state.sealed(general::F_SEAL_GROW)?;
        }
        let frame = state.frame(&self.limit, index)?;
        if at > state.length {
            state.fill_gap(at);
        }
        let done = frame.write(offset, data);
        state.length = state.length.max(end);
        Ok(done)
    }

    /// Sets the length; what lies beyond it is gone.
    pub fn truncate(&self, length: u64) -> Result<(), Errno> {
        if length > MAX_SIZE {
            return Err(Errno::EFBIG);
        }
        let mut state = self.state.lock();
        let old = state.length;
        if length < old {
            state.sealed(general::F_SEAL_SHRINK)?;
            let end = length.div_ceil(PAGE);
            state.zero_in_page(length, end.saturating_mul(PAGE));
            state.remove(&self.limit, end, u64::MAX);
        } else if length > old {
            state.sealed(general::F_SEAL_GROW)?;
            state.fill_gap(length);
        }
        state.length = length;
        Ok(())
    }

    /// fallocate(2): plain, `KEEP_SIZE`, `PUNCH_HOLE` and `ZERO_RANGE`.
    pub fn allocate(&self, mode: u32, offset: u64, length: u64) -> Result<(), Errno> {
        let end = offset.checked_add(length).filter(|&end| end <= MAX_SIZE).ok_or(Errno::EFBIG)?;
        let keep = mode & general::FALLOC_FL_KEEP_SIZE != 0;
        let mut state = self.state.lock();
        match mode & !general::FALLOC_FL_KEEP_SIZE {
            general::FALLOC_FL_PUNCH_HOLE if keep => {
                state.sealed(AGAINST_WRITING)?;
                state.punch(&self.limit, offset, end);
                return Ok(());
            }
            general::FALLOC_FL_ZERO_RANGE => {
                state.sealed(AGAINST_WRITING)?;
                state.punch(&self.limit, offset, end);
            }
            0 => {}
            _ => return Err(Errno::EOPNOTSUPP),
        }
        if end > state.length && !keep {
            state.sealed(general::F_SEAL_GROW)?;
        }
        let pages = (offset / PAGE)..end.div_ceil(PAGE);
        // Refused before half of memory is taken for what cannot be had anyway.
        let wanted = pages
            .end
            .saturating_sub(pages.start)
            .saturating_sub(state.frames.range(pages.start, pages.end).count() as u64);
        if wanted > self.limit.free() as u64 {
            return Err(Errno::ENOSPC);
        }
        for index in pages {
            state.frame(&self.limit, index)?;
        }
        if !keep && end > state.length {
            state.fill_gap(end);
            state.length = end;
        }
        Ok(())
    }

    /// The next data or hole (lseek(2)).
    pub fn seek(&self, offset: u64, hole: bool) -> Result<u64, Errno> {
        let state = self.state.lock();
        if offset >= state.length {
            return Err(Errno::ENXIO);
        }
        let (mut index, _) = page_of(offset);
        if hole {
            while state.frames.contains_key(index) {
                index = index.saturating_add(1);
            }
            return Ok(index.saturating_mul(PAGE).clamp(offset, state.length));
        }
        let (next, _) = state.frames.at_or_after(index).ok_or(Errno::ENXIO)?;
        let found = next.saturating_mul(PAGE).max(offset);
        if found < state.length { Ok(found) } else { Err(Errno::ENXIO) }
    }

    /// `F_GET_SEALS`.
    pub fn seals(&self) -> u32 {
        self.state.lock().seals
    }

    /// `F_ADD_SEALS`. `EPERM` once sealed against it; `EBUSY` for `F_SEAL_WRITE` while a shared mapping lets stores through.
    pub fn add_seals(&self, seals: u32) -> Result<(), Errno> {
        let mut state = self.state.lock();
        state.sealed(general::F_SEAL_SEAL)?;
        if seals & general::F_SEAL_WRITE != 0 && state.stores > 0 {
            return Err(Errno::EBUSY);
        }
        state.seals |= seals;
        Ok(())
    }

    /// The pages for a shared mapping that lets stores through, now or later. `EPERM` if sealed against it.
    pub fn for_stores(self: &Arc<Self>) -> Result<OpenToStores, Errno> {
        let mut state = self.state.lock();
        state.sealed(AGAINST_WRITING)?;
        state.stores = state.stores.saturating_add(1);
        Ok(OpenToStores(self.clone()))
    }
}

/// Pages that a mapping may change; as long as there is one of these, the file is not sealed with `F_SEAL_WRITE`.
pub struct OpenToStores(Arc<Pages>);

impl Mappable for OpenToStores {
    fn frame(&self, index: u64) -> Result<Frame, Errno> {
        self.0.frame(index)
    }

    fn frame_at_hand(&self, index: u64) -> Option<Frame> {
        self.0.frame_at_hand(index)
    }
}

impl Drop for OpenToStores {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.stores = state.stores.saturating_sub(1);
    }
}

impl Mappable for Pages {
    fn frame(&self, index: u64) -> Result<Frame, Errno> {
        let mut state = self.state.lock();
        if index >= state.length.div_ceil(PAGE) {
            return Err(Errno::ENXIO);
        }
        state.frame(&self.limit, index)
    }

    fn frame_at_hand(&self, index: u64) -> Option<Frame> {
        self.state.try_lock()?.frames.get(index).cloned()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.limit.give_back(self.state.lock().frames.len());
    }
}
