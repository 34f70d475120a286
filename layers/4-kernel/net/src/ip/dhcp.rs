//! A DHCP client (RFC 2131, options of RFC 2132): a state machine that is told of time and messages, and says what to send.
//!
//! ```text
//!   SELECTING ──offer──▶ REQUESTING ──ack──▶ BOUND ──T1──▶ RENEWING ──T2──▶ REBINDING
//!       ▲                    │ nak, silence    ▲──────ack──────┴──────────────┤
//!       └────────────────────┴─────────────────────────nak, lease over────────┘
//! ```

use super::wire::{Address, Mac};
use alloc::string::String;

pub const SERVER_PORT: u16 = 67;
pub const CLIENT_PORT: u16 = 68;

const SECOND: u64 = 1_000_000_000;
/// The first silence before trying again: short, for it delays the boot; it doubles each time.
const FIRST_RETRY: u64 = SECOND / 2;
const LONGEST_RETRY: u64 = 32 * SECOND;
/// Requests without an answer before asking all servers anew.
const MAX_REQUESTS: u32 = 4;
/// Shortest pause between attempts to renew (RFC 2131 §4.4.5).
const SHORTEST_RENEWAL: u64 = 60 * SECOND;

const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Bytes before the options: the BOOTP fields and the cookie.
const FIXED: usize = 240;
const MINIMUM: usize = 300;
/// What every server takes (RFC 2131 §2), and more than all of our options.
const LONGEST: usize = 548;
/// Name servers that a resolver heeds (`MAXNS`, resolv.conf(5)).
pub const MAX_NAMESERVERS: usize = 3;

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;
const NAK: u8 = 6;

/// What the server has lent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub address: Address,
    pub prefix: u8,
    pub gateway: Option<Address>,
    pub nameservers: [Option<Address>; MAX_NAMESERVERS],
    server: Address,
    renew_at: u64,
    rebind_at: u64,
    ends_at: u64,
}

enum State {
    Selecting,
    Requesting { address: Address, server: Address },
    Bound(Lease),
    Renewing(Lease),
    Rebinding(Lease),
}

/// A message to send: to the server's address if it says one, else to everyone.
#[derive(Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub to: Option<Address>,
    pub message: Message,
}

/// The bytes of a message.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Message {
    fn new() -> Message {
        Message { bytes: [0; LONGEST], length: 0 }
    }

    /// Appends as much as there is room for.
    fn put(&mut self, bytes: &[u8]) {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        self.length = self.length.saturating_add(bytes.len()).min(LONGEST);
    }

    /// Leaves zeroes until it has this length.
    fn pad(&mut self, length: usize) {
        self.length = self.length.max(length).min(LONGEST);
    }

    fn option(&mut self, code: u8, value: &[u8]) {
        let value = value.get(..value.len().min(255)).unwrap_or_default();
        self.put(&[code, value.len() as u8]);
        self.put(value);
    }
}

impl core::ops::Deref for Message {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// What has changed.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The address may be used.
    Bound(Lease),
    /// It may not be used any longer.
    Lost,
}

/// The client.
pub struct Client {
    mac: Mac,
    hostname: String,
    state: State,
    transaction: u32,
    attempts: u32,
    started: u64,
    /// When to call [`Client::expire`].
    pub deadline: u64,
}

impl Client {
    /// A client whose first step is due at once.
    pub fn new(mac: Mac, hostname: &str, now: u64) -> Self {
        Client {
            mac,
            hostname: String::from(hostname),
            state: State::Selecting,
            transaction: rumpuser::random::next_u64() as u32,
            attempts: 0,
            started: now,
            deadline: now,
        }
    }

    /// The deadline has come.
    pub fn expire(&mut self, now: u64) -> (Option<Outgoing>, Option<Event>) {
        let mut event = None;
        match &self.state {
            State::Requesting { .. } if self.attempts >= MAX_REQUESTS => self.restart(now),
            State::Bound(lease) => self.state = State::Renewing(*lease),
            State::Renewing(lease) if now >= lease.rebind_at => self.state = State::Rebinding(*lease),
            State::Rebinding(lease) if now >= lease.ends_at => {
                event = Some(Event::Lost);
                self.restart(now);
            }
            _ => {}
        }
        (Some(self.send(now)), event)
    }

