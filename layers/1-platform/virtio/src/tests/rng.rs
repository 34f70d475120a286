//! The entropy driver.

use crate::{
    Rng,
    tests::device::{Device, MACHINE},
};
use alloc::sync::Arc;
use rumpkin_core::for_platform::interface::Entropy;
use std::{thread, time::Duration};

fn rng() -> (Rng, Arc<Device>) {
    let device = Device::with_event_index(4, 0, &[]);
    (Rng::new(&*MACHINE, device.clone()).unwrap(), device)
}

/// The device answers with so many bytes of this value, and says that they were `told`.
fn answer(device: &Device, value: u8, count: usize, told: u32) {
    device.queue(0, |side| {
        let (id, parts) = side.pop().expect("a request");
        parts[0].write(&[value; 64][..count]);
        side.push(u32::from(id), told);
    });
}

#[test]
fn bytes_are_on_order_before_they_are_asked_for() {
    let (rng, device) = rng();
    answer(&device, 7, 64, 64);
    let mut buffer = [0; 16];
    assert_eq!(rng.fill(&mut buffer), 16);
    assert_eq!(buffer, [7; 16]);
    answer(&device, 8, 64, 64);
    let mut buffer = [0; 100];
    assert_eq!(rng.fill(&mut buffer), 64, "no more than there are");
    assert_eq!(buffer[..64], [8; 64]);
}

#[test]
fn a_slow_device_is_waited_for_but_not_for_ever() {
    let (rng, device) = rng();
    let mut buffer = [0; 8];
    assert_eq!(rng.fill(&mut buffer), 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(20));
            answer(&device, 9, 8, 8);
            rng.handler().interrupt();
        });
        assert_eq!(rng.fill(&mut buffer), 8);
    });
    assert_eq!(buffer, [9; 8]);
}

#[test]
fn a_device_gives_no_more_than_it_was_asked_for() {
    let (rng, device) = rng();
    answer(&device, 7, 64, 65);
    assert_eq!(rng.fill(&mut [0; 100]), 0);
    assert_eq!(rng.fill(&mut [0; 100]), 0, "out of service");
}

#[test]
fn an_empty_answer_is_no_answer() {
    let (rng, device) = rng();
    answer(&device, 0, 0, 0);
    assert_eq!(rng.fill(&mut [0; 8]), 0);
    answer(&device, 5, 8, 8);
    assert_eq!(rng.fill(&mut [0; 8]), 8);
}
