//! Runs plans and judges what came of them.

use super::{
    conversation::{self, Seen},
    node::{Node, sleep},
    plan::{Opening, Plan},
    trace,
};
use crate::{
    Usage,
    ip::wire::*,
    tests::harness::{ONE, OTHER, SECOND},
};
use alloc::vec::Vec;
use rumpkin_spine::Errno;
use rumpuser::clock;
use rumpuser_hosted::{
    Random, for_each_seed,
    link::{Recorded, Wire},
};
use zerocopy::IntoBytes;

/// The longest that a run may take.
const LONGEST: u64 = 10_000 * SECOND;
/// Seeds of a usual run; the environment asks for others.
const SEEDS: u64 = 200;

/// Seeds that have failed once, each for a reason of its own:
/// - 13: a connection closed by its program was reset after 60 s although its data still arrived;
/// - 106: two ends in TIME-WAIT acknowledged each other's acknowledgments without end;
/// - 1189: a fast retransmission that found no room was taken for sent; and two ends that had both gone back to send again
///   refused each other's acknowledgments, whose sequence numbers lay too far back;
/// - 4757: a FIN behind data that did not fit the window was taken, and the data was not; and a fast retransmission beyond the
///   window left a connection without a timer.
const REGRESSIONS: &[u64] = &[13, 106, 1189, 4757];

#[test]
fn two_kernels_talk_whatever_the_wire_does() {
    for_each_seed("-p rumpkin-net two_kernels_talk", SEEDS, converse);
}

#[test]
fn seeds_that_failed_once_pass() {
    for &seed in REGRESSIONS {
        rumpuser_hosted::simulate(seed, || converse(seed));
    }
}

fn converse(seed: u64) {
    let plan = Plan::new(&mut Random::new(seed));
    if std::env::var_os("RUMPKIN_VERBOSE").is_some() {
        std::eprintln!("{plan:#?}");
    }
    let (wire, [one, other]) = Wire::new(plan.mtu, plan.offload).unwrap();
    wire.set_segmentation(plan.segmentation);
    wire.record();
    let nodes = [Node::start(one, 1), Node::start(other, 2)];
    // The ends know each other before things go wrong: that ARP gives up after three requests is not TCP's fault.
    for (node, peer) in nodes.iter().zip([OTHER, ONE]) {
        node.net.with(|stack| stack.ip.prefetch(peer));
    }
    sleep(SECOND / 100);
    for (from, faults) in plan.faults.iter().enumerate() {
        wire.set_faults(from, faults.clone());
    }
    let [first, second] = &plan.parts;
    let tasks = [
        conversation::run(&nodes[0], 0, plan.opening, first, second.bytes),
        conversation::run(&nodes[1], 1, plan.opening, second, first.bytes),
    ];
    let mut frames = Vec::new();
    if let Some((to, at)) = plan.forged_reset {
        sleep(at);
        frames = wire.take_record();
        forge_reset(&wire, &frames, to);
    }
    let deadline = clock::monotonic() + LONGEST;
    let seen = tasks.map(|task| task.wait(deadline).expect("the ends come to an end"));
    let ended = clock::monotonic();
    frames.extend(wire.take_record());
    if std::env::var_os("RUMPKIN_VERBOSE").is_some() {
        for (number, seen) in seen.iter().enumerate() {
            let Seen { opened, sent, received, end, write_error, read_error } = seen;
            std::eprintln!(
                "end {number}: opened {opened:?}, sent {sent} ({write_error:?}), received {} to the end: {end} ({read_error:?})",
                received.len()
            );
        }
        frames.iter().for_each(|frame| std::eprintln!("{}", trace::line(frame)));
        std::eprintln!("{} frames in {} ms", frames.len(), ended / 1_000_000);
    }
    judge(&plan, &seen);
    assert!(frames.iter().all(|recorded| recorded.frame.len() <= ETHERNET_HEADER + plan.mtu));

    // What is left goes away by itself, and nobody keeps talking.
    sleep(100 * SECOND);
    wire.take_record();
    sleep(200 * SECOND);
    frames = wire.take_record();
    if std::env::var_os("RUMPKIN_VERBOSE").is_some() {
        frames.iter().for_each(|frame| std::eprintln!("{}", trace::line(frame)));
    }
    assert!(frames.len() < 20, "{} frames long after the end", frames.len());
    for node in &nodes {
        assert_eq!(node.net.usage(), Usage::default());
    }
}

fn judge(plan: &Plan, seen: &[Seen; 2]) {
    for number in 0..2 {
        let (own, peer) = (&seen[number], &seen[1 - number]);
        let (part, expected) = (&plan.parts[number], plan.parts[1 - number].bytes);
        assert!(peer.sent <= plan.parts[1 - number].bytes);
        for (index, &byte) in own.received.iter().enumerate() {
            assert_eq!(byte, conversation::byte(1 - number, index), "end {number} received a wrong byte {index}");
        }
        assert!(own.received.len() <= expected, "end {number} received {} of {expected}", own.received.len());
        if plan.is_orderly() {
            assert_eq!(own.opened, Some(Ok(())), "end {number}");
            assert_eq!((own.write_error, own.read_error), (None, None), "end {number}");
            assert_eq!((own.sent, own.received.len()), (part.bytes, expected), "end {number}");
        } else {
            for error in [own.write_error, own.read_error].into_iter().flatten() {
                let fitting = [Errno::ECONNRESET, Errno::EPIPE, Errno::ETIMEDOUT, Errno::EAGAIN, Errno::EBADF];
                let fitting = fitting.contains(&error) || error == Errno::ENOTCONN;
                assert!(fitting, "end {number}: {error:?}");
            }
        }
        if own.end && !plan.is_orderly() && plan.opening == Opening::Accept && own.read_error.is_none() {
            // An end that is not an error is the peer's own: all that it wrote before has arrived.
            assert!(own.received.len() == peer.sent || own.write_error.is_some(), "end {number}: a silent cut");
        }
    }
}

/// A reset to one end with the sequence number that it last said it expects: one that it must obey (RFC 9293 §3.10.7.4).
fn forge_reset(wire: &Wire, frames: &[Recorded], to: usize) {
    let segments = frames.iter().filter(|recorded| recorded.from == to);
    let mut segments = segments.filter_map(|recorded| {
        let (header, segment) = parse_ipv4(recorded.frame.get(ETHERNET_HEADER..)?)?;
        let (tcp, _) = parse::<TcpHeader>(segment).filter(|_| header.protocol == PROTOCOL_TCP)?;
        Some((header, tcp))
    });
    let Some((header, tcp)) = segments.next_back() else { return };
    let (source, destination) = (header.destination(), header.source());
    let mut reset = TcpHeader {
        source: tcp.destination,
        destination: tcp.source,
        sequence: tcp.acknowledgment,
        acknowledgment: 0.into(),
        offset: 5 << 4,
        flags: TCP_RST,
        window: 0.into(),
        checksum: 0.into(),
        urgent: 0.into(),
    };
    reset.checksum.set(!checksum(pseudo_header(source, destination, PROTOCOL_TCP, 20), reset.as_bytes()));
    let ip = Ipv4Header::new(Route::new(source, destination), PROTOCOL_TCP, 20, 0, DONT_FRAGMENT);
    let mac = |end: usize| [2, 0, 0, 0, 0, end as u8 + 1];
    let ethernet = EthernetHeader { destination: mac(to), source: mac(1 - to), kind: ETHERTYPE_IPV4.into() };
    wire.inject(1 - to, &[ethernet.as_bytes(), ip.as_bytes(), reset.as_bytes()].concat());
}
