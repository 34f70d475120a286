//! Frames, made of what a target wants in them (RFC 826, 791, 792, 768, 9293). Nothing is checked: frames may be as wrong as they like.

/// An Ethernet address.
pub type Mac = [u8; 6];
/// An IPv4 address.
pub type Address = [u8; 4];

/// The kernel's side of the cable.
pub const KERNEL_MAC: Mac = [2, 0, 0, 0, 0, 1];
/// The other side.
pub const PEER_MAC: Mac = [2, 0, 0, 0, 0, 2];

pub const ETHERNET: usize = 14;
const ARP: u16 = 0x0806;
const IPV4: u16 = 0x0800;
pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;

pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const ACK: u8 = 16;

/// The Internet checksum (RFC 1071).
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&KERNEL_MAC[..], &PEER_MAC, &kind.to_be_bytes(), payload].concat()
}

/// An ARP message for Ethernet and IPv4.
pub fn arp(operation: u16, sender: (Mac, Address), target: (Mac, Address)) -> Vec<u8> {
    let fixed = [0, 1, 8, 0, 6, 4];
    let message = [&fixed[..], &operation.to_be_bytes(), &sender.0, &sender.1, &target.0, &target.1].concat();
    ethernet(ARP, &message)
}

/// Who asks for whose address in an ARP request.
pub fn arp_request(frame: &[u8]) -> Option<(Address, Address)> {
    let message = frame.get(ETHERNET..).filter(|_| frame[12..14] == ARP.to_be_bytes())?;
    let asks = message.get(6..8)? == [0, 1];
    let address = |at: usize| message.get(at..at + 4)?.try_into().ok();
    Some((address(14)?, address(24)?)).filter(|_| asks)
}

/// What an IPv4 header says, but for lengths and checksum.
#[derive(Clone, Copy)]
pub struct Ip<'a> {
    pub source: Address,
    pub destination: Address,
    pub protocol: u8,
    pub identification: u16,
    /// Flags and offset.
    pub fragment: u16,
    /// Of any length; cut and filled up to whole words.
    pub options: &'a [u8],
}

impl Ip<'_> {
    /// A whole packet of a protocol.
    pub fn new(source: Address, destination: Address, protocol: u8) -> Self {
        Ip { source, destination, protocol, identification: 0, fragment: 0, options: &[] }
    }

    /// The frame.
    pub fn frame(&self, payload: &[u8]) -> Vec<u8> {
        let mut options = self.options[..self.options.len().min(40)].to_vec();
        options.resize(options.len().next_multiple_of(4), 0);
        let length = 20 + options.len();
        let mut header = vec![0x40 | (length / 4) as u8, 0];
        header.extend(((length + payload.len()).min(0xffff) as u16).to_be_bytes());
        header.extend(self.identification.to_be_bytes());
        header.extend(self.fragment.to_be_bytes());
        header.extend([64, self.protocol, 0, 0]);
        header.extend(self.source);
        header.extend(self.destination);
        header.extend(options);
        let sum = checksum(&[&header]);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        ethernet(IPV4, &[&header[..], payload].concat())
    }

    fn sum(&self, payload: &[u8]) -> u16 {
        let length = (payload.len() as u16).to_be_bytes();
        checksum(&[&self.source, &self.destination, &[0, self.protocol], &length, payload])
    }
}

/// An IPv4 packet's protocol, source, destination and payload.
pub fn parse_ip(frame: &[u8]) -> Option<(u8, Address, Address, &[u8])> {
    let packet = frame.get(ETHERNET..).filter(|_| frame[12..14] == IPV4.to_be_bytes())?;
    let length = usize::from(packet.first()? & 15) * 4;
    let total = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
    let address = |at: usize| packet.get(at..at + 4)?.try_into().ok();
    Some((*packet.get(9)?, address(12)?, address(16)?, packet.get(length..total)?))
}

/// A UDP datagram, with a checksum of zero (none), the right one, or one beside it.
pub fn udp(ip: &Ip<'_>, source: u16, destination: u16, payload: &[u8], wrong_by: Option<u16>) -> Vec<u8> {
    let length = 8 + payload.len() as u16;
    let header = [source.to_be_bytes(), destination.to_be_bytes(), length.to_be_bytes(), [0, 0]].concat();
    let mut datagram = [&header, payload].concat();
    if let Some(wrong_by) = wrong_by {
        let sum = match ip.sum(&datagram).wrapping_add(wrong_by) {
            0 => 0xffff,
            sum => sum,
        };
        datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    }
    datagram
}

/// The source port, destination port and payload of a UDP datagram.
pub fn parse_udp(datagram: &[u8]) -> Option<(u16, u16, &[u8])> {
    let port = |at: usize| Some(u16::from_be_bytes([*datagram.get(at)?, *datagram.get(at + 1)?]));
    Some((port(0)?, port(2)?, datagram.get(8..)?))
}

/// What a TCP header says.
#[derive(Clone, Copy)]
pub struct Tcp<'a> {
    pub source: u16,
    pub destination: u16,
    pub sequence: u32,
    pub acknowledgment: u32,
    pub flags: u8,
    pub window: u16,
    pub urgent: u16,
    /// Of any length; cut and filled up to whole words.
    pub options: &'a [u8],
}

impl Tcp<'_> {
    /// The segment, its checksum right or beside it.
    pub fn segment(&self, ip: &Ip<'_>, payload: &[u8], wrong_by: u16) -> Vec<u8> {
        let mut options = self.options[..self.options.len().min(40)].to_vec();
        options.resize(options.len().next_multiple_of(4), 0);
        let mut segment = [self.source.to_be_bytes(), self.destination.to_be_bytes()].concat();
        segment.extend(self.sequence.to_be_bytes());
        segment.extend(self.acknowledgment.to_be_bytes());
        segment.extend([((20 + options.len()) as u8 / 4) << 4, self.flags]);
        segment.extend(self.window.to_be_bytes());
        segment.extend([0, 0]);
        segment.extend(self.urgent.to_be_bytes());
        segment.extend(options);
        segment.extend(payload);
        let sum = ip.sum(&segment).wrapping_add(wrong_by);
        segment[16..18].copy_from_slice(&sum.to_be_bytes());
        segment
    }
}

/// Where a segment that the kernel sent leaves the conversation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Port of the kernel.
    pub local: u16,
    /// Port of the peer.
    pub remote: u16,
    /// What the kernel will send next.
    pub next: u32,
    /// What it expects next.
    pub expected: u32,
}

impl Seen {
    /// What a segment of the kernel says.
    pub fn parse(segment: &[u8]) -> Option<Seen> {
        let half = |at: usize| Some(u16::from_be_bytes([*segment.get(at)?, *segment.get(at + 1)?]));
        let word = |at: usize| Some(u32::from(half(at)?) << 16 | u32::from(half(at + 2)?));
        let data = segment.len().checked_sub(usize::from(segment.get(12)? >> 4) * 4)? as u32;
        let flags = segment[13];
        let phantom = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        let next = word(4)?.wrapping_add(data).wrapping_add(phantom);
        Some(Seen { local: half(0)?, remote: half(2)?, next, expected: word(8)? })
    }
}

/// An ICMP message with its checksum.
pub fn icmp(kind: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut message = [&[kind, code, 0, 0], &rest[..], payload].concat();
    let sum = checksum(&[&message]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}
