//! Addresses, and which of them a guest may have.

use crate::node::{Node, Wrong};
use alloc::{format, string::String, vec::Vec};
use core::net::Ipv4Addr;

/// Addresses of the first link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Where the address comes from.
    pub address: Address,
    /// Default route; DHCP's if it gives one and this is `None`.
    pub gateway: Option<[u8; 4]>,
    /// Name servers, for `/etc/resolv.conf`; DHCP's if empty.
    pub nameservers: Vec<[u8; 4]>,
}

/// Where the address of a link comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Address {
    /// Ask by DHCP.
    #[default]
    Dhcp,
    /// This one.
    Static {
        /// The address.
        address: [u8; 4],
        /// Bits of the network part, 1 to 32.
        prefix: u8,
    },
    /// The link stays down.
    None,
}

impl Network {
    /// Checks the value of the key `network`: each address is one that such a machine can have, and they fit each other.
    ///
    /// # Errors
    /// The complaint names the key.
    pub fn read(node: Node<'_>) -> Result<Network, Wrong> {
        let mut node = node.object()?;
        let address = node.take("address").map(|node| node.parse(parse_address)).transpose()?.unwrap_or_default();
        let gateway = node.take("gateway").map(|node| node.parse(|text| parse_gateway(text, address))).transpose()?;
        let mut nameservers = Vec::new();
        if let Some(list) = node.take("nameservers") {
            for server in list.list()? {
                if nameservers.len() >= MOST_NAMESERVERS {
                    return Err(list.wrong(format!("has more than {MOST_NAMESERVERS} name servers")));
                }
                nameservers.push(server.parse(parse_nameserver)?);
            }
        }
        node.finish()?;
        Ok(Network { address, gateway, nameservers })
    }
}

/// No C library asks more than three (`MAXNS` of resolv.h); a few more do no harm.
const MOST_NAMESERVERS: usize = 16;

/// Parses an IPv4 address; the error says what is wrong with it.
pub fn parse_ipv4(text: &str) -> Result<[u8; 4], String> {
    let address = text.parse::<Ipv4Addr>();
    address.map(|address| address.octets()).map_err(|_| format!("`{text}` is not an IPv4 address like 10.0.2.2"))
}

fn parse_address(text: &str) -> Result<Address, String> {
    match text {
        "dhcp" => return Ok(Address::Dhcp),
        "none" => return Ok(Address::None),
        _ => {}
    }
    let wrong = || format!("`{text}` is neither \"dhcp\" nor \"none\" nor an address like 10.0.2.15/24");
    let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let address = parse_ipv4(address).map_err(|_| wrong())?;
    let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32).ok_or_else(wrong)?;
    let refused = |why: &str| Err(format!("`{text}` {why}; a machine's own address is wanted, like 10.0.2.15/24"));
    if prefix == 0 {
        return refused("has a prefix of no bits, which makes the whole internet one link");
    }
    if let Some(kind) = not_of_a_machine(address) {
        return refused(&format!("is {kind}"));
    }
    match place_in_network(address, prefix) {
        None => Ok(Address::Static { address, prefix }),
        Some(kind) => refused(&format!("is {kind} of its own network")),
    }
}

fn parse_gateway(text: &str, address: Address) -> Result<[u8; 4], String> {
    let gateway = parse_ipv4(text)?;
    if let Some(kind) = not_of_a_machine(gateway) {
        return Err(format!("`{text}` is {kind}, not a router"));
    }
    if let Address::Static { address, prefix } = address {
        let network = Ipv4Addr::from_bits(bits(address) & mask(prefix));
        if (bits(gateway) ^ bits(address)) & mask(prefix) != 0 {
            return Err(format!(
                "`{text}` is not in {network}/{prefix}, the network of the address; give a router there, or null for none"
            ));
        }
        if gateway == address {
            return Err(format!("`{text}` is the machine's own address"));
        }
        if let Some(kind) = place_in_network(gateway, prefix) {
            return Err(format!("`{text}` is {kind} of {network}/{prefix}, not a router"));
        }
    }
    Ok(gateway)
}

fn parse_nameserver(text: &str) -> Result<[u8; 4], String> {
    let address = parse_ipv4(text)?;
    match not_of_a_machine(address) {
        // The program may be one itself.
        Some(_) if Ipv4Addr::from(address).is_loopback() => Ok(address),
        Some(kind) => Err(format!("`{text}` is {kind}, not a name server")),
        None => Ok(address),
    }
}