    fn restart(&mut self, now: u64) {
        self.state = State::Selecting;
        self.transaction = rumpuser::random::next_u64() as u32;
        self.attempts = 0;
        self.started = now;
    }

    /// The message of the present state; the next deadline is set.
    fn send(&mut self, now: u64) -> Outgoing {
        let backoff = FIRST_RETRY.saturating_mul(1u64.checked_shl(self.attempts).unwrap_or(u64::MAX));
        // Up to a quarter more, so that many clients started at once do not stay in step.
        let jitter = rumpuser::random::next_u64() % (FIRST_RETRY / 4);
        self.attempts = self.attempts.saturating_add(1);
        let halfway = |end: u64| end.saturating_sub(now) / 2;
        let pause = match &self.state {
            State::Renewing(lease) => halfway(lease.rebind_at).max(SHORTEST_RENEWAL),
            State::Rebinding(lease) => halfway(lease.ends_at).max(SHORTEST_RENEWAL),
            _ => backoff.min(LONGEST_RETRY).saturating_add(jitter),
        };
        self.deadline = match &self.state {
            State::Renewing(lease) => now.saturating_add(pause).min(lease.rebind_at.max(now)),
            State::Rebinding(lease) => now.saturating_add(pause).min(lease.ends_at.max(now)),
            _ => now.saturating_add(pause),
        };
        match &self.state {
            State::Selecting => Outgoing { to: None, message: self.message(DISCOVER, None, None, None, now) },
            State::Requesting { address, server } => {
                Outgoing { to: None, message: self.message(REQUEST, None, Some(*address), Some(*server), now) }
            }
            State::Bound(lease) | State::Renewing(lease) => Outgoing {
                to: Some(lease.server),
                message: self.message(REQUEST, Some(lease.address), None, None, now),
            },
            State::Rebinding(lease) => {
                Outgoing { to: None, message: self.message(REQUEST, Some(lease.address), None, None, now) }
            }
        }
    }

    fn message(
        &self,
        kind: u8,
        own: Option<Address>,
        requested: Option<Address>,
        server: Option<Address>,
        now: u64,
    ) -> Message {
        let mut message = Message::new();
        // op, htype, hlen, hops
        message.put(&[1, 1, 6, 0]);
        message.put(&self.transaction.to_be_bytes());
        let seconds = now.saturating_sub(self.started) / SECOND;
        message.put(&(seconds.min(u64::from(u16::MAX)) as u16).to_be_bytes());
        message.put(&[0, 0]);
        message.put(&own.unwrap_or(Address::UNSPECIFIED).octets());
        // yiaddr, siaddr, giaddr
        message.put(&[0; 12]);
        message.put(&self.mac);
        message.pad(FIXED.saturating_sub(COOKIE.len()));
        message.put(&COOKIE);
        message.option(53, &[kind]);
        let [a, b, c, d, e, f] = self.mac;
        message.option(61, &[1, a, b, c, d, e, f]);
        if let Some(requested) = requested {
            message.option(50, &requested.octets());
        }
        if let Some(server) = server {
            message.option(54, &server.octets());
        }
        if !self.hostname.is_empty() {
            message.option(12, self.hostname.as_bytes());
        }
        // Subnet mask, router, name servers, lease, T1, T2.
        message.option(55, &[1, 3, 6, 51, 58, 59]);
        message.put(&[255]);
        message.pad(MINIMUM);
        message
    }

