//! TCP between two stacks.

use super::harness::*;
use crate::{ip::wire::Address, slab::Key};
use alloc::vec::Vec;
use rumpkin_spine::{Errno, abi::linux::net, wait::Events};
use std::sync::atomic::Ordering;

/// Sends all of `data` from one end of a connection and receives it at the other.
fn transfer(world: &mut World, from: (usize, Key), to: (usize, Key), data: &[u8]) {
    let (mut sent, mut received) = (0, Vec::new());
    assert!(
        world.run_until(|world| {
            match world.send(from.0, from.1, &data[sent..]) {
                Ok(count) => sent += count,
                Err(error) => assert_eq!(error, Errno::EAGAIN),
            }
            if let Ok(part) = world.receive(to.0, to.1) {
                received.extend(part);
            }
            received.len() >= data.len()
        }),
        "sent {sent}, received {}",
        received.len()
    );
    assert!(received == data, "received something else");
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index as u8).wrapping_mul(31).wrapping_add((index >> 8) as u8)).collect()
}

#[test]
fn data_flows_both_ways_and_ends() {
    for offload in [false, true] {
        let mut world = World::new(Shape { offload, ..Shape::default() });
        let listener = world.listen(80, 8);
        let (client, server) = world.connection(listener, 80);
        transfer(&mut world, (0, client), (1, server), &pattern(300_000));
        transfer(&mut world, (1, server), (0, client), &pattern(300_000));
        assert_eq!(world.receive(1, server), Err(Errno::EAGAIN));
        world.on(0, |stack| stack.tcp.shutdown(client, false, true, &mut stack.ip, &mut stack.notices)).unwrap();
        assert!(world.run_until(|world| world.receive(1, server) == Ok(Vec::new())));
        assert_eq!(world.send(0, client, b"x"), Err(Errno::EPIPE));
        transfer(&mut world, (1, server), (0, client), b"half closed");
        world.close(1, server);
        assert!(world.run_until(|world| world.receive(0, client) == Ok(Vec::new())));
        world.close(0, client);
        world.run_for(100 * SECOND);
        assert_eq!(world.stacks[0].deadlines(), 0);
    }
}

#[test]
fn segments_go_together_to_a_link_that_cuts_them() {
    for (segmentation, loss) in [(65549, 0), (65535, 20), (20_000, 0), (3000, 0), (1514, 0), (100, 0)] {
        let mut world = World::new(Shape { offload: true, segmentation, loss, ..Shape::default() });
        let listener = world.listen(80, 8);
        let (client, server) = world.connection(listener, 80);
        world.record = Some(Vec::new());
        transfer(&mut world, (0, client), (1, server), &pattern(1_000_000));
        transfer(&mut world, (1, server), (0, client), &pattern(1_000_000));
        let frames = world.record.take().unwrap();
        assert!(frames.iter().all(|frame| frame.len() <= 1514));
        // As many whole segments as fit, unless buffers or windows are smaller.
        let (longest, whole) =
            (world.longest.load(Ordering::Relaxed), (segmentation.max(1514) - 54) / 1460 * 1460 + 54);
        let least = whole.min(if loss > 0 { 3000 } else { 40_000 });
        assert!((least..=whole).contains(&longest), "{longest} of {whole}");
        // With data that ends in between, and an end behind the data.
        transfer(&mut world, (0, client), (1, server), &pattern(3333));
        world.send(0, client, &pattern(5000)).unwrap();
        world.on(0, |stack| stack.tcp.shutdown(client, false, true, &mut stack.ip, &mut stack.notices)).unwrap();
        let mut received = Vec::new();
        assert!(world.run_until(|world| match world.receive(1, server) {
            Ok(part) if part.is_empty() => true,
            part => {
                received.extend(part.unwrap_or_default());
                false
            }
        }));
        assert!(received == pattern(5000));
    }
}

