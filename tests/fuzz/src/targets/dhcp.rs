//! A DHCP server that says anything. Whatever it says, the kernel has an address that a host can have, or none, and asks at a
//! bearable rate.

use super::station::{self, Station, each_step, pause};
use crate::{
    machine::{SECOND, sleep},
    packet::{self, Ip},
};
use arbitrary::{Result, Unstructured};
use rumpkin_spine::config::{Address, Network};

const SERVER: packet::Address = [10, 0, 0, 2];
/// Bytes of a message up to its options, with the cookie.
const FIXED: usize = 240;

pub fn run(data: &[u8]) {
    let network = || Network { address: Address::Dhcp, ..Network::default() };
    Station::run(data, network, |station, input| {
        let mut requests = Requests::default();
        station.settle();
        requests.look(station);
        each_step(input, |input| {
            if input.ratio(1, 4)? {
                sleep(pause(input)?);
            } else if let Some(answer) = requests.answer(input)? {
                station.peer.send(answer);
            }
            station.settle();
            requests.look(station);
            check(station);
            Ok(())
        });
        // A client without answers asks ever more slowly.
        sleep(300 * SECOND);
        // What waited for room is not silence.
        while !station.peer.take().is_empty() {
            station.settle();
        }
        sleep(300 * SECOND);
        let frames = station.peer.take().len();
        assert!(frames < 40, "{frames} frames in five minutes of silence");
    });
}

/// What a kernel makes known of its lease is what a host can use.
fn check(station: &Station) {
    if let Some(address) = station.net.address() {
        let usable = !address.is_unspecified() && !address.is_broadcast() && !address.is_multicast();
        assert!(usable && !address.is_loopback(), "the kernel took the address {address}");
    }
    let text = String::from_utf8(station.file("/etc/resolv.conf").unwrap()).unwrap();
    assert!(text.lines().count() <= 3, "{text}");
    for line in text.lines() {
        let server = line.strip_prefix("nameserver ").and_then(|server| server.parse::<std::net::Ipv4Addr>().ok());
        assert!(server.is_some(), "{line:?} is no line of resolv.conf");
    }
}

/// The last message of the client.
#[derive(Default)]
struct Requests(Option<Vec<u8>>);

impl Requests {
    fn look(&mut self, station: &Station) {
        for frame in station.peer.take() {
            if let Some((packet::UDP, _, _, datagram)) = packet::parse_ip(&frame)
                && let Some((68, 67, message)) = packet::parse_udp(datagram)
            {
                assert!(message.len() >= FIXED && message.len() <= 576, "a message of {} bytes", message.len());
                self.0 = Some(message.to_vec());
            } else {
                let own = station.net.address().map_or([0; 4], |address| address.octets());
                station.peer.answer_arp(&frame, own);
            }
        }
    }

    /// An answer to the last message, if there was one.
    fn answer(&self, input: &mut Unstructured<'_>) -> Result<Option<Vec<u8>>> {
        let Some(request) = &self.0 else { return Ok(None) };
        let mut reply = request[..FIXED].to_vec();
        reply[0] = 2;
        let asked_to = request[FIXED..].first_chunk::<3>().map_or(0, |option| option[2]);
        let lent = if input.ratio(7, 8)? { [10, 0, 0, 15] } else { input.arbitrary()? };
        reply[16..20].copy_from_slice(&lent);
        // What an honest server says to it, but for what comes behind.
        match input.arbitrary::<u8>()? {
            0..0xa0 => reply.extend([53, 1, if asked_to == 1 { 2 } else { 5 }]),
            0xa0..0xc0 => reply.extend([53, 1, 6]),
            kind => reply.extend([53, 1, kind % 9]),
        }
        if input.ratio(7, 8)? {
            reply.extend([54, 4]);
            reply.extend(SERVER);
        }
        for _ in 0..input.int_in_range(0..=6)? {
            let [choice, code]: [u8; 2] = input.arbitrary()?;
            let code = [1, 3, 6, 51, 58, 59, 0, 52, 53, 54, 12, 15, 119, code, code, 255][usize::from(choice) % 16];
            let value = station::bytes(input, 64)?;
            // The length may lie.
            let length = if choice < 0xe0 { value.len() as u8 } else { choice };
            reply.extend([code, length]);
            reply.extend(value);
        }
        if input.ratio(1, 16)? {
            let (at, value): (u8, u8) = input.arbitrary()?;
            reply[usize::from(at) % FIXED] = value;
        }
        if input.ratio(7, 8)? {
            reply.push(255);
        }
        let ip = Ip::new(if input.ratio(7, 8)? { SERVER } else { station::address(input)? }, [255; 4], packet::UDP);
        let wrong_by = if input.ratio(1, 16)? { Some(1) } else { input.ratio(1, 2)?.then_some(0) };
        Ok(Some(ip.frame(&packet::udp(&ip, 67, 68, &reply, wrong_by))))
    }
}