    /// Takes a message that came to [`CLIENT_PORT`].
    pub fn receive(&mut self, message: &[u8], now: u64) -> (Option<Outgoing>, Option<Event>) {
        let Some(reply) = Reply::parse(message) else { return (None, None) };
        if reply.transaction != self.transaction || reply.mac != self.mac {
            return (None, None);
        }
        match (&self.state, reply.kind) {
            (State::Selecting, OFFER) => {
                let (Some(server), true) = (reply.server, usable(reply.address)) else { return (None, None) };
                self.state = State::Requesting { address: reply.address, server };
                self.attempts = 0;
                (Some(self.send(now)), None)
            }
            (State::Requesting { server, .. }, ACK) => {
                let server = *server;
                self.bind(&reply, server, now)
            }
            (State::Renewing(lease) | State::Rebinding(lease), ACK) => {
                let server = lease.server;
                self.bind(&reply, server, now)
            }
            (State::Requesting { .. }, NAK) => {
                self.restart(now);
                self.deadline = now.saturating_add(SECOND);
                (None, None)
            }
            (State::Renewing(_) | State::Rebinding(_), NAK) => {
                self.restart(now);
                self.deadline = now;
                (None, Some(Event::Lost))
            }
            _ => (None, None),
        }
    }

    fn bind(&mut self, reply: &Reply, server: Address, now: u64) -> (Option<Outgoing>, Option<Event>) {
        if !usable(reply.address) {
            return (None, None);
        }
        // Without a lease time: a day. Never less than a minute, so that a broken server cannot keep us busy.
        let seconds = u64::from(reply.lease.unwrap_or(86_400)).max(60);
        let at = |seconds: u64| now.saturating_add(seconds.saturating_mul(SECOND));
        let renew = reply.renew.map_or(seconds / 2, u64::from).clamp(30, seconds);
        let rebind = reply.rebind.map_or(seconds.saturating_mul(7) / 8, u64::from).clamp(renew, seconds);
        let lease = Lease {
            address: reply.address,
            prefix: reply.mask.map_or(24, |mask| u32::from(mask).leading_ones() as u8),
            gateway: reply.router.filter(|router| usable(*router)),
            nameservers: reply.nameservers,
            server: reply.server.unwrap_or(server),
            renew_at: at(renew),
            rebind_at: at(rebind),
            ends_at: at(seconds),
        };
        self.deadline = lease.renew_at;
        self.attempts = 0;
        self.started = lease.renew_at;
        self.state = State::Bound(lease);
        (None, Some(Event::Bound(lease)))
    }
}

fn usable(address: Address) -> bool {
    !(address.is_unspecified() || address.is_broadcast() || address.is_multicast() || address.is_loopback())
}

/// What a server's message says.
struct Reply {
    kind: u8,
    transaction: u32,
    mac: Mac,
    address: Address,
    server: Option<Address>,
    mask: Option<Address>,
    router: Option<Address>,
    nameservers: [Option<Address>; MAX_NAMESERVERS],
    lease: Option<u32>,
    renew: Option<u32>,
    rebind: Option<u32>,
}

