//! The web server in an image answers what the same program answers on this host.
use crate::guest::{PATIENCE, Rig, Watched};
use crate::http::{Client, Response};
use crate::report::Report;
use crate::site::LARGE;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// What is compared with what.
#[derive(Clone, Debug)]
pub struct Setting {
    /// An image of httpd with the site in /srv/www.
    pub image: PathBuf,
    /// The same httpd.
    pub program: PathBuf,
    /// The same site.
    pub site: PathBuf,
    /// So many connections at once.
    pub connections: usize,
}

/// Method, target and headers of requests whose answers are compared.
const REQUESTS: &[(&str, &str, &str)] = &[
    ("GET", "/", ""),
    ("GET", "/index.html", ""),
    ("GET", "/empty.txt", ""),
    ("GET", "/one.txt", ""),
    ("GET", "/ten.txt?query", ""),
    ("GET", "/4095.bin", ""),
    ("GET", "/4096.bin", ""),
    ("GET", "/4097.bin", ""),
    ("GET", "/65535.bin", ""),
    ("GET", "/65536.bin", ""),
    ("GET", "/65537.bin", ""),
    ("GET", "/10485760.bin", ""),
    ("HEAD", "/10485760.bin", ""),
    ("HEAD", "/absent", ""),
    ("GET", "/inside", ""),
    ("GET", "/dir/", ""),
    ("GET", "/dir", ""),
    ("GET", "/dir/sub%20dir", ""),
    ("GET", "/dir/sub%20dir/", ""),
    ("GET", "/dir/sub%20dir/a+b%25.json", ""),
    ("GET", "/dir/%C3%BCmlaut.txt", ""),
    ("GET", "/ten.txt", "Range: bytes=0-0\r\n"),
    ("GET", "/ten.txt", "Range: bytes=3-5\r\n"),
    ("GET", "/ten.txt", "Range: bytes=-2\r\n"),
    ("GET", "/ten.txt", "Range: bytes=5-100\r\n"),
    ("GET", "/ten.txt", "Range: bytes=10-\r\n"),
    ("GET", "/ten.txt", "Range: bytes=0-1,3-4\r\n"),
    ("GET", "/ten.txt", "Range: nonsense\r\n"),
    ("GET", "/empty.txt", "Range: bytes=0-\r\n"),
    ("GET", "/10485760.bin", "Range: bytes=5000001-6000000\r\n"),
    ("GET", "/10485760.bin", "Range: bytes=10485759-\r\n"),
    ("GET", "/ten.txt", "If-None-Match: *\r\n"),
    ("GET", "/ten.txt", "If-Match: \"x\"\r\n"),
    ("GET", "/absent", ""),
    ("GET", "/ten.txt/", ""),
    ("GET", "/ten.txt/x", ""),
    ("GET", "/../etc/passwd", ""),
    ("GET", "/dir/../../etc/passwd", ""),
    ("GET", "/%2e%2e/etc/passwd", ""),
    ("GET", "/..%2f..%2fetc%2fpasswd", ""),
    ("GET", "//../etc/passwd", ""),
    ("GET", "/outside", ""),
    ("GET", "/a%00b", ""),
    ("POST", "/one.txt", ""),
    ("DELETE", "/one.txt", ""),
];

/// A server under test, and where it can be reached from here.
struct Server {
    process: Watched,
    address: SocketAddr,
}

impl Server {
    fn on_host(setting: &Setting) -> Result<Server, String> {
        let mut command = Command::new(&setting.program);
        command.arg("--root").arg(&setting.site).args(["--listen", "127.0.0.1:0"]);
        let process = Watched::start(&mut command, false)?;
        let line = process.line("listening on ")?;
        let address = line.rsplit(' ').next().and_then(|address| address.parse().ok());
        Ok(Server { process, address: address.ok_or("the program on the host tells no address")? })
    }

    fn in_guest(rig: &Rig, setting: &Setting) -> Result<Server, String> {
        let (mut options, address) = rig.reach(80)?;
        options.extend(["--grace".into(), "60".into()]);
        let process = rig.start(&setting.image, &options, &[])?;
        process.line("listening on ")?;
        Ok(Server { process, address })
    }

    /// One request on a connection of its own.
    fn ask(&self, (method, target, headers): (&str, &str, &str)) -> Result<Response, String> {
        Client::connect(self.address)?.request(method, target, headers)
    }
}

/// Runs all comparisons.
pub fn serves(rig: &Rig, setting: &Setting, report: &mut Report) -> Result<(), String> {
    let host = Server::on_host(setting)?;
    let guest = Server::in_guest(rig, setting)?;
    compare(rig.machine(), &guest, &host, setting.connections, report)
        .map_err(|message| format!("{message}\nThe guest's console ends with\n{}", guest.process.tail()))?;
    report.check("a stop lets the request in flight finish, and the status is 0", || stop(guest))
}

fn compare(machine: &str, guest: &Server, host: &Server, count: usize, report: &mut Report) -> Result<(), String> {
    // What cannot be reached at all need not be asked dozens of times.
    guest.ask(("GET", "/", "")).map_err(|error| format!("the server in the guest: {error}"))?;
    for request in REQUESTS {
        let name = format!("{machine}: {} {} {}", request.0, request.1, request.2.trim_end());
        report.check(name.trim_end(), || same(guest, host, *request))?;
    }
    report.check("a tag that is known is not modified", || revalidation(guest))?;
    report.check("300 requests on one connection", || keep_alive(guest))?;
    report.check("pipelined requests are answered in order", || pipelining(guest))?;
    report.check("nonsense does not stop the server", || nonsense(guest))?;
    report.check("a slow reader does not hold up others", || slow_reader(guest))?;
    report.check(&format!("{count} connections at once"), || many(guest, count))?;
    report.check("4 large files at once", || large(guest, host))?;
    report.check("each request is one line in the log", || logged(guest))
}

