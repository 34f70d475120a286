//! Readiness: when a guest counts as started.
use crate::guest::{Forward, Guest, Network};
use crate::qmp;
use rumpkin_configuration::Address;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;
use std::time::Duration;
use thiserror::Error;

/// How long to wait between attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(1);
/// QEMU's network has told by then that the guest refuses.
const REFUSAL: Duration = Duration::from_millis(200);

/// What makes a guest ready.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Condition {
    /// This TCP port of the guest answers.
    Port(u16),
    /// A line of its console contains this.
    Line(String),
}

/// A text is no condition.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("neither tcp:PORT, with a port of the guest, nor line:TEXT, with a piece of a console line")]
pub struct Malformed;

/// Why a port of the guest cannot be reached from here.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Error {
    /// On a tap or bridge: where the guest is.
    #[error(
        "--ready tcp:{0}: the guest's address is not known here; give --address ADDRESS/PREFIX, or --ready line:TEXT"
    )]
    NoAddress(u16),
    /// The guest has no network.
    #[error("--ready tcp:{0}: the guest has no network")]
    NoNetwork(u16),
    /// On QEMU's own network: nothing leads there.
    #[error("--ready tcp:{0}: no port of the host leads there; give --forward HOST:{0}")]
    NotForwarded(u16),
}

impl FromStr for Condition {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Condition, Malformed> {
        match text.split_once(':') {
            Some(("tcp", port)) => port.parse().ok().filter(|port| *port != 0).map(Condition::Port).ok_or(Malformed),
            Some(("line", text)) if !text.is_empty() => Ok(Condition::Line(text.into())),
            _ => Err(Malformed),
        }
    }
}

/// A way to find out whether a port of the guest answers.
#[derive(Debug)]
pub enum Probe {
    /// Over QEMU's own network, which accepts connections before the guest does: QEMU is asked how far they are.
    Forwarded { forward: Forward, control: PathBuf },
    /// The guest's own address.
    Direct(SocketAddrV4),
}

impl Probe {
    /// The way to `port` of `guest`, whose configuration says this of its address.
    ///
    /// # Errors
    /// The port cannot be reached from here.
    pub fn new(port: u16, guest: &Guest, address: Address, control: &Path) -> Result<Probe, Error> {
        match &guest.network {
            Network::None => Err(Error::NoNetwork(port)),
            Network::User(forwards) => {
                let forward = forwards.iter().find(|forward| forward.protocol == "tcp" && forward.guest == port);
                let forward = forward.cloned().ok_or(Error::NotForwarded(port))?;
                Ok(Probe::Forwarded { forward, control: control.to_owned() })
            }
            Network::Tap { .. } | Network::Bridge { .. } => {
                let Address::Static { address, .. } = address else {
                    return Err(Error::NoAddress(port));
                };
                Ok(Probe::Direct(SocketAddrV4::new(address.into(), port)))
            }
        }
    }

    /// Blocks until the port answers, or `abandoned` says that nobody cares any more.
    pub fn wait(&self, abandoned: impl Fn() -> bool) -> bool {
        while !abandoned() {
            if self.answers() {
                return true;
            }
            thread::sleep(PAUSE);
        }
        false
    }

    fn answers(&self) -> bool {
        match self {
            Probe::Direct(address) => TcpStream::connect_timeout(&(*address).into(), ATTEMPT).is_ok(),
            Probe::Forwarded { forward, control } => {
                let address = if forward.address.is_unspecified() { Ipv4Addr::LOCALHOST } else { forward.address };
                let address = SocketAddrV4::new(address, forward.host);
                match TcpStream::connect_timeout(&address.into(), ATTEMPT) {
                    Ok(stream) => is_through(stream, forward, control),
                    Err(_) => false,
                }
            }
        }
    }
}

/// Whether the guest, and not QEMU alone, has accepted a connection.
fn is_through(mut stream: TcpStream, forward: &Forward, control: &Path) -> bool {
    if stream.set_read_timeout(Some(REFUSAL)).is_err() {
        return false;
    }
    match stream.read(&mut [0]) {
        // The guest speaks first.
        Ok(1..) => true,
        // It has refused, and QEMU hung up.
        Ok(0) => false,
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            qmp::user_network(control).is_ok_and(|table| has_established(&table, forward))
        }
        Err(_) => false,
    }
}

/// Whether the table of `info usernet` has a connection through `forward` that the guest has accepted. A line is: protocol and
/// state, descriptor, source address and port, destination address and port, two lengths.
fn has_established(table: &str, forward: &Forward) -> bool {
    table.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [state, _, _, source, _, destination, ..] = words.as_slice() else { return false };
        *state == "TCP[ESTABLISHED]" && source.parse() == Ok(forward.host) && destination.parse() == Ok(forward.guest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(network: Network) -> Guest {
        Guest { image: "i".into(), memory_mib: 16, cpus: 1, network, mac: None, mtu: None, vhost: false, disks: vec![] }
    }

    #[test]
    fn conditions_are_ports_or_lines() {
        assert_eq!("tcp:80".parse(), Ok(Condition::Port(80)));
        assert_eq!("line:a: b".parse(), Ok(Condition::Line("a: b".into())));
        for text in ["", "80", "tcp:", "tcp:0", "tcp:65536", "line:", "udp:53"] {
            assert!(text.parse::<Condition>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn ports_are_looked_for_where_they_can_be_reached() {
        let control = Path::new("c");
        let user = guest(Network::User(vec!["8080:80".parse().unwrap()]));
        assert!(matches!(Probe::new(80, &user, Address::Dhcp, control), Ok(Probe::Forwarded { .. })));
        assert!(Probe::new(81, &user, Address::Dhcp, control).unwrap_err().to_string().contains("--forward HOST:81"));
        let tap = guest(Network::Tap { interface: "t".into() });
        let fixed = Address::Static { address: [10, 0, 0, 2], prefix: 24 };
        let probe = Probe::new(80, &tap, fixed, control).unwrap();
        assert!(matches!(probe, Probe::Direct(address) if address.to_string() == "10.0.0.2:80"));
        assert!(Probe::new(80, &tap, Address::Dhcp, control).unwrap_err().to_string().contains("--address"));
        assert_eq!(Probe::new(80, &guest(Network::None), Address::Dhcp, control).unwrap_err(), Error::NoNetwork(80));
    }

    #[test]
    fn a_connection_counts_when_the_guest_has_accepted_it() {
        let forward: Forward = "8080:80".parse().unwrap();
        let table = |state: &str| {
            format!(
                "Hub -1 (net0):\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\n  \
                 TCP[{state}]  14       127.0.0.1  8080       10.0.2.15    80     0     0\n  \
                 TCP[HOST_FORWARD]  12       127.0.0.1  8080       10.0.2.15    80     0     0\n"
            )
        };
        assert!(has_established(&table("ESTABLISHED"), &forward));
        assert!(!has_established(&table("SYN_SENT"), &forward));
        assert!(!has_established(&table("ESTABLISHED"), &"8081:80".parse().unwrap()));
        assert!(!has_established("", &forward));
    }
}