#[test]
fn nobody_listening_refuses() {
    let mut world = World::new(Shape::default());
    let (client, shared) = world.connect_to((OTHER, 81));
    assert!(world.run_until(|_| shared.ready().contains(Events::ERROR)));
    let all = Events::READ | Events::WRITE | Events::ERROR | Events::HANG_UP | Events::READ_HANG_UP;
    assert!(shared.ready().contains(all));
    assert_eq!(world.on(0, |stack| stack.tcp.take_error(client)), Some(Errno::ECONNREFUSED));
    assert_eq!(world.on(0, |stack| stack.tcp.take_error(client)), None);
    world.close(0, client);
    assert_eq!(world.stacks[0].tcp.count(), 0);
}

#[test]
fn a_machine_that_is_not_there_is_unreachable() {
    let mut world = World::new(Shape::default());
    let (client, _) = world.connect_to((Address::new(10, 0, 0, 77), 80));
    assert!(
        world.run_until(|world| { world.on(0, |stack| stack.tcp.connect_result(client)) == Err(Errno::EHOSTUNREACH) })
    );
    assert!(world.now < 10 * SECOND);
    let beyond = world.on(0, |stack| stack.tcp.connect(client, (Address::new(8, 8, 8, 8), 80), &mut stack.ip));
    assert_eq!(beyond, Err(Errno::ENETUNREACH));
}

#[test]
fn nothing_is_lost_when_frames_are() {
    for loss in [10, 100] {
        let mut world = World::new(Shape { loss, ..Shape::default() });
        let listener = world.listen(80, 8);
        let (client, server) = world.connection(listener, 80);
        transfer(&mut world, (0, client), (1, server), &pattern(200_000));
        transfer(&mut world, (1, server), (0, client), &pattern(200_000));
    }
}

#[test]
fn a_full_device_only_delays() {
    let mut world = World::new(Shape { capacity: 3, ..Shape::default() });
    let listener = world.listen(80, 8);
    let (client, server) = world.connection(listener, 80);
    transfer(&mut world, (0, client), (1, server), &pattern(500_000));
    assert!(world.now < SECOND, "a full queue looked like loss: {}", world.now);
}

#[test]
fn loopback_never_touches_the_link() {
    let mut world = World::new(Shape::default());
    world.run_for(SECOND);
    world.record = Some(Vec::new());
    for address in [Address::LOCALHOST, ONE] {
        let listener = world.on(0, |stack| {
            let (key, _) = stack.tcp.open().unwrap();
            stack.tcp.bind(key, (address, 80)).unwrap();
            stack.tcp.listen(key, 8).unwrap();
            key
        });
        let (client, _) = world.connect_to((address, 80));
        assert_eq!(world.on(0, |stack| stack.tcp.connect_result(client)), Ok(()));
        let (server, _, peer) = world.on(0, |stack| stack.tcp.accept(listener)).unwrap();
        assert_eq!(peer.0, address);
        transfer(&mut world, (0, client), (0, server), &pattern(200_000));
    }
    assert!(world.record.unwrap().is_empty());
}

#[test]
fn closing_with_unread_data_resets() {
    let mut world = World::new(Shape::default());
    let listener = world.listen(80, 8);
    let (client, server) = world.connection(listener, 80);
    world.send(0, client, b"never read").unwrap();
    world.run_for(SECOND);
    world.close(1, server);
    world.run_for(SECOND);
    assert_eq!(world.receive(0, client), Err(Errno::ECONNRESET));
    assert_eq!(world.receive(0, client), Ok(Vec::new()));
    assert_eq!(world.send(0, client, b"x"), Err(Errno::EPIPE));
}

#[test]
fn lingering_for_no_time_resets() {
    let mut world = World::new(Shape::default());
    let listener = world.listen(80, 8);
    let (client, server) = world.connection(listener, 80);
    world.on(0, |stack| stack.tcp.with_options(client, |options| options.linger = Some(0))).unwrap();
    world.close(0, client);
    world.run_for(SECOND);
    assert_eq!(world.receive(1, server), Err(Errno::ECONNRESET));
    assert_eq!(world.stacks[0].tcp.count(), 0);
}