/// Why no machine on a link can have this address, whatever the link (RFC 1122, §3.2.1.3; RFC 1112, §4).
fn not_of_a_machine(address: [u8; 4]) -> Option<&'static str> {
    match address {
        [255, 255, 255, 255] => Some("the broadcast address"),
        [0, ..] => Some("an address of \"this network\", 0.0.0.0/8"),
        [127, ..] => Some("an address of the loopback, 127.0.0.0/8"),
        [224..=239, ..] => Some("a multicast address, of 224.0.0.0/4"),
        [240..=255, ..] => Some("a reserved address, of 240.0.0.0/4"),
        _ => None,
    }
}

/// Why no machine on a link with this prefix can have this address. In one of 31 or 32 bits all are machines' (RFC 3021).
fn place_in_network(address: [u8; 4], prefix: u8) -> Option<&'static str> {
    if prefix >= 31 {
        return None;
    }
    match bits(address) & !mask(prefix) {
        0 => Some("the address"),
        host if host == !mask(prefix) => Some("the broadcast address"),
        _ => None,
    }
}

fn bits(address: [u8; 4]) -> u32 {
    u32::from_be_bytes(address)
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32u32.saturating_sub(prefix.into())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_that_a_machine_can_have() {
        for text in [
            "10.0.2.15/24",
            "192.168.0.1/16",
            "10.0.0.0/31",
            "10.0.0.1/31",
            "10.0.0.255/32",
            "1.0.0.1/1",
            "169.254.1.1/16",
        ] {
            assert!(matches!(parse_address(text), Ok(Address::Static { .. })), "{text}");
        }
        for (text, why) in [
            ("255.255.255.255/0", "no bits"),
            ("10.0.0.1/0", "no bits"),
            ("255.255.255.255/32", "the broadcast address;"),
            ("127.0.0.1/8", "loopback"),
            ("0.0.0.0/8", "this network"),
            ("0.1.2.3/8", "this network"),
            ("224.0.0.1/24", "multicast"),
            ("239.255.255.255/8", "multicast"),
            ("240.0.0.1/8", "reserved"),
            ("10.0.0.0/24", "the address of its own network"),
            ("10.0.0.255/24", "the broadcast address of its own network"),
            ("10.0.0.3/30", "the broadcast address of its own network"),
            ("10.0.0.1/33", "neither"),
            ("10.0.0.1/-1", "neither"),
            ("10.0.0.1/", "neither"),
            ("10.0.0.1", "neither"),
            ("010.0.0.1/8", "neither"),
        ] {
            let error = parse_address(text).unwrap_err();
            assert!(error.contains(why) && error.contains(text), "{text}: {error}");
        }
    }

    #[test]
    fn gateways_are_other_machines_of_the_network() {
        let own = Address::Static { address: [10, 0, 0, 2], prefix: 24 };
        assert_eq!(parse_gateway("10.0.0.1", own), Ok([10, 0, 0, 1]));
        assert_eq!(parse_gateway("192.168.0.1", Address::Dhcp), Ok([192, 168, 0, 1]));
        for (text, why) in [
            ("10.0.1.1", "is not in 10.0.0.0/24"),
            ("10.0.0.2", "own address"),
            ("10.0.0.0", "is the address of 10.0.0.0/24"),
            ("10.0.0.255", "is the broadcast address of 10.0.0.0/24"),
            ("127.0.0.1", "loopback"),
            ("224.0.0.1", "multicast"),
            ("x", "not an IPv4 address"),
        ] {
            let error = parse_gateway(text, own).unwrap_err();
            assert!(error.contains(why) && error.contains(text), "{text}: {error}");
        }
        assert!(parse_gateway("10.0.0.1", Address::Static { address: [10, 0, 0, 2], prefix: 32 }).is_err());
        assert!(parse_gateway("0.0.0.0", Address::Dhcp).is_err());
    }

    #[test]
    fn name_servers_are_machines_or_the_program_itself() {
        assert_eq!(parse_nameserver("127.0.0.1"), Ok([127, 0, 0, 1]));
        assert_eq!(parse_nameserver("9.9.9.9"), Ok([9, 9, 9, 9]));
        for text in ["0.0.0.0", "255.255.255.255", "224.0.0.251"] {
            assert!(parse_nameserver(text).is_err(), "{text}");
        }
    }
}
