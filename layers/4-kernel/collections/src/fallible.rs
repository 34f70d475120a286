//! Allocation that can be refused: the only kind for what an outsider decides the size or number of.
//!
//! Each function asks [`rumpuser::memory::ensure`] before it allocates, so that a refusal leaves everything as it was, and what
//! the back end keeps in reserve stays for those who release memory.
#![expect(clippy::disallowed_methods, reason = "each has asked for just that before")]

use alloc::{
    boxed::Box,
    collections::VecDeque,
    string::String,
    sync::{Arc, Weak},
    vec::Vec,
};
use core::{fmt, mem};
use rumpuser::memory::{OutOfMemory, ensure};

/// What an [`Arc`] takes: two counts, and behind them what it holds, in whole words.
const fn shared<T>() -> usize {
    const WORD: usize = size_of::<usize>();
    (2 * WORD).saturating_add(size_of::<T>().div_ceil(WORD).saturating_mul(WORD))
}

/// A box.
pub fn try_box<T>(value: T) -> Result<Box<T>, OutOfMemory> {
    ensure(size_of::<T>())?;
    Ok(Box::new(value))
}

/// A shared value.
pub fn try_arc<T>(value: T) -> Result<Arc<T>, OutOfMemory> {
    ensure(shared::<T>())?;
    Ok(Arc::new(value))
}

/// A shared value that knows itself.
pub fn try_arc_cyclic<T>(value: impl FnOnce(&Weak<T>) -> T) -> Result<Arc<T>, OutOfMemory> {
    ensure(shared::<T>())?;
    Ok(Arc::new_cyclic(value))
}

/// An empty vector with room for exactly so many elements.
pub fn try_with_capacity<T>(capacity: usize) -> Result<Vec<T>, OutOfMemory> {
    let mut vector = Vec::new();
    vector.try_reserve_all(capacity)?;
    Ok(vector)
}

/// A copy of a slice.
pub fn try_to_vec<T: Clone>(slice: &[T]) -> Result<Vec<T>, OutOfMemory> {
    let mut vector = try_with_capacity(slice.len())?;
    vector.extend_from_slice(slice);
    Ok(vector)
}

/// A copy of some slices, one behind the other.
pub fn try_concat<T: Clone>(slices: &[&[T]]) -> Result<Vec<T>, OutOfMemory> {
    let mut vector = try_with_capacity(slices.iter().map(|slice| slice.len()).fold(0, usize::saturating_add))?;
    for slice in slices {
        vector.extend_from_slice(slice);
    }
    Ok(vector)
}

/// A copy of a text.
pub fn try_to_string(text: &str) -> Result<String, OutOfMemory> {
    let bytes = try_to_vec(text.as_bytes())?;
    // It was a text before it was copied.
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

/// A text from a formatter: `try_format(format_args!(…))`.
pub fn try_format(arguments: fmt::Arguments<'_>) -> Result<String, OutOfMemory> {
    let mut text = Vec::new();
    text.try_write(arguments)?;
    Ok(String::from_utf8(text).unwrap_or_default())
}

/// A text that is written by asking.
pub trait TryWrite {
    /// Appends what a formatter gives: `text.try_write(format_args!(…))`. On a refusal part of it may be there.
    fn try_write(&mut self, arguments: fmt::Arguments<'_>) -> Result<(), OutOfMemory>;
}

impl TryWrite for Vec<u8> {
    fn try_write(&mut self, arguments: fmt::Arguments<'_>) -> Result<(), OutOfMemory> {
        /// The vector, as what formatters write to.
        struct Text<'a>(&'a mut Vec<u8>);

        impl fmt::Write for Text<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.try_extend_from_slice(text.as_bytes()).map_err(|_| fmt::Error)
            }
        }

        fmt::write(&mut Text(self), arguments).map_err(|_| OutOfMemory)
    }
}

/// Everything that an iterator gives.
pub fn try_collect<T>(iterator: impl Iterator<Item = T>) -> Result<Vec<T>, OutOfMemory> {
    let mut vector = try_with_capacity(iterator.size_hint().0)?;
    for item in iterator {
        vector.try_push(item)?;
    }
    Ok(vector)
}

/// What can be asked for room at its end.
trait Room {
    fn length(&self) -> usize;
    fn room(&self) -> usize;
    /// Room for exactly so many elements in all.
    fn reserve_all(&mut self, capacity: usize) -> Result<(), OutOfMemory>;

