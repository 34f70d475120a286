//! Record locks through their system calls, against a model that knows of each byte who has locked it.

mod common;

use common::Guest;
use proptest::prelude::*;
use rumpkin_abi::{Errno, linux::general};

const SET: u32 = general::F_SETLK;
const SET_OWN: u32 = general::F_OFD_SETLK;
const GET_OWN: u32 = general::F_OFD_GETLK;
const READ: u32 = general::F_RDLCK;
const WRITE: u32 = general::F_WRLCK;
const NONE: u32 = general::F_UNLCK;

/// `struct flock`: kind, whence, start, length, process.
type Lock = (u32, u32, i64, i64, i32);

/// Makes the call; what is in the structure then.
fn control(guest: &Guest, file: usize, command: u32, lock: Lock) -> Result<Lock, Errno> {
    let (kind, whence, start, length, process) = lock;
    let words = [&(kind | whence << 16).to_le_bytes()[..], &[0; 4], &start.to_le_bytes(), &length.to_le_bytes()];
    let at = guest.bytes(&[&words.concat()[..], &process.to_le_bytes(), &[0; 4]].concat());
    guest.call("fcntl", &[file, command as usize, at])?;
    let kind: u32 = guest.value(at);
    Ok((kind & 0xffff, kind >> 16, guest.value(at + 8), guest.value(at + 16), guest.value(at + 24)))
}

fn set(guest: &Guest, file: usize, command: u32, kind: u32, start: i64, length: i64) -> Result<(), Errno> {
    control(guest, file, command, (kind, 0, start, length, 0)).map(drop)
}

/// Two descriptions of one file.
fn two(guest: &Guest) -> (usize, usize) {
    (guest.create("/tmp/locked", b"0123456789"), guest.open("/tmp/locked", general::O_RDWR).unwrap())
}

#[test]
fn descriptions_exclude_each_other() {
    let guest = Guest::new();
    let (one, other) = two(&guest);
    set(&guest, one, SET_OWN, WRITE, 0, 0).unwrap();
    assert_eq!(set(&guest, other, SET_OWN, READ, 100, 1), Err(Errno::EAGAIN), "to the end and beyond");
    assert_eq!(control(&guest, other, GET_OWN, (READ, 1, 3, 2, 0)), Ok((WRITE, 0, 0, 0, -1)), "it is nobody's process");
    assert_eq!(
        control(&guest, one, GET_OWN, (READ, 0, 3, 2, 0)),
        Ok((NONE, 0, 3, 2, 0)),
        "one's own is not in the way"
    );
    set(&guest, one, SET_OWN, READ, 0, 0).unwrap();
    set(&guest, other, SET_OWN, READ, 5, 5).unwrap();
    assert_eq!(set(&guest, one, SET_OWN, WRITE, 9, 1), Err(Errno::EAGAIN));
    set(&guest, one, SET_OWN, WRITE, 10, 1).unwrap();
    let copy = guest.call("dup", &[other]).unwrap();
    guest.call("close", &[other]).unwrap();
    assert_eq!(set(&guest, one, SET_OWN, WRITE, 9, 1), Err(Errno::EAGAIN), "the copy holds it, too");
    guest.call("close", &[copy]).unwrap();
    set(&guest, one, SET_OWN, WRITE, 9, 1).unwrap();
}

#[test]
fn process_and_description_exclude_each_other() {
    let guest = Guest::new();
    let (one, other) = two(&guest);
    set(&guest, one, SET, WRITE, 0, 4).unwrap();
    set(&guest, other, SET, WRITE, 2, 4).unwrap();
    assert_eq!(set(&guest, one, SET_OWN, READ, 0, 1), Err(Errno::EAGAIN));
    let owner = guest.process.id as i32;
    assert_eq!(control(&guest, one, GET_OWN, (WRITE, 0, 5, 1, 0)), Ok((WRITE, 0, 0, 6, owner)), "both are one by now");
    guest.call("close", &[guest.open("/tmp/locked", general::O_RDONLY).unwrap()]).unwrap();
    set(&guest, one, SET_OWN, WRITE, 0, 1).unwrap();
    assert_eq!(set(&guest, other, SET, READ, 0, 1), Err(Errno::EAGAIN), "any descriptor took them along");
    set(&guest, one, SET, READ, 1, 1).unwrap();
    guest.call("dup2", &[0, other]).unwrap();
    set(&guest, one, SET_OWN, WRITE, 1, 1).unwrap();
}