#[test]
fn what_was_sent_before_the_end_arrives_though_the_sender_is_gone() {
    let mut world = World::new(Shape { loss: 50, ..Shape::default() });
    let listener = world.listen(80, 8);
    let (client, server) = world.connection(listener, 80);
    let data = pattern(60_000);
    assert_eq!(world.send(0, client, &data), Ok(data.len()));
    world.close(0, client);
    let mut received = Vec::new();
    assert!(world.run_until(|world| match world.receive(1, server) {
        Ok(part) if part.is_empty() => true,
        Ok(part) => {
            received.extend(part);
            false
        }
        Err(error) => {
            assert_eq!(error, Errno::EAGAIN);
            false
        }
    }));
    assert!(received == data);
}

#[test]
fn a_closed_connection_leaves_only_time_wait_behind() {
    let mut world = World::new(Shape::default());
    let listener = world.listen(80, 8);
    for _ in 0..50 {
        let (client, server) = world.connection(listener, 80);
        world.close(0, client);
        world.run_for(SECOND / 10);
        world.close(1, server);
        world.run_for(SECOND / 10);
    }
    // The listener alone is left of sockets; one timer serves all of TIME-WAIT.
    assert_eq!((world.stacks[0].tcp.count(), world.stacks[1].tcp.count()), (0, 1));
    assert!(world.stacks[0].deadlines() <= 2);
    world.run_for(100 * SECOND);
    assert_eq!(world.stacks[0].deadlines(), 0);
}

#[test]
fn a_peer_that_vanishes_is_given_up() {
    let mut world = World::new(Shape::default());
    let listener = world.listen(80, 8);
    let (client, _) = world.connection(listener, 80);
    world.on(0, |stack| stack.tcp.with_options(client, |options| options.user_timeout = 5000)).unwrap();
    world.cut();
    world.send(0, client, b"anybody there?").unwrap();
    assert!(world.run_until(|world| world.receive(0, client) == Err(Errno::ETIMEDOUT)));
    assert!((4 * SECOND..20 * SECOND).contains(&world.now), "{}", world.now);
}

#[test]
fn a_handshake_without_answer_times_out() {
    let mut world = World::new(Shape::default());
    let listener = world.listen(80, 8);
    world.connection(listener, 80);
    world.cut();
    let (client, _) = world.connect_to((OTHER, 80));
    let mut result = Err(Errno::EAGAIN);
    assert!(world.run_until(|world| {
        result = world.on(0, |stack| stack.tcp.connect_result(client));
        result != Err(Errno::EAGAIN)
    }));
    assert!(matches!(result, Err(Errno::ETIMEDOUT | Errno::EHOSTUNREACH)), "{result:?}");
}

#[test]
fn ports_are_kept_apart_as_linux_does() {
    let mut world = World::new(Shape::default());
    world.on(0, |stack| {
        let tcp = &mut stack.tcp;
        let any = (Address::UNSPECIFIED, 80);
        let [one, other, third] = [tcp.open().unwrap().0, tcp.open().unwrap().0, tcp.open().unwrap().0];
        assert_eq!(tcp.bind(one, any), Ok(()));
        assert_eq!(tcp.bind(one, any), Err(Errno::EINVAL));
        assert_eq!(tcp.bind(other, (Address::LOCALHOST, 80)), Err(Errno::EADDRINUSE));
        for key in [one, other, third] {
            tcp.with_options(key, |options| options.reuse_address = true).unwrap();
        }
        assert_eq!(tcp.bind(other, any), Ok(()));
        assert_eq!(tcp.listen(one, 1), Ok(()));
        assert_eq!(tcp.listen(other, 1), Err(Errno::EADDRINUSE));
        assert_eq!(tcp.bind(third, any), Err(Errno::EADDRINUSE));
        assert_eq!(tcp.bind(third, (Address::UNSPECIFIED, 0)), Ok(()));
        assert!(tcp.local(third).1 >= 32768);
    });
}