impl Reply {
    fn parse(message: &[u8]) -> Option<Reply> {
        let word = |at: usize| message.get(at..).and_then(<[u8]>::first_chunk::<4>).copied();
        if message.first() != Some(&2) || word(FIXED.saturating_sub(4)) != Some(COOKIE) {
            return None;
        }
        let mut reply = Reply {
            kind: 0,
            transaction: u32::from_be_bytes(word(4)?),
            mac: *message.get(28..).and_then(<[u8]>::first_chunk::<6>)?,
            address: word(16)?.into(),
            server: None,
            mask: None,
            router: None,
            nameservers: [None; MAX_NAMESERVERS],
            lease: None,
            renew: None,
            rebind: None,
        };
        let mut rest = message.get(FIXED..)?;
        while let Some((&code, after)) = rest.split_first() {
            if code == 0 {
                rest = after;
                continue;
            }
            if code == 255 {
                break;
            }
            let (&length, after) = after.split_first()?;
            let (value, after) = after.split_at_checked(usize::from(length))?;
            let number = || value.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes));
            let address = || number().map(Address::from);
            match code {
                53 => reply.kind = *value.first()?,
                54 => reply.server = address(),
                1 => reply.mask = address(),
                3 => reply.router = address(),
                6 => {
                    let mut given = value.as_chunks::<4>().0.iter().map(|address| Address::from(*address));
                    reply.nameservers = core::array::from_fn(|_| given.next());
                }
                51 => reply.lease = number(),
                58 => reply.renew = number(),
                59 => reply.rebind = number(),
                _ => {}
            }
            rest = after;
        }
        Some(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use rumpuser_hosted as _;

    const MAC: Mac = [2, 0, 0, 0, 0, 1];

    fn reply(client: &Client, kind: u8) -> Vec<u8> {
        let mut message = client.message(kind, None, None, None, 0);
        message.bytes[0] = 2;
        message.bytes[16..20].copy_from_slice(&[10, 0, 2, 15]);
        message.length = FIXED;
        message.option(53, &[kind]);
        message.option(54, &[10, 0, 2, 2]);
        message.option(1, &[255, 255, 255, 0]);
        message.option(3, &[10, 0, 2, 2]);
        message.option(6, &[10, 0, 2, 3]);
        message.option(51, &3600u32.to_be_bytes());
        message.put(&[255]);
        message.to_vec()
    }

    fn bound() -> (Client, Lease) {
        let mut client = Client::new(MAC, "host", 0);
        assert_eq!(client.expire(0).0.unwrap().to, None);
        let (request, _) = client.receive(&reply(&client, OFFER), 1);
        assert!(request.unwrap().message.windows(6).any(|option| option == [50, 4, 10, 0, 2, 15]));
        let (_, event) = client.receive(&reply(&client, ACK), 2);
        let Some(Event::Bound(lease)) = event else { panic!("not bound") };
        (client, lease)
    }

    #[test]
    fn four_messages_give_an_address() {
        let (client, lease) = bound();
        assert_eq!((lease.address, lease.prefix), (Address::new(10, 0, 2, 15), 24));
        assert_eq!(
            (lease.gateway, lease.nameservers),
            (Some(Address::new(10, 0, 2, 2)), [Some([10, 0, 2, 3].into()), None, None])
        );
        assert_eq!(client.deadline, 2 + 1800 * SECOND);
    }

    #[test]
    fn a_lease_is_renewed_then_rebound_then_lost() {
        let (mut client, lease) = bound();
        let (message, _) = client.expire(lease.renew_at);
        assert_eq!(message.unwrap().to, Some(Address::new(10, 0, 2, 2)));
        let mut steps = 0;
        while client.deadline < lease.rebind_at {
            assert_eq!(client.expire(client.deadline).0.unwrap().to, Some(lease.server));
            steps += 1;
        }
        assert!(steps < 20);
        assert_eq!(client.expire(client.deadline).0.unwrap().to, None);
        let event = loop {
            let (message, event) = client.expire(client.deadline);
            assert!(message.is_some());
            if event.is_some() {
                break event;
            }
        };
        assert_eq!(event, Some(Event::Lost));
        assert!(client.deadline >= lease.ends_at);
    }

    #[test]
    fn silence_and_refusal_start_anew() {
        let mut client = Client::new(MAC, "host", 0);
        client.expire(0);
        client.receive(&reply(&client, OFFER), 1);
        for _ in 0..5 {
            client.expire(client.deadline);
        }
        assert!(matches!(client.state, State::Selecting));
        client.receive(&reply(&client, OFFER), 1);
        client.receive(&reply(&client, NAK), 1);
        assert!(matches!(client.state, State::Selecting));
    }

    #[test]
    fn strangers_and_malformed_messages_are_ignored() {
        let mut client = Client::new(MAC, "host", 0);
        client.expire(0);
        let good = reply(&client, OFFER);
        for length in 0..good.len() - 1 {
            client.receive(&good[..length], 0);
        }
        let mut other = good.clone();
        other[4] ^= 1;
        assert_eq!(client.receive(&other, 0), (None, None));
    }
}