fn same(guest: &Server, host: &Server, request: (&str, &str, &str)) -> Result<(), String> {
    let expected = host.ask(request).map_err(|error| format!("on the host: {error}"))?;
    let got = guest.ask(request).map_err(|error| format!("in the guest: {error}"))?;
    equal(&got, &expected)
}

fn equal(got: &Response, expected: &Response) -> Result<(), String> {
    if got == expected {
        return Ok(());
    }
    let place = got.body.iter().zip(&expected.body).position(|(a, b)| a != b);
    Err(format!("got {}\nexpected {}\nfirst different byte: {place:?}", got.summary(), expected.summary()))
}

fn revalidation(guest: &Server) -> Result<(), String> {
    let first = guest.ask(("GET", "/ten.txt", ""))?;
    let tag = first.headers.get("etag").ok_or("no tag")?;
    let again = guest.ask(("GET", "/ten.txt", &format!("If-None-Match: {tag}\r\n")))?;
    if again.status == 304 { Ok(()) } else { Err(again.summary()) }
}

fn expect_ten(response: Result<Response, String>) -> Result<(), String> {
    match response? {
        Response { status: 200, body, .. } if body == b"0123456789" => Ok(()),
        response => Err(response.summary()),
    }
}

fn keep_alive(guest: &Server) -> Result<(), String> {
    let mut client = Client::connect(guest.address)?;
    for number in 1..=300 {
        expect_ten(client.request("GET", "/ten.txt", "")).map_err(|error| format!("request {number}: {error}"))?;
    }
    client.request("GET", "/", "Connection: close\r\n")?;
    client.closed().map_err(|error| format!("asked to close: {error}"))
}

fn pipelining(guest: &Server) -> Result<(), String> {
    let mut client = Client::connect(guest.address)?;
    for _ in 0..20 {
        client.send("GET", "/ten.txt", "")?;
    }
    (1..=20)
        .try_for_each(|number| expect_ten(client.receive("GET")).map_err(|error| format!("answer {number}: {error}")))
}

fn nonsense(guest: &Server) -> Result<(), String> {
    for line in ["\0\0", "GET", "\u{7f}ELF", &"x".repeat(100_000)] {
        let begin = Instant::now();
        let mut client = Client::connect(guest.address)?;
        // Refused or closed: either is right.
        if let Err(error) = client.request(line, "/", "")
            && begin.elapsed() >= PATIENCE
        {
            return Err(error);
        }
    }
    expect_ten(guest.ask(("GET", "/ten.txt", "")))
}

fn slow_reader(guest: &Server) -> Result<(), String> {
    let mut slow = Client::connect(guest.address)?;
    slow.send("GET", "/10485760.bin", "")?;
    thread::sleep(Duration::from_millis(300));
    expect_ten(guest.ask(("GET", "/ten.txt", "")))?;
    let response = slow.receive("GET")?;
    if response.body.len() == LARGE { Ok(()) } else { Err(response.summary()) }
}

/// All connections are open and have been used before they are used all at once.
///
/// They are opened one by one: QEMU's user network listens with a backlog of 1, and in a burst the host's own SYN cookies
/// would reset some of them before the guest ever heard of them.
fn many(guest: &Server, count: usize) -> Result<(), String> {
    let mut clients = Vec::with_capacity(count);
    for number in 0..count {
        let used = Client::connect(guest.address).and_then(|mut client| {
            expect_ten(client.request("GET", "/ten.txt", ""))?;
            Ok(client)
        });
        clients.push(used.map_err(|error| format!("connection {number}: {error}"))?);
    }
    let all_ready = Barrier::new(count);
    thread::scope(|scope| {
        let all_ready = &all_ready;
        let use_it = |mut client: Client| {
            move || {
                all_ready.wait();
                client.renew();
                (0..3).try_for_each(|_| expect_ten(client.request("GET", "/ten.txt", "")))
            }
        };
        let threads: Vec<_> = clients.into_iter().map(|client| scope.spawn(use_it(client))).collect();
        let results = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a client failed".into())));
        let failures: Vec<String> = results.filter_map(Result::err).collect();
        match failures.first() {
            None => Ok(()),
            Some(first) => Err(format!("{} failed, the first: {first}", failures.len())),
        }
    })
}

fn large(guest: &Server, host: &Server) -> Result<(), String> {
    let request = ("GET", "/10485760.bin", "");
    let expected = host.ask(request)?;
    thread::scope(|scope| {
        let one = || equal(&guest.ask(request)?, &expected);
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("a client failed".into())))
    })
}

fn logged(guest: &Server) -> Result<(), String> {
    guest.ask(("GET", "/one.txt?in-the-log", ""))?;
    let line = guest.process.line("/one.txt?in-the-log")?;
    if line.ends_with("\"GET /one.txt?in-the-log HTTP/1.1\" 200 1") { Ok(()) } else { Err(line) }
}

fn stop(guest: Server) -> Result<(), String> {
    let mut busy = Client::connect(guest.address)?;
    busy.send("GET", "/10485760.bin", "")?;
    thread::sleep(Duration::from_millis(300));
    guest.process.stop()?;
    let response = busy.receive("GET").map_err(|error| format!("in flight: {error}"))?;
    if response.body.len() != LARGE {
        return Err(response.summary());
    }
    let outcome = guest.process.finish()?;
    if outcome.code() == 0 { Ok(()) } else { Err(format!("{}\n{}", outcome.status, outcome.console)) }
}
