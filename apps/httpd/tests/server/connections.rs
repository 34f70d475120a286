//! How connections live and end: keep-alive, nonsense, many at once, time-outs, stopping, the log.
use crate::common::{LARGE, Server};
use std::io::Read;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_connection_serves_request_after_request() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for _ in 0..100 {
        assert_eq!(client.request("GET", "/ten.txt", "").text(), "0123456789");
    }
    // Pipelined.
    client.send(&"GET /one.txt HTTP/1.1\r\nHost: a\r\n\r\n".repeat(10));
    for _ in 0..10 {
        assert_eq!(client.receive("GET").unwrap().text(), "1");
    }
    client.request("GET", "/", "Connection: close\r\n");
    assert!(client.is_closed());
}

#[test]
fn http_1_0_closes_unless_asked_otherwise() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.send("GET /one.txt HTTP/1.0\r\n\r\n");
    assert_eq!(client.receive("GET").unwrap().text(), "1");
    assert!(client.is_closed());
}

#[test]
fn nonsense_is_answered_with_400_or_closed() {
    let server = Server::start(&[]);
    for nonsense in ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nA B: c\r\n\r\n"] {
        let mut client = server.connect();
        client.send(nonsense);
        if let Ok(response) = client.receive("GET") {
            assert!([400, 505].contains(&response.status), "{nonsense:?}");
        }
    }
    assert_eq!(server.get("/one.txt", "").text(), "1");
}

#[test]
fn two_hundred_connections_are_served_at_once() {
    let server = Server::start(&[]);
    let mut clients: Vec<_> = (0..200).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send("GET /ten.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    for client in clients.iter_mut().rev() {
        assert_eq!(client.receive("GET").unwrap().text(), "0123456789");
    }
}

#[test]
fn a_slow_reader_does_not_hold_up_others() {
    let server = Server::start(&[]);
    let mut slow = server.connect();
    slow.send("GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    thread::sleep(Duration::from_millis(100));
    assert_eq!(server.get("/one.txt", "").text(), "1");
    assert_eq!(slow.receive("GET").unwrap().body.len(), LARGE);
}

#[test]
fn idle_connections_are_closed_in_time() {
    let server = Server::start(&["--idle", "1"]);
    let mut silent = server.connect();
    let mut half = server.connect();
    half.send("GET / HT");
    let start = Instant::now();
    assert!(silent.is_closed());
    let mut rest = String::new();
    let _ = half.0.read_to_string(&mut rest);
    assert!((1..10).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[test]
fn a_stop_lets_requests_in_flight_finish() {
    for signal in ["TERM", "INT"] {
        let server = Server::start(&[]);
        let mut busy = server.connect();
        busy.send("GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut idle = server.connect();
        idle.request("GET", "/one.txt", "");
        thread::sleep(Duration::from_millis(100));
        server.signal(signal);
        assert!(idle.is_closed());
        thread::sleep(Duration::from_millis(100));
        assert!(std::net::TcpStream::connect(server.address).is_err(), "{signal}: still listening");
        assert_eq!(busy.receive("GET").unwrap().body.len(), LARGE);
        assert_eq!(server.wait().0, Some(0), "{signal}");
    }
}

#[test]
fn each_request_is_one_line_in_the_log() {
    let mut server = Server::start(&[]);
    server.get("/ten.txt?a=b", "Range: bytes=0-2\r\n");
    let line = server.log_line();
    assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
    assert!(line.ends_with("] \"GET /ten.txt?a=b HTTP/1.1\" 206 3\n"), "{line}");
    server.connect().request("HEAD", "/a\"b", "");
    assert!(server.log_line().ends_with("\"HEAD /a\\\"b HTTP/1.1\" 404 0\n"));

    let quiet = Server::start(&["--log", "off"]);
    quiet.get("/", "");
    quiet.signal("TERM");
    assert_eq!(quiet.wait(), (Some(0), String::new()));
}

#[test]
fn what_cannot_be_served_is_said() {
    let server = Server::start(&[]);
    let address = server.address.to_string();
    for (arguments, message) in [
        (&["--root", "/absent"][..], "httpd: /absent: No such file"),
        (&["--root", "/", "--listen", &address], "Address already in use"),
        (&["--port", "80"], "httpd: unknown argument --port\nusage: "),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_httpd")).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(message), "{arguments:?}: {text}");
    }
}
