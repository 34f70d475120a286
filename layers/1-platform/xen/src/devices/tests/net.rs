//! The network front end.

use crate::devices::{
    error::Error,
    machine::Machine,
    net::{self, Net, Sizes},
    tests::back_end::{BACK, BackRing, Simulated, copy_in, copy_out, u16_at, u32_at},
    xenbus::{Device, Phase},
};
use alloc::{boxed::Box, format, string::ToString, sync::Arc, vec, vec::Vec};
use proptest::prelude::*;
use rumpkin_core::for_platform::{
    interface::{Checksum, Link},
    services::Event,
};
use std::sync::atomic::{AtomicUsize, Ordering};

const FRONT: &str = "device/vif/0";
const BACKEND: &str = "/local/domain/3/backend/vif/5/0";
const SIZES: Sizes = Sizes { receive: 16, transmit: 8 };
const VALIDATED: u16 = 1;
const BLANK: u16 = 2;
const MORE: u16 = 4;
const EXTRA: u16 = 8;

/// A link, and the back end's side of its queues.
struct Bench {
    machine: &'static Simulated,
    net: Net,
    device: Device,
    event: Arc<dyn Event>,
    queues: Vec<Side>,
}

/// A frame that was sent.
struct Sent {
    flags: u16,
    bytes: Vec<u8>,
    id: u16,
    /// Requests, without the extra.
    requests: usize,
    extra: Option<Vec<u8>>,
}

struct Side {
    receive: BackRing,
    transmit: BackRing,
    port: u32,
}

fn plug(machine: &Simulated, features: &[(&str, &str)]) {
    machine.set(&format!("{FRONT}/backend"), BACKEND);
    machine.set(&format!("{FRONT}/backend-id"), &BACK.to_string());
    machine.set(&format!("{FRONT}/mac"), "00:16:3e:00:00:01");
    machine.set(&format!("{BACKEND}/online"), "1");
    machine.set(&format!("{BACKEND}/feature-sg"), "1");
    for (name, value) in features {
        machine.set(&format!("{BACKEND}/{name}"), value);
    }
    machine.set(&format!("{BACKEND}/state"), "2");
    machine.set(&format!("{FRONT}/state"), "1");
}

impl Bench {
    fn new(machine: &'static Simulated, features: &[(&str, &str)]) -> Self {
        plug(machine, features);
        let event = machine.services().event();
        let (net, port) = net::open(machine, FRONT, SIZES, &event).unwrap();
        let device = Device::new(machine, FRONT, Box::new(port), &event).unwrap();
        let mut bench = Self { machine, net, device, event, queues: Vec::new() };
        bench.connect();
        bench
    }

    fn plain() -> Self {
        Self::new(Simulated::new(), &[])
    }

    fn settle(&mut self) {
        while self.event.wait(Some(0)) {
            self.device.step();
        }
    }

    fn back(&mut self, state: &str) {
        self.machine.set(&format!("{BACKEND}/state"), state);
        self.settle();
    }

    /// The back end connects to what is published.
    fn connect(&mut self) {
        self.back("2");
        let number = |key: &str| self.machine.number(&format!("{FRONT}/{key}"));
        let count =
            self.machine.node(&format!("{FRONT}/multi-queue-num-queues")).map_or(1, |count| count.parse().unwrap());
        let places: Vec<_> =
            (0..count).map(|queue| if count == 1 { "".to_string() } else { format!("queue-{queue}/") }).collect();
        self.queues = places
            .iter()
            .map(|place| Side {
                receive: BackRing::new(self.machine, &[number(&format!("{place}rx-ring-ref"))], 8),
                transmit: BackRing::new(self.machine, &[number(&format!("{place}tx-ring-ref"))], 12),
                port: number(&format!("{place}event-channel")),
            })
            .collect();
        self.back("4");
        assert_eq!(self.device.phase(), Phase::Connected);
        for side in &self.queues {
            self.machine.notified(side.port);
        }
        self.net.receive(1, &mut |_, _| panic!("a frame"));
    }

