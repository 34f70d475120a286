//! ICMP (RFC 792, RFC 1122 §3.2.2): echo replies, and errors in both directions.

use super::{Ip, wire::*};
use rumpkin_spine::Errno;
use zerocopy::{FromBytes, IntoBytes};

/// "Port unreachable", a code of [`ICMP_UNREACHABLE`].
const PORT_UNREACHABLE: u8 = 3;
/// Errors that we send in a second, at most.
const MAX_ERRORS_PER_SECOND: u32 = 100;

/// How many errors were sent in the present second.
#[derive(Default)]
pub struct ErrorBudget {
    second: u64,
    sent: u32,
}

/// An error that a packet of ours met on its way.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// What a socket says of it.
    pub error: Errno,
    /// Nobody listens there: final for a connection attempt.
    pub refused: bool,
    /// Protocol of our packet.
    pub protocol: u8,
    /// Its source.
    pub local: (Address, u16),
    /// Its destination.
    pub remote: (Address, u16),
}

/// Takes a message that was sent to us: answers an echo request, or says which of our packets met an error.
pub fn receive(ip: &mut Ip, header: &Ipv4Header, message: &[u8]) -> Option<Problem> {
    let (icmp, rest) = parse::<IcmpHeader>(message)?;
    if checksum(0, message) != 0xffff {
        return None;
    }
    match icmp.kind {
        // Only to our very own address: answering broadcasts makes an amplifier (RFC 1122 §3.2.2.6).
        ICMP_ECHO_REQUEST if icmp.code == 0 && ip.is_own(header.destination()) => {
            let route = Route::new(header.destination(), header.source());
            send(ip, route, ICMP_ECHO_REPLY, 0, icmp.rest, rest);
            None
        }
        ICMP_UNREACHABLE | ICMP_TIME_EXCEEDED => problem(icmp, rest),
        _ => None,
    }
}

fn problem(icmp: &IcmpHeader, quoted: &[u8]) -> Option<Problem> {
    let (header, _) = parse::<Ipv4Header>(quoted)?;
    let transport = quoted.get(header.header_length()..)?;
    // The ports are the first thing in TCP and UDP alike.
    let (ports, _) = <[u8; 4]>::ref_from_prefix(transport).ok()?;
    let [a, b, c, d] = *ports;
    let error = match (icmp.kind, icmp.code) {
        (ICMP_UNREACHABLE, 0 | 6 | 11) => Errno::ENETUNREACH,
        (ICMP_UNREACHABLE, 2 | PORT_UNREACHABLE) => Errno::ECONNREFUSED,
        // "Fragmentation needed": our packets are at most the link's MTU, and there is no path MTU discovery.
        (ICMP_UNREACHABLE, 4) => return None,
        _ => Errno::EHOSTUNREACH,
    };
    Some(Problem {
        error,
        refused: error == Errno::ECONNREFUSED,
        protocol: header.protocol,
        local: (header.source(), u16::from_be_bytes([a, b])),
        remote: (header.destination(), u16::from_be_bytes([c, d])),
    })
}

/// Tells the sender of a UDP datagram that nobody has that port.
pub fn send_port_unreachable(ip: &mut Ip, budget: &mut ErrorBudget, packet: &[u8]) {
    let Some((header, _)) = parse::<Ipv4Header>(packet) else { return };
    // Never about something that was not sent to us alone, or does not come from one machine.
    if !ip.is_own(header.destination()) || header.source().is_multicast() || header.source().is_unspecified() {
        return;
    }
    let second = ip.now / 1_000_000_000;
    if budget.second != second {
        *budget = ErrorBudget { second, sent: 0 };
    }
    if budget.sent >= MAX_ERRORS_PER_SECOND {
        return;
    }
    budget.sent = budget.sent.saturating_add(1);
    let quoted = packet.get(..packet.len().min(header.header_length().saturating_add(8))).unwrap_or_default();
    let route = Route::new(header.destination(), header.source());
    send(ip, route, ICMP_UNREACHABLE, PORT_UNREACHABLE, [0; 4], quoted);
}

fn send(ip: &mut Ip, route: Route, kind: u8, code: u8, rest: [u8; 4], data: &[u8]) {
    let mut icmp = IcmpHeader { kind, code, checksum: 0.into(), rest };
    icmp.checksum.set(!checksum(checksum(0, icmp.as_bytes()), data));
    let length = icmp.as_bytes().len().saturating_add(data.len());
    let header = Ipv4Header::new(route, PROTOCOL_ICMP, length, ip.next_identification(), 0);
    // A reply that finds no way back is lost.
    let _ = ip.send_packet(&[header.as_bytes(), icmp.as_bytes(), data]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_packet_names_the_socket() {
        let route = Route::new(Address::new(10, 0, 0, 1), Address::new(10, 0, 0, 2));
        let ours = Ipv4Header::new(route, PROTOCOL_UDP, 8, 0, 0);
        let quoted = [ours.as_bytes(), &[0x12, 0x34, 0, 53, 0, 8, 0, 0]].concat();
        let icmp = IcmpHeader { kind: ICMP_UNREACHABLE, code: PORT_UNREACHABLE, checksum: 0.into(), rest: [0; 4] };
        let problem = problem(&icmp, &quoted).unwrap();
        assert_eq!(problem.error, Errno::ECONNREFUSED);
        assert_eq!((problem.local.1, problem.remote), (0x1234, (Address::new(10, 0, 0, 2), 53)));
    }
}
