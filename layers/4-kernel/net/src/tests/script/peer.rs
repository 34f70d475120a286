//! The peer of a script: makes single segments, and takes those of the kernel.

use super::{field, seconds};
use crate::{
    ip::wire::*,
    tests::{
        harness::{ONE, OTHER, SECOND},
        suite::trace,
    },
};
use alloc::{boxed::Box, collections::VecDeque, format, string::String, vec, vec::Vec};
use rumpuser::{
    clock,
    device::{Checksum, Link},
    thread,
};
use zerocopy::IntoBytes;

/// The peer's initial sequence number: soon it wraps around.
const INITIAL: u32 = u32::MAX - 500;
/// How long an expected segment may take.
const LONGEST: u64 = 200 * SECOND;
const PORT: u16 = 80;
/// Where the peer's segments come from in scripts in which it begins.
const PEER_PORT: u16 = 4000;

/// A segment of the kernel.
struct Segment {
    time: u64,
    header: TcpHeader,
    length: usize,
    port: u16,
}

pub struct Peer {
    link: Box<dyn Link>,
    arrived: VecDeque<Segment>,
    /// The kernel's initial sequence number, and its port.
    kernel: Option<u32>,
    ports: (u16, u16),
    /// When the step before ended.
    marked: u64,
}

fn mac(end: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, end]
}

impl Peer {
    /// A peer that the kernel knows the Ethernet address of.
    pub fn new(mut link: Box<dyn Link>) -> Peer {
        link.set_notify(thread::current().waker().unwrap());
        let ports = (PEER_PORT, PORT);
        let mut peer = Peer { link, arrived: VecDeque::new(), kernel: None, ports, marked: 0 };
        peer.arp(ARP_REQUEST);
        peer.wait(clock::monotonic() + SECOND / 100);
        peer.arrived.clear();
        peer
    }

    fn transmit(&mut self, kind: u16, packet: &[u8]) {
        let header = EthernetHeader { destination: mac(1), source: mac(2), kind: kind.into() };
        let frame = [header.as_bytes(), packet].concat();
        assert!(self.link.transmit(frame.len(), Checksum::Unknown, &mut |buffer| buffer.copy_from_slice(&frame)));
        self.link.flush();
    }

    fn arp(&mut self, operation: u16) {
        let packet = ArpPacket {
            hardware: 1.into(),
            protocol: ETHERTYPE_IPV4.into(),
            hardware_length: 6,
            protocol_length: 4,
            operation: operation.into(),
            sender_mac: mac(2),
            sender: OTHER.octets(),
            target_mac: mac(1),
            target: ONE.octets(),
        };
        self.transmit(ETHERTYPE_ARP, packet.as_bytes());
    }

    /// Takes what has arrived, and waits for more until the deadline or a first segment.
    fn receive(&mut self, deadline: u64) {
        loop {
            let mut frames = Vec::new();
            while self.link.receive(16, &mut |frame, _| frames.push(frame.to_vec())) > 0 {}
            for frame in frames {
                self.take(&frame);
            }
            if !self.arrived.is_empty() || clock::monotonic() >= deadline {
                return;
            }
            if !self.link.arm() {
                thread::park(Some(deadline));
            }
        }
    }

    fn take(&mut self, frame: &[u8]) {
        let Some((ethernet, packet)) = parse::<EthernetHeader>(frame) else { return };
        if ethernet.kind.get() == ETHERTYPE_ARP {
            if parse::<ArpPacket>(packet).is_some_and(|(arp, _)| arp.target == OTHER.octets()) {
                self.arp(ARP_REPLY);
            }
            return;
        }
        let Some((header, segment)) = parse_ipv4(packet) else { return };
        let Some((tcp, _)) = parse::<TcpHeader>(segment).filter(|_| header.protocol == PROTOCOL_TCP) else { return };
        let pseudo = pseudo_header(header.source(), header.destination(), PROTOCOL_TCP, segment.len());
        assert_eq!(checksum(pseudo, segment), 0xffff, "the kernel's checksum is wrong");
        if tcp.flags & TCP_SYN != 0 {
            self.kernel = Some(tcp.sequence.get());
            self.ports = (tcp.destination.get(), tcp.source.get());
        }
        let length = segment.len() - usize::from(tcp.offset >> 4) * 4;
        self.arrived.push_back(Segment {
            time: clock::monotonic(),
            header: TcpHeader { source: tcp.source, ..*tcp },
            length,
            port: tcp.destination.get(),
        });
    }

    /// Lets time pass.
    pub fn wait(&mut self, deadline: u64) {
        let mut kept = core::mem::take(&mut self.arrived);
        while clock::monotonic() < deadline {
            self.receive(deadline);
            kept.append(&mut self.arrived);
        }
        self.arrived = kept;
    }

