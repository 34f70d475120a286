//! The bytes of a file in memory against a vector, however they are written, cut, punched and mapped.

mod common;

use common::Guest;
use proptest::prelude::*;
use rumpkin_abi::{Errno, linux::general};
use rumpuser::{memory::PAGE_SIZE, user};

/// No file of the test grows beyond this.
const LONGEST: usize = 8 * PAGE_SIZE;

#[derive(Debug, Clone)]
enum Step {
    /// pwrite(2): where, how much.
    Write(usize, usize, u8),
    /// write(2) at the position, which moves.
    WriteOn(usize, u8),
    /// write(2) behind the end, by a description with `O_APPEND`.
    Append(usize, u8),
    Truncate(usize),
    /// A hole, within the file's length.
    Punch(usize, usize),
    /// Room, which makes the file longer.
    Allocate(usize, usize),
    Seek(usize),
    /// A store through a shared mapping.
    Store(usize, u8),
}

fn place() -> impl Strategy<Value = usize> {
    // Borders of pages are where things go wrong.
    prop_oneof![
        0..LONGEST / 2,
        (0..4usize, 0..3usize).prop_map(|(page, off)| (page * PAGE_SIZE + off).saturating_sub(1))
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let length = || prop_oneof![0..100usize, 4000..9000usize];
    prop_oneof![
        (place(), length(), any::<u8>()).prop_map(|(at, length, byte)| Step::Write(at, length, byte)),
        (length(), any::<u8>()).prop_map(|(length, byte)| Step::WriteOn(length, byte)),
        (length(), any::<u8>()).prop_map(|(length, byte)| Step::Append(length, byte)),
        place().prop_map(Step::Truncate),
        (place(), 1..9000usize).prop_map(|(at, length)| Step::Punch(at, length)),
        (place(), 1..9000usize).prop_map(|(at, length)| Step::Allocate(at, length)),
        place().prop_map(Step::Seek),
        (place(), any::<u8>()).prop_map(|(at, byte)| Step::Store(at, byte)),
    ]
}

fn put(model: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if !bytes.is_empty() {
        model.resize(model.len().max(at + bytes.len()), 0);
        model[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_file_holds_what_a_vector_would(steps in prop::collection::vec(step(), 1..40)) {
        let guest = Guest::new();
        let file = guest.create("/tmp/file", b"");
        let end = guest.open("/tmp/file", general::O_WRONLY | general::O_APPEND).unwrap();
        let protection = (general::PROT_READ | general::PROT_WRITE) as usize;
        let open = guest.process.descriptors.get(file as i32).unwrap();
        let mapping = guest.process.memory.map(rumpkin_mm::Request {
            address: 0,
            fixed: false,
            replace: false,
            length: LONGEST,
            protection: rumpuser::memory::Protection::from_bits_truncate(protection as u8),
            source: rumpkin_mm::Source::File { object: open.file().mappable().unwrap(), offset: 0, shared: true },
        }).unwrap();
        let mut model: Vec<u8> = Vec::new();
        let (mut position, mut mapped) = (0, false);
        for step in steps {
            match step {
                Step::Write(at, length, byte) => {
                    let bytes = vec![byte; length];
                    prop_assert_eq!(guest.call("pwrite64", &[file, guest.bytes(&bytes), length, at]), Ok(length));
                    put(&mut model, at, &bytes);
                }
                Step::WriteOn(length, byte) => {
                    if position + length > LONGEST { continue }
                    prop_assert_eq!(guest.write(file, &vec![byte; length]), Ok(length));
                    put(&mut model, position, &vec![byte; length]);
                    position += length;
                }
                Step::Append(length, byte) => {
                    if model.len() + length > LONGEST { continue }
                    prop_assert_eq!(guest.write(end, &vec![byte; length]), Ok(length));
                    let at = model.len();
                    put(&mut model, at, &vec![byte; length]);
                }
                Step::Truncate(length) => {
                    guest.call("ftruncate", &[file, length]).unwrap();
                    model.resize(length, 0);
                }
                Step::Punch(at, length) => {
                    let mode = general::FALLOC_FL_PUNCH_HOLE | general::FALLOC_FL_KEEP_SIZE;
                    guest.call("fallocate", &[file, mode as usize, at, length]).unwrap();
                    let end = model.len();
                    model[at.min(end)..(at + length).min(end)].fill(0);
                }
                Step::Allocate(at, length) => {
                    guest.call("fallocate", &[file, 0, at, length]).unwrap();
                    model.resize(model.len().max(at + length), 0);
                }
                Step::Seek(to) => {
                    prop_assert_eq!(guest.call("lseek", &[file, to, general::SEEK_SET as usize]), Ok(to));
                    position = to;
                }
                Step::Store(at, byte) => {
                    // What is stored behind the end is nobody's, and not seen when the file grows.
                    let stored = user::write(mapping + at, &[byte]).is_ok();
                    let inside = at < model.len().next_multiple_of(PAGE_SIZE);
                    mapped |= inside;
                    prop_assert!(stored || !inside, "store at {} of {}", at, model.len());
                    prop_assert!(!stored || inside || mapped, "store at {} of {}", at, model.len());
                    if at < model.len() {
                        model[at] = byte;
                    }
                }
            }
            prop_assert_eq!(guest.stat("/tmp/file").unwrap().size as usize, model.len());
            prop_assert_eq!(&guest.content("/tmp/file").unwrap(), &model);
            for at in [0, model.len() / 2, model.len().saturating_sub(1)] {
                if at < model.len() {
                    mapped = true;
                    prop_assert_eq!(guest.peek(mapping + at, 1)[0], model[at]);
                }
            }
        }
        // SEEK_DATA and SEEK_HOLE never pass a byte that is not zero.
        let mut at = 0;
        while at < model.len() {
            match guest.call("lseek", &[file, at, general::SEEK_DATA as usize]) {
                Ok(data) => {
                    prop_assert!(model[at..data].iter().all(|&byte| byte == 0));
                    let hole = guest.call("lseek", &[file, data, general::SEEK_HOLE as usize]).unwrap();
                    prop_assert!(hole > data && hole <= model.len());
                    at = hole;
                }
                Err(error) => {
                    prop_assert_eq!(error, Errno::ENXIO);
                    prop_assert!(model[at..].iter().all(|&byte| byte == 0));
                    break;
                }
            }
        }
    }
}
