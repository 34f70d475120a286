//! epoll, poll and the files that exist for them, through their system calls on the hosted hypercalls.

#[path = "../../vfs/tests/common/mod.rs"]
mod common;

use common::Guest;
use rumpkin_abi::{Errno, linux::general};
use rumpkin_signal::{ProcessSignals, SignalSet, ThreadSignals};
use rumpuser::{clock, thread as threads};
use std::time::{Duration, Instant};

const IN: u32 = general::EPOLLIN;
const OUT: u32 = general::EPOLLOUT;
const ET: u32 = general::EPOLLET;
const MILLISECOND: u64 = 1_000_000;

/// The calls of these tests by shorter names.
trait Calls {
    fn pipe(&self) -> (usize, usize);
    fn control(&self, set: usize, operation: u32, descriptor: usize, events: u32) -> Result<usize, Errno>;
    fn wait(&self, set: usize, timeout: i32) -> Vec<(u32, u64)>;
    fn poll(&self, descriptor: usize, events: u16) -> u16;
}

fn guest() -> Guest {
    Guest::with(&[rumpkin_signal::register, rumpkin_event::register])
}

impl Calls for Guest {
    fn pipe(&self) -> (usize, usize) {
        let at = self.room(8);
        self.call("pipe2", &[at, general::O_NONBLOCK as usize]).unwrap();
        (self.value::<u32>(at) as usize, self.value::<u32>(at + 4) as usize)
    }

    /// The datum of a member is its descriptor.
    fn control(&self, set: usize, operation: u32, descriptor: usize, events: u32) -> Result<usize, Errno> {
        let event = [&events.to_le_bytes()[..], &(descriptor as u64).to_le_bytes()].concat();
        self.call("epoll_ctl", &[set, operation as usize, descriptor, self.bytes(&event)])
    }

    fn wait(&self, set: usize, timeout: i32) -> Vec<(u32, u64)> {
        let at = self.room(12 * 16);
        let count = self.call("epoll_wait", &[set, at, 16, timeout as usize]).unwrap();
        (0..count).map(|index| (self.value(at + index * 12), self.value(at + index * 12 + 4))).collect()
    }

    fn poll(&self, descriptor: usize, events: u16) -> u16 {
        let entry = [&(descriptor as u32).to_le_bytes()[..], &events.to_le_bytes(), &[0; 2]].concat();
        let at = self.bytes(&entry);
        self.call("poll", &[at, 1, 0]).unwrap();
        self.value(at + 6)
    }
}

#[test]
fn level_is_told_until_it_is_gone() {
    let guest = guest();
    let (reader, writer) = guest.pipe();
    let set = guest.call("epoll_create1", &[0]).unwrap();
    guest.control(set, general::EPOLL_CTL_ADD, reader, IN).unwrap();
    assert_eq!(guest.wait(set, 0), []);
    guest.write(writer, b"ab").unwrap();
    for _ in 0..3 {
        assert_eq!(guest.wait(set, 0), [(IN, reader as u64)]);
    }
    guest.read(reader, 1).unwrap();
    assert_eq!(guest.wait(set, -1), [(IN, reader as u64)]);
    guest.read(reader, 1).unwrap();
    assert_eq!(guest.wait(set, 0), []);
    guest.call("close", &[writer]).unwrap();
    assert_eq!(guest.wait(set, 0), [(general::EPOLLHUP, reader as u64)]);
}

#[test]
fn edge_is_told_once_per_arrival() {
    let guest = guest();
    let (reader, writer) = guest.pipe();
    let set = guest.call("epoll_create1", &[0]).unwrap();
    guest.write(writer, b"a").unwrap();
    guest.control(set, general::EPOLL_CTL_ADD, reader, IN | ET).unwrap();
    assert_eq!(guest.wait(set, 0).len(), 1, "what was there before counts");
    assert_eq!(guest.wait(set, 0), []);
    guest.write(writer, b"b").unwrap();
    assert_eq!(guest.wait(set, 0).len(), 1);
    assert_eq!(guest.wait(set, 0), []);
    guest.control(set, general::EPOLL_CTL_MOD, reader, IN | ET).unwrap();
    assert_eq!(guest.wait(set, 0).len(), 1, "changing looks anew");
    guest.control(set, general::EPOLL_CTL_ADD, writer, OUT | ET).unwrap();
    assert_eq!(guest.wait(set, 0), [(OUT, writer as u64)]);
    assert_eq!(guest.wait(set, 0), []);
}

