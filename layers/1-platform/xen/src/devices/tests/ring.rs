//! Shared rings.

use crate::devices::{
    error::Error,
    ring::Ring,
    tests::back_end::{BACK, BackRing, Simulated, u32_at},
};
use alloc::vec::Vec;
use proptest::prelude::*;

/// A page has room for 1008 slots of 4 bytes, so 512.
type Numbers = Ring<u32, u32>;

fn pair(pages: usize) -> (Numbers, BackRing) {
    let machine = Simulated::new();
    let ring = Numbers::new(machine, BACK, pages).unwrap();
    let references: Vec<u32> = (0..pages).map(|page| ring.reference(page)).collect();
    let back = BackRing::new(machine, &references, 4);
    (ring, back)
}

#[test]
fn requests_arrive_in_order_and_answers_come_back() {
    let (mut ring, mut back) = pair(1);
    assert_eq!(ring.room(), 512);
    for round in 0..5000_u32 {
        for number in 0..7 {
            assert!(ring.push(round + number));
        }
        assert!(back.pop().is_none(), "not before they are published");
        let _ = ring.publish();
        while let Some(request) = back.pop() {
            back.push(&(u32_at(&request, 0) * 2).to_le_bytes());
        }
        for number in 0..7 {
            assert_eq!(ring.take().unwrap(), Some((round * 7 + number, (round + number) * 2)));
        }
        assert_eq!(ring.take(), Ok(None));
    }
}

#[test]
fn a_ring_of_many_pages_is_one_ring() {
    let (mut ring, mut back) = pair(4);
    assert_eq!(ring.room(), 2048);
    for _ in 0..3 {
        let size = ring.room();
        for number in 0..size {
            assert!(ring.push(number));
        }
        assert!(!ring.push(0));
        let _ = ring.publish();
        for number in 0..size {
            assert_eq!(u32_at(&back.pop().unwrap(), 0), number);
            back.push(&number.to_le_bytes());
        }
        for number in 0..size {
            assert_eq!(ring.take().unwrap().unwrap().1, number);
        }
    }
}

#[test]
fn the_other_side_is_told_only_if_it_wants_to_be() {
    let (mut ring, back) = pair(1);
    ring.push(1);
    assert!(ring.publish(), "at first at once");
    ring.push(1);
    assert!(!ring.publish(), "it has not asked again");
    assert!(!ring.publish(), "nothing new");
    back.set_request_event(5);
    ring.push(1);
    ring.push(1);
    assert!(!ring.publish());
    ring.push(1);
    assert!(ring.publish());
}

#[test]
fn events_are_asked_for() {
    let (mut ring, mut back) = pair(1);
    for _ in 0..8 {
        ring.push(1);
    }
    let _ = ring.publish();
    assert!(!ring.arm(0));
    assert!(back.push(&[0; 4]));
    assert!(!back.push(&[0; 4]), "one is enough");
    assert!(ring.arm(0), "there is something");
    while ring.take().unwrap().is_some() {}
    assert!(!ring.arm(2));
    assert!(!back.push(&[0; 4]));
    assert!(!back.push(&[0; 4]));
    assert!(back.push(&[0; 4]));
    assert!(ring.arm(2));
}

#[test]
fn an_index_that_runs_ahead_breaks_the_ring() {
    for ahead in [4, 5, 512, 1 << 31, u32::MAX] {
        let (mut ring, back) = pair(1);
        for _ in 0..3 {
            ring.push(1);
        }
        let _ = ring.publish();
        ring.push(1);
        back.set_word(8, ahead);
        assert!(matches!(ring.take(), Err(Error::Broken(_))), "{ahead}");
        assert!(matches!(ring.take(), Err(Error::Broken(_))));
        assert!(!ring.push(1));
        assert!(!ring.publish());
    }
}

proptest! {
    /// A back end that writes anything anywhere in the ring gets errors, or answers to what was asked, never more.
    #[test]
    fn any_back_end_is_survived(steps in prop::collection::vec((0..6_u8, 0..1024_usize, any::<u32>()), 1..200)) {
        let (mut ring, mut back) = pair(1);
        let (mut pushed, mut taken) = (0_u32, 0_u32);
        for (step, at, value) in steps {
            match step {
                0 => pushed += u32::from(ring.push(value)),
                1 => { let _ = ring.publish(); }
                2 => if let Ok(Some((index, _))) = ring.take() {
                    prop_assert_eq!(index, taken);
                    taken += 1;
                },
                3 => { ring.arm(value); }
                4 => if back.pop().is_some() && back.requests <= pushed { back.push(&value.to_le_bytes()); },
                _ => back.set_word(at * 4, value),
            }
            prop_assert!(taken <= pushed && pushed - taken <= 512);
        }
    }
}