    /// Room for `additional` more: twice as much as there is, or, where memory is short, just enough.
    fn reserve(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        /// What a collection begins with.
        const FEW: usize = 4;
        let needed = self.length().checked_add(additional).ok_or(OutOfMemory)?;
        if needed <= self.room() {
            return Ok(());
        }
        let generous = needed.max(self.room().saturating_mul(2)).max(FEW);
        self.reserve_all(generous).or_else(|_| self.reserve_all(needed))
    }
}

macro_rules! room {
    ($collection:ident) => {
        impl<T> Room for $collection<T> {
            fn length(&self) -> usize {
                self.len()
            }

            fn room(&self) -> usize {
                self.capacity()
            }

            fn reserve_all(&mut self, capacity: usize) -> Result<(), OutOfMemory> {
                if capacity > self.capacity() {
                    ensure(capacity.checked_mul(mem::size_of::<T>()).ok_or(OutOfMemory)?)?;
                    self.try_reserve_exact(capacity.saturating_sub(self.len())).map_err(|_| OutOfMemory)?;
                }
                Ok(())
            }
        }
    };
}

room!(Vec);
room!(VecDeque);

/// A vector that grows by asking.
pub trait TryVec<T> {
    /// Appends an element; it is dropped if there is no room for it.
    fn try_push(&mut self, value: T) -> Result<(), OutOfMemory>;
    /// Puts an element at an index that is not beyond the end.
    fn try_insert(&mut self, index: usize, value: T) -> Result<(), OutOfMemory>;
    /// Appends copies.
    fn try_extend_from_slice(&mut self, slice: &[T]) -> Result<(), OutOfMemory>
    where
        T: Clone;
    /// Grows with copies of `value`, or shrinks.
    fn try_resize(&mut self, length: usize, value: T) -> Result<(), OutOfMemory>
    where
        T: Clone;
    /// Makes room for so many more elements.
    fn try_reserve_more(&mut self, additional: usize) -> Result<(), OutOfMemory>;
    /// Makes room for exactly so many elements in all.
    fn try_reserve_all(&mut self, capacity: usize) -> Result<(), OutOfMemory>;
}

impl<T> TryVec<T> for Vec<T> {
    fn try_push(&mut self, value: T) -> Result<(), OutOfMemory> {
        self.try_reserve_more(1)?;
        self.push(value);
        Ok(())
    }

    fn try_insert(&mut self, index: usize, value: T) -> Result<(), OutOfMemory> {
        self.try_reserve_more(1)?;
        self.insert(index.min(self.len()), value);
        Ok(())
    }

    fn try_extend_from_slice(&mut self, slice: &[T]) -> Result<(), OutOfMemory>
    where
        T: Clone,
    {
        self.try_reserve_more(slice.len())?;
        self.extend_from_slice(slice);
        Ok(())
    }

    fn try_resize(&mut self, length: usize, value: T) -> Result<(), OutOfMemory>
    where
        T: Clone,
    {
        self.try_reserve_more(length.saturating_sub(self.len()))?;
        self.resize(length, value);
        Ok(())
    }

    fn try_reserve_more(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        Room::reserve(self, additional)
    }

    fn try_reserve_all(&mut self, capacity: usize) -> Result<(), OutOfMemory> {
        Room::reserve_all(self, capacity)
    }
}

/// A double-ended queue that grows by asking. It moves as it grows: for queues that may become long there is [`crate::Queue`].
pub trait TryDeque<T> {
    /// Appends an element; it is dropped if there is no room for it.
    fn try_push_back(&mut self, value: T) -> Result<(), OutOfMemory>;
    /// Puts an element in front; it is dropped if there is no room for it.
    fn try_push_front(&mut self, value: T) -> Result<(), OutOfMemory>;
    /// Makes room for so many more elements.
    fn try_reserve_more(&mut self, additional: usize) -> Result<(), OutOfMemory>;
}

impl<T> TryDeque<T> for VecDeque<T> {
    fn try_push_back(&mut self, value: T) -> Result<(), OutOfMemory> {
        Room::reserve(self, 1)?;
        self.push_back(value);
        Ok(())
    }

    fn try_push_front(&mut self, value: T) -> Result<(), OutOfMemory> {
        Room::reserve(self, 1)?;
        self.push_front(value);
        Ok(())
    }

    fn try_reserve_more(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        Room::reserve(self, additional)
    }
}
