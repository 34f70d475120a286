//! What strangers send: floods are bounded, and no frame whatever makes a panic.

use super::harness::*;
use crate::{ip::wire::*, socket::control::Outgoing};
use alloc::vec::Vec;
use rumpkin_spine::Errno;
use rumpuser::device::Checksum;
use zerocopy::IntoBytes;

fn segment(source: Endpoint, destination: Endpoint, flags: u8, sequence: u32) -> Vec<u8> {
    let mut tcp = TcpHeader {
        source: source.1.into(),
        destination: destination.1.into(),
        sequence: sequence.into(),
        acknowledgment: 0.into(),
        offset: 5 << 4,
        flags,
        window: 1000.into(),
        checksum: 0.into(),
        urgent: 0.into(),
    };
    tcp.checksum.set(!checksum(pseudo_header(source.0, destination.0, PROTOCOL_TCP, 20), tcp.as_bytes()));
    let header = Ipv4Header::new(Route::new(source.0, destination.0), PROTOCOL_TCP, 20, 0, 0);
    let ethernet = EthernetHeader { destination: mac(2), source: mac(1), kind: ETHERTYPE_IPV4.into() };
    [ethernet.as_bytes(), header.as_bytes(), tcp.as_bytes()].concat()
}

type Endpoint = (Address, u16);

#[test]
fn a_flood_of_syns_is_bounded_and_others_still_get_in() {
    let mut world = World::new(Shape::default());
    let listener = world.listen(80, 128);
    world.run_for(SECOND);
    let mut random = Random(7);
    for _ in 0..20_000 {
        let source = (Address::new(10, 0, 0, random.below(250) as u8 + 3), random.next() as u16 | 1);
        let frame = segment(source, (OTHER, 80), TCP_SYN, random.next() as u32);
        world.on(1, |stack| stack.input(&frame, Checksum::Unknown));
        world.now += 100_000;
    }
    assert!(world.stacks[1].tcp.count() < 300, "{}", world.stacks[1].tcp.count());
    world.connection(listener, 80);
    world.run_for(200 * SECOND);
    assert_eq!(world.stacks[1].tcp.count(), 2);
}

#[test]
fn a_full_accept_queue_holds_newcomers_off() {
    let mut world = World::new(Shape::default());
    world.listen(80, 4);
    for _ in 0..50 {
        world.connect_to((OTHER, 80));
    }
    world.run_for(SECOND);
    assert!(world.stacks[1].tcp.count() < 25, "{}", world.stacks[1].tcp.count());
}

#[test]
fn a_blind_reset_does_not_end_a_connection() {
    let mut world = World::new(Shape::default());
    let listener = world.listen(80, 8);
    let (client, server) = world.connection(listener, 80);
    let (address, port) = world.stacks[0].tcp.local(client);
    let frame = segment((address, port), (OTHER, 80), TCP_RST, 12345);
    world.on(1, |stack| stack.input(&frame, Checksum::Unknown));
    assert_eq!(world.receive(1, server), Err(Errno::EAGAIN));
}

#[test]
fn spoofed_sources_are_dropped() {
    let mut world = World::new(Shape::default());
    world.listen(80, 8);
    for source in [Address::LOCALHOST, OTHER, Address::BROADCAST, Address::new(224, 0, 0, 1), Address::UNSPECIFIED] {
        let frame = segment((source, 99), (OTHER, 80), TCP_SYN, 1);
        world.on(1, |stack| stack.input(&frame, Checksum::Unknown));
    }
    assert_eq!(world.stacks[1].tcp.count(), 1);
}

/// Frames of every kind, as they pass between two stacks.
fn recording() -> Vec<Vec<u8>> {
    let mut world = World::new(Shape::default());
    world.record = Some(Vec::new());
    let listener = world.listen(80, 8);
    let (client, server) = world.connection(listener, 80);
    world.send(0, client, &[1; 5000]).unwrap();
    world.run_for(SECOND);
    world.receive(1, server).unwrap();
    world.send(1, server, &[2; 3000]).unwrap();
    let udp = world.on(0, |stack| stack.udp.open().unwrap().0);
    for length in [10, 5000] {
        world
            .on(0, |stack| {
                stack.udp.send(udp, &[3; 5000][..length], Some((OTHER, 9)), &Outgoing::default(), &mut stack.ip)
            })
            .unwrap();
    }
    world.run_for(SECOND);
    world.close(0, client);
    world.close(1, server);
    world.run_for(SECOND);
    world.record.unwrap()
}

/// Mends the checksums of a frame, so that what is wrong with it gets further than the first check.
fn mend(frame: &mut [u8]) {
    if frame.len() < 34 || frame[12..14] != [8, 0] {
        return;
    }
    let length = usize::from(frame[14] & 0xf) * 4;
    if length < 20 || frame.len() < 14 + length {
        return;
    }
    frame[24..26].fill(0);
    let sum = !checksum(0, &frame[14..14 + length]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
}

#[test]
fn mutated_frames_are_answered_or_dropped() {
    let seed = 0x5eed_0001;
    let mut random = Random(seed);
    let frames = recording();
    assert!(frames.len() > 15);
    for round in 0..40 {
        let mut world = World::new(Shape::default());
        let listener = world.listen(80, 8);
        let (client, server) = world.connection(listener, 80);
        world.send(0, client, &[4; 100]).unwrap();
        let (_, port) = world.stacks[0].tcp.local(client);
        for step in 0..1000 {
            let mut frame = frames[random.below(frames.len())].clone();
            // Sometimes it is for the connection that is open, with numbers near its own.
            if frame.len() > 54 && frame[23] == PROTOCOL_TCP && random.below(2) == 0 {
                let field = if frame[34..36] == [0, 80] { 36 } else { 34 };
                frame[field..field + 2].copy_from_slice(&port.to_be_bytes());
                if let Some(sent) = world.stacks[1].tcp.sent(server) {
                    let near = |random: &mut Random, value: u32| {
                        value.wrapping_add(random.below(3000) as u32).wrapping_sub(1500)
                    };
                    let (sequence, acknowledgment) =
                        (near(&mut random, sent.acknowledged), near(&mut random, sent.next));
                    frame[38..42].copy_from_slice(&sequence.to_be_bytes());
                    frame[42..46].copy_from_slice(&acknowledgment.to_be_bytes());
                }
            }
            for _ in 0..random.below(4) {
                let at = random.below(frame.len());
                frame[at] = random.next() as u8;
            }
            if random.below(4) == 0 {
                frame.truncate(random.below(frame.len() + 1));
            }
            if random.below(8) != 0 {
                mend(&mut frame);
            }
            let known = if random.below(4) == 0 { Checksum::Unknown } else { Checksum::Verified };
            let side = random.below(2);
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                world.on(side, |stack| stack.input(&frame, known));
                if random.below(10) == 0 {
                    world.round();
                    let _ = world.receive(1, server);
                    let _ = world.send(1, server, &[5; 2000]);
                }
            }));
            assert!(caught.is_ok(), "seed {seed:#x}, round {round}, step {step}: {frame:02x?}");
            world.now += random.below(50_000_000) as u64;
        }
    }
}
