//! Headers of Ethernet, ARP (RFC 826), IPv4 (RFC 791), ICMP (RFC 792) and UDP (RFC 768), as they lie in a frame.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    network_endian::{U16, U32},
};

/// An IPv4 address.
pub type Address = core::net::Ipv4Addr;
/// An Ethernet address.
pub type Mac = [u8; 6];

pub const BROADCAST_MAC: Mac = [0xff; 6];
pub const ETHERNET_HEADER: usize = size_of::<EthernetHeader>();
pub const IPV4_HEADER: usize = size_of::<Ipv4Header>();
pub const UDP_HEADER: usize = size_of::<UdpHeader>();
pub const SEGMENT_HEADERS: usize = size_of::<SegmentHeaders>();

pub const ETHERTYPE_IPV4: u16 = 0x0800;
pub const ETHERTYPE_ARP: u16 = 0x0806;

pub const PROTOCOL_ICMP: u8 = 1;
pub const PROTOCOL_TCP: u8 = 6;
pub const PROTOCOL_UDP: u8 = 17;

pub const DONT_FRAGMENT: u16 = 0x4000;
pub const MORE_FRAGMENTS: u16 = 0x2000;
pub const FRAGMENT_OFFSET: u16 = 0x1fff;

pub const ARP_REQUEST: u16 = 1;
pub const ARP_REPLY: u16 = 2;

pub const ICMP_ECHO_REPLY: u8 = 0;
pub const ICMP_UNREACHABLE: u8 = 3;
pub const ICMP_ECHO_REQUEST: u8 = 8;
pub const ICMP_TIME_EXCEEDED: u8 = 11;

macro_rules! headers {
    ($( $(#[$doc:meta])* $name:ident { $($field:ident: $ty:ty),* $(,)? } )*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
        #[repr(C)]
        #[allow(missing_docs)]
        pub struct $name { $(pub $field: $ty),* }
    )* };
}

headers! {
    /// Ethernet II.
    EthernetHeader { destination: Mac, source: Mac, kind: U16 }

    /// ARP for IPv4 over Ethernet.
    ArpPacket {
        hardware: U16, protocol: U16, hardware_length: u8, protocol_length: u8, operation: U16,
        sender_mac: Mac, sender: [u8; 4], target_mac: Mac, target: [u8; 4],
    }

    /// IPv4 without options.
    Ipv4Header {
        version_and_length: u8, service: u8, total_length: U16, identification: U16, fragment: U16,
        time_to_live: u8, protocol: u8, checksum: U16, source: [u8; 4], destination: [u8; 4],
    }

    /// UDP.
    UdpHeader { source: U16, destination: U16, length: U16, checksum: U16 }

    /// Both headers of a datagram.
    DatagramHeaders { ip: Ipv4Header, udp: UdpHeader }

    /// TCP without options.
    TcpHeader {
        source: U16, destination: U16, sequence: U32, acknowledgment: U32, offset: u8, flags: u8,
        window: U16, checksum: U16, urgent: U16,
    }

    /// Both headers of a TCP segment without options.
    SegmentHeaders { ip: Ipv4Header, tcp: TcpHeader }

    /// ICMP.
    IcmpHeader { kind: u8, code: u8, checksum: U16, rest: [u8; 4] }
}

pub const TCP_FIN: u8 = 0x01;
pub const TCP_SYN: u8 = 0x02;
pub const TCP_RST: u8 = 0x04;
pub const TCP_PSH: u8 = 0x08;
pub const TCP_ACK: u8 = 0x10;

impl Ipv4Header {
    /// A header for `payload` bytes, with its checksum.
    pub fn new(route: Route, protocol: u8, payload: usize, identification: u16, fragment: u16) -> Self {
        let mut header = Ipv4Header {
            version_and_length: 0x45,
            service: route.service,
            total_length: U16::new(IPV4_HEADER.saturating_add(payload) as u16),
            identification: U16::new(identification),
            fragment: U16::new(fragment),
            time_to_live: route.time_to_live,
            protocol,
            checksum: U16::new(0),
            source: route.source.octets(),
            destination: route.destination.octets(),
        };
        header.checksum = U16::new(!checksum(0, header.as_bytes()));
        header
    }

    /// Bytes of the header, options included.
    pub fn header_length(&self) -> usize {
        usize::from(self.version_and_length & 0xf).saturating_mul(4)
    }

    pub fn source(&self) -> Address {
        self.source.into()
    }

    pub fn destination(&self) -> Address {
        self.destination.into()
    }

    /// Whether it is a piece of a datagram.
    pub fn is_fragment(&self) -> bool {
        self.fragment.get() & (MORE_FRAGMENTS | FRAGMENT_OFFSET) != 0
    }
}

/// What an outgoing IPv4 header says besides lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    pub source: Address,
    pub destination: Address,
    pub time_to_live: u8,
    pub service: u8,
}

