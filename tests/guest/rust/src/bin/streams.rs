//! Connections over the loopback network as std shows them: contents, ends, refusals, time-outs, many at once.
#![forbid(unsafe_code)]
use guest_tests::{LATE, Tap};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(50);

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Both ends of a connection.
fn connection() -> (TcpStream, TcpStream) {
    let (listener, address) = listen();
    let one = TcpStream::connect(address).unwrap();
    (one, listener.accept().unwrap().0)
}

fn byte(index: usize) -> u8 {
    (index.wrapping_mul(2_654_435_761) >> 15) as u8
}

fn contents(tap: &mut Tap) {
    const SIZE: usize = 4 << 20;
    let (listener, address) = listen();
    let echo = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut reader = stream.try_clone().unwrap();
        let copied = io::copy(&mut reader, &mut stream);
        stream.shutdown(Shutdown::Write).unwrap();
        copied
    });
    let mut stream = TcpStream::connect(address).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let sender = thread::spawn(move || {
        let bytes: Vec<u8> = (0..SIZE).map(byte).collect();
        // Pieces of odd sizes, so that no boundary falls on another.
        for piece in bytes.chunks(7919) {
            writer.write_all(piece).unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut back = Vec::new();
    stream.read_to_end(&mut back).unwrap();
    sender.join().unwrap();
    tap.is(back.len(), SIZE, "4 MiB go to and fro");
    tap.ok(back.iter().enumerate().all(|(index, value)| *value == byte(index)), "unchanged");
    tap.is(echo.join().unwrap().ok(), Some(SIZE as u64), "and the other end has seen as many");

    let (mut one, mut two) = connection();
    let mut buffer = [0; 16];
    let mut right = true;
    for round in 0..1_000u32 {
        one.write_all(&round.to_le_bytes()).unwrap();
        two.read_exact(&mut buffer[..4]).unwrap();
        two.write_all(&buffer[..4]).unwrap();
        one.read_exact(&mut buffer[4..8]).unwrap();
        right &= buffer[4..8] == round.to_le_bytes();
    }
    tap.ok(right, "1000 questions get their answers");
}

fn ends(tap: &mut Tap) {
    let mut buffer = [0; 16];
    let (mut one, mut two) = connection();
    drop(one);
    tap.is(two.read(&mut buffer).ok(), Some(0), "a dropped connection ends");
    let failure = (0..100).find_map(|_| {
        thread::sleep(Duration::from_millis(10));
        two.write_all(b"more").err()
    });
    let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
    tap.ok(failure.is_some_and(|error| kinds.contains(&error.kind())), "and then cannot be written for long");
    (one, two) = connection();
    let reader = {
        let mut two = two.try_clone().unwrap();
        thread::spawn(move || two.read(&mut [0; 16]).ok())
    };
    thread::sleep(SHORT);
    two.shutdown(Shutdown::Both).unwrap();
    tap.is(reader.join().unwrap(), Some(0), "a shutdown ends another thread's read");
    drop(one);

    let (listener, address) = listen();
    drop(listener);
    tap.is(
        TcpStream::connect(address).err().map(|error| error.kind()),
        Some(ErrorKind::ConnectionRefused),
        "nobody listens",
    );
    let again = TcpListener::bind(address);
    tap.ok(again.is_ok(), "a closed listener's address is free");
    tap.is(
        TcpListener::bind(address).err().map(|error| error.kind()),
        Some(ErrorKind::AddrInUse),
        "a taken one is not",
    );
}

fn waiting(tap: &mut Tap) {
    let (mut one, mut two) = connection();
    let mut buffer = [0; 16];
    one.set_read_timeout(Some(SHORT)).unwrap();
    // Linux rounds it up to its ticks.
    tap.ok(one.read_timeout().unwrap().is_some_and(|kept| kept >= SHORT && kept < LATE), "a time-out is kept");
    let start = Instant::now();
    tap.is(one.read(&mut buffer).err().map(|error| error.kind()), Some(ErrorKind::WouldBlock), "a read ends at it");
    tap.ok(start.elapsed() >= SHORT && start.elapsed() < LATE, "not earlier");
    one.set_nonblocking(true).unwrap();
    tap.is(one.read(&mut buffer).err().map(|error| error.kind()), Some(ErrorKind::WouldBlock), "a read need not wait");
    two.write_all(b"hello").unwrap();
    one.set_nonblocking(false).unwrap();
    one.set_read_timeout(Some(LATE)).unwrap();
    tap.is(one.peek(&mut buffer).ok(), Some(5), "bytes can be peeked at");
    tap.is(one.read(&mut buffer).ok(), Some(5), "and read");
    one.set_nodelay(true).unwrap();
    one.set_ttl(33).unwrap();
    tap.is((one.nodelay().ok(), one.ttl().ok()), (Some(true), Some(33)), "options are kept");
    tap.ok(
        one.peer_addr().ok() == two.local_addr().ok() && one.local_addr().ok() == two.peer_addr().ok(),
        "ends agree",
    );
    tap.is(one.take_error().unwrap().map(|error| error.kind()), None, "there is no error");
    let (listener, _) = listen();
    listener.set_nonblocking(true).unwrap();
    tap.is(listener.accept().err().map(|error| error.kind()), Some(ErrorKind::WouldBlock), "an accept need not wait");
    let (_listener, address) = listen();
    tap.ok(TcpStream::connect_timeout(&address, LATE).is_ok(), "a connect can have a time-out");
}

fn many(tap: &mut Tap) {
    const COUNT: usize = 100;
    let (listener, address) = listen();
    let server = thread::spawn(move || {
        let mut streams: Vec<TcpStream> = (0..COUNT).map(|_| listener.accept().unwrap().0).collect();
        for stream in streams.iter_mut().rev() {
            let mut number = [0; 8];
            stream.read_exact(&mut number).unwrap();
            stream.write_all(&number).unwrap();
        }
        streams.len()
    });
    let mut streams: Vec<TcpStream> = (0..COUNT).map(|_| TcpStream::connect(address).unwrap()).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        stream.write_all(&(number as u64).to_le_bytes()).unwrap();
    }
    let right = streams.iter_mut().enumerate().all(|(number, stream)| {
        let mut back = [0; 8];
        stream.read_exact(&mut back).is_ok() && u64::from_le_bytes(back) == number as u64
    });
    tap.ok(right, "100 connections are open at once, and none is mixed up");
    tap.is(server.join().unwrap(), COUNT, "all were accepted");
    drop(streams);

    let (listener, address) = listen();
    let server =
        thread::spawn(move || (0..1_000).map(|_| listener.accept().unwrap().0.write(b"x").unwrap()).sum::<usize>());
    let bytes: usize = (0..1_000).map(|_| TcpStream::connect(address).unwrap().read(&mut [0; 4]).unwrap()).sum();
    tap.is((bytes, server.join().unwrap()), (1_000, 1_000), "1000 connections come and go");
}

fn others(tap: &mut Tap) {
    let (mut one, mut two) = UnixStream::pair().unwrap();
    one.write_all(b"local").unwrap();
    drop(one);
    let mut text = String::new();
    tap.ok(two.read_to_string(&mut text).is_ok() && text == "local", "local pairs carry bytes to their end");

    let (one, two) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let mut buffer = [0; 16];
    one.send_to(b"datagram", two.local_addr().unwrap()).unwrap();
    tap.is(two.recv_from(&mut buffer).ok(), Some((8, one.local_addr().unwrap())), "datagrams come with their sender");
    two.set_read_timeout(Some(SHORT)).unwrap();
    tap.is(two.recv(&mut buffer).err().map(|error| error.kind()), Some(ErrorKind::WouldBlock), "and can be waited for");
    let address =
        ("localhost", 80).to_socket_addrs().map(|mut found| found.any(|address| address.ip() == Ipv4Addr::LOCALHOST));
    tap.is(address.ok(), Some(true), "localhost has its address");
}

fn main() -> ExitCode {
    let mut tap = Tap::default();
    contents(&mut tap);
    ends(&mut tap);
    waiting(&mut tap);
    many(&mut tap);
    others(&mut tap);
    tap.done()
}