#[test]
fn two_listeners_share_a_port_when_both_want_to() {
    let mut world = World::new(Shape::default());
    let listeners: Vec<Key> = world.on(1, |stack| {
        let open = |_| {
            let (key, _) = stack.tcp.open().unwrap();
            stack.tcp.with_options(key, |options| options.reuse_port = true).unwrap();
            stack.tcp.bind(key, (Address::UNSPECIFIED, 80)).unwrap();
            stack.tcp.listen(key, 100).unwrap();
            key
        };
        (0..2).map(open).collect()
    });
    for _ in 0..60 {
        world.connect_to((OTHER, 80));
    }
    world.run_for(SECOND);
    let counts: Vec<usize> = listeners
        .iter()
        .map(|key| core::iter::from_fn(|| world.on(1, |stack| stack.tcp.accept(*key)).ok()).count())
        .collect();
    assert!(counts.iter().sum::<usize>() == 60 && counts.iter().all(|count| *count > 5), "{counts:?}");
}

#[test]
fn the_cost_of_a_packet_does_not_depend_on_idle_connections() {
    let cost = |idle: usize| {
        let mut world = World::new(Shape::default());
        let listener = world.listen(80, 4096);
        for _ in 0..idle {
            world.connection(listener, 80);
        }
        let (client, server) = world.connection(listener, 80);
        world.run_for(2 * SECOND);
        let timers = world.stacks[1].deadlines();
        let before = world.stacks[1].tcp.work;
        for _ in 0..20 {
            transfer(&mut world, (0, client), (1, server), b"request");
            transfer(&mut world, (1, server), (0, client), b"response");
        }
        let after = world.stacks[1].tcp.work;
        (after.segments - before.segments, after.visits - before.visits, timers)
    };
    assert_eq!(cost(0), cost(500));
}

#[test]
fn peeking_keeps_the_data() {
    let mut world = World::new(Shape::default());
    let listener = world.listen(80, 8);
    let (client, server) = world.connection(listener, 80);
    world.send(0, client, b"look").unwrap();
    world.run_for(SECOND);
    let mut buffer = [0; 10];
    let mut sink = &mut buffer[..];
    assert_eq!(world.on(1, |stack| stack.tcp.peek(server, &mut sink)), Ok(4));
    assert_eq!(&buffer[..4], b"look");
    assert_eq!(world.receive(1, server).unwrap(), b"look");
}

#[test]
fn thousands_of_short_connections_leave_nothing_behind() {
    let mut world = World::new(Shape::default());
    let listener = world.on(0, |stack| {
        let (key, _) = stack.tcp.open().unwrap();
        stack.tcp.bind(key, (Address::LOCALHOST, 80)).unwrap();
        stack.tcp.listen(key, 128).unwrap();
        key
    });
    for turn in 0..3000 {
        let (client, _) = world.connect_to((Address::LOCALHOST, 80));
        assert_eq!(world.on(0, |stack| stack.tcp.connect_result(client)), Ok(()), "{turn}");
        let (server, ..) = world.on(0, |stack| stack.tcp.accept(listener)).unwrap();
        assert_eq!(world.send(0, server, b"x"), Ok(1));
        if turn % 3 == 0 {
            world.close(0, server);
        }
        assert_eq!(world.receive(0, client), Ok(b"x".to_vec()));
        if turn % 3 == 1 {
            world.close(0, server);
        }
        world.close(0, client);
        if turn % 3 == 2 {
            world.close(0, server);
        }
        world.round();
        assert_eq!(world.stacks[0].tcp.count(), 1, "{turn}");
    }
}

#[test]
fn shutting_a_listener_down_ends_accepting() {
    let mut world = World::new(Shape::default());
    let listener = world.listen(80, 8);
    let (client, shared) = world.connect_to((OTHER, 80));
    world.run_for(SECOND);
    assert!(shared.ready().contains(Events::WRITE) && !shared.ready().contains(Events::HANG_UP));
    world.on(1, |stack| stack.tcp.shutdown(listener, true, false, &mut stack.ip, &mut stack.notices)).unwrap();
    assert_eq!(world.on(1, |stack| stack.tcp.accept(listener).err()), Some(Errno::EINVAL));
    world.run_for(SECOND);
    assert_eq!(world.receive(0, client), Err(Errno::ECONNRESET));
    assert_eq!(world.stacks[1].tcp.count(), 1);
}

