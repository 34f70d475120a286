//! Arguments of system calls: mostly what the call wants, now and then anything.

use super::user::{BASE, HANDLER, LENGTH, RESTORER};
use arbitrary::{Result, Unstructured};
use rumpkin_abi::linux::{general, net};
use rumpuser::memory::PAGE_SIZE;

/// Each argument in memory has a place of its own, of so many bytes; they are used in turn.
const PLACE: usize = 1024;
/// The first quarter of the program's memory is for arguments, the second for data.
const PLACES: usize = LENGTH / 4 / PLACE;
const DATA: usize = BASE + LENGTH / 4;

const PATHS: &[&str] = &[
    "/tmp/a",
    "/tmp/b",
    "/tmp/d",
    "/tmp/d/a",
    "/tmp/d/e",
    "/tmp/link",
    "a",
    "d",
    "d/../a",
    ".",
    "..",
    "/",
    "",
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/vda",
    "/dev/console",
    "/dev/tty",
    "/dev/urandom",
    "/dev/fd/1",
    "/dev/shm/s",
    "/proc",
    "/proc/self/maps",
    "/proc/self/fd",
    "/proc/self/fd/3",
    "/proc/self/exe",
    "/proc/self/task/1/comm",
    "/proc/meminfo",
    "/proc/mounts",
    "/proc/1/stat",
    "/proc/self/mem",
    "/etc/resolv.conf",
    "/tmp/a/",
    "/tmp//d/./a",
    "/run/x",
    "/sys/y",
    "user.name",
    "security.x",
    "\u{1}",
];

/// Commands of fcntl(2), arch_prctl(2).
const COMMANDS: &[u32] =
    &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1024, 1030, 1031, 1032, 1033, 1034, 36, 37, 38, 0x1001, 0x1002, 0x1003];
/// Of ioctl(2): terminals, sockets, disks, FIONREAD, FIONBIO, FIOCLEX.
const IOCTLS: &[u32] = &[
    0x5401,
    0x5402,
    0x5403,
    0x5404,
    0x5413,
    0x5414,
    0x540f,
    0x5410,
    0x541b,
    0x5421,
    0x5450,
    0x5451,
    0x8912,
    0x8913,
    0x8915,
    0x8919,
    0x891b,
    0x8921,
    0x8927,
    0x8933,
    0x1260,
    0x8008_1272,
    0x1268,
    0x127b,
    0x1277,
    0x127f,
    0x125e,
    0x1261,
];

/// Makes arguments, and remembers what calls gave.
#[derive(Default)]
pub struct Maker {
    next: usize,
    remembered: Vec<usize>,
}

/// Bytes that the program writes before its call, and where.
pub type Writes = Vec<(usize, Vec<u8>)>;

impl Maker {
    /// Notes what a call gave.
    pub fn remember(&mut self, value: usize, most: usize) {
        if (PAGE_SIZE..usize::MAX - PAGE_SIZE).contains(&value) {
            self.remembered.insert(0, value);
            self.remembered.truncate(most);
        }
    }

    /// An argument of the kind that a letter stands for.
    pub fn argument(&mut self, kind: u8, input: &mut Unstructured<'_>, writes: &mut Writes) -> Result<usize> {
        let choice: u8 = input.arbitrary()?;
        if choice >= 0xf8 {
            return extreme(input);
        }
        let small = usize::from(choice);
        Ok(match kind {
            // A descriptor.
            b'd' if choice >= 0xf0 => general::AT_FDCWD as usize,
            b'd' => small % 16,
            // A number, nothing, eight (bytes of a signal set), or an integer of any size.
            b'i' => small % 40,
            b'0' => 0,
            b'8' => 8,
            b'R' => 24,
            b'x' => input.arbitrary()?,
            // A length, an offset into a file, one of whole pages.
            b'n' => [small, small * 16, small * 300, PAGE_SIZE, 4 * PAGE_SIZE, 1 << 20, 8, 0][small % 8],
            b'o' => [0, small, small * 100, 1 << 32, 5000, usize::MAX, 1 << 62, 512][small % 8],
            b'O' => small % 4 * PAGE_SIZE,
            // Flags: none, one, or two.
            b'f' if choice < 0x60 => 0,
            b'f' => 1 << (choice % 32) | if choice < 0xa0 { 0 } else { 1 << (input.arbitrary::<u8>()? % 32) },
            // How to open, what memory may be used for, how to map it.
            b'w' => {
                (input.arbitrary::<u32>()? & 0o17_777_777) as usize
                    & !(general::O_PATH as usize * usize::from(choice & 1))
            }
            b'r' => small % 8,
            b'M' => {
                (small % 4) | (small & 0x30) << 1 | if choice & 0x40 == 0 { general::MAP_ANONYMOUS as usize } else { 0 }
            }
            // Address of a page; where an answer goes.
            b'm' => self.address(input)? & !(PAGE_SIZE - 1),
            b'b' if choice < 8 => 0,
            b'b' => DATA + small * 256 + usize::from(choice >= 0xe8),
            b'p' => self.put(path(choice), writes),
            b's' => {
                let length = usize::from(input.arbitrary::<u8>()?) % 128;
                let bytes = input.bytes(length.min(input.len()))?.to_vec();
                self.put(bytes, writes)
            }
            b'c' => COMMANDS[small % COMMANDS.len()] as usize,
            b'I' => IOCTLS[small % IOCTLS.len()] as usize,
            _ => return self.compound(kind, choice, input, writes),
        })
    }

