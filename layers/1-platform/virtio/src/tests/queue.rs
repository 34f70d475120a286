//! The queue itself.

use crate::{
    Error, Queue, Segment,
    tests::device::{Device, MACHINE, Random},
    transport::Transport,
};
use alloc::{sync::Arc, vec::Vec};

fn queue(size: u16, event_index: bool) -> (Queue, Arc<Device>) {
    let device = Device::new(1, 0, &[], size);
    let queue = Queue::new(&*MACHINE, size, event_index, |addresses| device.enable_queue(0, size, addresses)).unwrap();
    (queue, device)
}

fn segment(number: u32, writable: bool) -> Segment {
    Segment { physical: u64::from(number) << 12, length: number, writable }
}

#[test]
fn chains_reach_the_device_in_order_and_come_back_in_any() {
    let (mut queue, device) = queue(8, true);
    let first = queue.add(&[segment(1, false), segment(2, true)]).unwrap();
    let second = queue.add(&[segment(3, false)]).unwrap();
    assert!(device.queue(0, |side| side.pop()).is_none(), "not published");
    queue.publish();
    assert_eq!(device.rang(), Some(0));
    device.queue(0, |side| {
        let (id, parts) = side.pop().unwrap();
        assert_eq!(id, first);
        assert_eq!(parts.len(), 2);
        assert_eq!((parts[0].length, parts[0].writable), (1, false));
        assert_eq!((parts[1].length, parts[1].writable), (2, true));
        assert_eq!(side.pop().unwrap().0, second);
        assert!(side.pop().is_none());
        side.push(u32::from(second), 0);
        side.push(u32::from(first), 2);
    });
    assert_eq!(queue.take(), Ok(Some((second, 0))));
    assert_eq!(queue.take(), Ok(Some((first, 2))));
    assert_eq!(queue.take(), Ok(None));
    assert_eq!(queue.in_flight(), 0);
}

#[test]
fn a_full_queue_refuses_and_recovers() {
    let (mut queue, device) = queue(4, false);
    let ids: Vec<_> = (0..4).map(|n| queue.add(&[segment(n, false)]).unwrap()).collect();
    assert_eq!(queue.next_id(), None);
    assert_eq!(queue.add(&[segment(9, false)]), None);
    queue.publish();
    for id in ids {
        device.queue(0, |side| side.push(u32::from(id), 0));
        assert_eq!(queue.take(), Ok(Some((id, 0))));
    }
    assert!(queue.add(&[segment(1, true), segment(2, true), segment(3, true), segment(4, true)]).is_some());
}

#[test]
fn the_doorbell_rings_once_a_batch_and_only_when_wanted() {
    let (mut queue, device) = queue(16, true);
    for n in 0..5 {
        queue.add(&[segment(n, false)]).unwrap();
    }
    queue.publish();
    assert_eq!(device.rang(), Some(0));
    queue.publish();
    assert_eq!(device.rang(), None, "nothing new");
    // The device is awake and asks to be told only at index 8.
    device.queue(0, |side| side.set_available_event(7));
    queue.add(&[segment(6, false)]).unwrap();
    queue.publish();
    assert_eq!(device.rang(), None);
    queue.add(&[segment(7, false)]).unwrap();
    queue.add(&[segment(8, false)]).unwrap();
    queue.publish();
    assert_eq!(device.rang(), Some(0));
}

#[test]
fn arming_tells_whether_there_is_something_already() {
    let (mut queue, device) = queue(8, true);
    for n in 0..4 {
        queue.add(&[segment(n, true)]).unwrap();
    }
    queue.publish();
    assert!(!queue.arm(0));
    assert_eq!(device.queue(0, |side| side.used_event()), 0);
    assert!(!queue.arm(2));
    assert_eq!(device.queue(0, |side| side.used_event()), 2);
    device.queue(0, |side| {
        let (id, _) = side.pop().unwrap();
        side.push(u32::from(id), 0);
    });
    assert!(queue.arm(0));
    assert!(!queue.arm(1));
    queue.disarm();
    assert_eq!(device.queue(0, |side| side.used_event()), u16::MAX);
}

#[test]
fn indices_wrap_around() {
    for event_index in [false, true] {
        let (mut queue, device) = queue(4, event_index);
        for round in 0..70_000_u32 {
            let id = queue.add(&[segment(round % 1000 + 1, true)]).unwrap();
            queue.publish();
            let popped = device.queue(0, |side| {
                let (id, parts) = side.pop().unwrap();
                side.push(u32::from(id), parts[0].length);
                id
            });
            assert_eq!(popped, id);
            assert_eq!(queue.take(), Ok(Some((id, round % 1000 + 1))));
        }
    }
}

