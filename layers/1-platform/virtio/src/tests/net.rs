//! The network driver.

use crate::{
    Error, Net, Sizes,
    tests::device::{Device, MACHINE, Part, Random},
    transport::Transport,
};
use alloc::{sync::Arc, vec, vec::Vec};
use rumpkin_core::for_platform::interface::{Checksum, Link};
use std::sync::atomic::{AtomicUsize, Ordering};

const CSUM: u64 = 1 << 0;
const GUEST_CSUM: u64 = 1 << 1;
const MTU: u64 = 1 << 3;
const MAC: u64 = 1 << 5;
const GUEST_TSO4: u64 = 1 << 7;
const HOST_TSO4: u64 = 1 << 11;
const MRG_RXBUF: u64 = 1 << 15;
const ALL: u64 = CSUM | GUEST_CSUM | MAC | GUEST_TSO4 | HOST_TSO4 | MRG_RXBUF;
const HEADER: usize = 12;

const CONFIGURATION: [u8; 12] = [0x52, 0x54, 0, 1, 2, 3, 1, 0, 1, 0, 0xdc, 0x05];
const SIZES: Sizes = Sizes { receive: 16, transmit: 8 };

fn link(features: u64) -> (Net, Arc<Device>) {
    let device = Device::with_event_index(1, features, &CONFIGURATION);
    let net = Net::new(&*MACHINE, device.clone(), SIZES).unwrap();
    (net, device)
}

/// The device delivers a frame, cut into pieces of these sizes (header not counted).
fn deliver(device: &Device, flags: u8, pieces: &[&[u8]]) {
    device.queue(0, |side| {
        for (number, piece) in pieces.iter().enumerate() {
            let (id, parts) = side.pop().expect("a receive buffer");
            let mut bytes = Vec::new();
            if number == 0 {
                bytes = vec![0; HEADER];
                bytes[0] = flags;
                bytes[10..12].copy_from_slice(&(pieces.len() as u16).to_le_bytes());
            }
            bytes.extend_from_slice(piece);
            parts[0].write(&bytes);
            side.push_quietly(u32::from(id), bytes.len() as u32);
        }
        side.tell();
    });
}

fn received(net: &mut Net) -> Vec<(Vec<u8>, Checksum)> {
    let mut frames = Vec::new();
    net.receive(64, &mut |frame, checksum| frames.push((frame.to_vec(), checksum)));
    frames
}

#[test]
fn only_what_it_can_use_is_chosen() {
    let (net, device) = link(ALL | 1 << 16 | 1 << 20);
    assert_eq!(device.chosen() & (1 << 16 | 1 << 20), 0);
    assert_eq!(device.chosen() & ALL, ALL);
    assert_eq!(net.info().mac, [0x52, 0x54, 0, 1, 2, 3]);
    assert_eq!(net.info().mtu, 1500);
    assert!(net.info().transmit_checksum);
    // Without merging a joined segment would need buffers of 64 KiB.
    let (_net, device) = link(ALL & !MRG_RXBUF);
    assert_eq!(device.chosen() & GUEST_TSO4, 0);
    // Nor can it cut what it makes no checksums of.
    let (net, device) = link(ALL & !CSUM);
    assert_eq!((device.chosen() & HOST_TSO4, net.segmentation()), (0, 0));
    let (net, _) = link(ALL & !HOST_TSO4);
    assert_eq!(net.segmentation(), 0);
}

/// A link whose device cuts frames into segments, with room for several of the longest.
fn segmenting() -> (Net, Arc<Device>) {
    let device = Device::with_event_index(1, ALL, &CONFIGURATION);
    let net = Net::new(&*MACHINE, device.clone(), Sizes { receive: 16, transmit: 128 }).unwrap();
    (net, device)
}