#[test]
fn wrong_locks_are_refused() {
    let guest = Guest::new();
    let (one, _) = two(&guest);
    let lock = |command, lock| control(&guest, one, command, lock).map(drop);
    assert_eq!(lock(SET_OWN, (READ, 0, 0, 0, 1)), Err(Errno::EINVAL), "a description has no process");
    assert_eq!(lock(SET, (3, 0, 0, 0, 0)), Err(Errno::EINVAL));
    assert_eq!(lock(SET, (READ, 3, 0, 0, 0)), Err(Errno::EINVAL));
    assert_eq!(lock(SET, (READ, 0, -1, 0, 0)), Err(Errno::EINVAL));
    assert_eq!(lock(SET, (READ, 0, 5, -6, 0)), Err(Errno::EINVAL));
    assert_eq!(lock(SET, (READ, 0, 5, i64::MAX, 0)), Err(Errno::EOVERFLOW));
    assert_eq!(lock(SET, (READ, 2, i64::MAX, 0, 0)), Err(Errno::EOVERFLOW));
    assert_eq!(lock(general::F_GETLK, (NONE, 0, 0, 0, 0)), Err(Errno::EINVAL));
    assert_eq!(lock(SET, (READ, 2, 0, -10, 0)), Ok(()), "all that is there");
    let reader = guest.open("/tmp/locked", general::O_RDONLY).unwrap();
    let writer = guest.open("/tmp/locked", general::O_WRONLY).unwrap();
    assert_eq!(set(&guest, reader, SET_OWN, WRITE, 0, 1), Err(Errno::EBADF));
    assert_eq!(set(&guest, writer, SET, READ, 0, 1), Err(Errno::EBADF));
}

#[test]
fn waiting_for_a_lock_ends_when_it_is_given_back() {
    let guest = Guest::new();
    let (one, other) = two(&guest);
    set(&guest, one, SET_OWN, WRITE, 0, 1).unwrap();
    let description = guest.process.descriptors.remove(one as i32).unwrap();
    let holder = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(30));
        drop(description);
    });
    set(&guest, other, general::F_OFD_SETLKW, WRITE, 0, 1).unwrap();
    holder.join().unwrap();
}

/// So many bytes are locked or not; the rest never is.
const BYTES: usize = 24;

fn step() -> impl Strategy<Value = (usize, u32, usize, usize)> {
    (0..3usize, prop_oneof![Just(READ), Just(WRITE), Just(NONE)], 0..BYTES, 1..BYTES)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn each_byte_is_locked_by_whom_it_should_be(steps in prop::collection::vec(step(), 1..60)) {
        let guest = Guest::new();
        let (one, other) = two(&guest);
        // Two descriptions and the process.
        let owners = [(one, SET_OWN), (other, SET_OWN), (one, SET)];
        let mut model = [[NONE; BYTES]; 3];
        for (owner, kind, start, length) in steps {
            let length = length.min(BYTES - start);
            let range = start..start + length;
            let excluded = (0..3).filter(|&third| third != owner).any(|third| {
                let theirs = &model[third][range.clone()];
                theirs.iter().any(|&theirs| kind != NONE && theirs != NONE && (kind == WRITE || theirs == WRITE))
            });
            let (file, command) = owners[owner];
            let expected = if excluded { Err(Errno::EAGAIN) } else { Ok(()) };
            prop_assert_eq!(set(&guest, file, command, kind, start as i64, length as i64), expected);
            if !excluded {
                model[owner][range].fill(kind);
            }
        }
        let third = guest.open("/tmp/locked", general::O_RDWR).unwrap();
        for byte in 0..BYTES {
            for (kind, shared) in [(READ, true), (WRITE, false)] {
                let locked = model.iter().any(|of| of[byte] == WRITE || !shared && of[byte] == READ);
                let found = control(&guest, third, GET_OWN, (kind, 0, byte as i64, 1, 0)).unwrap();
                prop_assert_eq!(found.0 != NONE, locked, "byte {}: {:?}", byte, found);
            }
        }
    }
}
