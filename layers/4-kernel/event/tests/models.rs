//! Pipes, counters, timers and epoll against models of a few lines, under any sequence of calls.

#[path = "../../vfs/tests/common/mod.rs"]
mod common;

use common::Guest;
use proptest::prelude::*;
use rumpkin_abi::{Errno, linux::general};
use rumpuser::clock;
use std::collections::VecDeque;

const NONBLOCKING: usize = general::O_NONBLOCK as usize;
/// Bytes that a write puts in whole or not at all.
const ATOMIC: usize = 4096;

fn guest() -> Guest {
    Guest::with(&[rumpkin_signal::register, rumpkin_event::register])
}

fn pipe(guest: &Guest) -> (usize, usize) {
    let at = guest.room(8);
    guest.call("pipe2", &[at, NONBLOCKING]).unwrap();
    (guest.value::<u32>(at) as usize, guest.value::<u32>(at + 4) as usize)
}

/// What poll(2) says of a descriptor.
fn poll(guest: &Guest, descriptor: usize, events: u32) -> u32 {
    let entry = [&(descriptor as u32).to_le_bytes()[..], &(events as u16).to_le_bytes(), &[0; 2]].concat();
    let at = guest.bytes(&entry);
    guest.call("poll", &[at, 1, 0]).unwrap();
    u32::from(guest.value::<u16>(at + 6))
}

#[derive(Debug, Clone)]
enum PipeStep {
    Write(usize),
    Read(usize),
    Resize(usize),
}