    fn deliver_on(&mut self, queue: usize, flags: u16, pieces: &[&[u8]]) {
        let side = &mut self.queues[queue].receive;
        for (number, piece) in pieces.iter().enumerate() {
            let request = side.pop().expect("a page");
            let page = self.machine.granted(u32_at(&request, 4), true).expect("granted");
            copy_in(page, 0, piece);
            let more = if number + 1 < pieces.len() { MORE } else { 0 };
            let flags = if number == 0 { flags | more } else { more };
            side.push_quietly(&response(u16_at(&request, 0), 0, flags, piece.len() as i16));
            if number == 0 && flags & EXTRA != 0 {
                side.pop().expect("a page");
                // Of a joined segment: its type, no more of them, a size of 1448, IPv4.
                side.push_quietly(&[1, 0, 0xa8, 5, 1, 0, 0, 0]);
            }
        }
        side.tell();
    }

    fn deliver(&mut self, flags: u16, pieces: &[&[u8]]) {
        self.deliver_on(0, flags, pieces);
    }

    fn received(&mut self) -> Vec<(Vec<u8>, Checksum)> {
        let mut frames = Vec::new();
        self.net.receive(64, &mut |frame, checksum| frames.push((frame.to_vec(), checksum)));
        frames
    }

    /// Takes the requests of one frame.
    fn take_sent(&mut self) -> Option<Sent> {
        let side = &mut self.queues[0].transmit;
        let first = side.pop()?;
        let (flags, id, length) = (u16_at(&first, 6), u16_at(&first, 8), usize::from(u16_at(&first, 10)));
        let extra = (flags & EXTRA != 0).then(|| side.pop().expect("an extra")[..8].to_vec());
        let mut rest = Vec::new();
        let mut more = flags & MORE != 0;
        while more {
            let next = side.pop().expect("the rest of a frame");
            assert_eq!(u16_at(&next, 8), id);
            more = u16_at(&next, 6) & MORE != 0;
            rest.push((u32_at(&next, 0), usize::from(u16_at(&next, 4)), usize::from(u16_at(&next, 10))));
        }
        let in_rest: usize = rest.iter().map(|(.., length)| length).sum();
        let mut parts = vec![(u32_at(&first, 0), usize::from(u16_at(&first, 4)), length - in_rest)];
        parts.extend(rest);
        assert!(parts.len() <= 18, "more than a back end must take");
        let page = |reference| self.machine.granted(reference, false).expect("granted");
        let bytes =
            parts.iter().flat_map(|(reference, offset, length)| copy_out(page(*reference), *offset, *length)).collect();
        Some(Sent { flags, bytes, id, requests: parts.len(), extra })
    }

    /// The same: its flags, bytes and id.
    fn sent(&mut self) -> Option<(u16, Vec<u8>, u16)> {
        self.take_sent().map(|sent| (sent.flags, sent.bytes, sent.id))
    }

    /// Answers all requests of a frame, as Linux's back end does: the extra with what stands in its place.
    fn finish_all(&mut self, sent: &Sent) {
        for request in 0..sent.requests {
            self.finish(sent.id);
            if let Some(extra) = sent.extra.as_ref().filter(|_| request == 0) {
                self.queues[0].transmit.push(&[&extra[..2], &[1, 0]].concat());
            }
        }
    }

    fn finish(&mut self, id: u16) {
        self.queues[0].transmit.push(&[&id.to_le_bytes()[..], &[0, 0]].concat());
    }

    /// Nothing of the link is granted, open or running any more.
    fn assert_down(&mut self) {
        self.settle();
        self.net.receive(1, &mut |_, _| panic!("a frame"));
        assert!(self.net.transmit(60, Checksum::Unknown, &mut |_| panic!("filled")), "lost");
        self.net.flush();
        assert!(!self.net.arm());
        assert_eq!(self.machine.grants_in_force(), 0);
        assert_eq!(self.machine.open_channels(), 0);
    }
}

fn response(id: u16, offset: u16, flags: u16, status: i16) -> Vec<u8> {
    [id.to_le_bytes(), offset.to_le_bytes(), flags.to_le_bytes(), status.to_le_bytes()].concat()
}

#[test]
fn what_is_agreed_on_stands_in_the_store() {
    let bench = Bench::plain();
    let node = |key: &str| bench.machine.node(&format!("{FRONT}/{key}"));
    for key in ["request-rx-copy", "feature-rx-notify", "feature-sg", "feature-gso-tcpv4"] {
        assert_eq!(node(key).as_deref(), Some("1"));
    }
    assert_eq!(node("multi-queue-num-queues"), None, "the back end knows nothing of it");
    assert_eq!(node("state").as_deref(), Some("4"));
    let info = bench.net.info();
    assert_eq!((info.mac, info.mtu, info.transmit_checksum), ([0, 0x16, 0x3e, 0, 0, 1], 1500, true));
}

