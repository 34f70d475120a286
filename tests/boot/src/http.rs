//! A small HTTP client that hides nothing: what is sent is given as text, what comes back is taken apart.
use crate::guest::PATIENCE;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Headers that say the same wherever the program runs.
const COMPARED: [&str; 9] = [
    "accept-ranges",
    "allow",
    "content-length",
    "content-range",
    "content-type",
    "etag",
    "last-modified",
    "location",
    "x-content-type-options",
];

/// A connection. All that is done on it must be done within [`PATIENCE`]; errors say what was waited for.
#[derive(Debug)]
pub struct Client(BufReader<Limited>);

/// A stream on which nobody waits beyond a deadline.
#[derive(Debug)]
struct Limited {
    stream: TcpStream,
    deadline: Instant,
}

/// What is answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response {
    pub status: u16,
    /// Those that can be compared.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Limited {
    /// What is left of the time; a timeout of 0 would be none.
    fn left(&self) -> Option<Duration> {
        Some(self.deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)))
    }
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left())?;
        self.stream.read(buffer)
    }
}

impl Write for Limited {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left())?;
        self.stream.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Says what was being done when `error` came.
pub fn explain(what: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("{what}: not done after {} s", PATIENCE.as_secs())
        }
        _ => format!("{what}: {error}"),
    }
}

impl Client {
    pub fn connect(address: SocketAddr) -> Result<Client, String> {
        let deadline = Instant::now() + PATIENCE;
        let stream = TcpStream::connect_timeout(&address, PATIENCE)
            .map_err(|error| explain(&format!("connecting to {address}"), &error))?;
        Ok(Client(BufReader::new(Limited { stream, deadline })))
    }

    /// Begins the time anew, for a connection that had to wait for others.
    pub fn renew(&mut self) {
        self.0.get_mut().deadline = Instant::now() + PATIENCE;
    }

    /// Sends a request with further `headers`, each line ended by CR LF.
    pub fn send(&mut self, method: &str, target: &str, headers: &str) -> Result<(), String> {
        // In one piece: pieces would wait for each other's acknowledgement.
        let request = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{headers}\r\n");
        self.0.get_mut().write_all(request.as_bytes()).map_err(|error| explain("sending a request", &error))
    }

    /// Receives the answer to a request that was made with `method`.
    pub fn receive(&mut self, method: &str) -> Result<Response, String> {
        let line = self.line("the answer's first line")?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| format!("not the first line of an answer: {line:?}"))?;
        let mut headers = BTreeMap::new();
        loop {
            let line = self.line("the answer's headers")?;
            let Some((name, value)) = line.split_once(':') else { break };
            let name = name.to_ascii_lowercase();
            if COMPARED.contains(&name.as_str()) {
                headers.insert(name, value.trim().to_owned());
            }
        }
        let size = headers.get("content-length").and_then(|size| size.parse().ok()).unwrap_or(0);
        let mut body = vec![0; if method == "HEAD" || status == 304 { 0 } else { size }];
        self.0
            .read_exact(&mut body)
            .map_err(|error| explain(&format!("waiting for a body of {size} bytes"), &error))?;
        Ok(Response { status, headers, body })
    }

    pub fn request(&mut self, method: &str, target: &str, headers: &str) -> Result<Response, String> {
        self.send(method, target, headers)?;
        self.receive(method)
    }

    fn line(&mut self, what: &str) -> Result<String, String> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => Err(format!("waiting for {what}: the connection was closed")),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(explain(&format!("waiting for {what}"), &error)),
        }
    }

    /// Waits for the other end to close the connection.
    pub fn closed(&mut self) -> Result<(), String> {
        match self.0.fill_buf() {
            Ok([]) => Ok(()),
            Ok(more) => Err(format!("{} bytes instead of the connection's end", more.len())),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
            Err(error) => Err(explain("waiting for the connection's end", &error)),
        }
    }
}

impl Response {
    /// Status, headers and size, for messages.
    pub fn summary(&self) -> String {
        format!("{} {:?}, {} bytes", self.status, self.headers, self.body.len())
    }
}