    /// An argument that is a structure of some kind, or that only few calls have.
    fn compound(&mut self, kind: u8, choice: u8, input: &mut Unstructured<'_>, writes: &mut Writes) -> Result<usize> {
        let small = usize::from(choice);
        Ok(match kind {
            // Milliseconds; a time or none; an interval and a first time.
            b'k' => [0, 1, 10, 1000, usize::MAX, small][small % 6],
            b't' if choice < 0x20 => 0,
            b't' => self.put(time(choice), writes),
            b'E' => self.put([time(choice), time(input.arbitrary()?)].concat(), writes),
            // A signal, a set of them, what is to be done about one, a stack.
            b'S' => small % 66,
            b'g' => self.put(signal_set(input)?.to_le_bytes().to_vec(), writes),
            b'A' => {
                let handler = [0, 1, HANDLER, HANDLER][small % 4];
                let flags = u64::from(general::SA_RESTORER) | u64::from(input.arbitrary::<u8>()?) << 24;
                let words = [handler, flags, RESTORER, signal_set(input)?];
                self.put(words.into_iter().flat_map(u64::to_le_bytes).collect(), writes)
            }
            b'K' => BASE + LENGTH / 2 + (small & 0x3f) * 2048,
            // Threads: a number, how to clone, a futex and what to do about it.
            b'T' => small % 8,
            b'L' if choice < 0xc0 => 0x5_0f00 | (small & 1) << 21 | (small & 2) << 23,
            b'L' => input.arbitrary::<u32>()? as usize,
            b'u' => DATA + small % 4 * 4,
            b'F' => (small % 14) | (small & 0x80) | (small & 0x40) << 2,
            b'C' => small % 13,
            b'V' => {
                let words =
                    [input.arbitrary::<u8>()?.into(), u64::from(choice % 66) | u64::from(choice & 0xc0) << 26, 1];
                self.put(words.into_iter().flat_map(u64::to_le_bytes).collect(), writes)
            }
            // Descriptors to poll, buffers, a message.
            b'P' => {
                let count = small % 5;
                let each =
                    (0..count).map(|_| Ok([input.arbitrary::<u8>()? % 16, 0, 0, 0, input.arbitrary()?, 0, 0, 0]));
                let entries = each.collect::<Result<Vec<_>>>()?.concat();
                self.put(entries, writes)
            }
            b'v' => self.vector(choice, input, writes)?,
            b'h' => {
                let (name, vector, control) =
                    (self.socket_address(choice, writes), self.vector(choice, input, writes)?, control(input)?);
                let length = control.len();
                let control = self.put(control, writes);
                let words = [name, 16, vector, small % 5, control, length, 0];
                // Two of them, for the calls that take several: the number of bytes behind each.
                let message: Vec<u8> = words.into_iter().flat_map(usize::to_le_bytes).chain([0; 8]).collect();
                self.put(message.repeat(2), writes)
            }
            // Sockets: type, address, length, where a length is.
            b'y' => [1, 2, 3, 5, 1 | 0o4000, 2 | 0o4000, 1 | 0o2_000_000, small][small % 8],
            b'a' => self.socket_address(choice, writes),
            b'+' => [16, 110, 2, 12, 28, small][small % 6],
            b'l' => self.put(u32::from(choice % 128).to_le_bytes().to_vec(), writes),
            _ => unreachable!("no argument is of the kind {:?}", char::from(kind)),
        })
    }

