//! The console driver.

use crate::{
    Terminal,
    tests::device::{Device, MACHINE, Random},
};
use alloc::{sync::Arc, vec, vec::Vec};
use rumpkin_core::for_platform::interface::Console;
use std::sync::atomic::{AtomicUsize, Ordering};

fn terminal() -> (Terminal, Arc<Device>) {
    let device = Device::with_event_index(3, 0, &[]);
    (Terminal::new(&*MACHINE, device.clone()).unwrap(), device)
}

/// What the device has been given to show.
fn shown(device: &Device) -> Vec<u8> {
    device.queue(1, |side| {
        let mut text = Vec::new();
        while let Some((id, parts)) = side.pop() {
            text.extend(parts[0].read());
            side.push(u32::from(id), 0);
        }
        text
    })
}

fn type_in(device: &Device, text: &[u8]) {
    device.queue(0, |side| {
        let (id, parts) = side.pop().expect("an input buffer");
        parts[0].write(text);
        side.push(u32::from(id), text.len() as u32);
    });
}

#[test]
fn output_is_shown_in_order_whatever_its_length() {
    let (terminal, device) = terminal();
    for length in [0, 1, 511, 512, 513, 4000] {
        let text: Vec<u8> = (0..length).map(|at| at as u8).collect();
        terminal.write(&text);
        assert!(shown(&device) == text, "{length}");
    }
    for _ in 0..100 {
        terminal.try_write(b"again");
        assert_eq!(shown(&device), b"again");
    }
}

#[test]
fn input_notifies_and_is_read_once() {
    let (terminal, device) = terminal();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    terminal.set_notify(Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    assert!(!terminal.readable());
    type_in(&device, b"hello");
    terminal.handler().interrupt();
    assert_eq!(count.load(Ordering::Relaxed), 1);
    assert!(terminal.readable());
    let mut buffer = [0; 3];
    assert_eq!(terminal.read(&mut buffer), 3);
    assert_eq!(&buffer, b"hel");
    assert!(terminal.readable());
    assert_eq!(terminal.read(&mut buffer), 2);
    assert_eq!(&buffer[..2], b"lo");
    assert_eq!(terminal.read(&mut buffer), 0);
    assert!(!terminal.readable());
}

#[test]
fn input_buffers_go_round_for_ever() {
    let (terminal, device) = terminal();
    for round in 0..1000_usize {
        let text = vec![round as u8; 1 + round % 512];
        type_in(&device, &text);
        let mut buffer = [0; 600];
        assert_eq!(terminal.read(&mut buffer), text.len());
        assert!(buffer[..text.len()] == text[..]);
    }
}

#[test]
fn a_lying_device_is_no_longer_listened_to() {
    let (terminal, device) = terminal();
    device.queue(0, |side| side.push(99, 1));
    assert_eq!(terminal.read(&mut [0; 8]), 0);
    assert!(!terminal.readable());
    device.queue(1, |side| side.push(99, 1));
    terminal.write(b"lost");
    let mut random = Random(3);
    for _ in 0..2000 {
        let (terminal, device) = self::terminal();
        for _ in 0..20 {
            device.queue(random.below(2) as usize, |side| {
                side.scribble_used_ring(random.next(), random.below(12) as u8);
            });
            terminal.read(&mut [0; 100]);
            terminal.write(b"x");
        }
    }
}
