//! The stack: everything behind the one lock, and what is done each time it is held.

use crate::{
    ip::{
        Addressing, Ip, LINK_INDEX, LOOPBACK_INDEX,
        dhcp::{self, Client},
        icmp::{self, ErrorBudget},
        reassembly::Reassembly,
        wire::*,
    },
    net::Dropped,
    shared::Notices,
    tcp::Tcp,
    udp::{self, Udp},
};
use alloc::{boxed::Box, vec::Vec};
use rumpkin_collections::{TryVec, try_with_capacity};
use rumpkin_spine::{Errno, config};
use rumpuser::device::{Checksum, Link};
use zerocopy::IntoBytes;

/// Frames that are taken from the link at once.
const BATCH: usize = 128;
/// Nanoseconds from one message on what was dropped to the next.
const QUIET: u64 = 30_000_000_000;
/// Rounds of packets to ourselves before others have their turn.
const MAX_LOCAL_ROUNDS: usize = 64;

/// What the lock protects.
pub struct Stack {
    /// Addresses, neighbors, the link.
    pub ip: Ip,
    /// TCP.
    pub tcp: Tcp,
    /// UDP.
    pub udp: Udp,
    /// Announcements to make once the lock is free.
    pub notices: Notices,
    /// Name servers, for `/etc/resolv.conf`.
    pub nameservers: Vec<Address>,
    /// The address is known, or there will be none.
    pub configured: bool,
    /// It became known just now, and those who wait for it are to be told.
    pub newly_configured: bool,
    dhcp: Option<Client>,
    fixed_gateway: Option<Address>,
    fixed_nameservers: bool,
    reassembly: Reassembly,
    errors: ErrorBudget,
    /// How much was dropped when that was last told, and when it may be told again.
    told: u64,
    tell_again: u64,
}

impl Stack {
    /// A stack over a link, or with loopback alone. `memory`: bytes of the machine.
    #[expect(clippy::disallowed_methods, reason = "once, when the machine boots")]
    pub fn new(
        link: Option<Box<dyn Link>>,
        network: &config::Network,
        hostname: &str,
        memory: usize,
        now: u64,
    ) -> Self {
        let link = link.filter(|_| network.address != config::Address::None);
        let mut ip = Ip::new(link, memory);
        ip.now = now;
        let tcp = Tcp::new(ip.mtu(), memory);
        let mut stack = Stack {
            tcp,
            udp: Udp::new(memory),
            notices: Notices::default(),
            nameservers: network.nameservers.iter().map(|address| Address::from(*address)).collect(),
            configured: true,
            newly_configured: false,
            dhcp: None,
            fixed_gateway: network.gateway.map(Address::from),
            fixed_nameservers: !network.nameservers.is_empty(),
            reassembly: Reassembly::new(memory),
            errors: ErrorBudget::default(),
            told: 0,
            tell_again: 0,
            ip,
        };
        match network.address {
            _ if stack.ip.info.is_none() => {}
            config::Address::Static { address, prefix } => {
                let gateway = stack.fixed_gateway;
                stack.set_address(Addressing { address: address.into(), prefix: prefix.min(32), gateway });
                stack.log_address("");
            }
            config::Address::Dhcp => {
                stack.configured = false;
                stack.dhcp = Some(Client::new(stack.ip.mac(), hostname, now));
            }
            config::Address::None => {}
        }
        stack
    }

    fn set_address(&mut self, addressing: Addressing) {
        self.ip.addressing = Some(addressing);
        self.newly_configured = !self.configured;
        self.configured = true;
        self.ip.announce();
        if let Some(gateway) = addressing.gateway {
            self.ip.prefetch(gateway);
        }
    }

    fn log_address(&self, how: &str) {
        let Some(own) = self.ip.addressing else { return };
        match own.gateway {
            Some(gateway) => log::info!("net: eth0 {}/{}{how}, gateway {gateway}", own.address, own.prefix),
            None => log::info!("net: eth0 {}/{}{how}", own.address, own.prefix),
        }
    }

