//! UDP and ICMP between two stacks.

use super::harness::*;
use crate::{ip::wire::*, slab::Key, socket::control::Outgoing, tcp::Endpoint};
use alloc::{vec, vec::Vec};
use rumpkin_spine::Errno;
use zerocopy::IntoBytes;

fn open(world: &mut World, index: usize, port: u16) -> Key {
    world.on(index, |stack| {
        let (key, _) = stack.udp.open().unwrap();
        stack.udp.bind(key, (Address::UNSPECIFIED, port)).unwrap();
        key
    })
}

fn send(world: &mut World, index: usize, key: Key, data: &[u8], to: Option<Endpoint>) -> Result<usize, Errno> {
    world.on(index, |stack| stack.udp.send(key, data, to, &Outgoing::default(), &mut stack.ip))
}

fn receive(world: &mut World, index: usize, key: Key) -> Result<(Endpoint, Vec<u8>), Errno> {
    let datagram = world
        .on(index, |stack| stack.udp.receive(key, false, |datagram, _| Ok((datagram.source, datagram.data.clone()))));
    datagram.map(Option::unwrap)
}

#[test]
fn datagrams_of_every_size_arrive_whole() {
    for offload in [false, true] {
        let mut world = World::new(Shape { offload, ..Shape::default() });
        let (one, other) = (open(&mut world, 0, 1000), open(&mut world, 1, 2000));
        for length in [0, 1, 1472, 1473, 9000, 65_507] {
            let data = vec![length as u8; length];
            assert_eq!(send(&mut world, 0, one, &data, Some((OTHER, 2000))), Ok(length));
            world.run_for(SECOND / 100);
            assert_eq!(receive(&mut world, 1, other), Ok(((ONE, 1000), data)), "{length}");
        }
        assert_eq!(send(&mut world, 0, one, &vec![0; 65_508], Some((OTHER, 2000))), Err(Errno::EMSGSIZE));
        assert_eq!(receive(&mut world, 1, other), Err(Errno::EAGAIN));
    }
}

#[test]
fn nobody_there_is_told_to_a_connected_socket_alone() {
    let mut world = World::new(Shape::default());
    let (one, loose) = (open(&mut world, 0, 1000), open(&mut world, 0, 1001));
    world.on(0, |stack| stack.udp.connect(one, Some((OTHER, 9)), &stack.ip)).unwrap();
    send(&mut world, 0, one, b"x", None).unwrap();
    send(&mut world, 0, loose, b"x", Some((OTHER, 9))).unwrap();
    world.run_for(SECOND);
    assert_eq!(receive(&mut world, 0, one), Err(Errno::ECONNREFUSED));
    assert_eq!(receive(&mut world, 0, one), Err(Errno::EAGAIN));
    assert_eq!(receive(&mut world, 0, loose), Err(Errno::EAGAIN));
}

#[test]
fn a_connected_socket_hears_its_peer_only() {
    let mut world = World::new(Shape::default());
    let (server, stranger) = (open(&mut world, 1, 2000), open(&mut world, 1, 3000));
    let client = open(&mut world, 0, 1000);
    world.on(0, |stack| stack.udp.connect(client, Some((OTHER, 2000)), &stack.ip)).unwrap();
    send(&mut world, 1, stranger, b"no", Some((ONE, 1000))).unwrap();
    send(&mut world, 1, server, b"yes", Some((ONE, 1000))).unwrap();
    world.run_for(SECOND);
    assert_eq!(receive(&mut world, 0, client), Ok(((OTHER, 2000), b"yes".to_vec())));
    assert_eq!(receive(&mut world, 0, client), Err(Errno::EAGAIN));
}

#[test]
fn broadcasts_need_permission_and_reach_everyone_on_the_port() {
    let mut world = World::new(Shape::default());
    let one = open(&mut world, 0, 1000);
    let other = open(&mut world, 1, 2000);
    let to = Some((Address::new(10, 0, 0, 255), 2000));
    assert_eq!(send(&mut world, 0, one, b"all", to), Err(Errno::EACCES));
    world.on(0, |stack| stack.udp.options(one).unwrap().broadcast = true);
    assert_eq!(send(&mut world, 0, one, b"all", to), Ok(3));
    world.run_for(SECOND);
    assert_eq!(receive(&mut world, 1, other), Ok(((ONE, 1000), b"all".to_vec())));
}

#[test]
fn a_socket_that_nobody_reads_keeps_a_bounded_amount() {
    let mut world = World::new(Shape::default());
    let (one, other) = (open(&mut world, 0, 1000), open(&mut world, 1, 2000));
    for _ in 0..1000 {
        send(&mut world, 0, one, &[0; 1400], Some((OTHER, 2000))).unwrap();
        world.round();
    }
    world.run_for(SECOND);
    let kept = core::iter::from_fn(|| receive(&mut world, 1, other).ok()).count();
    assert!((100..200).contains(&kept), "{kept}");
}

#[test]
fn an_echo_request_is_answered() {
    let mut world = World::new(Shape::default());
    world.run_for(SECOND);
    let mut icmp = IcmpHeader { kind: ICMP_ECHO_REQUEST, code: 0, checksum: 0.into(), rest: [1, 2, 3, 4] };
    icmp.checksum.set(!checksum(checksum(0, icmp.as_bytes()), b"data"));
    let header = Ipv4Header::new(Route::new(ONE, OTHER), PROTOCOL_ICMP, 12, 1, 0);
    let packet = [header.as_bytes(), icmp.as_bytes(), b"data"].concat();
    world.on(0, |stack| stack.ip.send_packet(&[&packet])).unwrap();
    world.record = Some(Vec::new());
    world.run_for(SECOND);
    let reply = world.record.unwrap().into_iter().find(|frame| frame.ends_with(b"data") && frame[34] == 0);
    let reply = reply.expect("a reply");
    assert_eq!(&reply[38..42], [1, 2, 3, 4]);
    assert_eq!(checksum(0, &reply[34..]), 0xffff);
}
