//! Links between two ends, in simulated time and in real time.

use rumpuser::{
    clock,
    device::{Checksum, Link},
    thread,
};
use rumpuser_hosted::{
    link::{Faults, Wire, socket_pair},
    simulate,
};

const MILLISECOND: u64 = 1_000_000;

fn send(link: &mut Box<dyn Link>, frame: &[u8]) -> bool {
    let taken = link.transmit(frame.len(), Checksum::Unknown, &mut |buffer| buffer.copy_from_slice(frame));
    link.flush();
    taken
}

fn received(link: &mut Box<dyn Link>) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while link.receive(16, &mut |frame, _| frames.push(frame.to_vec())) > 0 {}
    frames
}

/// Waits as a kernel does until there is something to receive.
fn wait(link: &mut Box<dyn Link>) {
    while !link.arm() {
        thread::park(None);
    }
}

fn numbered(number: u16) -> Vec<u8> {
    [&[0; 12][..], &[8, 0], &[0; 6], &number.to_be_bytes()].concat()
}

/// What arrives of 1000 frames, and how long the last one takes.
fn arrivals(seed: u64, faults: Faults) -> (Vec<Vec<u8>>, u64) {
    simulate(seed, || {
        let (wire, [mut one, mut other]) = Wire::new(1500, false).unwrap();
        wire.set_faults(0, faults);
        let (mut frames, begin) = (Vec::new(), clock::monotonic());
        for number in 0..1000 {
            assert!(send(&mut one, &numbered(number)));
            frames.extend(received(&mut other));
            thread::park(Some(clock::monotonic() + 100_000));
        }
        thread::park(Some(clock::monotonic() + 1000 * MILLISECOND));
        frames.extend(received(&mut other));
        (frames, clock::monotonic() - begin)
    })
}

#[test]
fn a_good_wire_delays_and_keeps_order() {
    let (frames, _) = arrivals(1, Faults { delay: 3 * MILLISECOND, jitter: MILLISECOND, ..Faults::default() });
    assert_eq!(frames, (0..1000).map(numbered).collect::<Vec<_>>());
}

#[test]
fn a_frame_is_there_when_it_is_due_and_wakes_who_waits() {
    simulate(1, || {
        let (wire, [mut one, mut other]) = Wire::new(1500, false).unwrap();
        wire.set_faults(0, Faults { delay: 5 * MILLISECOND, ..Faults::default() });
        other.set_notify(thread::current().waker().unwrap());
        let begin = clock::monotonic();
        assert!(send(&mut one, &numbered(1)));
        assert!(received(&mut other).is_empty());
        wait(&mut other);
        let taken = clock::monotonic() - begin;
        assert!((5 * MILLISECOND..5 * MILLISECOND + 100_000).contains(&taken), "{taken}");
        assert_eq!(received(&mut other), [numbered(1)]);
    });
}

#[test]
fn faults_happen_as_often_as_told() {
    let (frames, _) = arrivals(2, Faults { loss: 200, ..Faults::default() });
    assert!((740..860).contains(&frames.len()), "{}", frames.len());
    let (frames, _) = arrivals(3, Faults { duplication: 100, ..Faults::default() });
    assert!((1060..1140).contains(&frames.len()), "{}", frames.len());
    let (frames, _) = arrivals(4, Faults { delay: MILLISECOND, reordering: 100, ..Faults::default() });
    assert_eq!(frames.len(), 1000);
    let overtaken = frames.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!((50..150).contains(&overtaken), "{overtaken}");
    let (frames, _) = arrivals(5, Faults { corruption: 100, ..Faults::default() });
    let whole = frames.iter().zip(0..).filter(|(frame, number)| **frame == numbered(*number)).count();
    assert!((860..940).contains(&whole), "{whole}");
    assert_eq!(arrivals(6, Faults { loss: 100, reordering: 100, ..Faults::default() }), {
        arrivals(6, Faults { loss: 100, reordering: 100, ..Faults::default() })
    });
}

#[test]
fn a_full_wire_refuses_and_tells_of_room() {
    simulate(1, || {
        let (_wire, [mut one, mut other]) = Wire::new(1500, false).unwrap();
        one.set_notify(thread::current().waker().unwrap());
        let taken = (0..1000).take_while(|number| send(&mut one, &numbered(*number))).count();
        assert!((100..1000).contains(&taken));
        assert!(!one.arm());
        thread::spawn("receiver", move || {
            received(&mut other);
        })
        .unwrap();
        assert!(thread::park(None));
        assert!(send(&mut one, &numbered(0)));
    });
}