#[test]
fn one_shot_is_told_once() {
    let guest = guest();
    let (reader, writer) = guest.pipe();
    let set = guest.call("epoll_create1", &[0]).unwrap();
    guest.control(set, general::EPOLL_CTL_ADD, reader, IN | general::EPOLLONESHOT).unwrap();
    guest.write(writer, b"a").unwrap();
    assert_eq!(guest.wait(set, 0).len(), 1);
    guest.write(writer, b"b").unwrap();
    assert_eq!(guest.wait(set, 0), []);
    guest.call("close", &[writer]).unwrap();
    assert_eq!(guest.wait(set, 0), [], "not even the end is told");
    guest.control(set, general::EPOLL_CTL_MOD, reader, IN | general::EPOLLONESHOT).unwrap();
    assert_eq!(guest.wait(set, 0), [(IN | general::EPOLLHUP, reader as u64)]);
}

#[test]
fn closing_the_last_descriptor_leaves_the_set() {
    let guest = guest();
    let (reader, writer) = guest.pipe();
    let set = guest.call("epoll_create1", &[0]).unwrap();
    guest.control(set, general::EPOLL_CTL_ADD, reader, IN).unwrap();
    guest.write(writer, b"a").unwrap();
    let copy = guest.call("dup", &[reader]).unwrap();
    guest.call("close", &[reader]).unwrap();
    assert_eq!(guest.wait(set, 0), [(IN, reader as u64)], "the copy keeps the description");
    guest.call("close", &[copy]).unwrap();
    assert_eq!(guest.wait(set, 0), []);
    assert_eq!(guest.write(writer, b"b"), Err(Errno::EPIPE), "the set does not keep the pipe");
    assert_eq!(guest.control(set, general::EPOLL_CTL_DEL, reader, 0), Err(Errno::EBADF));
}

#[test]
fn sets_come_and_go_without_a_trace() {
    let guest = guest();
    let (reader, writer) = guest.pipe();
    let pipe = guest.process.descriptors.get(reader as i32).unwrap();
    for _ in 0..3 {
        let set = guest.call("epoll_create1", &[0]).unwrap();
        guest.control(set, general::EPOLL_CTL_ADD, reader, IN).unwrap();
        guest.call("close", &[set]).unwrap();
    }
    assert!(!pipe.closed().has_observers());
    assert!(!pipe.file().wait_queue().unwrap().has_observers());
    guest.write(writer, b"a").unwrap();
}

#[test]
fn wrong_members_are_refused() {
    let guest = guest();
    let (reader, _) = guest.pipe();
    let file = guest.create("/tmp/a", b"");
    let set = guest.call("epoll_create1", &[0]).unwrap();
    let other = guest.call("epoll_create", &[1]).unwrap();
    assert_eq!(guest.control(set, general::EPOLL_CTL_ADD, file, IN), Err(Errno::EPERM));
    assert_eq!(guest.control(set, general::EPOLL_CTL_ADD, set, IN), Err(Errno::EINVAL));
    assert_eq!(guest.control(reader, general::EPOLL_CTL_ADD, set, IN), Err(Errno::EINVAL));
    assert_eq!(guest.control(set, general::EPOLL_CTL_MOD, reader, IN), Err(Errno::ENOENT));
    assert_eq!(guest.control(set, general::EPOLL_CTL_DEL, reader, 0), Err(Errno::ENOENT));
    guest.control(set, general::EPOLL_CTL_ADD, reader, IN).unwrap();
    assert_eq!(guest.control(set, general::EPOLL_CTL_ADD, reader, IN), Err(Errno::EEXIST));
    guest.control(set, general::EPOLL_CTL_ADD, other, IN).unwrap();
    assert_eq!(guest.control(other, general::EPOLL_CTL_ADD, set, IN), Err(Errno::ELOOP));
    assert_eq!(guest.call("epoll_create", &[0]), Err(Errno::EINVAL));
    assert_eq!(guest.call("epoll_wait", &[set, 8, 0, 0]), Err(Errno::EINVAL));
}

#[test]
fn set_in_a_set_is_readable_when_it_has_something() {
    let guest = guest();
    let (reader, writer) = guest.pipe();
    let (outer, inner) = (guest.call("epoll_create1", &[0]).unwrap(), guest.call("epoll_create1", &[0]).unwrap());
    guest.control(outer, general::EPOLL_CTL_ADD, inner, IN).unwrap();
    guest.control(inner, general::EPOLL_CTL_ADD, reader, IN).unwrap();
    assert_eq!(guest.wait(outer, 0), []);
    guest.write(writer, b"a").unwrap();
    assert_eq!(guest.wait(outer, 0), [(IN, inner as u64)]);
    assert_eq!(guest.poll(inner, IN as u16), IN as u16);
    assert_eq!(guest.wait(inner, 0), [(IN, reader as u64)]);
    guest.read(reader, 1).unwrap();
    assert_eq!(guest.wait(outer, 0), []);
}