fn pipe_step() -> impl Strategy<Value = PipeStep> {
    let length = || prop_oneof![0..10usize, 4090..4100usize, 0..70_000usize];
    prop_oneof![
        length().prop_map(PipeStep::Write),
        length().prop_map(PipeStep::Read),
        (10..18u32).prop_map(|bits| PipeStep::Resize(1 << bits)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// pipe(7): order is kept, nothing is lost, writes of up to PIPE_BUF bytes are whole, and readiness is as poll(2) has it.
    #[test]
    fn a_pipe_is_a_queue(steps in prop::collection::vec(pipe_step(), 1..30)) {
        let guest = guest();
        let (reader, writer) = pipe(&guest);
        let (mut model, mut capacity, mut next) = (VecDeque::new(), 65536usize, 0u8);
        let room = guest.room(70_000);
        for step in steps {
            match step {
                PipeStep::Write(length) => {
                    let bytes: Vec<u8> = (0..length).map(|index| next.wrapping_add(index as u8)).collect();
                    rumpuser::user::write(room, &bytes).unwrap();
                    let free = capacity - model.len();
                    let fits = if length <= ATOMIC && length > free { 0 } else { length.min(free) };
                    let expected = if fits == 0 && length > 0 { Err(Errno::EAGAIN) } else { Ok(fits) };
                    prop_assert_eq!(guest.call("write", &[writer, room, length]), expected);
                    model.extend(&bytes[..fits]);
                    next = next.wrapping_add(fits as u8);
                }
                PipeStep::Read(length) => {
                    let taken = length.min(model.len());
                    let expected = if taken == 0 && length > 0 { Err(Errno::EAGAIN) } else { Ok(taken) };
                    prop_assert_eq!(guest.call("read", &[reader, room, length]), expected);
                    prop_assert_eq!(guest.peek(room, taken), model.drain(..taken).collect::<Vec<u8>>());
                }
                PipeStep::Resize(size) => {
                    let size = size.max(4096);
                    let expected = if size < model.len() { Err(Errno::EBUSY) } else { Ok(size) };
                    prop_assert_eq!(guest.call("fcntl", &[writer, general::F_SETPIPE_SZ as usize, size]), expected);
                    capacity = expected.unwrap_or(capacity);
                }
            }
            prop_assert_eq!(poll(&guest, reader, general::POLLIN) != 0, !model.is_empty());
            prop_assert_eq!(poll(&guest, writer, general::POLLOUT) != 0, capacity - model.len() >= ATOMIC);
        }
    }

    /// eventfd(2): a sum that neither overflows nor goes below nothing.
    #[test]
    fn a_counter_counts(
        first in any::<u32>(),
        semaphore: bool,
        steps in prop::collection::vec(prop::option::of(prop_oneof![0..3u64, (u64::MAX - 3)..=u64::MAX, any::<u64>()]), 1..40),
    ) {
        const MOST: u64 = u64::MAX - 1;
        let guest = guest();
        let counter = guest.call("eventfd2", &[first as usize, NONBLOCKING | usize::from(semaphore)]).unwrap();
        let mut model = u64::from(first);
        for step in steps {
            match step {
                Some(added) => {
                    let expected = match model.checked_add(added).filter(|sum| *sum <= MOST) {
                        _ if added == u64::MAX => Err(Errno::EINVAL),
                        Some(_) => Ok(8),
                        None => Err(Errno::EAGAIN),
                    };
                    let found = guest.write(counter, &added.to_le_bytes());
                    prop_assert_eq!(found, expected);
                    if found.is_ok() {
                        model += added;
                    }
                }
                None => {
                    let taken = if semaphore { model.min(1) } else { model };
                    let expected = if taken == 0 { Err(Errno::EAGAIN) } else { Ok(taken.to_le_bytes().to_vec()) };
                    prop_assert_eq!(guest.read(counter, 8), expected);
                    model -= taken;
                }
            }
            prop_assert_eq!(poll(&guest, counter, general::POLLIN) != 0, model > 0);
            prop_assert_eq!(poll(&guest, counter, general::POLLOUT) != 0, model < MOST);
        }
    }
}

#[derive(Debug, Clone)]
enum TimerStep {
    /// First expiration and interval, in microseconds; absolute or not.
    Set(u64, u64, bool),
    Sleep(u64),
    Read,
}

fn timer_step() -> impl Strategy<Value = TimerStep> {
    let first = prop_oneof![Just(0u64), 1..50u64, 1..5_000_000u64];
    let interval = prop_oneof![Just(0u64), 1..4u64, 20_000..5_000_000u64];
    prop_oneof![
        (first, interval, any::<bool>())
            .prop_map(|(first, interval, absolute)| TimerStep::Set(first, interval, absolute)),
        (0..3_000_000u64).prop_map(TimerStep::Sleep),
        Just(TimerStep::Read),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// timerfd_create(2), in simulated time: it has expired as often as its setting says, and is never early.
    #[test]
    fn a_timer_expires_when_it_is_due(seed: u64, steps in prop::collection::vec(timer_step(), 1..20)) {
        let failure = rumpuser_hosted::simulate(seed, || timers(&steps));
        prop_assert_eq!(failure, None);
    }
}

/// Sleeps in simulated time.
fn sleep(nanoseconds: u64) {
    let end = clock::monotonic() + nanoseconds;
    while clock::monotonic() < end {
        rumpuser::thread::park(Some(end));
    }
}

fn timers(steps: &[TimerStep]) -> Option<String> {
    /// What a thread may take to get its turn: a deadline that is so near may have passed or not.
    const SLACK: u64 = 100_000;
    let guest = guest();
    let timer = guest.call("timerfd_create", &[general::CLOCK_MONOTONIC as usize, NONBLOCKING]).unwrap();
    // When it was due first (0: never), how often since then it may have been read.
    let (mut due, mut interval, mut read) = (0u64, 0u64, 0u64);
    for step in steps {
        match *step {
            TimerStep::Set(first, every, absolute) => {
                let (first, every) = (first * 1000, every * 1000);
                let value = if absolute && first != 0 { clock::monotonic() + first } else { first };
                let words =
                    [every / 1_000_000_000, every % 1_000_000_000, value / 1_000_000_000, value % 1_000_000_000];
                let at = guest.bytes(&words.map(u64::to_le_bytes).concat());
                let earliest = clock::monotonic() + first;
                guest.call("timerfd_settime", &[timer, usize::from(absolute), at, 0]).unwrap();
                (due, interval, read) = (if first == 0 { 0 } else { earliest }, every, 0);
            }
            TimerStep::Sleep(microseconds) => {
                // So fast a timer misses deadlines, and takes its time.
                let fast = (1..20_000_000).contains(&interval);
                sleep(if fast { microseconds } else { microseconds * 1000 });
            }
            TimerStep::Read => {
                let passed = |now: u64| match (due, interval) {
                    (0, _) => 0,
                    (due, _) if due > now => 0,
                    (_, 0) => 1,
                    (due, interval) => 1 + (now - due) / interval,
                };
                let least = passed(clock::monotonic().saturating_sub(SLACK));
                let count = match guest.read(timer, 8) {
                    Ok(bytes) => u64::from_le_bytes(bytes.try_into().unwrap()),
                    Err(Errno::EAGAIN) => 0,
                    Err(error) => return Some(format!("read: {error:?}")),
                };
                let most = passed(clock::monotonic());
                read += count;
                if read < least || read > most {
                    return Some(format!("it has expired {read} times, not {least} to {most}"));
                }
            }
        }
    }
    None
}

#[derive(Debug, Clone)]
enum EpollStep {
    /// A member of the set: which pipe, and its events.
    Control {
        pipe: usize,
        writer: bool,
        add: bool,
        edge: bool,
        one_shot: bool,
    },
    Write(usize),
    Read(usize),
    Close(usize),
    Wait,
}

fn epoll_step() -> impl Strategy<Value = EpollStep> {
    let pipe = 0..3usize;
    prop_oneof![
        3 => (pipe.clone(), any::<[bool; 4]>()).prop_map(|(pipe, [writer, add, edge, one_shot])| {
            EpollStep::Control { pipe, writer, add, edge, one_shot: one_shot && !edge }
        }),
        3 => pipe.clone().prop_map(EpollStep::Write),
        3 => pipe.clone().prop_map(EpollStep::Read),
        1 => pipe.prop_map(EpollStep::Close),
        4 => Just(EpollStep::Wait),
    ]
}

/// A member of the set.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Member {
    events: u32,
    /// It is told of what has come since it was told last; always true of a level.
    news: bool,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// epoll(7): a level is told as long as poll(2) tells it, an edge once for each arrival, a one-shot member once.
    #[test]
    fn a_set_tells_what_poll_tells(steps in prop::collection::vec(epoll_step(), 1..50)) {
        let guest = guest();
        let set = guest.call("epoll_create1", &[0]).unwrap();
        let pipes: Vec<_> = (0..3).map(|_| pipe(&guest)).collect();
        let mut members: std::collections::BTreeMap<usize, Member> = Default::default();
        let mut closed = [false; 3];
        for step in steps {
            match step {
                EpollStep::Control { pipe, writer, add, edge, one_shot } => {
                    if writer && closed[pipe] {
                        continue;
                    }
                    let descriptor = if writer { pipes[pipe].1 } else { pipes[pipe].0 };
                    let mut events = if writer { general::EPOLLOUT } else { general::EPOLLIN };
                    events |= if edge { general::EPOLLET } else { 0 } | if one_shot { general::EPOLLONESHOT } else { 0 };
                    let known = members.contains_key(&descriptor);
                    let operation = match (add, known) {
                        (true, true) => general::EPOLL_CTL_MOD,
                        (true, false) => general::EPOLL_CTL_ADD,
                        (false, _) => general::EPOLL_CTL_DEL,
                    };
                    let event = [&events.to_le_bytes()[..], &(descriptor as u64).to_le_bytes()].concat();
                    let result = guest.call("epoll_ctl", &[set, operation as usize, descriptor, guest.bytes(&event)]);
                    prop_assert_eq!(result, if add || known { Ok(0) } else { Err(Errno::ENOENT) });
                    if add {
                        members.insert(descriptor, Member { events, news: true });
                    } else {
                        members.remove(&descriptor);
                    }
                }
                EpollStep::Write(pipe) if !closed[pipe] => {
                    guest.write(pipes[pipe].1, b"x").unwrap();
                    members.entry(pipes[pipe].0).and_modify(|member| member.news = true);
                }
                EpollStep::Read(pipe) => {
                    let had = guest.read(pipes[pipe].0, 1).is_ok_and(|bytes| !bytes.is_empty());
                    if had && !closed[pipe] {
                        // Room is news for the writer; it may or may not be told of room that it had anyway.
                        members.entry(pipes[pipe].1).and_modify(|member| member.news = true);
                    }
                }
                EpollStep::Close(pipe) if !closed[pipe] => {
                    guest.call("close", &[pipes[pipe].1]).unwrap();
                    closed[pipe] = true;
                    members.remove(&pipes[pipe].1);
                    members.entry(pipes[pipe].0).and_modify(|member| member.news = true);
                }
                EpollStep::Write(_) | EpollStep::Close(_) => {}
                EpollStep::Wait => {
                    let at = guest.room(12 * 16);
                    let count = guest.call("epoll_wait", &[set, at, 16, 0]).unwrap();
                    let told = (0..count).map(|index| {
                        (guest.value::<u64>(at + index * 12 + 4) as usize, guest.value::<u32>(at + index * 12))
                    });
                    let told: std::collections::BTreeMap<usize, u32> = told.collect();
                    prop_assert_eq!(told.len(), count, "nobody is told of twice");
                    for (&descriptor, member) in &mut members {
                        let wanted = member.events & (general::EPOLLIN | general::EPOLLOUT);
                        let now = poll(&guest, descriptor, wanted);
                        let armed = wanted != 0;
                        match told.get(&descriptor) {
                            Some(&events) => {
                                prop_assert!(armed && now != 0, "{} is told of though it is not ready", descriptor);
                                prop_assert_eq!(events, now);
                                prop_assert!(member.news || member.events & general::EPOLLET == 0, "an edge twice");
                            }
                            None => {
                                let due = armed && now != 0 && (member.news || member.events & general::EPOLLET == 0);
                                // Room that a writer had before is no edge.
                                let excused = wanted == general::EPOLLOUT && member.events & general::EPOLLET != 0;
                                prop_assert!(!due || excused, "{} is ready and not told of", descriptor);
                            }
                        }
                        if told.contains_key(&descriptor) {
                            member.news = false;
                            if member.events & general::EPOLLONESHOT != 0 {
                                member.events &= !(general::EPOLLIN | general::EPOLLOUT);
                            }
                        }
                    }
                    prop_assert!(told.keys().all(|descriptor| members.contains_key(descriptor)), "strangers are told of");
                }
            }
        }
    }
}
