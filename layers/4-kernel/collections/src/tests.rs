//! The map against the standard one.

use crate::{Key, OrderedMap};
use proptest::prelude::*;
use std::collections::BTreeMap;

extern crate std;

type Pair = (u64, u64);

fn key() -> impl Strategy<Value = Pair> {
    let part = || prop_oneof![0..4u64, (u64::MAX - 3)..=u64::MAX];
    (part(), part())
}

fn owned(entry: Option<(Pair, &u32)>) -> Option<(Pair, u32)> {
    entry.map(|(key, value)| (key, *value))
}

fn model_entry(entry: Option<(&Pair, &u32)>) -> Option<(Pair, u32)> {
    entry.map(|(key, value)| (*key, *value))
}

proptest! {
    #[test]
    fn answers_as_the_standard_map(changes in prop::collection::vec((key(), prop::option::of(any::<u32>())), 0..200), at in key(), to in key()) {
        let mut map = OrderedMap::<Pair, u32>::new();
        let mut model = BTreeMap::new();
        for (key, value) in changes {
            match value {
                Some(value) => prop_assert_eq!(map.insert(key, value), model.insert(key, value)),
                None => prop_assert_eq!(map.remove(key), model.remove(&key)),
            }
        }
        prop_assert_eq!(map.len(), model.len());
        prop_assert_eq!(map.is_empty(), model.is_empty());
        prop_assert_eq!(map.get(at), model.get(&at));
        prop_assert_eq!(map.contains_key(at), model.contains_key(&at));
        prop_assert_eq!(owned(map.first()), model_entry(model.first_key_value()));
        prop_assert_eq!(owned(map.at_or_before(at)), model_entry(model.range(..=at).next_back()));
        prop_assert_eq!(owned(map.before(at)), model_entry(model.range(..at).next_back()));
        prop_assert_eq!(owned(map.at_or_after(at)), model_entry(model.range(at..).next()));
        let above = model.range(at..).find(|(key, _)| **key > at);
        prop_assert_eq!(owned(map.after(at)), model_entry(above));
        prop_assert!(map.iter().eq(model.iter().map(|(key, value)| (*key, value))));
        if at <= to {
            prop_assert!(map.range(at, to).eq(model.range(at..to).map(|(key, value)| (*key, value))));
        } else {
            prop_assert!(map.range(at, to).next().is_none());
        }
        if let Some(value) = map.get_mut(at) {
            *value = 7;
            prop_assert_eq!(map.get(at), Some(&7));
            map.insert(at, model[&at]);
        }
        prop_assert_eq!(map.pop_first(), model.pop_first());
        prop_assert!(map.iter().eq(model.iter().map(|(key, value)| (*key, value))));
    }

    #[test]
    fn keys_keep_their_order_as_numbers(a in key(), b in key()) {
        prop_assert_eq!(a.cmp(&b), a.number().cmp(&b.number()));
        prop_assert_eq!(Pair::from_number(a.number()), a);
    }
}
