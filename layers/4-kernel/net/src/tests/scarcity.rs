//! Memory that runs out: whatever is asked for is refused in turn, and floods take no more than their share.

use super::harness::*;
use crate::{
    ip::wire::*,
    local::{Along, Locals, Place},
    net::Dropped,
    shared::Shared,
    slab::Key,
    socket::control::Outgoing,
};
use alloc::{sync::Arc, vec, vec::Vec};
use rumpkin_collections::Account;
use rumpkin_spine::{Errno, abi::linux::net};
use rumpuser::device::Checksum;
use rumpuser_hosted::{Machine, Requests};
use zerocopy::IntoBytes;

/// Runs `first` with each of its requests for memory refused in turn, and then `after`. How many requests there are.
fn refuse_each<T>(first: impl Fn() -> T, after: impl Fn(T)) -> u64 {
    let mut number = 0;
    loop {
        number += 1;
        let requests = Arc::new(Requests::refusing(number, number));
        let machine = Machine { requests: requests.clone(), ..Machine::default() };
        let refused = machine.simulate(number, || {
            let state = first();
            let refused = requests.refused() > 0;
            if refused {
                after(state);
            }
            refused
        });
        if !refused {
            return number - 1;
        }
    }
}

/// What a call gave that may be refused; any other error is wrong.
fn allowed<T>(result: Result<T, Errno>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Errno::ENOBUFS | Errno::ENOMEM) => None,
        Err(error) => panic!("{error:?}"),
    }
}

/// Nobody keeps anything.
fn assert_idle(world: &World) {
    for stack in &world.stacks {
        let memory = [stack.tcp.memory(), stack.udp.memory(), stack.packet_memory()];
        assert_eq!((stack.tcp.count(), stack.deadlines(), memory), (0, 0, [0; 3]));
    }
}

/// Two machines talk by TCP as far as they are not refused. Whether they said everything.
fn conversation(world: &mut World) -> bool {
    let listening = world.on(1, |stack| {
        let (key, _) = stack.tcp.open()?;
        let bound = stack.tcp.bind(key, (Address::UNSPECIFIED, 80)).and_then(|()| stack.tcp.listen(key, 4));
        bound.inspect_err(|_| stack.tcp.close(key, &mut stack.ip)).map(|()| key)
    });
    let Some(listener) = allowed(listening) else { return false };
    let opened = allowed(world.on(0, |stack| stack.tcp.open()));
    let done = opened.is_some_and(|(client, _)| {
        let done = talk(world, listener, client);
        world.close(0, client);
        done
    });
    world.close(1, listener);
    // Longer than TIME-WAIT lasts, and than what is lost is sent again.
    world.run_for(400 * SECOND);
    done
}

fn talk(world: &mut World, listener: Key, client: Key) -> bool {
    match world.on(0, |stack| stack.tcp.connect(client, (OTHER, 80), &mut stack.ip)) {
        Err(Errno::EINPROGRESS) => {}
        other => return allowed(other).is_some(),
    }
    let mut accepted: Option<(Key, Arc<Shared>, _)> = None;
    let connected = world.run_until(|world| {
        if accepted.is_none() {
            accepted = world.on(1, |stack| stack.tcp.accept(listener)).ok();
        }
        let result = world.on(0, |stack| stack.tcp.connect_result(client));
        result != Err(Errno::EAGAIN) && (result.is_err() || accepted.is_some())
    });
    assert!(connected);
    // An attempt may end by a refusal; the reason why it did is then told.
    let Some((server, ..)) = accepted else { return false };
    let pattern: Vec<u8> = (0..20_000).map(|at| at as u8).collect();
    for (from, to) in [((0, client), (1, server)), ((1, server), (0, client))] {
        assert_eq!(world.send(from.0, from.1, &pattern[..5000]), Ok(5000));
        let mut received = Vec::new();
        assert!(world.run_until(|world| {
            match world.receive(to.0, to.1) {
                Ok(bytes) => received.extend(bytes),
                Err(error) => assert_eq!(error, Errno::EAGAIN),
            }
            received.len() == 5000
        }));
        assert_eq!(received, &pattern[..5000]);
    }
    world.close(1, server);
    true
}