#[test]
fn edge_of_a_set_in_a_set_is_told_at_each_arrival() {
    let guest = guest();
    let (reader, writer) = guest.pipe();
    let (outer, inner) = (guest.call("epoll_create1", &[0]).unwrap(), guest.call("epoll_create1", &[0]).unwrap());
    guest.control(inner, general::EPOLL_CTL_ADD, reader, IN).unwrap();
    guest.control(outer, general::EPOLL_CTL_ADD, inner, IN | ET).unwrap();
    for _ in 0..3 {
        guest.write(writer, b"a").unwrap();
        assert_eq!(guest.wait(outer, 0), [(IN, inner as u64)], "though the inner set has not been waited for");
        assert_eq!(guest.wait(outer, 0), []);
    }
    guest.read(reader, 8).unwrap();
    guest.write(writer, b"a").unwrap();
    assert_eq!(guest.wait(outer, 0), [(IN, inner as u64)]);
}

#[test]
fn waiting_thread_is_woken_by_another() {
    let guest = guest();
    let (reader, writer) = guest.pipe();
    let set = guest.call("epoll_create1", &[0]).unwrap();
    guest.control(set, general::EPOLL_CTL_ADD, reader, IN | ET).unwrap();
    let end = guest.process.descriptors.get(writer as i32).unwrap();
    let thread = guest.thread.clone();
    let worker = std::thread::spawn(move || {
        for _ in 0..200 {
            std::thread::sleep(Duration::from_micros(200));
            end.write(&thread, None, &mut &b"x"[..]).unwrap();
        }
    });
    let mut read = 0;
    while read < 200 {
        assert_eq!(guest.wait(set, 5000).len(), 1, "no wake-up is lost");
        while let Ok(bytes) = guest.read(reader, 64) {
            read += bytes.len();
        }
    }
    worker.join().unwrap();
}

#[test]
fn waits_end_at_their_time() {
    let guest = guest();
    let set = guest.call("epoll_create1", &[0]).unwrap();
    let started = Instant::now();
    assert_eq!(guest.wait(set, 20), []);
    assert!(started.elapsed() >= Duration::from_millis(20));
    let started = Instant::now();
    assert_eq!(guest.call("poll", &[0, 0, 20]), Ok(0));
    assert!(started.elapsed() >= Duration::from_millis(20));
}

#[test]
fn signal_interrupts_a_wait_but_not_a_look() {
    let guest = guest();
    let set = guest.call("epoll_create1", &[0]).unwrap();
    guest.thread.send_signal(rumpkin_spine::abi::SignalInfo::from_user(10, 0, 1));
    assert_eq!(guest.call("epoll_wait", &[set, guest.room(12), 1, 0]), Ok(0));
    assert_eq!(guest.call("epoll_wait", &[set, guest.room(12), 1, 1000]), Err(Errno::EINTR));
    let blocked = guest.bytes(&SignalSet::of(10).0.to_le_bytes());
    assert_eq!(guest.call("epoll_pwait", &[set, guest.room(12), 1, 10, blocked, 8]), Ok(0));
    assert!(guest.thread.blocked().is_empty());
}

#[test]
fn many_idle_members_cost_nothing() {
    let guest = guest();
    let set = guest.call("epoll_create1", &[0]).unwrap();
    let (reader, writer) = guest.pipe();
    guest.control(set, general::EPOLL_CTL_ADD, reader, IN | ET).unwrap();
    let round = |count: u32| {
        let started = Instant::now();
        for _ in 0..count {
            guest.process.descriptors.get(writer as i32).unwrap().write(&guest.thread, None, &mut &b"x"[..]).unwrap();
            let at = 0x10000; // Nothing is stored there if nothing is ready.
            let _ = guest.call("epoll_wait", &[set, at, 1, 0]);
        }
        started.elapsed()
    };
    round(500);
    let before = round(2000);
    for _ in 0..5000 {
        let idle = guest.call("eventfd2", &[0, 0]).unwrap();
        guest.control(set, general::EPOLL_CTL_ADD, idle, IN).unwrap();
    }
    let after = round(2000);
    assert!(after < before * 4 + Duration::from_millis(20), "{before:?} with none, {after:?} with 5000");
}

