//! A queue in chunks, which grows without moving and gives back what it no longer needs.
//!
//! ```text
//!   front: [ . . a b ]   middle: 7: [ c d e f ]  8: [ g h i j ]   back: [ k l ]
//! ```

use crate::{OrderedMap, TryDeque};
use alloc::collections::VecDeque;
use core::any::Any;
use rumpuser::memory::OutOfMemory;

/// Most bytes of a chunk: with what the allocator needs, two fit in a page.
const CHUNK: usize = 1920;

/// First in, first out. Adding and taking are O(1) but for one of so many elements as a chunk holds, which is O(log n).
pub struct Queue<T> {
    front: VecDeque<T>,
    middle: OrderedMap<u64, VecDeque<T>>,
    back: VecDeque<T>,
    /// The number of the next chunk of the middle.
    next: u64,
    length: usize,
}

impl<T: Any + Send + Sync> Default for Queue<T> {
    fn default() -> Self {
        Queue::new()
    }
}

impl<T: Any + Send + Sync> Queue<T> {
    const PER_CHUNK: usize = {
        let most = CHUNK / if size_of::<T>() == 0 { 1 } else { size_of::<T>() };
        if most == 0 { 1 } else { most }
    };

    /// Nothing.
    pub const fn new() -> Self {
        Queue { front: VecDeque::new(), middle: OrderedMap::new(), back: VecDeque::new(), next: 0, length: 0 }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends an element; it is dropped if there is no room for it.
    pub fn try_push(&mut self, value: T) -> Result<(), OutOfMemory> {
        if self.back.len() >= Self::PER_CHUNK {
            // Only a copy of the handle's place moves: the chunk stays where it is.
            let full = core::mem::take(&mut self.back);
            if let Err((full, refusal)) = self.middle.try_insert_or_return(self.next, full) {
                self.back = full;
                return Err(refusal);
            }
            self.next = self.next.wrapping_add(1);
        }
        self.back.try_push_back(value)?;
        self.length = self.length.saturating_add(1);
        Ok(())
    }

    /// The oldest element.
    pub fn front(&self) -> Option<&T> {
        self.front.front().or_else(|| self.middle.first()?.1.front()).or_else(|| self.back.front())
    }

    /// The oldest element, to be changed.
    pub fn front_mut(&mut self) -> Option<&mut T> {
        self.refill();
        self.front.front_mut()
    }

    /// The elements from the oldest on.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let middle = self.middle.iter().flat_map(|(_, chunk)| chunk);
        self.front.iter().chain(middle).chain(&self.back)
    }

    /// Takes the oldest element.
    pub fn pop(&mut self) -> Option<T> {
        self.refill();
        let value = self.front.pop_front()?;
        self.length = self.length.saturating_sub(1);
        if self.length == 0 {
            // An idle queue holds no memory.
            self.front = VecDeque::new();
        }
        Some(value)
    }

    /// Brings the oldest chunk to the front, if that is empty.
    fn refill(&mut self) {
        if self.front.is_empty() {
            self.front = match self.middle.pop_first() {
                Some((_, chunk)) => chunk,
                None => core::mem::take(&mut self.back),
            };
        }
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        *self = Queue::new();
    }
}