    /// Does what time demands, and finishes what was begun: connections send, packets to ourselves arrive, the doorbell
    /// rings. True if there is more to do soon.
    pub fn finish(&mut self) -> bool {
        let mut again = false;
        for _ in 0..MAX_LOCAL_ROUNDS {
            again = !self.tcp.settle(&mut self.ip, &mut self.notices);
            let waiting = self.ip.local.len();
            if waiting == 0 {
                break;
            }
            for _ in 0..waiting {
                let Some(packet) = self.ip.local.pop() else { break };
                self.input_ip(&packet.bytes, Checksum::Verified, true);
            }
            again = true;
        }
        self.ip.flush();
        if self.ip.now >= self.tell_again {
            self.tell_dropped();
        }
        again || self.ip.room_again
    }

    /// Says what was dropped for want of memory, but not often.
    fn tell_dropped(&mut self) {
        let dropped = self.dropped().for_memory();
        if dropped != self.told {
            log::warn!("net: {dropped} packets and connections dropped so far for want of memory or room");
            self.told = dropped;
            self.tell_again = self.ip.now.saturating_add(QUIET);
        }
    }

    /// What was dropped since the start.
    pub fn dropped(&self) -> Dropped {
        Dropped {
            datagrams_over_buffer: self.udp.dropped.buffer,
            datagrams_over_memory: self.udp.dropped.memory,
            connections_over_backlog: self.tcp.dropped.listener,
            connections_over_memory: self.tcp.dropped.memory,
            time_waits: self.tcp.time_wait.overflowed,
            fragmented: self.reassembly.failed,
            outgoing: self.ip.discarded,
        }
    }

    /// Bytes that packets take which wait, and fragments.
    pub fn packet_memory(&self) -> usize {
        self.ip.account.used().saturating_add(self.reassembly.memory())
    }

    /// The next deadline of anything.
    pub fn deadline(&self) -> Option<u64> {
        let dhcp = self.dhcp.as_ref().map(|client| client.deadline);
        let deadlines = [self.tcp.deadline(), self.ip.deadline(), self.reassembly.deadline(), dhcp];
        deadlines.into_iter().flatten().min()
    }

    /// How many deadlines are waited for, those of neighbors, fragments and TIME-WAIT counted as one each.
    pub fn deadlines(&self) -> usize {
        let others = [self.ip.deadline(), self.reassembly.deadline(), self.dhcp.as_ref().map(|client| client.deadline)];
        self.tcp.deadlines().saturating_add(others.iter().flatten().count())
    }

    /// Does what the time has come for.
    pub fn run_timers(&mut self) {
        let now = self.ip.now;
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        self.tcp.expire(now);
        while let Some(neighbor) = self.ip.expire() {
            self.tcp.neighbor_news(neighbor, Some(Errno::EHOSTUNREACH));
        }
        self.reassembly.expire(now);
        while self.dhcp.as_ref().is_some_and(|client| client.deadline <= now) {
            self.dhcp_step(Client::expire);
        }
    }

    /// Receives a batch of frames; how many there were.
    pub fn receive(&mut self) -> usize {
        let Some(mut device) = self.ip.take_device() else { return 0 };
        let count = device.receive(BATCH, &mut |frame, checksum| self.input(frame, checksum));
        self.ip.put_device(device);
        count
    }

    /// Whether a whole batch was received, and there may be more.
    pub fn is_full_batch(count: usize) -> bool {
        count >= BATCH
    }

    /// Takes a frame from the link.
    pub fn input(&mut self, frame: &[u8], checksum: Checksum) {
        let Some((ethernet, payload)) = parse::<EthernetHeader>(frame) else { return };
        let [first, ..] = ethernet.destination;
        let group = first & 1 != 0;
        if !group && ethernet.destination != self.ip.mac() {
            return;
        }
        match ethernet.kind.get() {
            ETHERTYPE_ARP => {
                if let Some(neighbor) = self.ip.receive_arp(payload) {
                    self.tcp.neighbor_news(neighbor, None);
                }
            }
            ETHERTYPE_IPV4 => self.input_ip(payload, checksum, false),
            _ => {}
        }
    }