/// Ports are as busy as Linux has them: with connections, and with what is left of those.
#[test]
fn a_connection_holds_its_port_until_time_wait_is_over() {
    for reuse in [false, true] {
        let mut world = World::new(Shape::default());
        let listener = world.listen(80, 8);
        world.on(1, |stack| stack.tcp.with_options(listener, |options| options.reuse_address = reuse)).unwrap();
        let (client, server) = world.connection(listener, 80);
        world.close(1, listener);
        let bind = |world: &mut World, address, reuse| {
            world.on(1, |stack| {
                let (key, _) = stack.tcp.open().unwrap();
                stack.tcp.with_options(key, |options| options.reuse_address = reuse).unwrap();
                let result = stack.tcp.bind(key, (address, 80));
                stack.tcp.close(key, &mut stack.ip);
                result.is_ok()
            })
        };
        let check = |world: &mut World| {
            assert!(!bind(world, Address::UNSPECIFIED, false));
            assert!(!bind(world, OTHER, false));
            assert_eq!(bind(world, OTHER, true), reuse);
            assert!(bind(world, Address::LOCALHOST, false));
        };
        check(&mut world);
        world.close(1, server);
        assert!(world.run_until(|world| world.receive(0, client) == Ok(Vec::new())));
        world.close(0, client);
        world.run_for(SECOND);
        assert_eq!(world.stacks[1].tcp.count(), 0);
        check(&mut world);
        world.run_for(100 * SECOND);
        assert!(bind(&mut world, OTHER, false));
    }
}

#[test]
fn a_dissolved_connection_resets_its_peer_and_leaves_a_new_socket() {
    let mut world = World::new(Shape::default());
    let listener = world.listen(80, 8);
    let (client, server) = world.connection(listener, 80);
    let disconnect =
        |stack: &mut crate::stack::Stack, key| stack.tcp.disconnect(key, &mut stack.ip, &mut stack.notices);
    world.on(0, |stack| disconnect(stack, client)).unwrap();
    assert_eq!(world.receive(0, client), Err(Errno::ECONNRESET));
    assert_eq!(world.receive(0, client), Err(Errno::ENOTCONN));
    assert!(world.run_until(|world| world.receive(1, server) == Err(Errno::ECONNRESET)));
    // In the middle of its handshake, too: nobody hears of it.
    let again = |world: &mut World| world.on(0, |stack| stack.tcp.connect(client, (OTHER, 80), &mut stack.ip));
    assert_eq!(again(&mut world), Err(Errno::EINPROGRESS));
    world.on(0, |stack| stack.tcp.shutdown(client, true, true, &mut stack.ip, &mut stack.notices)).unwrap();
    assert_eq!(world.on(0, |stack| stack.tcp.connect_result(client)), Err(Errno::ECONNRESET));
    assert_eq!(again(&mut world), Err(Errno::EINPROGRESS));
    assert!(world.run_until(|world| world.on(0, |stack| stack.tcp.connect_result(client)) == Ok(())));
    world.close(0, client);
    world.close(1, server);
    world.close(1, listener);
    world.run_for(100 * SECOND);
    for stack in &world.stacks {
        assert_eq!((stack.tcp.count(), stack.tcp.memory(), stack.deadlines()), (0, 0, 0));
    }
}

