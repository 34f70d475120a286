//! What the kernel does for names: `/etc/resolv.conf` and the datagrams of a program that asks a name server, which the input
//! answers, forges and breaks to pieces. The program gets what its server sent, whole, and nothing else.

use super::station::{self, Station, each_step, pause, sum_error};
use crate::{
    machine::sleep,
    packet::{self, ETHERNET, Ip},
};
use arbitrary::{Result, Unstructured};
use rumpkin_abi::linux::{general, net};
use rumpkin_spine::config::{Address, Network};
use std::collections::HashSet;

const OWN: packet::Address = [10, 0, 0, 1];
const SERVER: packet::Address = [10, 0, 0, 2];
const PORT: u16 = 53;
/// The longest answer that the program takes.
const LONGEST: usize = 2048;

pub fn run(data: &[u8]) {
    let [count, rest @ ..] = data else { return };
    let servers: Vec<packet::Address> = rest.as_chunks().0.iter().take(usize::from(count % 5)).copied().collect();
    let data = &rest[servers.len() * 4..];
    let network = || Network {
        address: Address::Static { address: OWN, prefix: 24 },
        nameservers: servers.clone(),
        ..Network::default()
    };
    Station::run(data, network, |station, input| {
        let expected: String =
            servers.iter().map(|server| format!("nameserver {}\n", std::net::Ipv4Addr::from(*server))).collect();
        assert_eq!(station.file("/etc/resolv.conf").unwrap(), expected.as_bytes());
        let mut resolver = Resolver::new(station);
        each_step(input, |input| resolver.step(input));
    });
}

struct Resolver<'a> {
    station: &'a Station,
    socket: usize,
    /// The port that the program asks from.
    port: u16,
    /// All that its server has sent, whole and right.
    sent: HashSet<Vec<u8>>,
    /// The last query, as a packet, for errors to quote.
    query: Vec<u8>,
    /// Tells packets apart: of pieces that lie about it the checksum alone protects, which is no great protection.
    identification: u16,
}

impl<'a> Resolver<'a> {
    fn new(station: &'a Station) -> Self {
        let thread = station.thread();
        let socket = thread.call(general::__NR_socket, &[net::AF_INET as usize, net::SOCK_DGRAM as usize, 0]).unwrap();
        thread.set_nonblocking(socket, true).unwrap();
        thread.connect(socket, (SERVER, PORT)).unwrap();
        let mut resolver =
            Resolver { station, socket, port: 0, sent: HashSet::new(), query: Vec::new(), identification: 0 };
        resolver.ask(b"?");
        assert_ne!(resolver.port, 0, "the query came out");
        resolver
    }

    fn ask(&mut self, query: &[u8]) {
        let _ = self.station.thread().write(self.socket, query);
        self.look();
    }

    fn look(&mut self) {
        for _ in 0..2 {
            self.station.settle();
            for frame in self.station.peer.take() {
                self.station.peer.answer_arp(&frame, OWN);
                if let Some((packet::UDP, _, _, datagram)) = packet::parse_ip(&frame)
                    && let Some((port, PORT, _)) = packet::parse_udp(datagram)
                {
                    self.port = port;
                    self.query = frame[ETHERNET..].to_vec();
                }
            }
        }
    }

    fn step(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        match input.arbitrary::<u8>()? % 8 {
            0 => self.ask(station::bytes(input, 255)?),
            1..4 => self.answer(input)?,
            4 => self.refuse(input)?,
            5 => sleep(pause(input)?),
            _ => self.take(),
        }
        self.look();
        Ok(())
    }

    /// An answer: from the server or not, with the right checksum or not, in one piece or in several.
    fn answer(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let honest = input.ratio(3, 4)?;
        let source = if honest { SERVER } else { station::address(input)? };
        let ports: (u16, u16) = if honest { (PORT, self.port) } else { input.arbitrary()? };
        self.identification += 1;
        let ip = Ip { identification: self.identification, ..Ip::new(source, OWN, packet::UDP) };
        let mut answer = station::bytes(input, 255)?.to_vec();
        if input.ratio(1, 8)? {
            answer.resize(answer.len() + 1000, 7);
        }
        let wrong_by = sum_error(input)?;
        let datagram = packet::udp(&ip, ports.0, ports.1, &answer, Some(wrong_by));
        if source == SERVER && ports == (PORT, self.port) && wrong_by == 0 {
            self.sent.insert(answer);
        }
        if input.ratio(3, 4)? {
            self.station.peer.send(ip.frame(&datagram));
            return Ok(());
        }
        // In pieces of eight bytes and more, in any order, some twice, some never.
        let size = 8 * input.int_in_range(1..=16usize)?;
        let pieces: Vec<&[u8]> = datagram.chunks(size).collect();
        for _ in 0..input.int_in_range(0..=2 * pieces.len().min(16))? {
            let index = input.choose_index(pieces.len())?;
            let more = if index + 1 < pieces.len() { 0x2000 } else { 0 };
            let ip = Ip { fragment: more | (index * size / 8) as u16, ..ip };
            self.station.peer.send(ip.frame(pieces[index]));
        }
        Ok(())
    }

    /// An error about the last query, or about something that looks like it.
    fn refuse(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let [kind, code]: [u8; 2] = input.arbitrary()?;
        let mut quoted = self.query.clone();
        for _ in 0..input.int_in_range(0..=2)? {
            let (at, value): (u8, u8) = input.arbitrary()?;
            let at = usize::from(at) % quoted.len();
            quoted[at] = value;
        }
        quoted.truncate(input.int_in_range(0..=quoted.len())?);
        let message = packet::icmp(if kind < 0xc0 { 3 } else { kind }, code % 16, input.arbitrary()?, &quoted);
        self.station.peer.send(Ip::new(station::address(input)?, OWN, packet::ICMP).frame(&message));
        Ok(())
    }

    /// The program takes all that has come.
    fn take(&mut self) {
        for _ in 0..64 {
            match self.station.thread().read(self.socket, LONGEST) {
                Ok(answer) => {
                    assert!(self.sent.contains(&answer), "the program got what its server never sent: {answer:02x?}")
                }
                Err(error) => {
                    let fitting = error.to_rax() as i64;
                    // EAGAIN, and what an ICMP error may say: ECONNREFUSED, EHOSTUNREACH, ENETUNREACH and their like.
                    assert!((-133..0).contains(&fitting));
                    if fitting == -11 {
                        return;
                    }
                }
            }
        }
    }
}