#[test]
fn poll_bits_of_a_pipe_are_those_of_linux() {
    let guest = guest();
    let (reader, writer) = guest.pipe();
    let (input, output) = (general::EPOLLIN as u16, general::EPOLLOUT as u16);
    assert_eq!((guest.poll(reader, input), guest.poll(writer, output)), (0, output));
    let chunk = guest.bytes(&[0; 4096]);
    while guest.call("write", &[writer, chunk, 4096]).is_ok() {}
    assert_eq!((guest.poll(reader, input), guest.poll(writer, output)), (input, 0));
    assert_eq!(guest.call("write", &[writer, chunk, 1]), Err(Errno::EAGAIN));
    guest.read(reader, 4095).unwrap();
    assert_eq!(guest.poll(writer, output), 0, "room for less than PIPE_BUF is none");
    assert_eq!(guest.call("write", &[writer, chunk, 4096]), Err(Errno::EAGAIN), "and such a write is not split");
    guest.call("close", &[reader]).unwrap();
    assert_eq!(guest.poll(writer, output) & general::EPOLLERR as u16, general::EPOLLERR as u16);
    assert_eq!(guest.call("write", &[writer, chunk, 1]), Err(Errno::EPIPE));
    assert!(guest.thread.pending_signals().contains(13));
    assert_eq!(guest.poll(77, input), general::EPOLLNVAL as u16);
    assert_eq!(guest.call("fcntl", &[writer, general::F_GETPIPE_SZ as usize]), Ok(65536));
}

#[test]
fn eventfd_counts() {
    let guest = guest();
    let event = guest.call("eventfd2", &[3, general::O_NONBLOCK as usize]).unwrap();
    assert_eq!(guest.write(event, &4u64.to_le_bytes()), Ok(8));
    assert_eq!(guest.read(event, 8), Ok(7u64.to_le_bytes().to_vec()));
    assert_eq!(guest.read(event, 8), Err(Errno::EAGAIN));
    assert_eq!(guest.read(event, 7), Err(Errno::EINVAL));
    assert_eq!(guest.write(event, &u64::MAX.to_le_bytes()), Err(Errno::EINVAL));
    assert_eq!(guest.write(event, &(u64::MAX - 1).to_le_bytes()), Ok(8));
    assert_eq!(guest.write(event, &1u64.to_le_bytes()), Err(Errno::EAGAIN));
    assert_eq!(guest.write(event, &0u64.to_le_bytes()), Ok(8), "there is always room for nothing");
    assert_eq!(guest.write(event, &u64::MAX.to_le_bytes()), Err(Errno::EINVAL), "and never for this");
    let semaphore = guest.call("eventfd2", &[2, (general::EFD_SEMAPHORE | general::O_NONBLOCK) as usize]).unwrap();
    for _ in 0..2 {
        assert_eq!(guest.read(semaphore, 8), Ok(1u64.to_le_bytes().to_vec()));
    }
    assert_eq!(guest.read(semaphore, 8), Err(Errno::EAGAIN));
    assert_eq!(guest.call("eventfd2", &[0, 4]), Err(Errno::EINVAL));
}

#[test]
fn write_to_a_counter_waits_for_room() {
    let guest = guest();
    let event = guest.call("eventfd2", &[0, 0]).unwrap();
    assert_eq!(guest.write(event, &(u64::MAX - 3).to_le_bytes()), Ok(8));
    assert_eq!(guest.write(event, &u64::MAX.to_le_bytes()), Err(Errno::EINVAL), "whether it would wait or not");
    let reader = guest.process.descriptors.get(event as i32).unwrap();
    let thread = guest.thread.clone();
    let worker = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        let mut value = [0; 8];
        reader.read(&thread, None, &mut &mut value[..]).unwrap();
        u64::from_le_bytes(value)
    });
    assert_eq!(guest.write(event, &5u64.to_le_bytes()), Ok(8));
    assert_eq!(worker.join().unwrap(), u64::MAX - 3);
    assert_eq!(guest.read(event, 8), Ok(5u64.to_le_bytes().to_vec()));
}