    /// An address: in the program's memory, in what calls gave, or of no page.
    pub fn address(&mut self, input: &mut Unstructured<'_>) -> Result<usize> {
        let choice: u8 = input.arbitrary()?;
        let small = usize::from(choice);
        Ok(match (choice % 8, self.remembered.get(small / 8 % 8)) {
            (0..4, Some(&address)) => address.wrapping_add(small / 64 * PAGE_SIZE),
            (4, _) => 0,
            (5, _) => BASE + LENGTH * 2 + small * PAGE_SIZE,
            (6, _) => 0x7fff_ffff_f000 - small / 128 * PAGE_SIZE,
            _ => BASE + small * 1024,
        })
    }

    fn put(&mut self, mut bytes: Vec<u8>, writes: &mut Writes) -> usize {
        bytes.truncate(PLACE);
        let at = BASE + self.next % PLACES * PLACE;
        self.next += 1;
        writes.push((at, bytes));
        at
    }

    fn vector(&mut self, choice: u8, input: &mut Unstructured<'_>, writes: &mut Writes) -> Result<usize> {
        let mut words = Vec::new();
        for _ in 0..choice % 5 {
            let [place, length]: [u8; 2] = input.arbitrary()?;
            let length = if length < 0xf0 { usize::from(length) * 16 } else { usize::MAX / 2 };
            words.extend([DATA + usize::from(place) * 256, length]);
        }
        Ok(self.put(words.into_iter().flat_map(usize::to_le_bytes).collect(), writes))
    }

    fn socket_address(&mut self, choice: u8, writes: &mut Writes) -> usize {
        let bytes = match choice % 8 {
            0..5 => {
                let host = [[127, 0, 0, 1], [0; 4], [10, 0, 0, 1], [10, 0, 0, 2]][usize::from(choice) / 8 % 4];
                [&(net::AF_INET as u16).to_le_bytes()[..], &[0, choice / 32], &host, &[0; 8]].concat()
            }
            5 => [&(net::AF_UNIX as u16).to_le_bytes()[..], b"/tmp/socket\0"].concat(),
            6 => [&(net::AF_UNIX as u16).to_le_bytes()[..], b"\0name"].concat(),
            _ => vec![choice; 16],
        };
        self.put(bytes, writes)
    }
}

/// Numbers at the ends of what a register holds.
fn extreme(input: &mut Unstructured<'_>) -> Result<usize> {
    let choice: u8 = input.arbitrary()?;
    Ok(match choice % 12 {
        0 => usize::MAX,
        1 => isize::MAX as usize,
        2 => isize::MIN as usize,
        3 => u32::MAX as usize,
        4 => i32::MAX as usize,
        5 => 1 << 31,
        6 => 0,
        7 => 0x7fff_ffff_f000,
        8 => 0xffff_8000_0000_0000,
        9 => 1 << (choice / 4 % 64),
        _ => input.arbitrary()?,
    })
}

/// A path; some are longer than a path may be, or a name.
fn path(choice: u8) -> Vec<u8> {
    match choice {
        0xf0 => [&b"/tmp/"[..], &[b'n'; 255], b"\0"].concat(),
        0xf1 => [&b"/tmp/"[..], &[b'n'; 256], b"\0"].concat(),
        0xf2 => vec![b'/'; PLACE],
        _ => [PATHS[usize::from(choice) % PATHS.len()].as_bytes(), b"\0"].concat(),
    }
}

/// A `struct timespec` or `timeval`.
fn time(choice: u8) -> Vec<u8> {
    let (seconds, rest): (u64, u64) = match choice % 8 {
        0 => (0, 0),
        1 => (0, 1),
        2 => (0, 1000),
        3 => (0, 10_000_000),
        4 => (1, 0),
        5 => (u64::from(choice), 500_000),
        6 => (u64::MAX >> (choice / 8 % 2), 999_999_999),
        _ => (0, 2_000_000_000),
    };
    [seconds.to_le_bytes(), rest.to_le_bytes()].concat()
}

fn signal_set(input: &mut Unstructured<'_>) -> Result<u64> {
    let choice: u8 = input.arbitrary()?;
    Ok(match choice {
        0..0x40 => 0,
        0x40..0xc0 => 1 << (choice % 64),
        0xc0..0xe0 => u64::MAX,
        _ => input.arbitrary()?,
    })
}

/// Control messages (cmsg(3)): descriptors as a rule.
fn control(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let [choice, descriptor]: [u8; 2] = input.arbitrary()?;
    let length = if choice < 0xe0 { 20 } else { u64::from(choice) << 56 | 20 };
    let header = [&length.to_le_bytes()[..], &1u32.to_le_bytes(), &u32::from(1 + choice % 3).to_le_bytes()].concat();
    Ok(if choice & 1 == 0 { Vec::new() } else { [&header[..], &[descriptor % 16, 0, 0, 0, 0, 0, 0, 0]].concat() })
}
