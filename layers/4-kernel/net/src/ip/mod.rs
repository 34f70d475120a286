//! The Internet layer below TCP and UDP: our addresses, the way to others, and sending.
//!
//! ```text
//!   TCP, UDP, ICMP ──▶ hop ──┬─▶ local queue (127.0.0.0/8 and our own address; never touches the link)
//!                            └─▶ neighbor known? ──▶ link ──full──▶ backlog
//!                                      └──no──▶ waits in the neighbor cache
//! ```

pub mod dhcp;
pub mod icmp;
pub mod neighbor;
pub mod options;
pub mod reassembly;
pub mod train;
pub mod wire;

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::ops::Range;
use neighbor::{Answer, Due, Neighbors};
use rumpkin_collections::{Account, ChargedQueue, TryVec, Weigh, try_to_vec};
use rumpkin_spine::Errno;
use rumpuser::device::{Checksum, Link, LinkInfo, Notify};
use train::Train;
use wire::*;
use zerocopy::{FromBytes, IntoBytes, network_endian::U16};

/// Frames kept while the device has no room or is being received from; more are dropped.
const MAX_BACKLOG: usize = 1024;
/// Packets to ourselves that wait; more are dropped, and TCP sends them again.
pub const MAX_LOCAL: usize = 1024;
/// What all packets that wait may take, as a share of memory.
const SHARE: usize = 16;

/// What programs know the interfaces by.
pub const LOOPBACK_INDEX: u32 = 1;
pub const LINK_INDEX: u32 = 2;

/// What we are called on the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addressing {
    /// Our address.
    pub address: Address,
    /// Bits of the network part.
    pub prefix: u8,
    /// The default route.
    pub gateway: Option<Address>,
}

impl Addressing {
    fn mask(&self) -> u32 {
        u32::MAX.checked_shl(32u32.saturating_sub(u32::from(self.prefix))).unwrap_or(0)
    }

    /// The mask of the network part.
    pub fn netmask(&self) -> Address {
        Address::from(self.mask())
    }

    /// The broadcast address of the network. A network of one or two addresses has none (RFC 3021).
    pub fn broadcast(&self) -> Option<Address> {
        (self.prefix < 31).then(|| Address::from(u32::from(self.address) | !self.mask()))
    }

    fn on_link(&self, other: Address) -> bool {
        (u32::from(self.address) ^ u32::from(other)) & self.mask() == 0
    }
}

/// The next stop of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// Ourselves.
    Local,
    /// A machine on the link.
    Link(Mac),
    /// A machine on the link that has been asked for its address.
    Pending(Address),
}

/// A packet that is being written.
pub struct Draft {
    hop: Option<Hop>,
    room: Room,
}

enum Room {
    /// In the frame for the link: behind the segments that are there, or as the first.
    Train { place: Range<usize>, joins: bool, cuts: bool },
    /// It does not go to the link, or not yet.
    Aside(Vec<u8>),
    /// In the frame for the link, but it goes nowhere.
    Lost(Range<usize>),
}

/// A packet, or a frame, that waits.
pub struct Packet {
    /// What it is of.
    pub bytes: Vec<u8>,
    checksum: Checksum,
}

impl Weigh for Packet {
    fn weight(&self) -> usize {
        self.bytes.len()
    }
}

/// Packets that wait.
pub type Packets = ChargedQueue<Packet>;

/// The state of the layer.
pub struct Ip {
    /// The time of the present piece of work, in monotonic nanoseconds.
    pub now: u64,
    /// Our address on the link, once it is known.
    pub addressing: Option<Addressing>,
    /// Packets to ourselves.
    pub local: Packets,
    /// A connection found no room.
    room_wanted: bool,
    /// There is room again for connections that found none.
    pub room_again: bool,
    /// Packets that were lost on their way out: there was no room for them, or no memory.
    pub discarded: u64,
    /// What the link is.
    pub info: Option<LinkInfo>,
    device: Option<Box<dyn Link>>,
    neighbors: Neighbors,
    backlog: Packets,
    /// What is charged for packets that wait.
    pub account: Arc<Account>,
    unflushed: bool,
    train: Train,
    mtu: usize,
    identification: u16,
    /// That somebody else uses our address has been logged: once, for anybody can claim it as often as he likes.
    conflict_told: bool,
}