    /// Takes an IPv4 packet, from the link or from ourselves.
    fn input_ip(&mut self, packet: &[u8], checksum: Checksum, local: bool) {
        let Some((header, payload)) = parse_ipv4(packet) else { return };
        let (source, destination) = (header.source(), header.destination());
        // From outside nobody may speak as us, or from or to an address that never leaves a machine.
        let martian = source.is_loopback() || destination.is_loopback() || self.ip.is_own(source);
        if source.is_multicast() || self.ip.is_broadcast(source) || !local && martian {
            return;
        }
        let own = self.ip.is_own(destination);
        let group = self.ip.is_broadcast(destination) || destination.is_multicast();
        if self.is_for_dhcp(header, payload) {
            if let Some((from, _, data)) = udp::parse_datagram(header, payload, checksum)
                && from.1 == dhcp::SERVER_PORT
            {
                self.dhcp_step(|client, now| client.receive(data, now));
            }
            return;
        }
        if !own && !group {
            return;
        }
        if header.is_fragment() {
            if let Some(whole) = self.reassembly.add(header, payload, self.ip.now) {
                // The link could only have looked at fragments.
                self.input_ip(&whole, Checksum::Unknown, local);
            }
            return;
        }
        let total = usize::from(header.total_length.get());
        let packet = packet.get(..total).unwrap_or(packet);
        match header.protocol {
            PROTOCOL_TCP if own && !source.is_unspecified() => {
                self.tcp.input(&mut self.ip, header, packet, payload, checksum);
            }
            PROTOCOL_UDP => {
                let interface = if local { LOOPBACK_INDEX } else { LINK_INDEX };
                let taken = self.udp.input(&self.ip, header, payload, checksum, interface, &mut self.notices);
                if !taken {
                    icmp::send_port_unreachable(&mut self.ip, &mut self.errors, packet);
                }
            }
            PROTOCOL_ICMP => {
                if let Some(problem) = icmp::receive(&mut self.ip, header, payload) {
                    match problem.protocol {
                        PROTOCOL_TCP => self.tcp.problem(&problem),
                        PROTOCOL_UDP => self.udp.problem(&problem, &mut self.notices),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn is_for_dhcp(&self, header: &Ipv4Header, payload: &[u8]) -> bool {
        self.dhcp.is_some()
            && header.protocol == PROTOCOL_UDP
            && !header.is_fragment()
            && parse::<UdpHeader>(payload).is_some_and(|(udp, _)| udp.destination.get() == dhcp::CLIENT_PORT)
    }

    /// Lets the DHCP client do something, sends what it says, and uses what it got.
    fn dhcp_step(&mut self, step: impl FnOnce(&mut Client, u64) -> (Option<dhcp::Outgoing>, Option<dhcp::Event>)) {
        let Some(mut client) = self.dhcp.take() else { return };
        let (outgoing, event) = step(&mut client, self.ip.now);
        match event {
            Some(dhcp::Event::Bound(lease)) => {
                let gateway = self.fixed_gateway.or(lease.gateway);
                let addressing = Addressing { address: lease.address, prefix: lease.prefix, gateway };
                if !self.fixed_nameservers {
                    self.learn_nameservers(&lease);
                }
                if self.ip.addressing != Some(addressing) {
                    self.set_address(addressing);
                    self.log_address(" by DHCP");
                }
            }
            Some(dhcp::Event::Lost) => {
                log::warn!("net: eth0 lost its address: the DHCP lease is over");
                self.ip.addressing = None;
            }
            None => {}
        }
        if let Some(outgoing) = outgoing {
            self.send_dhcp(&outgoing);
        }
        self.dhcp = Some(client);
    }

    fn learn_nameservers(&mut self, lease: &dhcp::Lease) {
        match try_with_capacity(dhcp::MAX_NAMESERVERS) {
            Ok(mut nameservers) => {
                for server in lease.nameservers.into_iter().flatten() {
                    // There is room for it, so that it is not refused.
                    let _ = nameservers.try_push(server);
                }
                self.nameservers = nameservers;
            }
            Err(_) => log::warn!("net: no memory for the name servers of the DHCP lease: those from before stay"),
        }
    }

    fn send_dhcp(&mut self, outgoing: &dhcp::Outgoing) {
        let own = self.ip.addressing.map(|own| own.address);
        let route = match (outgoing.to, own) {
            (Some(server), Some(own)) => Route::new(own, server),
            _ => Route::new(own.unwrap_or(Address::UNSPECIFIED), Address::BROADCAST),
        };
        let identification = self.ip.next_identification();
        let ports = (dhcp::CLIENT_PORT, dhcp::SERVER_PORT);
        let headers = udp::headers(route, ports, identification, 0, outgoing.message.len());
        let packet = [headers.as_bytes(), &outgoing.message];
        if route.destination.is_broadcast() {
            self.ip.broadcast(&packet);
        } else {
            // If the server cannot be reached the client asks everyone, later.
            let _ = self.ip.send_packet(&packet);
        }
    }
}