#[test]
fn frames_arrive_whole_with_their_checksum_state() {
    let mut bench = Bench::plain();
    bench.deliver(0, &[&[7; 60]]);
    bench.deliver(VALIDATED, &[&[8; 1514]]);
    bench.deliver(BLANK | VALIDATED, &[&[9; 64]]);
    let frames = bench.received();
    assert_eq!(frames[0], (vec![7; 60], Checksum::Unknown));
    assert_eq!(frames[1], (vec![8; 1514], Checksum::Verified));
    assert_eq!(frames[2], (vec![9; 64], Checksum::Verified));
    assert_eq!(frames.len(), 3);
}

#[test]
fn joined_segments_are_one_frame() {
    let mut bench = Bench::plain();
    let pieces: [&[u8]; 3] = [&[1; 4096], &[2; 4096], &[3; 100]];
    for _ in 0..50 {
        bench.deliver(VALIDATED | EXTRA, &pieces);
        bench.deliver(0, &[&[4; 60]]);
        let frames = bench.received();
        assert_eq!(frames.len(), 2);
        assert!(frames[0].0 == pieces.concat());
        assert_eq!(frames[1].0, [4; 60]);
    }
}

#[test]
fn pages_go_round_for_ever() {
    let mut bench = Bench::plain();
    for round in 0..3000_u32 {
        let content = vec![round as u8; 60 + (round % 1400) as usize];
        bench.deliver(0, &[&content]);
        if round % 7 == 0 {
            bench.deliver(0, &[&content, &content]);
        }
        for (frame, _) in bench.received() {
            assert!(frame.iter().all(|&byte| byte == round as u8));
        }
    }
}

#[test]
fn the_budget_is_kept_and_arming_tells_of_more() {
    let mut bench = Bench::plain();
    for _ in 0..10 {
        bench.deliver(0, &[&[7; 60]]);
    }
    assert_eq!(bench.net.receive(4, &mut |_, _| ()), 4);
    assert!(bench.net.arm(), "there is more");
    assert_eq!(bench.net.receive(64, &mut |_, _| ()), 6);
    assert!(!bench.net.arm());
}

#[test]
fn the_back_end_is_told_of_pages_only_if_it_waits_for_them() {
    let mut bench = Bench::plain();
    let port = bench.queues[0].port;
    bench.deliver(0, &[&[7; 60]]);
    bench.received();
    assert_eq!(bench.machine.notified(port), 0);
    bench.queues[0].receive.set_request_event(18);
    bench.deliver(0, &[&[7; 60]]);
    bench.received();
    assert_eq!(bench.machine.notified(port), 1);
}

#[test]
fn sent_frames_carry_what_was_filled_in_and_one_event_a_batch() {
    let mut bench = Bench::plain();
    let port = bench.queues[0].port;
    let partial = Checksum::Partial { start: 34, offset: 16 };
    assert!(bench.net.transmit(100, partial, &mut |frame| frame.fill(5)));
    assert!(bench.net.transmit(1514, Checksum::Unknown, &mut |frame| frame.fill(6)));
    assert!(bench.sent().is_none(), "not before the flush");
    assert_eq!(bench.machine.notified(port), 0);
    bench.net.flush();
    assert_eq!(bench.machine.notified(port), 1);
    let (flags, bytes, _) = bench.sent().unwrap();
    assert_eq!((flags, bytes), (3, vec![5; 100]));
    let (flags, bytes, _) = bench.sent().unwrap();
    assert_eq!((flags, bytes), (0, vec![6; 1514]));
    bench.net.transmit(60, Checksum::Unknown, &mut |_| ());
    bench.net.flush();
    assert_eq!(bench.machine.notified(port), 0, "it does not sleep");
}

