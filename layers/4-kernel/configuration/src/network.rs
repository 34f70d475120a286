//! Addresses, and which of them a guest may have.

use crate::{
    describe::{Form, Text},
    node::{Node, Object, Wrong},
};
use alloc::{format, string::String, vec::Vec};
use core::net::Ipv4Addr;

object! {
    /// Addresses of the first link, each one that such a machine can have, and that fit each other.
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    pub struct Network {
        /// The first link's IPv4 address: a machine's own (not of 0/8, 127/8 or from 224/8 on), with a prefix of 1 to 32 bits, and
        /// neither the first nor the last of its network.
        address: Address as Address (or Address::Dhcp => "\"dhcp\""),
        /// Default route: another such address of the same network; DHCP's if it gives one and this is not there.
        gateway: Option<[u8; 4]> as Gateway (optional),
        /// `/etc/resolv.conf`; of a loopback address, the program answers itself. DHCP's if there are none.
        nameservers: Vec<[u8; 4]> as Nameservers (or Vec::new() => "[]"),
    }
    with fits
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

/// Checks that the gateway is in the network.
fn fits(network: &Network, object: &Object<'_>) -> Result<(), Wrong> {
    let (Some(gateway), Address::Static { address, prefix }) = (network.gateway, network.address) else {
        return Ok(());
    };
    not_the_router(gateway, address, prefix).map_or(Ok(()), |why| Err(object.wrong("gateway", why)))
}

impl Address {
    const FORM: Form = Form::Text(Text {
        what: "`\"dhcp\"`, `\"none\"`, or address/prefix",
        pattern: "^(dhcp|none|[0-9]{1,3}(\\.[0-9]{1,3}){3}/([1-9]|[12][0-9]|3[0-2]))$",
        ..Text::ANY
    });

    fn read(node: Node<'_>) -> Result<Address, Wrong> {
        node.parse(parse_address)
    }
}

const IPV4: Text = Text { what: "IPv4 address", format: "ipv4", ..Text::ANY };

struct Gateway;

impl Gateway {
    const FORM: Form = Form::Text(IPV4);

    fn read(node: Node<'_>) -> Result<[u8; 4], Wrong> {
        node.parse(parse_gateway)
    }
}

struct Nameservers;

impl Nameservers {
    const FORM: Form = Form::List { of: &Form::Text(IPV4), least: 0, most: MOST_NAMESERVERS };

    fn read(node: Node<'_>) -> Result<Vec<[u8; 4]>, Wrong> {
        let mut nameservers = Vec::new();
        for server in node.list()? {
            if nameservers.len() >= MOST_NAMESERVERS {
                return Err(node.wrong(format!("has more than {MOST_NAMESERVERS} name servers")));
            }
            nameservers.push(server.parse(parse_nameserver)?);
        }
        Ok(nameservers)
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

fn parse_gateway(text: &str) -> Result<[u8; 4], String> {
    let gateway = parse_ipv4(text)?;
    match not_of_a_machine(gateway) {
        Some(kind) => Err(format!("`{text}` is {kind}, not a router")),
        None => Ok(gateway),
    }
}

/// Why no router of a machine with this address can have that of the gateway.
fn not_the_router(gateway: [u8; 4], address: [u8; 4], prefix: u8) -> Option<String> {
    let text = Ipv4Addr::from(gateway);
    let network = Ipv4Addr::from_bits(bits(address) & mask(prefix));
    if (bits(gateway) ^ bits(address)) & mask(prefix) != 0 {
        return Some(format!(
            "`{text}` is not in {network}/{prefix}, the network of the address; give a router there, or null for none"
        ));
    }
    if gateway == address {
        return Some(format!("`{text}` is the machine's own address"));
    }
    place_in_network(gateway, prefix).map(|kind| format!("`{text}` is {kind} of {network}/{prefix}, not a router"))
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
        assert_eq!(parse_gateway("192.168.0.1"), Ok([192, 168, 0, 1]));
        for (text, why) in [
            ("127.0.0.1", "loopback"),
            ("224.0.0.1", "multicast"),
            ("0.0.0.0", "this network"),
            ("x", "not an IPv4 address"),
        ] {
            let error = parse_gateway(text).unwrap_err();
            assert!(error.contains(why) && error.contains(text), "{text}: {error}");
        }
        let own = [10, 0, 0, 2];
        assert_eq!(not_the_router([10, 0, 0, 1], own, 24), None);
        for (gateway, prefix, why) in [
            ([10, 0, 1, 1], 24, "`10.0.1.1` is not in 10.0.0.0/24"),
            ([10, 0, 0, 2], 24, "`10.0.0.2` is the machine's own address"),
            ([10, 0, 0, 0], 24, "`10.0.0.0` is the address of 10.0.0.0/24"),
            ([10, 0, 0, 255], 24, "`10.0.0.255` is the broadcast address of 10.0.0.0/24"),
            ([10, 0, 0, 1], 32, "`10.0.0.1` is not in 10.0.0.2/32"),
        ] {
            let said = not_the_router(gateway, own, prefix).unwrap_or_default();
            assert!(said.starts_with(why), "{gateway:?}: {said}");
        }
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
