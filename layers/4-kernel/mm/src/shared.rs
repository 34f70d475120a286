//! Shared anonymous memory: an object of its own, whose pages live until its last mapping is gone.

use crate::Mappable;
use alloc::vec::Vec;
use rumpkin_abi::Errno;
use rumpkin_collections::{OrderedMap, OutOfMemory, try_to_vec};
use rumpuser::{memory::Frame, sync::Mutex};

/// Pages by index, made when first asked for.
pub struct SharedMemory {
    pages: u64,
    frames: Mutex<OrderedMap<u64, Frame>>,
}

impl SharedMemory {
    /// This many bytes of zeroes.
    pub fn new(length: usize) -> SharedMemory {
        let pages = length.div_ceil(rumpuser::memory::PAGE_SIZE) as u64;
        SharedMemory { pages, frames: Mutex::new(OrderedMap::new()) }
    }
}

impl Mappable for SharedMemory {
    fn frame(&self, index: u64) -> Result<Frame, Errno> {
        if index >= self.pages {
            return Err(Errno::ENXIO);
        }
        let mut frames = self.frames.lock();
        if let Some(frame) = frames.get(index) {
            return Ok(frame.clone());
        }
        let frame = Frame::allocate().ok_or(Errno::ENOMEM)?;
        frames.try_insert(index, frame.clone())?;
        Ok(frame)
    }

    fn frame_at_hand(&self, index: u64) -> Option<Frame> {
        self.frames.lock().get(index).cloned()
    }

    fn name(&self) -> Result<Vec<u8>, OutOfMemory> {
        try_to_vec(b"/dev/zero (deleted)")
    }
}