#[test]
fn connections_outlive_every_refusal() {
    let first = || {
        let mut world = World::new(Shape::default());
        conversation(&mut world);
        assert_idle(&world);
        world
    };
    let refused = refuse_each(first, |mut world| {
        assert!(conversation(&mut world));
        assert_idle(&world);
    });
    assert!(refused > 30, "{refused}");
}

/// A datagram of each length there and back. How many arrived.
fn datagrams(world: &mut World) -> usize {
    let open = |world: &mut World, index, port| {
        let opened = world.on(index, |stack| {
            let (key, _) = stack.udp.open()?;
            let bound = stack.udp.bind(key, (Address::UNSPECIFIED, port));
            bound.inspect_err(|_| stack.udp.close(key)).map(|()| key)
        });
        allowed(opened)
    };
    let ends = (open(world, 0, 1000), open(world, 1, 2000));
    let mut arrived = 0;
    if let (Some(one), Some(other)) = ends {
        for length in [0, 100, 5000] {
            let data = vec![7; length];
            allowed(
                world.on(0, |stack| {
                    stack.udp.send(one, &data, Some((OTHER, 2000)), &Outgoing::default(), &mut stack.ip)
                }),
            );
            world.run_for(SECOND);
            let received = world.on(1, |stack| stack.udp.receive(other, false, |datagram, _| Ok(datagram.data.len())));
            match received {
                Ok(received) => {
                    assert_eq!(received, Some(length));
                    arrived += 1;
                }
                Err(error) => assert_eq!(error, Errno::EAGAIN),
            }
        }
    }
    for (index, key) in [(0, ends.0), (1, ends.1)] {
        key.into_iter().for_each(|key| world.on(index, |stack| stack.udp.close(key)));
    }
    world.run_for(40 * SECOND);
    arrived
}

#[test]
fn datagrams_are_lost_but_nothing_else_when_memory_is_refused() {
    let first = || {
        let mut world = World::new(Shape::default());
        datagrams(&mut world);
        assert_idle(&world);
        world
    };
    let refused = refuse_each(first, |mut world| {
        assert_eq!(datagrams(&mut world), 3);
        assert_idle(&world);
    });
    assert!(refused > 20, "{refused}");
}

fn send(locals: &mut Locals, key: Key, mut data: &[u8]) -> Result<usize, Errno> {
    locals.send(key, &mut data, None, &Along { rights: &[], credentials: None })
}

fn receive(locals: &mut Locals, key: Key) -> Option<usize> {
    let mut buffer = vec![0; 300_000];
    match locals.receive(key, &mut &mut buffer[..], false) {
        Ok(taken) => Some(taken.stored),
        Err(error) => {
            assert_eq!(error, Errno::EAGAIN);
            None
        }
    }
}

fn close(locals: &mut Locals, key: Key) {
    assert!(locals.close(key).is_empty());
    drop(locals.leave());
}

#[test]
fn local_sockets_outlive_every_refusal() {
    for kind in [net::SOCK_STREAM, net::SOCK_DGRAM, net::SOCK_SEQPACKET] {
        let account = Arc::new(Account::new(1 << 20));
        let exchange = || {
            let mut locals = Locals::new(account.clone());
            let [(one, _), (other, _)] = allowed(locals.pair(kind, [0; 3]))?;
            let mut sent = 0;
            for length in [1, 1000, 40_000] {
                sent += match send(&mut locals, one, &vec![1; length]) {
                    Err(Errno::EAGAIN) => 0,
                    result => allowed(result).unwrap_or(0),
                };
            }
            let received: usize = core::iter::from_fn(|| receive(&mut locals, other)).sum();
            assert_eq!((sent, account.used()), (received, 0));
            let _ = allowed(send(&mut locals, other, b"unread"));
            close(&mut locals, one);
            assert_eq!(account.used(), 0);
            Some(sent)
        };
        let refused = refuse_each(exchange, |_| assert_eq!(exchange(), Some(41_001)));
        assert!(refused > 6, "{refused}");
    }
}