impl Ip {
    /// The layer on top of a link, or with loopback alone. `memory`: bytes of the machine.
    #[expect(clippy::disallowed_methods, reason = "once, when the machine boots")]
    pub fn new(device: Option<Box<dyn Link>>, memory: usize) -> Self {
        let account = Arc::new(Account::new(memory / SHARE));
        let info = device.as_ref().map(|device| device.info());
        let mtu = info.as_ref().map_or(1500, |info| info.mtu.clamp(576, 9000));
        Ip {
            now: 0,
            addressing: None,
            local: Packets::new(&account),
            room_wanted: false,
            room_again: false,
            discarded: 0,
            info,
            device,
            backlog: Packets::new(&account),
            neighbors: Neighbors::new(account.clone()),
            account,
            unflushed: false,
            train: Train::new(mtu),
            mtu,
            identification: rumpuser::random::next_u64() as u16,
            conflict_told: false,
        }
    }

    /// Largest IP packet that goes out in one piece.
    pub fn mtu(&self) -> usize {
        self.mtu
    }

    /// Our Ethernet address.
    pub fn mac(&self) -> Mac {
        self.info.as_ref().map_or([0; 6], |info| info.mac)
    }

    /// Whether an address is one of ours.
    pub fn is_own(&self, address: Address) -> bool {
        address.is_loopback() || self.addressing.is_some_and(|own| own.address == address)
    }

    /// Whether an address means everyone on the link.
    pub fn is_broadcast(&self, address: Address) -> bool {
        address.is_broadcast() || self.addressing.and_then(|own| own.broadcast()) == Some(address)
    }

    /// The address that packets to `destination` come from. `ENETUNREACH` if there is no way there.
    pub fn source_for(&self, destination: Address) -> Result<Address, Errno> {
        if destination.is_loopback() {
            return Ok(Address::LOCALHOST);
        }
        let own = self.addressing.ok_or(Errno::ENETUNREACH)?;
        let reachable = own.on_link(destination) || destination.is_broadcast() || own.gateway.is_some();
        if reachable { Ok(own.address) } else { Err(Errno::ENETUNREACH) }
    }

    /// The next stop on the way to an address; asks for its Ethernet address where that is missing.
    pub fn hop(&mut self, destination: Address) -> Result<Hop, Errno> {
        if self.is_own(destination) {
            return Ok(Hop::Local);
        }
        if self.info.is_none() {
            return Err(Errno::ENETUNREACH);
        }
        if self.is_broadcast(destination) {
            return Ok(Hop::Link(BROADCAST_MAC));
        }
        if destination.is_multicast() {
            let [_, a, b, c] = destination.octets();
            return Ok(Hop::Link([0x01, 0x00, 0x5e, a & 0x7f, b, c]));
        }
        let own = self.addressing.ok_or(Errno::ENETUNREACH)?;
        let next = if own.on_link(destination) { destination } else { own.gateway.ok_or(Errno::ENETUNREACH)? };
        match self.neighbors.find(next, self.now).map_err(|_| Errno::ENOBUFS)? {
            Answer::Known(mac) => Ok(Hop::Link(mac)),
            Answer::Stale(mac) => {
                self.send_arp(ARP_REQUEST, mac, mac, next);
                Ok(Hop::Link(mac))
            }
            Answer::Wanted => Ok(Hop::Pending(next)),
            Answer::Unknown => {
                self.request(next);
                Ok(Hop::Pending(next))
            }
        }
    }

    /// Asks for a neighbor before anything is to be sent to it, so that the first packet need not wait.
    pub fn prefetch(&mut self, address: Address) {
        if self.neighbors.find(address, self.now) == Ok(Answer::Unknown) {
            self.request(address);
        }
    }

    fn request(&mut self, next: Address) {
        self.send_arp(ARP_REQUEST, BROADCAST_MAC, [0; 6], next);
    }

    /// When [`Ip::expire`] has something to do.
    pub fn deadline(&self) -> Option<u64> {
        self.neighbors.deadline()
    }

