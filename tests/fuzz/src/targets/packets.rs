//! Ethernet frames, thrown at a kernel with a TCP listener, connections, and UDP sockets.
//!
//! The peer knows where each conversation stands, and sends segments that are right, nearly right, or not at all. When all is over
//! the kernel may not keep a socket, a timer or a buffer, and may not go on talking.

use super::station::{self, Station, each_step, pause, sum_error};
use crate::{
    machine::{SECOND, sleep},
    packet::{self, ACK, ETHERNET, Ip, KERNEL_MAC, PEER_MAC, Seen, Tcp},
};
use arbitrary::{Result, Unstructured};
use rumpkin_abi::linux::net;
use rumpkin_net::Usage;
use rumpkin_spine::config::{Address, Network};

const OWN: packet::Address = [10, 0, 0, 1];
const OTHER: packet::Address = [10, 0, 0, 2];
/// The kernel's port on which somebody listens, and that of a datagram socket.
const LISTENER: u16 = 80;
const DATAGRAMS: u16 = 53;

/// Conversations and sockets that are remembered.
const REMEMBERED: usize = 16;

pub fn run(data: &[u8]) {
    let address = Address::Static { address: OWN, prefix: 24 };
    let network = || Network { address, gateway: Some([10, 0, 0, 254]), ..Network::default() };
    Station::run(data, network, |station, input| {
        let mut game = Game::new(station);
        each_step(input, |input| game.step(input));
        game.end();
    });
}

struct Game<'a> {
    station: &'a mut Station,
    /// Streams that the program has: the listener is the first.
    streams: Vec<usize>,
    datagrams: usize,
    /// Where conversations stand.
    seen: Vec<Seen>,
    /// The kernel's last frames, for errors to quote.
    sent: Vec<Vec<u8>>,
}

impl<'a> Game<'a> {
    fn new(station: &'a mut Station) -> Self {
        let thread = station.thread();
        let listener = thread.tcp_socket().unwrap();
        thread.set_nonblocking(listener, true).unwrap();
        thread.bind(listener, ([0; 4], LISTENER)).unwrap();
        thread.listen(listener, 4).unwrap();
        let datagrams = station.datagram_socket(DATAGRAMS);
        Game { station, streams: vec![listener], datagrams, seen: Vec::new(), sent: Vec::new() }
    }

    fn step(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        match input.arbitrary::<u8>()? % 16 {
            0 => self.raw(input)?,
            1..7 => self.segment(input)?,
            7 => self.datagram(input)?,
            8 => self.error(input)?,
            9 => self.fragment(input)?,
            10 => self.arp(input)?,
            11 => sleep(pause(input)?),
            _ => self.program(input)?,
        }
        self.station.settle();
        self.look();
        Ok(())
    }

    /// Looks at what the kernel has sent.
    fn look(&mut self) {
        for frame in self.station.peer.take() {
            self.station.peer.answer_arp(&frame, OWN);
            if let Some((packet::TCP, _, _, segment)) = packet::parse_ip(&frame)
                && let Some(seen) = Seen::parse(segment)
            {
                self.seen.retain(|other| (other.local, other.remote) != (seen.local, seen.remote));
                self.seen.insert(0, seen);
                self.seen.truncate(REMEMBERED);
            }
            self.sent.insert(0, frame);
            self.sent.truncate(REMEMBERED);
        }
    }

    fn send(&mut self, frame: Vec<u8>) {
        self.station.peer.send(frame);
    }

    fn raw(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let kind: u8 = input.arbitrary()?;
        let bytes = station::bytes(input, 255)?;
        let frame = match kind % 4 {
            0 => bytes.to_vec(),
            1 => [&KERNEL_MAC[..], &PEER_MAC, bytes].concat(),
            2 => [&KERNEL_MAC[..], &PEER_MAC, &[8, 0], bytes].concat(),
            _ => [&[0xff; 6][..], &PEER_MAC, &[8, 6], bytes].concat(),
        };
        self.send(frame);
        Ok(())
    }

    fn segment(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let [which, flags]: [u8; 2] = input.arbitrary()?;
        let known = self.seen.get(usize::from(which) % (REMEMBERED / 2)).copied();
        let Seen { local, remote, next, expected } = known.unwrap_or(Seen {
            local: LISTENER,
            remote: 1024 + u16::from(which),
            next: 0,
            expected: u32::from_be_bytes([which; 4]),
        });
        let (sequence, acknowledgment) = (beside(input)?, beside(input)?);
        let window = [0xffff, 0, 1, 536, 4096, 0x8000, 100, 29200][usize::from(input.arbitrary::<u8>()? % 8)];
        let (options, payload) = (station::bytes(input, 40)?, payload(input)?);
        let source = if which < 0xf0 { OTHER } else { station::address(input)? };
        let ip = Ip::new(source, OWN, packet::TCP);
        let tcp = Tcp {
            source: remote,
            destination: local,
            sequence: expected.wrapping_add(sequence),
            acknowledgment: next.wrapping_add(acknowledgment),
            // A conversation that goes on acknowledges, as a rule.
            flags: if known.is_some() && flags < 0x80 { flags | ACK } else { flags },
            window,
            urgent: 0,
            options,
        };
        self.send(ip.frame(&tcp.segment(&ip, &payload, sum_error(input)?)));
        Ok(())
    }