#[test]
fn the_wire_finishes_checksums() {
    simulate(1, || {
        let (_wire, [mut one, mut other]) = Wire::new(1500, true).unwrap();
        let partial = Checksum::Partial { start: 14, offset: 2 };
        assert!(one.transmit(19, partial, &mut |frame| frame[14..].copy_from_slice(&[0x12, 0x34, 0, 0, 0x50])));
        assert_eq!(received(&mut other), [[&[0; 14][..], &[0x12, 0x34, 0x9d, 0xcb, 0x50]].concat()]);
    });
}

#[test]
fn a_wire_cuts_frames_into_segments() {
    simulate(1, || {
        let (wire, [mut one, mut other]) = Wire::new(1500, true).unwrap();
        assert_eq!(one.segmentation(), 0);
        wire.set_segmentation(9000);
        assert_eq!(one.segmentation(), 9000);
        // From 10.0.0.1:1 to 10.0.0.2:2, the identification and the sequence number about to overflow, PSH, ACK and FIN.
        let mut frame = vec![0; 14 + 20 + 24 + 25];
        frame[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
        frame[18..24].copy_from_slice(&[0xff, 0xff, 0x40, 0, 64, 6]);
        frame[26..38].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2, 0, 1, 0, 2]);
        frame[38..48].copy_from_slice(&[0xff, 0xff, 0xff, 0xfc, 0, 0, 0, 9, 6 << 4, 0x19]);
        frame[58..].iter_mut().enumerate().for_each(|(at, byte)| *byte = at as u8);
        let segments = Checksum::Segments { start: 34, offset: 16, size: 10 };
        assert!(one.transmit(frame.len(), segments, &mut |buffer| buffer.copy_from_slice(&frame)));
        let frames = received(&mut other);
        let sum = |bytes: &[u8]| {
            let sum: u32 = bytes
                .chunks(2)
                .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)))
                .sum();
            (sum & 0xffff) + (sum >> 16)
        };
        for (number, frame) in frames.iter().enumerate() {
            let length = if number == 2 { 5 } else { 10 };
            assert_eq!(frame.len(), 58 + length);
            assert_eq!(u16::from_be_bytes([frame[16], frame[17]]) as usize, 20 + 24 + length);
            assert_eq!(u16::from_be_bytes([frame[18], frame[19]]), 0xffff_u16.wrapping_add(number as u16));
            assert_eq!(
                u32::from_be_bytes(frame[38..42].try_into().unwrap()),
                0xffff_fffc_u32.wrapping_add(10 * number as u32)
            );
            assert_eq!(frame[47], if number == 2 { 0x19 } else { 0x10 });
            assert!(frame[58..].iter().enumerate().all(|(at, byte)| usize::from(*byte) == 10 * number + at));
            assert_eq!(sum(&frame[14..34]), 0xffff);
            let pseudo = [&frame[26..34], &[0, 6, 0, (24 + length) as u8], &frame[34..]].concat();
            assert_eq!(sum(&pseudo), 0xffff);
        }
        assert_eq!(frames.len(), 3);
        // What is no such frame is lost.
        assert!(one.transmit(50, segments, &mut |_| ()));
        assert!(received(&mut other).is_empty());
    });
}

#[test]
fn a_socket_pair_carries_frames_in_real_time() {
    let [mut one, mut other] = socket_pair(1500).unwrap();
    other.set_notify(thread::current().waker().unwrap());
    let sender = std::thread::spawn(move || {
        one.set_notify(thread::current().waker().unwrap());
        for number in 0..2000 {
            while !send(&mut one, &numbered(number)) {
                if !one.arm() {
                    thread::park(Some(clock::monotonic() + 100 * MILLISECOND));
                }
            }
        }
        // The last frames may still wait for room.
        thread::park(Some(clock::monotonic() + 300 * MILLISECOND));
    });
    let mut frames = Vec::new();
    while frames.len() < 2000 {
        wait(&mut other);
        frames.extend(received(&mut other));
    }
    assert_eq!(frames, (0..2000).map(numbered).collect::<Vec<_>>());
    sender.join().unwrap();
}
