//! One end of a connection as a program: a thread that writes and one that reads, and what they saw.

use super::{
    node::{Node, Task, sleep, start},
    plan::{Ending, Opening, Part},
};
use alloc::{sync::Arc, vec::Vec};
use rumpkin_abi::linux::net;
use rumpkin_program::{Program, ProgramThread};
use rumpkin_spine::Errno;
use rumpuser::{clock, random};

const SECOND: u64 = 1_000_000_000;
/// How long a program waits for its peer, in microseconds: longer than all of TCP's own patience.
const PATIENCE: u64 = 1_500_000_000;
/// How long one that is going to reset waits at once.
const SHORT: u64 = 20_000;
const PORT: u16 = 80;
const TCP_NODELAY: u32 = 1;

/// What an end saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// How connecting or accepting ended.
    pub opened: Option<Result<(), Errno>>,
    /// Bytes that the kernel took.
    pub sent: usize,
    pub received: Vec<u8>,
    /// The peer's end came, after all of its data.
    pub end: bool,
    /// Why writing and reading stopped before their time.
    pub write_error: Option<Errno>,
    pub read_error: Option<Errno>,
}

/// Byte `index` of what end `number` sends.
pub fn byte(number: usize, index: usize) -> u8 {
    (index as u8).wrapping_mul(31) ^ (index >> 8) as u8 ^ (index >> 16) as u8 ^ [0x55, 0][number]
}

/// Runs end `number` on a thread of its own. `expected`: bytes that the peer is going to send.
pub fn run(node: &Node, number: usize, opening: Opening, part: &Part, expected: usize) -> Task<Seen> {
    let (node, part) = (node.clone(), part.clone());
    start("end", move || {
        let program = Arc::new(Program::new(&node.kernel, "end").unwrap());
        let main = program.thread().unwrap();
        let mut seen = Seen::default();
        if number == 0 || opening == Opening::Simultaneous {
            sleep(part.delay);
        }
        let opened = match (opening, number) {
            (Opening::Accept, 0) => connect(&main, &part, None, ([10, 0, 0, 2], PORT)),
            (Opening::Accept, _) => accept(&main, &part),
            (Opening::Simultaneous, _) => {
                let ports = [5000, 6000];
                connect_until(&main, &part, ports[number], ([10, 0, 0, 2 - number as u8], ports[1 - number]))
            }
        };
        seen.opened = Some(opened.map(|_| ()));
        if let Ok(socket) = opened {
            talk(&program, &main, socket, number, &part, expected, &mut seen);
        }
        seen
    })
}

fn prepare(thread: &ProgramThread, part: &Part) -> usize {
    let socket = thread.tcp_socket().unwrap();
    for (name, size) in [(net::SO_RCVBUF, part.receive_buffer), (net::SO_SNDBUF, part.send_buffer)] {
        if let Some(size) = size {
            thread.set_integer(socket, net::SOL_SOCKET, name, size).unwrap();
        }
    }
    thread.set_integer(socket, 6, TCP_NODELAY, i32::from(part.no_delay)).unwrap();
    thread.set_timeout(socket, net::SO_RCVTIMEO, PATIENCE).unwrap();
    socket
}

fn connect(
    thread: &ProgramThread,
    part: &Part,
    port: Option<u16>,
    to: rumpkin_program::Endpoint,
) -> Result<usize, Errno> {
    let socket = prepare(thread, part);
    if let Some(port) = port {
        thread.bind(socket, ([0; 4], port)).unwrap();
    }
    match thread.connect(socket, to) {
        Ok(()) => Ok(socket),
        Err(error) => {
            thread.close(socket).unwrap();
            Err(error)
        }
    }
}

/// Connects again while the peer is not there yet.
fn connect_until(
    thread: &ProgramThread,
    part: &Part,
    port: u16,
    to: rumpkin_program::Endpoint,
) -> Result<usize, Errno> {
    for _ in 0..200 {
        match connect(thread, part, Some(port), to) {
            Err(Errno::ECONNREFUSED | Errno::ECONNRESET) => {
                sleep(random::next_u64() % (2 * part.delay + 20_000));
            }
            other => return other,
        }
    }
    Err(Errno::ECONNREFUSED)
}