    /// Asks again for neighbors that have not answered; the next one, if any, that is given up.
    pub fn expire(&mut self) -> Option<Address> {
        loop {
            match self.neighbors.due(self.now)? {
                Due::Ask(address) => self.request(address),
                Due::GivenUp(address) => return Some(address),
            }
        }
    }

    /// Tells the link who we are (gratuitous ARP, RFC 5227 §2.3).
    pub fn announce(&mut self) {
        if let Some(own) = self.addressing {
            self.send_arp(ARP_REQUEST, BROADCAST_MAC, [0; 6], own.address);
        }
    }

    fn send_arp(&mut self, operation: u16, to: Mac, target_mac: Mac, target: Address) {
        let Some(own) = self.addressing else { return };
        let packet = ArpPacket {
            hardware: U16::new(1),
            protocol: U16::new(ETHERTYPE_IPV4),
            hardware_length: 6,
            protocol_length: 4,
            operation: U16::new(operation),
            sender_mac: self.mac(),
            sender: own.address.octets(),
            target_mac,
            target: target.octets(),
        };
        let place = self.begin(to, ETHERTYPE_ARP, packet.as_bytes().len());
        copy(self.train.packet_mut(place).unwrap_or_default(), packet.as_bytes());
        self.depart();
    }

    /// Takes an ARP packet from the link. The neighbor, if any, that has been waited for.
    pub fn receive_arp(&mut self, packet: &[u8]) -> Option<Address> {
        let own = self.addressing?;
        let (arp, _) = parse::<ArpPacket>(packet)?;
        let sender = Address::from(arp.sender);
        let well_formed = arp.hardware.get() == 1
            && arp.protocol.get() == ETHERTYPE_IPV4
            && (arp.hardware_length, arp.protocol_length) == (6, 4);
        let (multicast, [first, ..]) = (1, arp.sender_mac);
        if !well_formed || first & multicast != 0 || sender.is_unspecified() || sender.is_multicast() {
            return None;
        }
        if sender == own.address {
            if arp.sender_mac != self.mac() && !core::mem::replace(&mut self.conflict_told, true) {
                log::warn!("net: {sender} is also used by {:02x?}", arp.sender_mac);
            }
            return None;
        }
        let for_us = arp.operation.get() == ARP_REQUEST && Address::from(arp.target) == own.address;
        let learned = self.neighbors.learn(sender, arp.sender_mac, self.now, for_us && own.on_link(sender));
        if for_us {
            self.send_arp(ARP_REPLY, arp.sender_mac, arp.sender_mac, sender);
        }
        let mut waiting = learned?;
        while let Some(packet) = waiting.pop() {
            // It may be gone if the route has changed meanwhile; then it is lost, as datagrams may be.
            let _ = self.send_packet(&[&packet.bytes]);
        }
        Some(sender)
    }

    /// A number for the identification field.
    pub fn next_identification(&mut self) -> u16 {
        self.identification = self.identification.wrapping_add(1);
        self.identification
    }

    /// Whether TCP may send to the link without being put aside. If not, it will be told when there is room again.
    pub fn has_room(&mut self, hop: Hop) -> bool {
        let room = match hop {
            Hop::Local => self.local.len() < MAX_LOCAL,
            Hop::Link(_) | Hop::Pending(_) => self.backlog.is_empty(),
        };
        self.room_wanted |= !room;
        room
    }

    /// Sends a whole IPv4 packet (at most [`Ip::mtu`] bytes; header without options, in the first part) whose transport checksum,
    /// if any, is still to be made. If its neighbor is not known yet it waits. `ENOBUFS` if there is no memory for it.
    pub fn send_packet(&mut self, parts: &[&[u8]]) -> Result<(), Errno> {
        let (header, _) = parts.first().and_then(|first| parse::<Ipv4Header>(first)).ok_or(Errno::EINVAL)?;
        let hop = self.hop(header.destination())?;
        self.send(hop, parts)
    }