#[test]
fn local_names_outlive_every_refusal() {
    let kind = net::SOCK_STREAM;
    let meet = || {
        let mut locals = Locals::new(Arc::new(Account::new(1 << 20)));
        let (listener, _) = allowed(locals.open(kind, [0; 3]))?;
        allowed(locals.bind(listener, b"\0name", None))?;
        allowed(locals.listen(listener, 1))?;
        let (client, _) = allowed(locals.open(kind, [0; 3]))?;
        let place = Place::Abstract(kind, b"\0name".to_vec());
        allowed(locals.connect(client, Some(&place)))?;
        let (accepted, ..) = allowed(locals.accept(listener))?;
        allowed(send(&mut locals, client, b"hello"))?;
        receive(&mut locals, accepted)
    };
    let refused = refuse_each(meet, |_| assert_eq!(meet(), Some(5)));
    assert!(refused > 10, "{refused}");
}

#[test]
fn local_sockets_take_no_more_than_their_share() {
    let account = Arc::new(Account::new(1 << 20));
    let mut locals = Locals::new(account.clone());
    let pairs: Vec<_> = (0..20).map(|_| locals.pair(net::SOCK_DGRAM, [0; 3]).unwrap()).collect();
    let mut last = Ok(0);
    for [(one, _), _] in &pairs {
        while last.is_ok() {
            last = send(&mut locals, *one, &[0; 1]);
        }
        if last == Err(Errno::EAGAIN) {
            last = Ok(0);
        }
    }
    assert_eq!(last, Err(Errno::ENOBUFS));
    assert!(account.used() <= account.limit());
    for (key, _) in pairs.into_iter().flatten() {
        close(&mut locals, key);
    }
    assert_eq!(account.used(), 0);
}

/// A frame with a datagram from the first machine to the second.
fn datagram(port: u16, data: &[u8]) -> Vec<u8> {
    let headers = crate::udp::headers(Route::new(ONE, OTHER), (9, port), 1, 0, data.len());
    let ethernet = EthernetHeader { destination: mac(2), source: mac(1), kind: ETHERTYPE_IPV4.into() };
    [ethernet.as_bytes(), headers.as_bytes(), data].concat()
}

#[test]
fn a_flood_of_many_ports_takes_no_more_than_the_share_of_datagrams() {
    for length in [0, 1, 1400] {
        let mut world = World::new(Shape::default());
        let stack = &mut world.stacks[1];
        let open = |stack: &mut crate::stack::Stack, port| {
            let (key, _) = stack.udp.open().unwrap();
            stack.udp.bind(key, (Address::UNSPECIFIED, port)).unwrap();
            key
        };
        let keys: Vec<Key> = (1..=128).map(|port| open(stack, port)).collect();
        let frames: Vec<_> = (1..=128).map(|port| datagram(port, &vec![0; length])).collect();
        while stack.udp.dropped.memory == 0 {
            frames.iter().for_each(|frame| stack.input(frame, Checksum::Verified));
        }
        let memory = stack.udp.memory();
        assert!(memory <= MEMORY / 8 && memory > MEMORY / 8 - 5000, "{memory}");
        // What one socket gives back is there for all.
        while stack.udp.receive(keys[0], false, |_, _| Ok(())).is_ok() {}
        let other = open(stack, 1000);
        stack.input(&datagram(1000, b"x"), Checksum::Verified);
        assert_eq!(stack.udp.receive(other, false, |datagram, _| Ok(datagram.data.clone())), Ok(Some(b"x".to_vec())));
        keys.into_iter().for_each(|key| stack.udp.close(key));
        assert_eq!(stack.udp.memory(), 0);
        assert!(matches!(stack.dropped(), Dropped { datagrams_over_memory: 1.., connections_over_memory: 0, .. }));
    }
}

#[test]
fn a_burst_of_connections_leaves_nothing_behind() {
    let mut world = World::new(Shape::default());
    let listener = world.listen(80, 2000);
    world.run_for(SECOND);
    for _ in 0..2 {
        let clients: Vec<_> = (0..1000).map(|_| world.connect_to((OTHER, 80)).0).collect();
        world.run_for(5 * SECOND);
        clients.into_iter().for_each(|client| world.close(0, client));
        world.run_for(SECOND);
        while let Ok((server, ..)) = world.on(1, |stack| stack.tcp.accept(listener)) {
            world.close(1, server);
        }
        world.run_for(5 * SECOND);
        let counts = world.stacks.each_ref().map(|stack| (stack.tcp.count(), stack.tcp.memory()));
        assert_eq!(counts, [(0, 0), (1, 0)]);
    }
    world.close(1, listener);
    world.run_for(61 * SECOND);
    assert_idle(&world);
}