    fn datagram(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let ip = Ip::new(station::address(input)?, OWN, packet::UDP);
        let port = if input.ratio(7, 8)? { DATAGRAMS } else { input.arbitrary()? };
        let wrong_by = sum_error(input)?;
        let datagram = packet::udp(&ip, input.arbitrary()?, port, station::bytes(input, 255)?, Some(wrong_by));
        self.send(ip.frame(&datagram));
        Ok(())
    }

    /// An ICMP message that quotes something the kernel sent, or says anything else.
    fn error(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let [kind, code, which, length]: [u8; 4] = input.arbitrary()?;
        let kind = [3, 8, 11, 12, 0, 4, 5, kind][usize::from(kind) % 8];
        let quoted = self.sent.get(usize::from(which) % REMEMBERED).and_then(|frame| frame.get(ETHERNET..));
        let quoted = match quoted {
            Some(packet) => packet[..packet.len().min(usize::from(length))].to_vec(),
            None => station::bytes(input, 64)?.to_vec(),
        };
        let message = packet::icmp(kind, code, input.arbitrary()?, &quoted);
        self.send(Ip::new(station::address(input)?, OWN, packet::ICMP).frame(&message));
        Ok(())
    }

    /// A piece of a packet, or one with options.
    fn fragment(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let [protocol, identification, flags, offset]: [u8; 4] = input.arbitrary()?;
        let ip = Ip {
            source: station::address(input)?,
            destination: station::address(input)?,
            protocol: [packet::UDP, packet::TCP, packet::ICMP, protocol][usize::from(protocol) % 4],
            identification: u16::from(identification % 4),
            fragment: u16::from(flags & 0xe0) << 8 | u16::from(flags & 1) << 12 | u16::from(offset),
            options: station::bytes(input, 44)?,
        };
        let payload = payload(input)?;
        self.send(ip.frame(&payload));
        Ok(())
    }

    fn arp(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let operation = input.int_in_range(0..=3)?;
        let sender = (if input.ratio(3, 4)? { PEER_MAC } else { input.arbitrary()? }, station::address(input)?);
        let target = (KERNEL_MAC, if input.ratio(3, 4)? { OWN } else { station::address(input)? });
        self.send(packet::arp(operation, sender, target));
        Ok(())
    }

    /// The program does something. What comes of it is between it and the peer.
    fn program(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let [what, which, amount]: [u8; 3] = input.arbitrary()?;
        let thread = self.station.thread();
        let stream = self.streams[usize::from(which) % self.streams.len()];
        match what % 12 {
            0..3 => {
                if let Ok(accepted) = thread.accept(self.streams[0]) {
                    thread.set_nonblocking(accepted, true).unwrap();
                    self.streams.push(accepted);
                }
            }
            3 => {
                if let Ok(socket) = thread.tcp_socket() {
                    thread.set_nonblocking(socket, true).unwrap();
                    let _ = thread.connect(socket, (OTHER, 1000 + u16::from(amount)));
                    self.streams.push(socket);
                }
            }
            4 | 5 => {
                let _ = thread.read(stream, usize::from(amount) * 64);
            }
            6 | 7 => {
                let _ = thread.write(stream, &vec![amount; usize::from(amount) * 128]);
            }
            8 => {
                let _ = thread.shutdown(stream, u32::from(amount % 4));
            }
            9 if self.streams.len() > 1 => {
                let place = 1 + usize::from(which) % (self.streams.len() - 1);
                thread.close(self.streams.remove(place)).unwrap();
            }
            10 => {
                let level = [net::SOL_SOCKET, 6, 0][usize::from(which) % 3];
                let _ = thread.set_option(stream, level, u32::from(amount), station::bytes(input, 20)?);
                let _ = thread.take_error(stream);
            }
            _ => {
                let _ = thread.read(self.datagrams, usize::from(amount) * 8);
                let _ = thread.connect(self.datagrams, (station::address(input)?, u16::from(which)));
                let _ = thread.write(self.datagrams, &vec![0; usize::from(amount) * 16]);
            }
        }
        Ok(())
    }

    /// The program goes. What is left goes away by itself, and nobody keeps talking.
    fn end(mut self) {
        self.station.end_program();
        for _ in 0..20 {
            sleep(100 * SECOND);
            self.look();
        }
        while !self.station.peer.take().is_empty() {
            self.station.settle();
        }
        for _ in 0..3 {
            sleep(1000 * SECOND);
            let frames = self.station.peer.take();
            assert!(frames.is_empty(), "the kernel still talks: {:02x?}", frames[0]);
        }
        assert_eq!(self.station.net.usage(), Usage::default());
    }
}

/// How far a number is beside the right one: mostly not at all.
fn beside(input: &mut Unstructured<'_>) -> Result<u32> {
    let how: u8 = input.arbitrary()?;
    Ok(match how {
        0..0xc0 => 0,
        0xc0..0xd0 => u32::from(how - 0xbf),
        0xd0..0xe0 => 0u32.wrapping_sub(u32::from(how - 0xcf)),
        0xe0..0xf8 => i32::from(input.arbitrary::<i16>()?) as u32,
        _ => input.arbitrary()?,
    })
}

/// Data of a segment or fragment: some of the input's own, or more that is all alike.
fn payload(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let kind: u8 = input.arbitrary()?;
    Ok(match kind {
        0..0x40 => Vec::new(),
        0x40..0xc0 => station::bytes(input, 64)?.to_vec(),
        _ => vec![kind; usize::from(kind - 0xbf) * 24],
    })
}
