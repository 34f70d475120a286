//! The store's client against a daemon that is played here, obedient and lying.

use super::*;
use crate::tests::{random, test_page};
use core::sync::atomic::AtomicUsize;

/// Plays xenstored: the other ends of both rings.
struct Daemon {
    requests: Consumer,
    answers: Producer,
    receiver: Receiver,
    page: SharedPage,
}

fn pair() -> (State, Daemon) {
    let page = test_page();
    let state = State {
        requests: Producer::new(page, REQUESTS),
        answers: Consumer::new(page, ANSWERS),
        receiver: Receiver::new(),
        calls: Vec::new(),
        watches: Vec::new(),
        last: None,
        broken: false,
    };
    let (requests, answers) = (Consumer::new(page, REQUESTS), Producer::new(page, ANSWERS));
    (state, Daemon { requests, answers, receiver: Receiver::new(), page })
}

fn call(state: &mut State, id: u32, kind: u32, payload: &[u8]) {
    let mut request = Vec::new();
    Header { kind, id, transaction: NONE, length: payload.len() as u32 }.encode(&mut request);
    request.extend_from_slice(payload);
    let body = Vec::with_capacity(PAYLOAD);
    state.calls.push(Call { id, request, sent: 0, answer: None, body, thread: None });
}

impl Daemon {
    fn next(&mut self) -> Option<(Header, Vec<u8>)> {
        let header = self.receiver.receive(&mut self.requests).1.unwrap()?;
        Some((header, self.receiver.body.clone()))
    }

    /// Sends as much as fits; the rest is given back.
    fn send(&mut self, kind: u32, id: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        Header { kind, id, transaction: NONE, length: body.len() as u32 }.encode(&mut bytes);
        bytes.extend_from_slice(body);
        let count = self.answers.push(&bytes).unwrap();
        bytes.split_off(count)
    }
}

#[test]
fn answers_find_their_calls_in_any_order() {
    let (mut state, mut daemon) = pair();
    call(&mut state, 1, XS_READ, b"name\0");
    call(&mut state, 2, XS_DIRECTORY, b"device\0");
    assert!(state.pump(None));
    let (header, path) = daemon.next().unwrap();
    assert_eq!((header.kind, header.id, &path[..]), (XS_READ, 1, &b"name\0"[..]));
    assert_eq!(daemon.next().unwrap().0.id, 2);
    daemon.send(XS_DIRECTORY, 2, b"vif\0vbd\0");
    daemon.send(XS_ERROR, 1, b"ENOENT\0");
    assert!(state.pump(None));
    let first = state.finished(1).unwrap();
    assert_eq!((first.answer, StoreError::named(&first.body)), (Some(XS_ERROR), StoreError::NotFound));
    let second = state.finished(2).unwrap();
    assert_eq!((second.answer, &second.body[..]), (Some(XS_DIRECTORY), &b"vif\0vbd\0"[..]));
    assert!(!state.pump(None), "nothing moves any more");
}

#[test]
fn messages_longer_than_the_rings_pass_in_pieces_and_do_not_mix() {
    let (mut state, mut daemon) = pair();
    let long = alloc::vec![b'v'; PAYLOAD];
    call(&mut state, 1, XS_WRITE, &long);
    call(&mut state, 2, XS_READ, b"x\0");
    let mut seen = Vec::new();
    while seen.len() < 2 {
        state.pump(None);
        seen.extend(daemon.next().map(|(header, body)| (header.id, body.len())));
    }
    assert_eq!(seen, [(1, PAYLOAD), (2, 2)]);
    let mut rest = daemon.send(XS_READ, 2, &long);
    while !rest.is_empty() {
        assert!(state.finished(2).is_none());
        state.pump(None);
        let count = daemon.answers.push(&rest).unwrap();
        rest.drain(..count);
    }
    state.pump(None);
    assert_eq!(state.finished(2).unwrap().body, long);
}

#[test]
fn events_fire_their_watch_once_and_strangers_none() {
    let (mut state, mut daemon) = pair();
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let notify: Notify = Arc::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    state.watches.push(Registration { id: 7, notify, fired: false });
    for body in [&b"a\x007\0"[..], b"a/b\x007\0", b"a\x008\0", b"a", b"\xff\0\xff\0", b""] {
        daemon.send(XS_WATCH_EVENT, 0, body);
    }
    state.pump(None);
    while let Some(notify) = state.next_fired() {
        notify();
    }
    assert_eq!(told.load(Ordering::Relaxed), 1);
    assert!(!state.broken);
}

#[test]
fn answers_that_nobody_asked_for_are_dropped() {
    let (mut state, mut daemon) = pair();
    call(&mut state, 1, XS_READ, b"x\0");
    state.pump(None);
    daemon.send(XS_READ, 99, b"stray");
    daemon.send(XS_READ, 1, b"right");
    daemon.send(XS_READ, 1, b"twice");
    state.pump(None);
    assert_eq!(state.finished(1).unwrap().body, b"right");
}

#[test]
fn hostile_indices_and_lengths_end_the_calls_with_an_error() {
    for break_it in [
        |daemon: &mut Daemon| daemon.page.store(ANSWERS.producer, 1025u32),
        |daemon: &mut Daemon| daemon.page.store(REQUESTS.consumer, 0x8000_0000u32),
        |daemon: &mut Daemon| {
            let mut bytes = Vec::new();
            Header { kind: XS_READ, id: 1, transaction: NONE, length: u32::MAX }.encode(&mut bytes);
            daemon.answers.push(&bytes).unwrap();
        },
    ] {
        let (mut state, mut daemon) = pair();
        call(&mut state, 1, XS_READ, b"x\0");
        break_it(&mut daemon);
        state.pump(None);
        assert!(state.broken);
        assert_eq!(state.finished(1).unwrap().answer, None);
        assert!(!state.pump(None), "it is not talked to any more");
    }
}

#[test]
fn a_daemon_that_writes_anything_is_survived() {
    let mut numbers = random();
    for _ in 0..300 {
        let (mut state, daemon) = pair();
        for id in 1..5 {
            call(&mut state, id, XS_READ, b"some/path\0");
        }
        for _ in 0..30 {
            for _ in 0..64 {
                let byte = if numbers().is_multiple_of(2) { 0 } else { numbers() as u8 };
                daemon.page.store((numbers() % 4096) as usize, byte);
            }
            state.pump(None);
            let id = (numbers() % 6) as u32;
            state.finished(id);
        }
    }
}
