//! Lists of a table's entries, through links in the entries themselves: joining and leaving allocate nothing and are O(1).

use crate::slab::{Key, Slab};

/// An entry's place in a list; it can be in one list at a time through one of these.
#[derive(Debug, Default, Clone, Copy)]
pub struct Links {
    before: Option<Key>,
    after: Option<Key>,
    joined: bool,
}

/// Where an entry has the links of a list.
pub type Place<T> = fn(&mut T) -> &mut Links;

/// A list. Whoever removes an entry from the table takes it out first.
#[derive(Debug, Default)]
pub struct List {
    first: Option<Key>,
    last: Option<Key>,
    length: usize,
}

impl List {
    /// How many entries are in it.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The one that is in it for longest.
    pub fn first(&self) -> Option<Key> {
        self.first
    }

    /// The one that joined after another.
    pub fn after<T>(&self, slab: &mut Slab<T>, key: Key, place: Place<T>) -> Option<Key> {
        place(slab.get_mut(key)?).after
    }

    /// Adds an entry at the end, unless it is in a list already.
    pub fn push<T>(&mut self, slab: &mut Slab<T>, key: Key, place: Place<T>) {
        let Some(links) = slab.get_mut(key).map(place).filter(|links| !links.joined) else { return };
        *links = Links { before: self.last, after: None, joined: true };
        match self.last.replace(key).and_then(|last| slab.get_mut(last)) {
            Some(last) => place(last).after = Some(key),
            None => self.first = Some(key),
        }
        self.length = self.length.saturating_add(1);
    }

    /// Takes an entry out. False if it was not in it; it must not be in another list through these links.
    pub fn remove<T>(&mut self, slab: &mut Slab<T>, key: Key, place: Place<T>) -> bool {
        let Some(links) = slab.get_mut(key).map(place) else { return false };
        let Links { before, after, joined } = core::mem::take(links);
        if !joined {
            return false;
        }
        match before.and_then(|before| slab.get_mut(before)) {
            Some(entry) => place(entry).after = after,
            None => self.first = after,
        }
        match after.and_then(|after| slab.get_mut(after)) {
            Some(entry) => place(entry).before = before,
            None => self.last = before,
        }
        self.length = self.length.saturating_sub(1);
        true
    }

    /// Takes the one out that is in it for longest.
    pub fn pop<T>(&mut self, slab: &mut Slab<T>, place: Place<T>) -> Option<Key> {
        let first = self.first?;
        self.remove(slab, first, place);
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{collections::VecDeque, vec::Vec};
    use proptest::prelude::*;
    use rumpuser_hosted as _;

    proptest! {
        #[test]
        fn entries_stay_in_the_order_in_which_they_joined(steps in prop::collection::vec((0..3u8, 0..8usize), 1..100)) {
            let mut slab = Slab::<Links>::default();
            let keys: Vec<Key> = (0..8).map(|_| slab.try_insert(Links::default()).unwrap()).collect();
            let (mut list, mut model) = (List::default(), VecDeque::new());
            for (step, which) in steps {
                let key = keys[which];
                match step {
                    0 => {
                        list.push(&mut slab, key, |links| links);
                        if !model.contains(&key) {
                            model.push_back(key);
                        }
                    }
                    1 => {
                        let was = model.contains(&key);
                        model.retain(|other| *other != key);
                        prop_assert_eq!(list.remove(&mut slab, key, |links| links), was);
                    }
                    _ => prop_assert_eq!(list.pop(&mut slab, |links| links), model.pop_front()),
                }
                let mut next = list.first();
                for key in &model {
                    prop_assert_eq!(next, Some(*key));
                    next = list.after(&mut slab, *key, |links| links);
                }
                prop_assert_eq!((next, list.len(), list.is_empty()), (None, model.len(), model.is_empty()));
            }
        }
    }
}
