//! Queries over TCP: lines of text, each answered by one line.
//!
//! `read` gives a reading of now, `address` the sensor's own address, and anything else an error that names the two. One
//! connection is served at a time, for a few seconds at most, so that nobody can keep the others out by silence.

use crate::reading::Reading;
use alloc::{format, string::String, sync::Arc, vec::Vec};
use rumpkin_net::{
    Net,
    direct::{SocketError, TcpListener, TcpStream},
};
use rumpuser::{clock, thread};

/// Longest line, in bytes.
const LONGEST: usize = 64;
/// How long a connection may last, in nanoseconds.
const PATIENCE: u64 = 5_000_000_000;
/// Connections that may wait for their turn.
const BACKLOG: usize = 4;

/// Starts the thread that answers at `port`.
pub fn start(net: &Arc<Net>, port: u16) -> Result<(), SocketError> {
    let listener = TcpListener::bind(net, port, BACKLOG)?;
    let net = net.clone();
    thread::spawn("query", move || {
        loop {
            match listener.accept(None) {
                // What goes wrong with one connection is over with it.
                Ok((stream, _)) => drop(serve(&net, &stream)),
                Err(error) => {
                    log::error!("sensor: no more queries are taken: {error}");
                    return;
                }
            }
        }
    })
    .map_err(|_| SocketError::OutOfMemory)?;
    Ok(())
}

fn serve(net: &Net, stream: &TcpStream) -> Result<(), SocketError> {
    let deadline = Some(clock::monotonic().saturating_add(PATIENCE));
    let mut line = Vec::new();
    let mut buffer = [0; LONGEST];
    loop {
        let length = stream.receive(&mut buffer, deadline)?;
        let received = buffer.get(..length).unwrap_or_default();
        if received.is_empty() {
            return Ok(());
        }
        for &byte in received {
            match byte {
                b'\n' => {
                    stream.send(answer(net, &line).as_bytes(), deadline)?;
                    line.clear();
                }
                b'\r' => {}
                _ if line.len() < LONGEST => line.push(byte),
                _ => {
                    stream.send(format!("error: a query has at most {LONGEST} bytes\n").as_bytes(), deadline)?;
                    return Ok(());
                }
            }
        }
    }
}

fn answer(net: &Net, query: &[u8]) -> String {
    match query {
        b"read" => Reading::take(0).text(),
        b"address" => match net.address() {
            Some(address) => format!("address {address}\n"),
            None => String::from("address none\n"),
        },
        _ => format!("error: `{}` is neither `read` nor `address`\n", query.escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumpkin_net::direct::Address;
    use rumpkin_spine::config::Config;
    use rumpuser_hosted as _;

    fn ask(net: &Arc<Net>, query: &[u8]) -> String {
        let deadline = Some(clock::monotonic() + PATIENCE);
        let stream = TcpStream::connect(net, (Address::LOCALHOST, 7), deadline).unwrap();
        stream.send(query, deadline).unwrap();
        stream.finish().unwrap();
        let mut answer = Vec::new();
        let mut buffer = [0; 100];
        loop {
            match stream.receive(&mut buffer, deadline).unwrap() {
                0 => return String::from_utf8(answer).unwrap(),
                length => answer.extend_from_slice(&buffer[..length]),
            }
        }
    }

    #[test]
    fn each_query_has_its_answer() {
        let net = Net::new(None, &Config::default());
        net.start();
        start(&net, 7).unwrap();
        let reading = ask(&net, b"read\r\n");
        let words: Vec<&str> = reading.split_ascii_whitespace().collect();
        assert_eq!(words.len(), 8, "{reading}");
        assert_eq!((words[0], words[1], words[2], words[4], words[6]), ("reading", "0", "time", "uptime", "free"));
        assert!(words[3].parse::<u64>().unwrap() > 1_700_000_000);
        assert_eq!(
            ask(&net, b"address\nbogus\x01\n"),
            "address none\nerror: `bogus\\x01` is neither `read` nor `address`\n"
        );
        assert!(ask(&net, &[b'x'; 65]).starts_with("error: a query has at most 64 bytes"));
        assert_eq!(ask(&net, b"read"), "");
    }
}