#[test]
fn a_full_ring_says_so_and_tells_when_there_is_room() {
    let mut bench = Bench::plain();
    for _ in 0..8 {
        assert!(bench.net.transmit(60, Checksum::Unknown, &mut |_| ()));
    }
    bench.net.flush();
    assert!(!bench.net.transmit(60, Checksum::Unknown, &mut |_| panic!("filled")));
    assert!(!bench.net.arm());
    for number in 0..5 {
        assert!(!bench.net.arm(), "{number} are not worth it");
        let (.., id) = bench.sent().unwrap();
        bench.finish(id);
    }
    assert!(bench.net.arm());
    assert!(bench.net.transmit(60, Checksum::Unknown, &mut |_| ()));
    assert!(!bench.net.arm());
}

#[test]
fn buffers_come_back_in_any_order() {
    let mut bench = Bench::plain();
    let mut out = Vec::new();
    for round in 0..2000_u32 {
        let mut fill = |frame: &mut [u8]| frame.fill(round as u8);
        while !bench.net.transmit(60 + round as usize % 1454, Checksum::Unknown, &mut fill) {
            let id = out.remove((round as usize * 7) % out.len());
            bench.finish(id);
        }
        bench.net.flush();
        let (_, bytes, id) = bench.sent().unwrap();
        assert!(bytes.iter().all(|byte| *byte == round as u8));
        assert!(!out.contains(&id), "a buffer that the back end has");
        out.push(id);
    }
}

#[test]
fn long_frames_lie_in_several_pages() {
    let machine = Simulated::new();
    machine.set(&format!("{FRONT}/mtu"), "9000");
    let mut bench = Bench::new(machine, &[]);
    assert_eq!(bench.net.info().mtu, 9000);
    for length in [60, 4096, 4097, 8192, 9014] {
        let mut fill = |frame: &mut [u8]| frame.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at / 7) as u8);
        assert!(bench.net.transmit(length, Checksum::Unknown, &mut fill));
        bench.net.flush();
        let sent = bench.take_sent().unwrap();
        assert_eq!((sent.bytes.len(), &sent.extra), (length, &None));
        assert!(sent.bytes.iter().enumerate().all(|(at, byte)| *byte == (at / 7) as u8));
        bench.finish_all(&sent);
    }
    assert!(bench.net.transmit(20_000, Checksum::Unknown, &mut |_| panic!("filled")), "lost, as on any link");
}

/// A link with room for several of the longest frames, and a back end with these features.
fn segmenting(features: &[(&str, &str)]) -> Bench {
    let machine = Simulated::new();
    plug(machine, features);
    let event = machine.services().event();
    let (net, port) = net::open(machine, FRONT, Sizes { receive: 16, transmit: 128 }, &event).unwrap();
    let device = Device::new(machine, FRONT, Box::new(port), &event).unwrap();
    let mut bench = Bench { machine, net, device, event, queues: Vec::new() };
    bench.connect();
    bench
}

const SEGMENTS: Checksum = Checksum::Segments { start: 34, offset: 16, size: 1448 };

#[test]
fn frames_to_be_cut_say_how_in_a_slot_of_their_own() {
    let mut bench = segmenting(&[("feature-gso-tcpv4", "1")]);
    let longest = bench.net.segmentation();
    assert_eq!(longest, 65535, "the length is told in 16 bits");
    for round in 0..500 {
        for length in [1600, 4096, 20_000 + round * 91, longest] {
            let mut fill =
                |frame: &mut [u8]| frame.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at / 7) as u8);
            assert!(bench.net.transmit(length, SEGMENTS, &mut fill), "{round} {length}");
            bench.net.flush();
            let sent = bench.take_sent().unwrap();
            assert_eq!(sent.flags & !MORE, 3 | EXTRA, "its checksum is blank, and its data good");
            assert_eq!(sent.extra.as_deref(), Some(&[1, 0, 0xa8, 5, 1, 0, 0, 0][..]));
            assert_eq!(sent.bytes.len(), length);
            assert!(sent.bytes.iter().enumerate().all(|(at, byte)| *byte == (at / 7) as u8));
            bench.finish_all(&sent);
        }
    }
    assert!(bench.net.transmit(longest + 1, SEGMENTS, &mut |_| panic!("filled")), "lost, as on any link");
}