    fn send(&mut self, hop: Hop, parts: &[&[u8]]) -> Result<(), Errno> {
        self.depart();
        let mut draft = self.draft(Some(hop), parts.iter().fold(0, |length, part| length.saturating_add(part.len())));
        let lost = matches!(draft.room, Room::Lost(_));
        let mut room = self.room(&mut draft);
        for part in parts {
            copy(room, part);
            room = room.get_mut(part.len()..).unwrap_or_default();
        }
        self.send_draft(draft);
        self.depart();
        if lost { Err(Errno::ENOBUFS) } else { Ok(()) }
    }

    /// Room for an IPv4 packet of `length` bytes on its way to `hop`; without one it will be lost. To be written to [`Ip::room`], then
    /// sent by [`Ip::send_draft`].
    #[inline(never)]
    pub fn draft(&mut self, hop: Option<Hop>, length: usize) -> Draft {
        if let Some(Hop::Link(mac)) = hop {
            let longest = self.device.as_ref().map_or(0, |device| device.segmentation());
            let (joins, place) = match self.train.next(mac, length, longest) {
                Some(place) => (true, place),
                None => (false, self.begin(mac, ETHERTYPE_IPV4, length)),
            };
            let room = match place.len() == length {
                true => Room::Train { place, joins, cuts: longest > 0 },
                // Longer than the link takes: lost, as it would be on the wire.
                false => Room::Lost(place),
            };
            return Draft { hop, room };
        }
        let mut packet = Vec::new();
        if hop.is_some() && packet.try_resize(length, 0).is_ok() {
            return Draft { hop, room: Room::Aside(packet) };
        }
        Draft { hop, room: Room::Lost(self.begin(BROADCAST_MAC, ETHERTYPE_IPV4, length)) }
    }

    /// Where a packet is written.
    pub fn room<'a>(&'a mut self, draft: &'a mut Draft) -> &'a mut [u8] {
        match &mut draft.room {
            Room::Train { place, .. } | Room::Lost(place) => self.train.packet_mut(place.clone()).unwrap_or_default(),
            Room::Aside(packet) => packet,
        }
    }

    /// Sends what has been written. Its transport checksum is made here; a TCP segment goes together with those that follow it, if
    /// the device cuts frames. [`Ip::depart`] must follow.
    #[inline(never)]
    pub fn send_draft(&mut self, draft: Draft) {
        match (draft.hop, draft.room) {
            (Some(Hop::Link(to)), Room::Train { place, joins: true, .. }) if !self.train.join(place.clone()) => {
                self.depart();
                self.train.begin_with_rest(&self.header(to, ETHERTYPE_IPV4), place);
                self.train.couple();
            }
            (Some(Hop::Link(_)), Room::Train { joins: false, cuts: true, .. }) => self.train.couple(),
            (Some(Hop::Local), Room::Aside(bytes)) => {
                let packet = Packet { bytes, checksum: Checksum::Verified };
                if self.local.len() >= MAX_LOCAL || self.local.try_push(packet).is_err() {
                    self.discard();
                }
            }
            (Some(Hop::Pending(next)), Room::Aside(bytes)) => {
                let packet = Packet { bytes, checksum: Checksum::Unknown };
                if !self.neighbors.keep(next, packet) {
                    self.discard();
                }
            }
            (_, Room::Lost(_)) => {
                self.train.clear();
                self.discard();
            }
            _ => {}
        }
    }

    fn discard(&mut self) {
        self.discarded = self.discarded.wrapping_add(1);
    }

    /// Begins a frame, after what was there before it. Where its content goes; nowhere, if it is too long for the link.
    fn begin(&mut self, to: Mac, kind: u16, length: usize) -> Range<usize> {
        self.depart();
        let header = self.header(to, kind);
        let place = if length <= self.mtu { self.train.begin(&header, length) } else { None };
        place.unwrap_or_default()
    }

    fn header(&self, to: Mac, kind: u16) -> EthernetHeader {
        EthernetHeader { destination: to, source: self.mac(), kind: U16::new(kind) }
    }