fn accept(thread: &ProgramThread, part: &Part) -> Result<usize, Errno> {
    let listener = prepare(thread, part);
    thread.bind(listener, ([0; 4], PORT)).unwrap();
    thread.listen(listener, 8).unwrap();
    let accepted = thread.accept(listener);
    thread.close(listener).unwrap();
    if let Ok(socket) = accepted {
        thread.set_timeout(socket, net::SO_RCVTIMEO, PATIENCE).unwrap();
    }
    accepted
}

fn talk(
    program: &Arc<Program>,
    main: &ProgramThread,
    socket: usize,
    number: usize,
    part: &Part,
    expected: usize,
    seen: &mut Seen,
) {
    // One that resets must not wait in a call when the time comes: a socket is closed when the last call on it is over.
    let until = match part.ending {
        Ending::Reset(after) => {
            for name in [net::SO_RCVTIMEO, net::SO_SNDTIMEO] {
                main.set_timeout(socket, name, SHORT).unwrap();
            }
            Some(clock::monotonic() + after)
        }
        _ => None,
    };
    let reader = start("reader", {
        let (program, part) = (program.clone(), part.clone());
        move || read(&program.thread().unwrap(), socket, &part, expected, until)
    });
    let writer = start("writer", {
        let (program, part) = (program.clone(), part.clone());
        move || write(&program.thread().unwrap(), socket, number, &part, until)
    });
    let never = u64::MAX;
    (seen.sent, seen.write_error) = writer.wait(never).unwrap();
    (seen.received, seen.end, seen.read_error) = reader.wait(never).unwrap();
    if until.is_some() {
        let linger = [1, 0, 0, 0, 0, 0, 0, 0];
        main.set_option(socket, net::SOL_SOCKET, net::SO_LINGER, &linger).unwrap();
    }
    main.close(socket).unwrap();
}

/// Whether a call has to be made again: it was only its short timeout that is over.
fn again(error: Errno, until: Option<u64>) -> bool {
    error == Errno::EAGAIN && until.is_some_and(|until| clock::monotonic() < until)
}

fn write(
    thread: &ProgramThread,
    socket: usize,
    number: usize,
    part: &Part,
    until: Option<u64>,
) -> (usize, Option<Errno>) {
    let mut sent = 0;
    while sent < part.bytes {
        let end = part.bytes.min(sent + part.piece);
        let piece: Vec<u8> = (sent..end).map(|index| byte(number, index)).collect();
        match thread.write(socket, &piece) {
            Ok(count) => sent += count,
            Err(error) if again(error, until) => {}
            Err(error) => return (sent, Some(error)),
        }
        if part.pause > 0 {
            sleep(part.pause);
        }
    }
    if part.ending == Ending::HalfClose
        && let Err(error) = thread.shutdown(socket, net::SHUT_WR)
    {
        return (sent, Some(error));
    }
    (sent, None)
}

fn read(
    thread: &ProgramThread,
    socket: usize,
    part: &Part,
    expected: usize,
    until: Option<u64>,
) -> (Vec<u8>, bool, Option<Errno>) {
    let mut received = Vec::new();
    let begin = clock::monotonic();
    // One that closes by itself reads what it knows will come; one that half-closes reads to the end.
    while part.ending != Ending::Close || received.len() < expected {
        match thread.read(socket, part.read) {
            Ok(data) if data.is_empty() => return (received, true, None),
            Ok(data) => received.extend(data),
            Err(error) if again(error, until) => {}
            Err(error) => return (received, false, Some(error)),
        }
        if part.read_pause > 0 && clock::monotonic() - begin < 60 * SECOND {
            sleep(part.read_pause);
        }
    }
    (received, false, None)
}