#[test]
fn segments_are_cut_only_by_back_ends_that_can() {
    for features in [
        &[][..],
        &[("feature-gso-tcpv4", "0")],
        &[("feature-gso-tcpv4", "1"), ("feature-no-csum-offload", "1")],
        &[("feature-gso-tcpv4", "1"), ("feature-sg", "0")],
    ] {
        let mut bench = segmenting(features);
        assert_eq!(bench.net.segmentation(), 0);
        assert!(bench.net.transmit(1500, SEGMENTS, &mut |_| panic!("filled")), "lost, as on any link");
    }
    // The next one may be able to.
    let mut bench = segmenting(&[]);
    bench.back("6");
    bench.assert_down();
    bench.machine.set(&format!("{BACKEND}/feature-gso-tcpv4"), "1");
    bench.connect();
    assert_eq!(bench.net.segmentation(), 65535);
    // And the one after that not.
    bench.machine.set(&format!("{BACKEND}/feature-gso-tcpv4"), "0");
    bench.back("6");
    bench.assert_down();
    assert_eq!(bench.net.segmentation(), 0);
}

#[test]
fn without_offload_checksums_are_filled_in_here() {
    let mut bench = Bench::new(Simulated::new(), &[("feature-no-csum-offload", "1")]);
    // Two words after the header, and the field behind them, which holds the pseudo header's sum.
    let mut fill = |frame: &mut [u8]| {
        frame.fill(0);
        frame[34..41].copy_from_slice(&[0x12, 0x34, 0xff, 0xf0, 0x00, 0x05, 0x07]);
    };
    bench.net.transmit(41, Checksum::Partial { start: 34, offset: 4 }, &mut fill);
    bench.net.flush();
    let (flags, bytes, _) = bench.sent().unwrap();
    assert_eq!(flags, 0);
    let sum = 0x1234_u32 + 0xfff0 + 5 + 0x0700;
    assert_eq!(u16::from_be_bytes([bytes[38], bytes[39]]), !(((sum >> 16) + (sum & 0xffff)) as u16));
    // A place outside of the frame does no harm.
    bench.net.transmit(60, Checksum::Partial { start: 59, offset: 4 }, &mut |_| ());
    bench.net.transmit(60, Checksum::Partial { start: 600, offset: 4 }, &mut |_| ());
}

#[test]
fn queues_are_as_many_as_both_sides_can_use() {
    for (processors, most, expected) in [(1, "2", 1), (4, "2", 2), (2, "8", 2), (64, "64", 4), (4, "0", 1)] {
        let machine = Simulated::new();
        machine.machine.cpus.store(processors, Ordering::SeqCst);
        let bench = Bench::new(machine, &[("multi-queue-max-queues", most)]);
        assert_eq!(bench.queues.len(), expected);
        assert_eq!(machine.number(&format!("{FRONT}/multi-queue-num-queues")), expected as u32);
    }
}

#[test]
fn all_queues_are_received_from_and_each_processor_sends_on_its_own() {
    let machine = Simulated::new();
    machine.machine.cpus.store(2, Ordering::SeqCst);
    let mut bench = Bench::new(machine, &[("multi-queue-max-queues", "2")]);
    bench.deliver_on(0, 0, &[&[1; 60]]);
    bench.deliver_on(1, 0, &[&[2; 60]]);
    let mut frames: Vec<u8> = bench.received().iter().map(|(frame, _)| frame[0]).collect();
    frames.sort_unstable();
    assert_eq!(frames, [1, 2]);
    bench.deliver_on(1, 0, &[&[2; 60]]);
    assert!(bench.net.arm());
    for queue in 0..2 {
        machine.machine.cpu.store(queue, Ordering::SeqCst);
        bench.net.transmit(60, Checksum::Unknown, &mut |_| ());
        bench.net.flush();
        assert!(bench.queues[queue].transmit.pop().is_some());
        assert_eq!(machine.notified(bench.queues[queue].port), 1);
        assert_eq!(machine.notified(bench.queues[1 - queue].port), 0);
    }
}

#[test]
fn an_event_notifies() {
    let mut bench = Bench::plain();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    bench.net.set_notify(Arc::new(move || {
        counter.fetch_add(1, Ordering::SeqCst);
    }));
    bench.machine.interrupt(bench.queues[0].port);
    assert_eq!(count.load(Ordering::SeqCst), 1);
    bench.back("5");
    assert_eq!(count.load(Ordering::SeqCst), 2, "that the link is down is news too");
    assert!(bench.net.arm());
}

