//! The DHCP client on a stack, against a server made of a few lines.

use super::harness::*;
use crate::{ip::wire::*, udp};
use alloc::vec::Vec;
use rumpkin_spine::config;
use rumpuser::device::Checksum;
use zerocopy::IntoBytes;

const SERVER: Address = Address::new(10, 0, 2, 2);
const LENT: Address = Address::new(10, 0, 2, 15);

/// Answers a frame if it is a DHCP message: an offer to a discovery, an acknowledgment to a request.
fn answer(frame: &[u8]) -> Option<Vec<u8>> {
    let (header, payload) = parse_ipv4(frame.get(ETHERNET_HEADER..)?)?;
    if header.protocol != PROTOCOL_UDP {
        return None;
    }
    let (_, (_, port), message) = udp::parse_datagram(header, payload, Checksum::Unknown)?;
    assert_eq!(port, 67);
    let kind = message[242];
    let mut reply = message[..240].to_vec();
    reply[0] = 2;
    reply[16..20].copy_from_slice(&LENT.octets());
    reply.extend([53, 1, if kind == 1 { 2 } else { 5 }]);
    for (option, value) in [(54, SERVER), (1, Address::new(255, 255, 255, 0)), (3, SERVER), (6, SERVER)] {
        reply.extend([option, 4]);
        reply.extend(value.octets());
    }
    reply.extend([51, 4, 0, 0, 0x0e, 0x10, 255]);
    let headers = udp::headers(Route::new(SERVER, LENT), (67, 68), 1, 0, reply.len());
    let mut answer = mac(1).to_vec();
    answer.extend(mac(9));
    answer.extend([8, 0]);
    answer.extend(headers.as_bytes());
    answer.extend(reply);
    Some(answer)
}

#[test]
fn an_address_is_there_after_four_frames() {
    let (mut stack, inbox, outbox) = stack(1, config::Address::Dhcp, &Shape::default());
    assert!(!stack.configured);
    let mut frames = 0;
    for now in 0..10 {
        stack.ip.now = now;
        stack.run_timers();
        stack.receive();
        stack.finish();
        for (frame, _) in outbox.lock().unwrap().drain(..) {
            if let Some(reply) = answer(&frame) {
                frames += 1;
                inbox.lock().unwrap().push_back((reply, Checksum::Unknown));
            }
        }
    }
    let own = stack.ip.addressing.unwrap();
    assert!(stack.configured);
    assert_eq!((own.address, own.prefix, own.gateway), (LENT, 24, Some(SERVER)));
    assert_eq!((frames, &*stack.nameservers), (2, &[SERVER][..]));
    // Half a lease later it asks again.
    assert!(stack.deadline().unwrap() < 1800 * SECOND + 10);
}