impl Route {
    /// With the usual time to live.
    pub fn new(source: Address, destination: Address) -> Self {
        Route { source, destination, time_to_live: 64, service: 0 }
    }
}

/// Adds data to an Internet checksum (RFC 1071), uncomplemented. Only the last piece may have an odd length.
pub fn checksum(start: u16, data: &[u8]) -> u16 {
    // Sums are endian-independent up to a swap, so words are summed as the processor loads them.
    let mut sum = u64::from(start.to_be());
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        sum = sum.wrapping_add(u64::from(u32::from_ne_bytes(*word)));
    }
    let mut last = [0; 4];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    sum = sum.wrapping_add(u64::from(u32::from_ne_bytes(last)));
    while sum > 0xffff {
        sum = (sum & 0xffff).wrapping_add(sum >> 16);
    }
    u16::from_be(sum as u16)
}

/// The sum of the pseudo-header of TCP and UDP, uncomplemented.
pub fn pseudo_header(source: Address, destination: Address, protocol: u8, length: usize) -> u16 {
    let sum = checksum(0, &source.octets());
    let sum = checksum(sum, &destination.octets());
    let [high, low] = (length as u16).to_be_bytes();
    checksum(sum, &[0, protocol, high, low])
}

/// Splits an IPv4 packet into header and payload. `None` if it is malformed; the header's checksum is verified.
pub fn parse_ipv4(packet: &[u8]) -> Option<(&Ipv4Header, &[u8])> {
    let (header, _) = Ipv4Header::ref_from_prefix(packet).ok()?;
    let length = header.header_length();
    if header.version_and_length >> 4 != 4 || length < IPV4_HEADER {
        return None;
    }
    let total = usize::from(header.total_length.get());
    if checksum(0, packet.get(..length)?) != 0xffff {
        return None;
    }
    Some((header, packet.get(length..total)?))
}

/// The header of a TCP or UDP segment.
pub fn parse<T: FromBytes + Immutable + KnownLayout + Unaligned>(bytes: &[u8]) -> Option<(&T, &[u8])> {
    T::ref_from_prefix(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_of_a_known_header() {
        // The example of RFC 1071 §3, and a header with its checksum in place.
        assert_eq!(checksum(0, &[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
        let route = Route::new(Address::new(10, 0, 2, 15), Address::new(10, 0, 2, 2));
        let header = Ipv4Header::new(route, PROTOCOL_UDP, 0, 7, 0);
        assert_eq!(checksum(0, header.as_bytes()), 0xffff);
        assert!(parse_ipv4(header.as_bytes()).is_some());
    }

    #[test]
    fn checksum_can_be_taken_in_pieces() {
        let data: [u8; 21] = core::array::from_fn(|index| (index as u8).wrapping_mul(37));
        assert_eq!(checksum(checksum(0, &data[..10]), &data[10..]), checksum(0, &data));
    }

    #[test]
    fn truncated_packets_are_refused() {
        let route = Route::new(Address::new(10, 0, 2, 15), Address::new(10, 0, 2, 2));
        let header = Ipv4Header::new(route, PROTOCOL_UDP, 8, 7, 0);
        assert!(parse_ipv4(header.as_bytes()).is_none());
        assert!(parse_ipv4(&header.as_bytes()[..19]).is_none());
    }
}