#[test]
fn a_back_end_goes_and_comes_back() {
    let mut bench = Bench::plain();
    for round in 0..20 {
        bench.deliver(0, &[&[7; 60]]);
        bench.net.transmit(60, Checksum::Unknown, &mut |_| ());
        bench.net.flush();
        if round % 2 == 0 {
            bench.back("5");
        }
        bench.back("6");
        bench.assert_down();
        bench.connect();
        bench.deliver(0, &[&[8; 61]]);
        assert_eq!(bench.received(), [(vec![8; 61], Checksum::Unknown)]);
        bench.net.transmit(60, Checksum::Unknown, &mut |_| ());
        bench.net.flush();
        assert!(bench.sent().is_some());
    }
}

#[test]
fn memory_that_a_gone_back_end_still_maps_is_not_freed() {
    let mut bench = Bench::plain();
    let request = bench.queues[0].receive.pop().unwrap();
    bench.machine.map(u32_at(&request, 4), true);
    bench.back("6");
    bench.settle();
    bench.net.receive(1, &mut |_, _| ());
    assert_eq!(bench.machine.grants().quarantined(), 16);
    assert_eq!(bench.machine.grants_in_force(), 1);
    bench.machine.map(u32_at(&request, 4), false);
    bench.connect();
    assert_eq!(bench.machine.grants().quarantined(), 0);
}

#[test]
fn without_memory_the_link_stays_down() {
    let machine = Simulated::with(64, 12);
    plug(machine, &[]);
    let event = machine.services().event();
    let (mut net, port) = net::open(machine, FRONT, SIZES, &event).unwrap();
    let mut device = Device::new(machine, FRONT, Box::new(port), &event).unwrap();
    device.step();
    assert_eq!(device.phase(), Phase::Failed);
    assert_eq!(machine.grants_in_force(), 0);
    assert_eq!(machine.node(&format!("{FRONT}/state")).as_deref(), Some("6"));
    assert!(net.transmit(60, Checksum::Unknown, &mut |_| ()));
}

#[test]
fn malformed_nodes_are_errors() {
    let machine = Simulated::new();
    for mac in [
        "",
        "00:16:3e:00:00",
        "00:16:3e:00:00:01:02",
        "01:16:3e:00:00:01",
        "0:16:3e:00:00:011",
        "zz:16:3e:00:00:01",
        "+0:16:3e:00:00:01",
    ] {
        plug(machine, &[]);
        machine.set(&format!("{FRONT}/mac"), mac);
        assert_eq!(
            net::open(machine, FRONT, SIZES, &machine.services().event()).err(),
            Some(Error::Value("mac")),
            "{mac}"
        );
    }
    plug(machine, &[]);
    for mtu in ["67", "-1", "", "99999999999999999999999"] {
        machine.set(&format!("{FRONT}/mtu"), mtu);
        assert_eq!(
            net::open(machine, FRONT, SIZES, &machine.services().event()).err(),
            Some(Error::Value("mtu")),
            "{mtu}"
        );
    }
    for (feature, value) in [("multi-queue-max-queues", "x"), ("feature-no-csum-offload", "yes")] {
        let machine = Simulated::new();
        plug(machine, &[(feature, value)]);
        let event = machine.services().event();
        let (_net, port) = net::open(machine, FRONT, SIZES, &event).unwrap();
        let mut device = Device::new(machine, FRONT, Box::new(port), &event).unwrap();
        device.step();
        assert_eq!(device.phase(), Phase::Failed);
    }
}

#[test]
fn frames_that_cannot_be_are_dropped() {
    let mut bench = Bench::plain();
    for (offset, status) in
        [(0, -1), (0, 0), (0, 13), (1, 4096), (4096, 60), (u16::MAX, i16::MAX), (0, i16::MIN), (0, 4097)]
    {
        let id = u16_at(&bench.queues[0].receive.pop().unwrap(), 0);
        bench.queues[0].receive.push(&response(id, offset, 0, status));
        assert_eq!(bench.net.receive(64, &mut |_, _| panic!("a frame")), 1, "{offset} {status}");
    }
    // In a later part it is the whole frame.
    bench.queues[0].receive.push_quietly(&response(0, 0, MORE, 1000));
    bench.queues[0].receive.push(&response(0, 0, 0, -1));
    assert_eq!(bench.net.receive(64, &mut |_, _| panic!("a frame")), 1);
    // A frame of more than 64 KiB.
    for _ in 0..15 {
        bench.queues[0].receive.push_quietly(&response(0, 0, MORE, 4096));
    }
    bench.queues[0].receive.tell();
    bench.net.flush();
    assert_eq!(bench.net.receive(64, &mut |_, _| panic!("a frame")), 0);
}

