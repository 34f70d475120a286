//! A heap of deadlines from which any entry can be taken out in O(log n), because each entry knows its place.

use crate::memory::{OutOfMemory, heap::reserve};
use alloc::vec::Vec;

/// The place of something that is not in the heap.
pub(crate) const NOWHERE: usize = usize::MAX;

/// Something that waits; it keeps its place in the heap.
pub(crate) trait Waiter: Copy {
    /// Stores the place.
    fn set_place(self, place: usize);
    /// The place stored last.
    fn place(self) -> usize;
}

/// A binary heap, earliest deadline first.
pub(crate) struct Deadlines<W>(Vec<(u64, W)>);

impl<W: Waiter> Deadlines<W> {
    /// An empty heap.
    pub(crate) const fn new() -> Self {
        Deadlines(Vec::new())
    }

    /// Makes room for `count` entries in all, so that [`Deadlines::insert`] does not allocate.
    pub(crate) fn reserve(&mut self, count: usize) -> Result<(), OutOfMemory> {
        reserve(&mut self.0, count)
    }

    /// The earliest deadline.
    pub(crate) fn earliest(&self) -> Option<u64> {
        self.0.first().map(|entry| entry.0)
    }

    /// Adds a waiter that is not in the heap.
    pub(crate) fn insert(&mut self, deadline: u64, waiter: W) {
        self.0.push((deadline, waiter));
        self.rise(self.0.len() - 1);
    }

    /// Takes out a waiter, if it is in the heap.
    pub(crate) fn remove(&mut self, waiter: W) {
        let place = waiter.place();
        if place >= self.0.len() {
            return;
        }
        waiter.set_place(NOWHERE);
        self.0.swap_remove(place);
        if place < self.0.len() {
            self.sink(place);
            self.rise(place);
        }
    }

    /// Takes out a waiter whose deadline is `now` or earlier.
    pub(crate) fn expire(&mut self, now: u64) -> Option<W> {
        let &(deadline, waiter) = self.0.first()?;
        if deadline > now {
            return None;
        }
        self.remove(waiter);
        Some(waiter)
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.0[parent].0 <= self.0[place].0 {
                break;
            }
            self.swap(place, parent);
            place = parent;
        }
        self.0[place].1.set_place(place);
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let child = 2 * place + 1;
            let Some(&(deadline, _)) = self.0.get(child) else {
                break;
            };
            let right_is_earlier = self.0.get(child + 1).is_some_and(|right| right.0 < deadline);
            let child = child + usize::from(right_is_earlier);
            if self.0[place].0 <= self.0[child].0 {
                break;
            }
            self.swap(place, child);
            place = child;
        }
        self.0[place].1.set_place(place);
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.0.swap(a, b);
        self.0[a].1.set_place(a);
        self.0[b].1.set_place(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{boxed::Box, collections::BTreeSet};
    use core::cell::Cell;
    use proptest::prelude::*;

    #[derive(Clone, Copy)]
    struct Item(&'static (u64, Cell<usize>));

    impl Waiter for Item {
        fn set_place(self, place: usize) {
            self.0.1.set(place);
        }

        fn place(self) -> usize {
            self.0.1.get()
        }
    }

    proptest! {
        #[test]
        fn behaves_like_a_sorted_set(steps in proptest::collection::vec((0u8..4, 0u64..50), 1..300)) {
            let mut heap = Deadlines::new();
            let mut items: Vec<(u64, Item)> = Vec::new();
            let mut model = BTreeSet::new();
            for (serial, (step, value)) in (0u64..).zip(steps) {
                match step {
                    0 | 1 => {
                        let item = Item(Box::leak(Box::new((serial, Cell::new(NOWHERE)))));
                        heap.insert(value, item);
                        items.push((value, item));
                        model.insert((value, serial));
                    }
                    2 if !items.is_empty() => {
                        let (deadline, item) = items.swap_remove(value as usize % items.len());
                        heap.remove(item);
                        heap.remove(item);
                        model.remove(&(deadline, item.0.0));
                    }
                    _ => {
                        while let Some(item) = heap.expire(value) {
                            let at = items.iter().position(|other| other.1.0.0 == item.0.0).unwrap();
                            let (deadline, _) = items.swap_remove(at);
                            prop_assert!(deadline <= value);
                            prop_assert_eq!(item.place(), NOWHERE);
                            model.remove(&(deadline, item.0.0));
                        }
                    }
                }
                prop_assert_eq!(heap.earliest(), model.first().map(|entry| entry.0));
            }
        }
    }
}