#[test]
fn signal_tells_of_readiness() {
    const SIGIO: u8 = 29;
    let guest = guest();
    let (reader, writer) = guest.pipe();
    let control = |command: u32, argument: usize| guest.call("fcntl", &[reader, command as usize, argument]);
    let taken = |number: u8| guest.process.take_signal(SignalSet::of(number));
    let (own, status) = (guest.process.id as usize, control(general::F_GETFL, 0).unwrap());
    assert_eq!(control(general::F_SETOWN, 4000), Err(Errno::ESRCH));
    assert_eq!((control(general::F_SETOWN, own), control(general::F_GETOWN, 0)), (Ok(0), Ok(own)));
    guest.write(writer, b"a").unwrap();
    assert!(taken(SIGIO).is_none(), "it has to be asked for");
    control(general::F_SETFL, status | general::FASYNC as usize).unwrap();
    assert_eq!(control(general::F_GETFL, 0), Ok(status | general::FASYNC as usize));
    guest.write(writer, b"a").unwrap();
    assert_eq!(taken(SIGIO).unwrap().code, 0x80);
    assert_eq!(control(general::F_SETSIG, 65), Err(Errno::EINVAL));
    assert_eq!((control(general::F_SETSIG, 34), control(general::F_GETSIG, 0)), (Ok(0), Ok(34)));
    guest.write(writer, b"a").unwrap();
    let info = taken(34).unwrap();
    assert_eq!((info.code, info.fields[0] & 1, info.fields[1]), (1, 1, reader as u64), "POLL_IN");
    guest.call("ioctl", &[reader, 0x5452, guest.bytes(&0i32.to_le_bytes())]).unwrap();
    guest.write(writer, b"a").unwrap();
    assert!(taken(34).is_none(), "FIOASYNC ends it");
    let thread = guest.bytes(&[general::F_OWNER_TID, guest.thread.id].map(u32::to_le_bytes).concat());
    control(general::F_SETOWN_EX, thread).unwrap();
    control(general::F_SETFL, status | general::FASYNC as usize).unwrap();
    guest.call("close", &[writer]).unwrap();
    let info = guest.thread.take_signal(SignalSet::of(34)).unwrap();
    assert_eq!((info.code, info.fields[0] & 0x10), (6, 0x10), "POLL_HUP");
    let null = guest.open("/dev/null", general::O_RDONLY).unwrap();
    assert_eq!(guest.call("ioctl", &[null, 0x5452, guest.bytes(&1i32.to_le_bytes())]), Err(Errno::ENOTTY));
}

#[test]
fn timerfd_expires() {
    let guest = guest();
    let timer = guest.call("timerfd_create", &[1, general::O_NONBLOCK as usize]).unwrap();
    let set = guest.call("epoll_create1", &[0]).unwrap();
    guest.control(set, general::EPOLL_CTL_ADD, timer, IN).unwrap();
    assert_eq!(guest.read(timer, 8), Err(Errno::EAGAIN));
    let timing = |interval: u64, value: u64| {
        let times = [0, interval, 0, value];
        guest.bytes(&times.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>())
    };
    let started = clock::monotonic();
    guest.call("timerfd_settime", &[timer, 0, timing(0, 20 * MILLISECOND)]).unwrap();
    assert_eq!(guest.wait(set, 2000), [(IN, timer as u64)]);
    assert!(clock::monotonic() - started >= 20 * MILLISECOND);
    assert_eq!(guest.read(timer, 8), Ok(1u64.to_le_bytes().to_vec()));
    assert_eq!(guest.wait(set, 0), []);
    guest.call("timerfd_settime", &[timer, 0, timing(5 * MILLISECOND, 5 * MILLISECOND)]).unwrap();
    let (started, mut count) = (clock::monotonic(), 0);
    while count < 5 {
        threads::park(Some(clock::monotonic() + 8 * MILLISECOND));
        count += guest.read(timer, 8).map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
        assert!(clock::monotonic() - started < 10_000 * MILLISECOND, "{count} in 10 seconds");
    }
    assert!(clock::monotonic() - started >= 20 * MILLISECOND, "{count} too early");
    guest.call("timerfd_settime", &[timer, 0, timing(0, 0)]).unwrap();
    assert_eq!(guest.read(timer, 8), Err(Errno::EAGAIN));
    assert_eq!(guest.call("timerfd_create", &[77, 0]), Err(Errno::EINVAL));
}

#[test]
fn sets_stand_within_each_other_only_so_deep() {
    let guest = guest();
    let sets: Vec<usize> = (0..12).map(|_| guest.call("epoll_create1", &[0]).unwrap()).collect();
    let (inwards, outwards) = sets.split_at(6);
    for (index, pair) in inwards.windows(2).enumerate() {
        let expected = if index < 4 { Ok(()) } else { Err(Errno::ELOOP) };
        assert_eq!(guest.control(pair[0], general::EPOLL_CTL_ADD, pair[1], IN).map(drop), expected);
    }
    for (index, pair) in outwards.windows(2).enumerate() {
        let expected = if index < 4 { Ok(()) } else { Err(Errno::ELOOP) };
        assert_eq!(guest.control(pair[1], general::EPOLL_CTL_ADD, pair[0], IN).map(drop), expected);
    }
}