#[test]
fn back_ends_that_break_rules_are_put_out_of_service() {
    let broken = |what: &dyn Fn(&mut Bench)| {
        let mut bench = Bench::plain();
        bench.net.transmit(60, Checksum::Unknown, &mut |_| ());
        bench.net.flush();
        what(&mut bench);
        bench.net.receive(64, &mut |_, _| ());
        while bench.net.transmit(60, Checksum::Unknown, &mut |_| ()) && bench.device.phase() == Phase::Connected {
            bench.settle();
            bench.net.flush();
        }
        bench.assert_down();
        assert_eq!(bench.machine.node(&format!("{FRONT}/state")).as_deref(), Some("6"));
        bench.back("6");
        bench.connect();
    };
    // A frame without its end.
    broken(&|bench| {
        bench.queues[0].receive.push(&response(0, 0, MORE, 60));
    });
    broken(&|bench| {
        bench.queues[0].receive.push(&response(0, 0, EXTRA, 60));
    });
    // Extras without end.
    broken(&|bench| {
        for _ in 0..16 {
            bench.queues[0].receive.push_quietly(&response(0x0101, 0, EXTRA, 60));
        }
        bench.queues[0].receive.tell();
    });
    // Indices that run ahead.
    broken(&|bench| bench.queues[0].receive.set_word(8, 17));
    broken(&|bench| bench.queues[0].transmit.set_word(8, 2));
    // A second answer for a frame, and one for none.
    broken(&|bench| {
        bench.finish(0);
        bench.finish(0);
    });
    broken(&|bench| bench.finish(u16::MAX));
    // An answer for less than a frame's requests that came to nothing is none.
    broken(&|bench| {
        bench.queues[0].transmit.push(&[7, 0, 1, 0]);
        bench.finish(7);
    });
    // A page that is still mapped.
    broken(&|bench| {
        let request = bench.queues[0].receive.pop().unwrap();
        bench.machine.map(u32_at(&request, 4), true);
        bench.queues[0].receive.push(&response(0, 0, 0, 60));
        bench.net.receive(64, &mut |_, _| panic!("looked"));
        bench.machine.map(u32_at(&request, 4), false);
        // What is kept aside goes when the next is granted.
        drop(crate::devices::grant::Memory::new(bench.machine, BACK, 1, crate::devices::grant::Access::Read));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever a back end writes into the rings: no panic, no frame from outside its page, and a new connection works.
    #[test]
    fn any_back_end_is_survived(steps in prop::collection::vec((0..7_u8, 0..1024_usize, any::<u32>(), any::<u16>()), 1..150)) {
        let mut bench = Bench::new(Simulated::new(), &[("feature-gso-tcpv4", "1")]);
        for (step, at, value, half) in steps {
            let live = bench.device.phase() == Phase::Connected;
            match step {
                0 if live => bench.queues[0].receive.set_word(at * 4, value),
                1 if live => bench.queues[0].transmit.set_word(at * 4, value),
                2 if live => { bench.queues[0].receive.push(&response(half, value as u16, (value >> 16) as u16, at as i16 * 8)); }
                3 if live => bench.finish(half % 10),
                4 => { bench.net.receive(8, &mut |frame, _| assert!(frame.len() <= 65549)); }
                5 => {
                    let checksum = match half % 2 {
                        0 => Checksum::Partial { start: half, offset: value as u16 },
                        _ => Checksum::Segments { start: half, offset: value as u16, size: half },
                    };
                    bench.net.transmit(at * 4, checksum, &mut |frame| frame.fill(1));
                    bench.net.flush();
                }
                6 => { bench.net.arm(); }
                _ => {}
            }
            bench.settle();
            if bench.device.phase() != Phase::Connected {
                bench.back("6");
                bench.assert_down();
                bench.connect();
            }
        }
    }
}