/// Runs `lie` on a queue with one chain of 100 writable bytes in flight.
fn lie(lie: impl FnOnce(&Device, u16)) -> Queue {
    let (mut queue, device) = queue(8, true);
    let id = queue.add(&[segment(100, true)]).unwrap();
    queue.publish();
    device.queue(0, |side| side.pop());
    lie(&device, id);
    queue
}

fn broken(mut queue: Queue) {
    assert!(matches!(queue.take(), Err(Error::Broken(_))));
    assert!(matches!(queue.take(), Err(Error::Broken(_))), "for good");
    assert!(queue.is_broken());
    assert_eq!(queue.add(&[segment(1, false)]), None);
}

#[test]
fn an_id_beyond_the_queue_breaks_it() {
    broken(lie(|device, _| device.queue(0, |side| side.push(8, 0))));
    broken(lie(|device, _| device.queue(0, |side| side.push(u32::MAX, 0))));
}

#[test]
fn an_id_that_is_not_in_flight_breaks_it() {
    broken(lie(|device, id| {
        device.queue(0, |side| side.push(u32::from(id) + 1, 0));
    }));
}

#[test]
fn an_id_that_came_before_breaks_it() {
    let (mut queue, device) = queue(8, true);
    let first = queue.add(&[segment(1, true)]).unwrap();
    queue.add(&[segment(1, true)]).unwrap();
    queue.publish();
    device.queue(0, |side| {
        side.push(u32::from(first), 0);
        side.push(u32::from(first), 0);
    });
    assert_eq!(queue.take(), Ok(Some((first, 0))));
    broken(queue);
}

#[test]
fn a_length_beyond_the_buffers_breaks_it() {
    broken(lie(|device, id| {
        device.queue(0, |side| side.push(u32::from(id), 101));
    }));
}

#[test]
fn a_used_index_that_runs_ahead_breaks_it() {
    broken(lie(|device, id| {
        device.queue(0, |side| {
            side.push_quietly(u32::from(id), 0);
            side.used = side.used.wrapping_add(3);
            side.tell();
        });
    }));
    broken(lie(|device, _| {
        device.queue(0, |side| {
            side.used = side.used.wrapping_sub(1);
            side.tell();
        });
    }));
}

#[test]
fn an_overwritten_descriptor_table_misleads_nobody() {
    let (mut queue, device) = queue(8, true);
    let id = queue.add(&[segment(1, false), segment(2, true), segment(3, true)]).unwrap();
    queue.publish();
    for byte in [0x00, 0x07, 0xff] {
        device.queue(0, |side| side.scribble_descriptors(byte));
    }
    device.queue(0, |side| side.push(u32::from(id), 5));
    assert_eq!(queue.take(), Ok(Some((id, 5))));
    let mut ids = Vec::new();
    while let Some(id) = queue.add(&[segment(1, false)]) {
        ids.push(id);
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..8).collect::<Vec<_>>(), "each descriptor is free once");
}

#[test]
fn any_bytes_in_the_used_ring_give_an_answer_or_an_error() {
    let mut random = Random(0x5eed);
    for _ in 0..20_000 {
        let size = 1 << random.below(5);
        let (mut queue, device) = queue(size, random.below(2) == 0);
        let mut in_flight = Vec::new();
        for _ in 0..random.below(40) {
            match random.below(4) {
                0 => {
                    let count = 1 + random.below(3) as usize;
                    let segments: Vec<_> = (0..count).map(|n| segment(n as u32 + 1, random.below(2) == 0)).collect();
                    if let Some(id) = queue.add(&segments) {
                        assert!(!in_flight.contains(&id), "an id that is in flight");
                        in_flight.push(id);
                    }
                }
                1 => queue.publish(),
                2 => device.queue(0, |side| {
                    side.scribble_used_ring(random.next(), random.next() as u8);
                }),
                _ => {
                    if let Ok(Some((id, _))) = queue.take() {
                        let position = in_flight.iter().position(|&other| other == id);
                        in_flight.remove(position.expect("only what is in flight comes back"));
                    }
                }
            }
            assert!(queue.is_broken() || usize::from(queue.in_flight()) == in_flight.len());
        }
    }
}