    /// A step other than an expectation has been taken.
    pub fn mark(&mut self) {
        self.marked = clock::monotonic();
    }

    fn absolute(own: u32, text: &str) -> u32 {
        own.wrapping_add(text.parse::<i64>().expect("a number") as u32)
    }

    /// Sends a segment.
    pub fn send(&mut self, words: &[&str]) {
        let letters = [('S', TCP_SYN), ('F', TCP_FIN), ('R', TCP_RST), ('P', 8), ('A', TCP_ACK)];
        let flags = letters.iter().filter(|(letter, _)| words[0].contains(*letter)).map(|(_, flag)| flag).sum();
        let number = |name: &str| field(words, name).map_or(0, |text| text.parse::<u16>().expect("a number"));
        let mss = field(words, "mss").map(|_| [[2, 4], number("mss").to_be_bytes()].concat()).unwrap_or_default();
        let acknowledgment = field(words, "ack").map_or(0, |text| Self::absolute(self.kernel.unwrap_or(0), &text));
        let header = TcpHeader {
            source: self.ports.0.into(),
            destination: self.ports.1.into(),
            sequence: Self::absolute(INITIAL, words[1]).into(),
            acknowledgment: acknowledgment.into(),
            offset: (5 + mss.len() as u8 / 4) << 4,
            flags,
            window: field(words, "win").map_or(10_000, |text| text.parse().expect("a number")).into(),
            checksum: 0.into(),
            urgent: 0.into(),
        };
        let data = vec![0x61; usize::from(number("len"))];
        let mut segment = [header.as_bytes(), &mss, &data].concat();
        let sum = !checksum(pseudo_header(OTHER, ONE, PROTOCOL_TCP, segment.len()), &segment);
        segment[16..18].copy_from_slice(&sum.to_be_bytes());
        let ip = Ipv4Header::new(Route::new(OTHER, ONE), PROTOCOL_TCP, segment.len(), 0, DONT_FRAGMENT);
        self.transmit(ETHERTYPE_IPV4, &[ip.as_bytes(), &segment].concat());
    }

    fn describe(&self, segment: &Segment) -> String {
        let sequence = segment.header.sequence.get().wrapping_sub(self.kernel.unwrap_or(0)) as i32;
        let acknowledgment = segment.header.acknowledgment.get().wrapping_sub(INITIAL) as i32;
        let (flags, window) = (trace::flags(segment.header.flags), segment.header.window.get());
        format!("{flags} {sequence} ack {acknowledgment} win {window} len {} to port {}", segment.length, segment.port)
    }

    /// Takes the kernel's next segment, which must be this one.
    pub fn expect(&mut self, words: &[&str]) -> Result<(), String> {
        self.receive(clock::monotonic() + LONGEST);
        let Some(segment) = self.arrived.pop_front() else { return Err("the kernel sends nothing".into()) };
        let got = self.describe(&segment);
        // Whether there is data at the end of what is to be sent (P) is of no importance.
        let flags: String = trace::flags(segment.header.flags).replace('P', "");
        let relative = |value: u32, own: u32| format!("{}", value.wrapping_sub(own) as i32);
        let fits = |name: &str, value: String| field(words, name).is_none_or(|wanted| wanted == value);
        // The number of an answer to a segment that belongs to nothing is the segment's own.
        let kernel = self.kernel.unwrap_or(0);
        let after = segment.time.saturating_sub(self.marked);
        let in_time = field(words, "after").is_none_or(|range| {
            let (least, most) = range.split_once("..").expect("after a..b");
            (seconds(least)..=seconds(most)).contains(&after)
        });
        let right = flags == words[0].replace('P', "")
            && relative(segment.header.sequence.get(), kernel) == words[1]
            && fits("ack", relative(segment.header.acknowledgment.get(), INITIAL))
            && fits("win", format!("{}", segment.header.window.get()))
            && field(words, "len").unwrap_or("0".into()) == format!("{}", segment.length);
        self.marked = segment.time;
        match (right, in_time) {
            (true, true) => Ok(()),
            (false, _) => Err(format!("the kernel sends {got}")),
            (true, false) => Err(format!("it comes after {} ms", after / 1_000_000)),
        }
    }

    /// Waits; the kernel must send nothing.
    pub fn quiet(&mut self, deadline: u64) -> Result<(), String> {
        self.receive(deadline);
        match self.arrived.front() {
            Some(segment) => Err(format!("the kernel sends {}", self.describe(segment))),
            None => Ok(()),
        }
    }
}