#[test]
fn frames_to_be_cut_say_how() {
    let (mut net, device) = segmenting();
    assert_eq!(net.segmentation(), 65536 - HEADER);
    let checksum = Checksum::Segments { start: 34, offset: 16, size: 1448 };
    for length in [3000, 4096, net.segmentation()] {
        let mut fill = |frame: &mut [u8]| {
            frame.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at / 7) as u8);
            frame[46] = 8 << 4;
        };
        assert!(net.transmit(length, checksum, &mut fill));
        net.flush();
        let (id, parts) = device.queue(1, |side| side.pop()).unwrap();
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.read()).collect();
        assert_eq!(bytes.len(), HEADER + length);
        // A checksum is needed; TCP over IPv4; 34 + 32 bytes of headers; 1448 of payload; where the checksum begins and goes.
        assert_eq!(bytes[..HEADER], [1, 1, 66, 0, 0xa8, 5, 34, 0, 16, 0, 0, 0]);
        assert_eq!(bytes[HEADER + 46], 0x80);
        assert!(bytes[HEADER..].iter().enumerate().all(|(at, byte)| at == 46 || *byte == (at / 7) as u8));
        device.queue(1, |side| side.push(u32::from(id), 0));
    }
    assert!(net.transmit(net.segmentation() + 1, checksum, &mut |_| panic!("filled")), "lost, as on any link");
}

#[test]
fn long_and_short_frames_share_the_buffers() {
    let (mut net, device) = segmenting();
    let mut random = Random(7);
    let mut out = Vec::new();
    for round in 0..2000_u32 {
        let length = if random.below(3) == 0 { 60 + random.below(65000) as usize } else { 60 };
        while !net.transmit(length, Checksum::Unknown, &mut |frame| frame.fill(round as u8)) {
            assert!(!net.arm(), "there is no room");
            let (id, part, byte): (u16, Part, u8) = out.swap_remove(random.below(out.len() as u64) as usize);
            assert!(part.read()[HEADER..].iter().all(|found| *found == byte), "a buffer that the device has");
            device.queue(1, |side| side.push(u32::from(id), 0));
        }
        net.flush();
        let (id, parts) = device.queue(1, |side| side.pop()).unwrap();
        assert_eq!(parts[0].length as usize, HEADER + length);
        out.push((id, parts[0], round as u8));
    }
}

#[test]
fn legacy_and_addressless_devices_are_refused() {
    let device = Device::with_event_index(1, 0, &CONFIGURATION);
    assert!(matches!(Net::new(&*MACHINE, device, SIZES), Err(Error::Broken(_))));
    let device = Device::with_event_index(1, MAC | MTU, &CONFIGURATION[..8]);
    assert!(matches!(Net::new(&*MACHINE, device, SIZES), Err(Error::Configuration)));
}

#[test]
fn frames_arrive_whole_with_their_checksum_state() {
    let (mut net, device) = link(ALL);
    assert_eq!(device.rang(), Some(0), "buffers are offered");
    deliver(&device, 0, &[&[7; 60]]);
    deliver(&device, 2, &[&[8; 1514]]);
    deliver(&device, 1, &[&[9; 64]]);
    let frames = received(&mut net);
    assert_eq!(frames[0], (vec![7; 60], Checksum::Unknown));
    assert_eq!(frames[1], (vec![8; 1514], Checksum::Verified));
    assert_eq!(frames[2], (vec![9; 64], Checksum::Verified));
    assert_eq!(frames.len(), 3);
}

#[test]
fn joined_segments_are_one_frame() {
    let (mut net, device) = link(ALL);
    let pieces: [&[u8]; 3] = [&[1; 2036], &[2; 2048], &[3; 100]];
    deliver(&device, 2, &pieces);
    let frames = received(&mut net);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].0, pieces.concat());
}

#[test]
fn buffers_go_round_for_ever() {
    let (mut net, device) = link(ALL);
    for round in 0..5000_u32 {
        let content = vec![round as u8; 60 + (round % 1400) as usize];
        deliver(&device, 0, &[&content]);
        if round % 7 == 0 {
            deliver(&device, 0, &[&content, &content]);
        }
        for (frame, _) in received(&mut net) {
            assert!(frame.iter().all(|&byte| byte == round as u8));
        }
    }
}

#[test]
fn the_budget_is_kept() {
    let (mut net, device) = link(ALL);
    for _ in 0..10 {
        deliver(&device, 0, &[&[7; 60]]);
    }
    assert_eq!(net.receive(4, &mut |_, _| ()), 4);
    assert!(net.arm(), "there is more");
    assert_eq!(net.receive(64, &mut |_, _| ()), 6);
    assert!(!net.arm());
}