    /// Sends the frame that is ready, if there is one.
    pub fn depart(&mut self) {
        let offload = self.info.as_ref().is_some_and(|info| info.transmit_checksum);
        let Some((frame, size)) = self.train.take() else { return };
        let checksum = match (finish_transport(frame, offload || size.is_some()), size) {
            (Checksum::Partial { start, offset }, Some(size)) => Checksum::Segments { start, offset, size },
            (checksum, _) => checksum,
        };
        if self.backlog.is_empty()
            && let Some(device) = &mut self.device
            && device.transmit(frame.len(), checksum, &mut |buffer| copy(buffer, frame))
        {
            self.unflushed = true;
        } else if self.info.is_some() {
            let kept = self.backlog.len() < MAX_BACKLOG
                && try_to_vec(frame).and_then(|bytes| self.backlog.try_push(Packet { bytes, checksum })).is_ok();
            if !kept {
                self.discard();
            }
        }
    }

    /// Broadcasts an IPv4 packet on the link, whether we have an address or not.
    pub fn broadcast(&mut self, packet: &[&[u8]]) {
        // What finds no memory is lost, as datagrams may be.
        let _ = self.send(Hop::Link(BROADCAST_MAC), packet);
    }

    /// Sends what was put aside, as far as there is room, and rings the doorbell.
    pub fn flush(&mut self) {
        let Some(device) = &mut self.device else { return };
        while let Some(frame) = self.backlog.front() {
            if !device.transmit(frame.bytes.len(), frame.checksum, &mut |buffer| copy(buffer, &frame.bytes)) {
                break;
            }
            self.unflushed = true;
            self.backlog.pop();
        }
        if core::mem::take(&mut self.unflushed) {
            device.flush();
        }
        if self.backlog.is_empty() {
            self.room_again |= core::mem::take(&mut self.room_wanted);
        }
    }

    /// Whether something waits for room in the device.
    pub fn is_backed_up(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Takes the device, to receive from it. What is sent meanwhile is put aside until [`Ip::flush`].
    pub fn take_device(&mut self) -> Option<Box<dyn Link>> {
        self.device.take()
    }

    /// Gives the device back.
    pub fn put_device(&mut self, device: Box<dyn Link>) {
        self.device = Some(device);
    }

    /// Asks to be notified of arrivals and room; true if there is something already.
    pub fn arm(&mut self) -> bool {
        self.device.as_mut().is_some_and(|device| device.arm())
    }

    /// Whom the device notifies of arrivals and room.
    pub fn set_notify(&mut self, notify: Notify) {
        if let Some(device) = &mut self.device {
            device.set_notify(notify);
        }
    }
}

fn copy(buffer: &mut [u8], frame: &[u8]) {
    if let Some(buffer) = buffer.get_mut(..frame.len()) {
        buffer.copy_from_slice(frame);
    }
}

/// Makes the checksum of a frame's TCP or UDP packet, or leaves it to the device. Fragments have theirs already.
fn finish_transport(frame: &mut [u8], offload: bool) -> Checksum {
    let Ok((ethernet, packet)) = EthernetHeader::mut_from_prefix(frame) else { return Checksum::Unknown };
    let Ok((header, segment)) = Ipv4Header::mut_from_prefix(packet) else { return Checksum::Unknown };
    if ethernet.kind.get() != ETHERTYPE_IPV4 {
        return Checksum::Unknown;
    }
    let offset = match header.protocol {
        PROTOCOL_TCP => 16usize,
        PROTOCOL_UDP => 6,
        _ => return Checksum::Unknown,
    };
    if header.is_fragment() {
        return Checksum::Unknown;
    }
    let pseudo = pseudo_header(header.source(), header.destination(), header.protocol, segment.len());
    let zero_means_none = header.protocol == PROTOCOL_UDP;
    let set = |segment: &mut [u8], value: u16| {
        if let Some(field) = segment.get_mut(offset..).and_then(<[u8]>::first_chunk_mut::<2>) {
            *field = value.to_be_bytes();
        }
    };
    if offload {
        set(segment, pseudo);
        let start = ETHERNET_HEADER.saturating_add(IPV4_HEADER) as u16;
        return Checksum::Partial { start, offset: offset as u16 };
    }
    set(segment, 0);
    let sum = !checksum(pseudo, segment);
    set(segment, if zero_means_none && sum == 0 { 0xffff } else { sum });
    Checksum::Unknown
}
