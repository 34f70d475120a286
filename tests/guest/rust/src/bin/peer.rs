//! Two machines talk: `peer serve` answers on TCP and UDP and runs until it is stopped; `peer ADDRESS` has it answer and
//! looks at what comes back. Without arguments both are in this process.
#![forbid(unsafe_code)]
use guest_tests::{LATE, Tap};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

const PORT: u16 = 7007;
/// Bytes over one connection, each way.
const SIZE: usize = 4 << 20;
const CONNECTIONS: usize = 20;
const DATAGRAMS: u32 = 200;

fn byte(index: usize) -> u8 {
    (index.wrapping_mul(2_654_435_761) >> 15) as u8
}

/// Sends back what comes, on every connection and for every datagram, for ever.
fn serve() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
    println!("listening on {PORT}");
    thread::spawn(move || -> io::Result<()> {
        let mut buffer = [0; 2048];
        loop {
            let (count, sender) = socket.recv_from(&mut buffer)?;
            socket.send_to(&buffer[..count], sender)?;
        }
    });
    for stream in listener.incoming() {
        let mut stream = stream?;
        thread::spawn(move || -> io::Result<()> {
            io::copy(&mut stream.try_clone()?, &mut stream)?;
            stream.shutdown(Shutdown::Write)
        });
    }
    Ok(())
}

/// What comes back over one connection, sent while it is being received.
fn echo(address: IpAddr, size: usize) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((address, PORT))?;
    stream.set_read_timeout(Some(10 * LATE))?;
    let mut writer = stream.try_clone()?;
    let sender = thread::spawn(move || -> io::Result<()> {
        let bytes: Vec<u8> = (0..size).map(byte).collect();
        bytes.chunks(7919).try_for_each(|piece| writer.write_all(piece))?;
        writer.shutdown(Shutdown::Write)
    });
    let mut back = Vec::new();
    stream.read_to_end(&mut back)?;
    sender.join().map_err(|_| io::Error::other("the sender panicked"))??;
    Ok(back)
}

fn is_whole(back: io::Result<Vec<u8>>, size: usize) -> Result<(), String> {
    match back {
        Ok(back) if back.len() != size => Err(format!("{} bytes of {size}", back.len())),
        Ok(back) if back.iter().enumerate().any(|(index, value)| *value != byte(index)) => Err("changed bytes".into()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// How many datagrams come back in time and unchanged; UDP may lose some.
fn datagrams(address: IpAddr) -> io::Result<u32> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((address, PORT))?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut buffer = [0; 2048];
    let mut right = 0;
    for number in 0..DATAGRAMS {
        let size = 4 + number as usize * 7 % 1400;
        let mut message = vec![number as u8; size];
        message[..4].copy_from_slice(&number.to_le_bytes());
        socket.send(&message)?;
        // An earlier one may come late; then this one is still to come.
        while let Ok(count) = socket.recv(&mut buffer) {
            if buffer[..count] == message {
                right += 1;
                break;
            }
        }
    }
    Ok(right)
}

fn talk(address: IpAddr) -> ExitCode {
    let mut tap = Tap::default();
    tap.is(is_whole(echo(address, SIZE), SIZE), Ok(()), "4 MiB go to and fro unchanged");
    let small: Result<(), String> = (0..CONNECTIONS).try_for_each(|size| is_whole(echo(address, size), size));
    tap.is(small, Ok(()), "20 short connections, one after the other");
    let threads: Vec<_> =
        (0..CONNECTIONS).map(|_| thread::spawn(move || is_whole(echo(address, 50_000), 50_000))).collect();
    let results = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into())));
    tap.is(
        results.collect::<Result<Vec<()>, String>>().map(|all| all.len()),
        Ok(CONNECTIONS),
        "20 connections at once",
    );
    match datagrams(address) {
        Ok(right) => {
            tap.ok(right >= DATAGRAMS * 9 / 10, "9 datagrams of 10 come back unchanged");
            println!("# {right} of {DATAGRAMS}");
        }
        Err(error) => tap.is(error.to_string(), String::new(), "datagrams can be sent"),
    }
    tap.done()
}

fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    match argument.as_deref() {
        Some("serve") => match serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("peer: {error}");
                ExitCode::FAILURE
            }
        },
        Some(address) => match address.parse() {
            Ok(address) => talk(address),
            Err(_) => {
                eprintln!("usage: peer [serve | ADDRESS]");
                ExitCode::from(2)
            }
        },
        None => {
            thread::spawn(serve);
            // The listeners are there at once, or connecting fails and says so.
            thread::sleep(Duration::from_millis(200));
            talk(Ipv4Addr::LOCALHOST.into())
        }
    }
}
