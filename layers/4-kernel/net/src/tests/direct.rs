//! The plain functions, over loopback, with the threads and clock of this process.

use crate::{
    direct::{Address, SocketError, TcpListener, TcpStream, UdpSocket},
    net::Net,
};
use rumpkin_spine::config::Config;
use rumpuser::clock;
use rumpuser_hosted as _;
use std::{sync::Arc, thread, vec::Vec};

const SECOND: u64 = 1_000_000_000;

fn loopback() -> Arc<Net> {
    let net = Net::new(None, &Config::default());
    net.start();
    net
}

fn within(nanoseconds: u64) -> Option<u64> {
    Some(clock::monotonic() + nanoseconds)
}

#[test]
fn datagrams_arrive_whole_or_cut_to_the_buffer() {
    let net = loopback();
    let (one, other) = (UdpSocket::bind(&net, 0).unwrap(), UdpSocket::bind(&net, 7).unwrap());
    one.send_to(b"hello", (Address::LOCALHOST, 7)).unwrap();
    one.send_to(b"farewell", (Address::LOCALHOST, 7)).unwrap();
    let mut buffer = [0; 6];
    let (length, source) = other.receive_from(&mut buffer, within(SECOND)).unwrap();
    assert_eq!((&buffer[..length], source), (&b"hello"[..], (Address::LOCALHOST, one.local().1)));
    let (length, _) = other.receive_from(&mut buffer, within(SECOND)).unwrap();
    assert_eq!(&buffer[..length], b"farewe");
    assert_eq!(other.receive_from(&mut buffer, within(SECOND / 50)).unwrap_err(), SocketError::TimedOut);
    assert_eq!(UdpSocket::bind(&net, 7).err(), Some(SocketError::PortTaken));
    drop(other);
    assert!(UdpSocket::bind(&net, 7).is_ok());
}

#[test]
fn a_stream_carries_more_than_its_buffers_and_ends() {
    let net = loopback();
    let listener = TcpListener::bind(&net, 80, 1).unwrap();
    let sent: Vec<u8> = (0..1_000_000u32).map(|index| (index % 251) as u8).collect();
    let client = {
        let (net, sent) = (net.clone(), sent.clone());
        thread::spawn(move || {
            let stream = TcpStream::connect(&net, (Address::LOCALHOST, 80), within(10 * SECOND)).unwrap();
            stream.send(&sent, within(60 * SECOND)).unwrap();
            stream.finish().unwrap();
            let mut answer = [0; 8];
            let length = stream.receive(&mut answer, within(60 * SECOND)).unwrap();
            assert_eq!(stream.send(b"more", None), Err(SocketError::Closed));
            answer[..length].to_vec()
        })
    };
    let (stream, peer) = listener.accept(within(10 * SECOND)).unwrap();
    assert_eq!(peer.0, Address::LOCALHOST);
    let mut received = Vec::new();
    let mut buffer = [0; 5000];
    loop {
        match stream.receive(&mut buffer, within(60 * SECOND)).unwrap() {
            0 => break,
            length => received.extend_from_slice(&buffer[..length]),
        }
    }
    assert!(received == sent);
    stream.send(b"thanks", within(SECOND)).unwrap();
    assert_eq!(client.join().unwrap(), b"thanks");
}

#[test]
fn waiting_ends_at_the_deadline_and_refusal_is_told() {
    let net = loopback();
    let listener = TcpListener::bind(&net, 81, 1).unwrap();
    assert_eq!(listener.accept(within(SECOND / 50)).err(), Some(SocketError::TimedOut));
    assert_eq!(TcpStream::connect(&net, (Address::LOCALHOST, 82), within(SECOND)).err(), Some(SocketError::Refused));
    let stream = TcpStream::connect(&net, (Address::LOCALHOST, listener.local().1), within(SECOND)).unwrap();
    assert_eq!(stream.receive(&mut [0; 1], within(SECOND / 50)), Err(SocketError::TimedOut));
}
