//! A server process with a site of its own, and a client that sees every byte.
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Size of the large file.
pub const LARGE: usize = 10 << 20;

/// Byte `index` of the large file: no short period, so that a shifted piece shows.
pub fn large_byte(index: usize) -> u8 {
    (index.wrapping_mul(2_654_435_761) >> 16) as u8
}

pub struct Server {
    folder: tempfile::TempDir,
    child: Child,
    output: BufReader<ChildStdout>,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(options: &[&str]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("www");
        fs::create_dir_all(root.join("dir/sub dir")).unwrap();
        for (name, content) in [
            ("index.html", &b"<h1>index</h1>"[..]),
            ("empty.txt", b""),
            ("one.txt", b"1"),
            ("ten.txt", b"0123456789"),
            ("dir/index.html", b"dir"),
            ("dir/sub dir/a+b%.json", b"{}"),
            ("../secret", b"secret"),
        ] {
            fs::write(root.join(name), content).unwrap();
        }
        fs::write(root.join("large.bin"), (0..LARGE).map(large_byte).collect::<Vec<u8>>()).unwrap();
        std::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_httpd"))
            .arg("--root")
            .arg(&root)
            .args(["--listen", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on ").unwrap().parse().unwrap();
        Server { folder, child, output, address }
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("www")
    }

    pub fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client(BufReader::new(stream))
    }

    /// One request on a connection of its own.
    pub fn get(&self, target: &str, headers: &str) -> Response {
        self.connect().request("GET", target, headers)
    }

    pub fn signal(&self, name: &str) {
        // The shell's own: a program of that name is not everywhere.
        let kill = format!("kill -s {name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end; gives back the exit status, and what has been written to standard output since the start.
    pub fn wait(mut self) -> (Option<i32>, String) {
        let mut text = String::new();
        self.output.read_to_string(&mut text).unwrap();
        (self.child.wait().unwrap().code(), text)
    }

    pub fn log_line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Client(pub BufReader<TcpStream>);

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| &**value)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    pub fn request(&mut self, method: &str, target: &str, headers: &str) -> Response {
        self.send(&format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{headers}\r\n"));
        self.receive(method).unwrap()
    }

    /// Reads one response to a request made with `method`.
    pub fn receive(&mut self, method: &str) -> io::Result<Response> {
        let mut line = || -> io::Result<String> {
            let mut line = String::new();
            match self.0.read_line(&mut line)? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(line.trim_end().to_owned()),
            }
        };
        let status = line()?.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = vec![];
        loop {
            let line = line()?;
            match line.split_once(": ") {
                Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_owned())),
                None => break,
            }
        }
        let mut response = Response { status, headers, body: vec![] };
        let size = response.header("content-length").map_or(0, |value| value.parse().unwrap());
        if method != "HEAD" && status != 304 {
            response.body.resize(size, 0);
            self.0.read_exact(&mut response.body)?;
        }
        Ok(response)
    }

    /// Whether the server has closed the connection.
    pub fn is_closed(&mut self) -> bool {
        self.0.fill_buf().map_or(true, <[u8]>::is_empty)
    }
}

pub fn age(path: &Path) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
}
