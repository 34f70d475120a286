//! The map and the queue against the standard ones, and refusals.

use crate::{
    Account, ByteQueue, Charge, ChargedQueue, Key, OrderedMap, OutOfMemory, Queue, TryVec, Weigh, footprint,
    try_collect, try_concat, try_format, try_to_string,
};
use proptest::prelude::*;
use rumpuser_hosted::{Machine, Requests};
use std::{collections::BTreeMap, vec::Vec};

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

/// What a queue does.
#[derive(Debug, Clone)]
enum Step {
    Push,
    Pop(u8),
    Clear,
}

proptest! {
    /// Much longer than a chunk, so that all three parts are used.
    #[test]
    fn queue_is_first_in_first_out(steps in prop::collection::vec(prop_oneof![
        20 => Just(Step::Push), 1 => any::<u8>().prop_map(Step::Pop), 1 => Just(Step::Clear)], 1..2000)) {
        let mut queue = Queue::new();
        let mut model = std::collections::VecDeque::new();
        for (number, step) in (0u128..).zip(steps) {
            match step {
                Step::Push => {
                    prop_assert!(queue.try_push((number, number)).is_ok());
                    model.push_back((number, number));
                }
                Step::Pop(count) => (0..count).try_for_each(|_| {
                    prop_assert_eq!(queue.pop(), model.pop_front());
                    Ok(())
                })?,
                Step::Clear => {
                    queue.clear();
                    model.clear();
                }
            }
            prop_assert_eq!((queue.len(), queue.is_empty(), queue.front()), (model.len(), model.is_empty(), model.front()));
            prop_assert!(queue.iter().eq(&model));
        }
    }
}

/// Fills with every request for memory refused in turn: what is refused changes nothing.
#[test]
fn refusal_leaves_everything_as_it_was() {
    const MOST: u64 = 300;
    for refused in 1.. {
        let requests = std::sync::Arc::new(Requests::refusing(refused, refused));
        let machine = Machine { requests: requests.clone(), ..Machine::default() };
        machine.simulate(1, || {
            let (mut queue, mut map, mut list) = (Queue::new(), OrderedMap::new(), Vec::new());
            let mut kept = [0, 0, 0];
            for number in 0..MOST {
                kept[0] += usize::from(queue.try_push([number; 16]).is_ok());
                kept[1] += usize::from(map.try_insert(number, number).is_ok());
                kept[2] += usize::from(list.try_push(number).is_ok());
                assert_eq!([queue.len(), map.len(), list.len()], kept);
            }
            assert!(kept.iter().sum::<usize>() + 1 >= 3 * MOST as usize);
        });
        if requests.refused() == 0 {
            return assert!(refused > MOST, "the map alone asks for each entry");
        }
    }
}

#[test]
fn texts_are_made_by_asking() {
    assert_eq!(try_format(format_args!("{}-{:03}", "a", 7)).as_deref(), Ok("a-007"));
    assert_eq!(try_to_string("añb").as_deref(), Ok("añb"));
    assert_eq!(try_concat(&[&b"ab"[..], b"", b"c"]).as_deref(), Ok(&b"abc"[..]));
    assert_eq!(try_collect((0..5).filter(|number| number % 2 == 0)).as_deref(), Ok(&[0, 2, 4][..]));
}

#[test]
fn what_is_charged_comes_back_when_its_owner_goes() {
    let account = std::sync::Arc::new(Account::new(100));
    let (mut one, mut other) = (Charge::new(&account), Charge::new(&account));
    assert_eq!((one.add(60), other.add(41), other.add(40)), (Ok(()), Err(OutOfMemory), Ok(())));
    assert_eq!(one.add(usize::MAX), Err(OutOfMemory));
    one.remove(10);
    assert_eq!((account.used(), one.bytes(), other.bytes()), (90, 50, 40));
    drop(one);
    other.remove(1000);
    assert_eq!((account.used(), account.limit()), (0, 100));
}

#[test]
fn an_allocation_takes_a_share_of_a_page_or_whole_pages() {
    let sizes = [0, 1, 64, 1400, 2016, 2017, 4096, 4097].map(footprint);
    assert_eq!(sizes, [0, 17, 66, 2048, 2048, 4096, 4096, 8192]);
}

struct Message(Vec<u8>);

impl Weigh for Message {
    fn weight(&self) -> usize {
        self.0.len()
    }
}

#[test]
fn a_queue_takes_no_more_than_its_account_has() {
    let cost = ChargedQueue::<Message>::cost(100);
    let account = std::sync::Arc::new(Account::new(3 * cost + cost / 2));
    let (mut one, mut other) = (ChargedQueue::new(&account), ChargedQueue::new(&account));
    let message = || Message(std::vec![1; 100]);
    assert_eq!((one.try_push(message()), one.try_push(message()), other.try_push(message())), (Ok(()), Ok(()), Ok(())));
    assert_eq!(other.try_push(message()), Err(OutOfMemory));
    assert_eq!((one.pop().map(|message| message.0.len()), other.try_push(message())), (Some(100), Ok(())));
    assert_eq!((one.len(), one.charged(), other.charged(), account.used()), (1, cost, 2 * cost, 3 * cost));
    other.clear();
    assert_eq!((other.is_empty(), account.used()), (true, cost));
    drop(one);
    assert_eq!(account.used(), 0);
}
proptest! {
    #[test]
    fn bytes_come_out_as_they_went_in(steps in prop::collection::vec((any::<bool>(), 0..9000usize), 1..60)) {
        let mut queue = ByteQueue::new();
        let mut model = std::collections::VecDeque::new();
        let mut next = 0u32;
        for (add, count) in steps {
            if add {
                let data: Vec<u8> = (0..count).map(|_| { next = next.wrapping_mul(69_069).wrapping_add(1); (next >> 24) as u8 }).collect();
                prop_assert!(queue.try_extend(&data).is_ok());
                model.extend(data);
            } else {
                queue.consume(count);
                model.drain(..count.min(model.len()));
            }
            prop_assert_eq!(queue.len(), model.len());
            prop_assert_eq!(queue.is_empty(), queue.front().is_empty());
            prop_assert!(queue.pieces().flatten().eq(model.iter()));
        }
    }
}