#[test]
fn sent_frames_carry_what_was_filled_in() {
    let (mut net, device) = link(ALL);
    device.rang();
    let partial = Checksum::Partial { start: 34, offset: 16 };
    assert!(net.transmit(100, partial, &mut |frame| frame.fill(5)));
    assert!(net.transmit(60, Checksum::Unknown, &mut |frame| frame.fill(6)));
    assert!(device.queue(1, |side| side.pop()).is_none(), "not before the flush");
    net.flush();
    assert_eq!(device.rang(), Some(1));
    let (_, parts) = device.queue(1, |side| side.pop()).unwrap();
    let bytes = parts[0].read();
    assert_eq!(bytes[..HEADER], [1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0]);
    assert_eq!(bytes[HEADER..], [5; 100]);
    let (_, parts) = device.queue(1, |side| side.pop()).unwrap();
    assert_eq!(parts[0].read()[..HEADER], [0; HEADER]);
}

#[test]
fn a_full_ring_says_so_and_tells_when_there_is_room() {
    let (mut net, device) = link(ALL);
    for _ in 0..8 {
        assert!(net.transmit(60, Checksum::Unknown, &mut |_| ()));
    }
    net.flush();
    assert!(!net.transmit(60, Checksum::Unknown, &mut |_| panic!("filled")));
    assert!(!net.arm());
    assert_eq!(device.queue(1, |side| side.used_event()), 4, "at half");
    let finish = || {
        device.queue(1, |side| {
            let (id, _) = side.pop().unwrap();
            side.push(u32::from(id), 0);
        });
    };
    finish();
    assert!(!net.arm(), "one is not worth it");
    for _ in 0..4 {
        finish();
    }
    assert!(net.arm());
    assert!(net.transmit(60, Checksum::Unknown, &mut |_| ()));
    assert!(!net.arm());
}

#[test]
fn oversized_frames_are_lost_like_on_any_link() {
    let (mut net, device) = link(ALL);
    assert!(net.transmit(70_000, Checksum::Unknown, &mut |_| panic!("filled")));
    net.flush();
    assert!(device.queue(1, |side| side.pop()).is_none());
}

#[test]
fn an_interrupt_notifies() {
    let (mut net, _device) = link(ALL);
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    net.set_notify(Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    assert!(net.handler().interrupt());
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[test]
fn a_frame_without_its_end_takes_the_link_down() {
    let (mut net, device) = link(ALL);
    device.queue(0, |side| {
        let (id, parts) = side.pop().unwrap();
        let mut header = [0; 60];
        header[10] = 9;
        parts[0].write(&header);
        side.push(u32::from(id), 60);
    });
    assert!(received(&mut net).is_empty());
    assert_eq!(device.status(), 0, "reset");
    assert!(received(&mut net).is_empty());
    assert!(net.transmit(60, Checksum::Unknown, &mut |_| ()), "lost");
}

#[test]
fn a_link_that_is_down_is_never_ready() {
    let (mut net, device) = link(ALL);
    device.queue(0, |side| side.push(999, 60));
    assert!(net.arm(), "there is something to look at");
    assert!(received(&mut net).is_empty());
    assert_eq!(device.status(), 0, "reset");
    assert!(!net.arm(), "or the thread that serves it would never sleep");
}

#[test]
fn whatever_a_device_writes_no_frame_is_longer_than_one_can_be() {
    let mut random = Random(42);
    for _ in 0..3000 {
        let features = if random.below(2) == 0 { ALL } else { MAC };
        let (mut net, device) = link(features);
        for _ in 0..random.below(30) {
            match random.below(5) {
                0 => device.queue(0, |side| {
                    if let Some((id, parts)) = side.pop() {
                        let bytes: Vec<_> = (0..64).map(|_| random.next() as u8 & 3).collect();
                        parts[0].write(&bytes);
                        side.push(u32::from(id), random.below(2100) as u32);
                    }
                }),
                1 => device.queue(random.below(2) as usize, |side| {
                    side.scribble_used_ring(random.next(), random.below(20) as u8);
                }),
                2 => {
                    net.receive(8, &mut |frame, _| assert!(frame.len() <= 65549));
                }
                3 => {
                    net.transmit(60, Checksum::Unknown, &mut |frame| frame.fill(1));
                    net.flush();
                }
                _ => {
                    net.arm();
                }
            }
        }
    }
}
