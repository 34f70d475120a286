//! A small HTTP client that hides nothing: what is sent is given as text, what comes back is taken apart.
use crate::guest::PATIENCE;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

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

/// A connection.
#[derive(Debug)]
pub struct Client(BufReader<TcpStream>);

/// What is answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response {
    pub status: u16,
    /// Those that can be compared.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client(BufReader::new(stream)))
    }

    /// Sends a request with further `headers`, each line ended by CR LF.
    pub fn send(&mut self, method: &str, target: &str, headers: &str) -> io::Result<()> {
        // In one piece: pieces would wait for each other's acknowledgement.
        let request = format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{headers}\r\n");
        self.0.get_mut().write_all(request.as_bytes())
    }

    /// Receives the answer to a request that was made with `method`.
    pub fn receive(&mut self, method: &str) -> io::Result<Response> {
        let status =
            self.line()?.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        let mut headers = BTreeMap::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            let name = name.to_ascii_lowercase();
            if COMPARED.contains(&name.as_str()) {
                headers.insert(name, value.trim().to_owned());
            }
        }
        let size = headers.get("content-length").and_then(|size| size.parse().ok()).unwrap_or(0);
        let mut body = vec![0; if method == "HEAD" || status == 304 { 0 } else { size }];
        self.0.read_exact(&mut body)?;
        Ok(Response { status, headers, body })
    }

    pub fn request(&mut self, method: &str, target: &str, headers: &str) -> io::Result<Response> {
        self.send(method, target, headers)?;
        self.receive(method)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    /// Whether the other end has closed the connection; waits for that.
    pub fn is_closed(&mut self) -> bool {
        !matches!(self.0.fill_buf(), Ok([_, ..]))
    }
}

impl Response {
    /// Status, headers and size, for messages.
    pub fn summary(&self) -> String {
        format!("{} {:?}, {} bytes", self.status, self.headers, self.body.len())
    }
}