#[test]
fn a_connection_tells_what_became_of_its_segments() {
    for loss in [0, 30] {
        let mut world = World::new(Shape { loss, ..Shape::default() });
        let listener = world.listen(80, 8);
        let (client, server) = world.connection(listener, 80);
        transfer(&mut world, (0, client), (1, server), &pattern(300_000));
        world.run_for(10 * SECOND);
        let info =
            |world: &mut World, index: usize, key| world.on(index, |stack| stack.tcp.info(key, &stack.ip)).unwrap();
        let (one, other) = (info(&mut world, 0, client), info(&mut world, 1, server));
        assert_eq!((one.state, other.state), (1, 1));
        assert_eq!((one.bytes_acknowledged, other.bytes_received), (300_000, 300_000));
        assert_eq!((one.retransmits, one.send_segment), (0, 1460));
        assert!(one.round_trip > 0 && one.congestion_window >= 2, "{one:?}");
        assert_eq!((one.total_retransmitted > 0, one.bytes_sent > 300_000), (loss > 0, loss > 0), "{one:?}");
        assert_eq!(info(&mut world, 1, listener).state, 10);
        world.close(1, server);
        world.close(0, client);
    }
}

#[test]
fn a_connection_without_data_is_kept_back_until_its_time_is_over() {
    let mut world = World::new(Shape::default());
    let listener = world.listen(80, 8);
    let defer = |options: &mut crate::tcp::Options| options.set(net::TCP_DEFER_ACCEPT, 3, false, true);
    world.on(1, |stack| stack.tcp.with_options(listener, defer)).unwrap().unwrap();
    let accept = |world: &mut World| world.on(1, |stack| stack.tcp.accept(listener)).map(|(key, ..)| key);
    let (talkative, _) = world.connect_to((OTHER, 80));
    let (silent, _) = world.connect_to((OTHER, 80));
    world.run_for(SECOND);
    assert_eq!(accept(&mut world).err(), Some(Errno::EAGAIN));
    assert_eq!(world.send(0, talkative, b"hello"), Ok(5));
    world.run_for(SECOND);
    let one = accept(&mut world).unwrap();
    assert_eq!(world.receive(1, one), Ok(b"hello".to_vec()));
    assert_eq!(accept(&mut world).err(), Some(Errno::EAGAIN));
    world.run_for(2 * SECOND);
    let other = accept(&mut world).unwrap();
    transfer(&mut world, (0, silent), (1, other), b"at last");
    world.run_for(100 * SECOND);
    transfer(&mut world, (1, other), (0, silent), b"still");
}

#[test]
fn a_program_decides_how_much_waits() {
    let mut world = World::new(Shape::default());
    let listener = world.listen(80, 8);
    let (client, server) = world.connection(listener, 80);
    let set = |world: &mut World, change: fn(&mut crate::tcp::Options)| {
        world.on(0, |stack| stack.tcp.with_options(client, change)).unwrap();
    };
    set(&mut world, |options| options.send_buffer = Some(5000));
    assert_eq!(world.send(0, client, &pattern(20_000)), Ok(5000));
    assert_eq!(world.send(0, client, b"more"), Err(Errno::EAGAIN));
    world.run_for(SECOND);
    assert_eq!(world.receive(1, server).unwrap().len(), 5000);
    // Nothing is acknowledged any more: what has been sent does not count, what has not does.
    world.cut();
    set(&mut world, |options| (options.send_buffer, options.unsent_most) = (None, 1));
    assert!(world.send(0, client, &pattern(1000)).is_ok());
    assert!(world.send(0, client, &pattern(100_000)).is_ok());
    assert_eq!(world.send(0, client, b"more"), Err(Errno::EAGAIN));
}

#[test]
fn segments_are_as_small_as_a_program_wants() {
    let mut world = World::new(Shape::default());
    let listener = world.listen(80, 8);
    world.on(1, |stack| stack.tcp.with_options(listener, |options| options.largest_segment = Some(300))).unwrap();
    world.record = Some(Vec::new());
    let (client, server) = world.connection(listener, 80);
    transfer(&mut world, (0, client), (1, server), &pattern(10_000));
    transfer(&mut world, (1, server), (0, client), &pattern(10_000));
    let longest = world.record.take().unwrap().iter().map(Vec::len).max();
    assert_eq!(longest, Some(14 + 40 + 300));
}
