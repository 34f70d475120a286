//! A server goes on answering while it is stormed from outside, and afterwards has its memory back.
use crate::guest::{PATIENCE, Rig, Watched};
use crate::http::explain;
use crate::report::Report;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// Where the program listens, and the first of the ports that it does not read (tests/guest/c/besieged.c).
const PORT: u16 = 7000;
const FIRST_PORT: u16 = 2000;

/// So many clients open the connections of a burst, each one after the other: QEMU's user network listens with a backlog of 1,
/// and has who comes beyond that come again a second later. (More listeners would not help: to the guest a client's port is the
/// same through each, and two clients would be one.)
const CLIENTS: usize = 2;

/// What a flood is made of: so many datagrams for each port, of these sizes in turn, and a pause after each that lets QEMU
/// pass them on.
const DATAGRAMS: usize = 300;
const SIZES: [usize; 3] = [1, 0, 1400];
const PAUSE: Duration = Duration::from_millis(2);

/// So many honest requests at least are made during each storm.
const HONEST: u32 = 10;

/// How long one attempt may take. A client of a burst then opens no more; an honest one tries again.
const ATTEMPT: Duration = Duration::from_secs(20);

/// So many connections of a burst at least are answered, whatever memory there is.
const FEWEST: usize = 50;

/// How long the guest may take until its memory is back.
const RECOVERY: Duration = Duration::from_secs(30);

/// KiB that may be missing in the end: what tables have grown by. A connection that stays takes 20.
const SLACK: u64 = 768;

/// What is done to whom.
#[derive(Clone, Debug)]
pub struct Setting {
    /// An image of `besieged`.
    pub image: PathBuf,
    /// So many UDP ports are flooded.
    pub ports: u16,
    /// So often.
    pub rounds: u32,
    /// So many connections are open at once in a burst, unless the guest has no memory for as many.
    pub connections: usize,
    /// It has, so that each must be answered.
    pub all: bool,
}

/// What the program says of itself.
#[derive(Clone, Copy, Debug, Default)]
struct Answer {
    /// KiB of free memory.
    free: u64,
    datagrams: u64,
    /// How many ports they were on.
    ports: u16,
}

/// A guest that runs `besieged`, and where it can be reached from here.
struct Server {
    process: Watched,
    address: SocketAddr,
    ports: Vec<SocketAddr>,
}

/// A connection to it.
struct Connection(BufReader<TcpStream>);

/// How honest requests fared.
#[derive(Debug, Default)]
struct Honest {
    answered: u32,
    /// Attempts that came to nothing.
    in_vain: u32,
    slowest: Duration,
}

impl Connection {
    fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect_timeout(&address, ATTEMPT)?;
        stream.set_read_timeout(Some(ATTEMPT))?;
        stream.set_write_timeout(Some(ATTEMPT))?;
        Ok(Connection(BufReader::new(stream)))
    }

    fn ask(&mut self, question: &[u8]) -> io::Result<Answer> {
        self.0.get_mut().write_all(question)?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let mut numbers = line.split_whitespace().map_while(|word| word.parse().ok());
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(free), Some(datagrams), Some(ports)) => {
                Ok(Answer { free, datagrams, ports: u16::try_from(ports).unwrap_or(u16::MAX) })
            }
            _ => Err(io::Error::other(format!("not an answer: {line:?}"))),
        }
    }
}

impl Server {
    fn start(rig: &Rig, setting: &Setting) -> Result<Server, String> {
        let udp = (0..setting.ports).map(|index| ("udp", FIRST_PORT + index));
        let (options, mut ports) = rig.reach_all(udp.chain([("tcp", PORT)]))?;
        let address = ports.pop().ok_or("no way to the guest")?;
        let process = rig.start(&setting.image, &options, &[setting.ports.to_string()])?;
        process.line("listening")?;
        Ok(Server { process, address, ports })
    }

    /// One request as an honest client makes it, on a connection of its own, and anew if that fails.
    fn ask(&self, question: &[u8], honest: &mut Honest) -> Result<Answer, String> {
        let begin = Instant::now();
        loop {
            match Connection::open(self.address).and_then(|mut connection| connection.ask(question)) {
                Ok(answer) => {
                    honest.answered += 1;
                    honest.slowest = honest.slowest.max(begin.elapsed());
                    return Ok(answer);
                }
                Err(error) if begin.elapsed() >= PATIENCE => return Err(explain("an honest request", &error)),
                Err(_) => honest.in_vain += 1,
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Honest requests for as long as `storm` takes. Gives what comes of both.
    fn during<T: Send>(&self, storm: impl FnOnce() -> T + Send) -> Result<(T, Honest), String> {
        thread::scope(|scope| {
            let storm = scope.spawn(storm);
            let mut honest = Honest::default();
            while honest.answered < HONEST || !storm.is_finished() {
                self.ask(b"m", &mut honest)?;
            }
            Ok((storm.join().map_err(|_| "the storm failed")?, honest))
        })
    }

    /// Sends datagrams to all ports.
    fn flood(&self) -> io::Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let content = [b'x'; 1400];
        for size in SIZES.into_iter().cycle().take(DATAGRAMS) {
            for port in &self.ports {
                // Nobody promises that it arrives.
                let _ = socket.send_to(&content[..size], port);
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Opens `count` connections, or as many as the guest has memory for, asks on all of them at once, and closes them together.
    /// How many were answered.
    fn burst(&self, count: usize) -> usize {
        let all_open = Barrier::new(CLIENTS);
        let client = || {
            let share = count.div_ceil(CLIENTS);
            let mut open: Vec<_> = (0..share)
                .map_while(|_| {
                    let mut connection = Connection::open(self.address).ok()?;
                    connection.ask(b"m").ok().map(|_| connection)
                })
                .collect();
            all_open.wait();
            open.iter_mut().filter_map(|connection| connection.ask(b"m").ok()).count()
        };
        thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
            clients.into_iter().map(|client| client.join().unwrap_or(0)).sum()
        })
    }

    /// Has the ports read empty, and waits until so much memory is free, if it comes to that in time. What is free then.
    fn recovers(&self, wanted: u64) -> Result<u64, String> {
        let begin = Instant::now();
        loop {
            let answer = self.ask(b"d", &mut Honest::default())?;
            if answer.free >= wanted || begin.elapsed() >= RECOVERY {
                return Ok(answer.free);
            }
            thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Storms the guest, round by round.
pub fn endures(rig: &Rig, setting: &Setting, report: &mut Report) -> Result<(), String> {
    raise_limit().map_err(|error| format!("open files: {error}"))?;
    let server = Server::start(rig, setting)?;
    storm(rig.machine(), &server, setting, report)
        .map_err(|message| format!("{message}\nThe guest's console ends with\n{}", server.process.tail()))?;
    server.process.stop()?;
    let outcome = server.process.finish()?;
    // Of SIGTERM, which the program does not handle.
    report.ok(outcome.code() == 143, "it is stopped", || format!("{}\n{}", outcome.status, outcome.console));
    Ok(())
}

fn storm(machine: &str, server: &Server, setting: &Setting, report: &mut Report) -> Result<(), String> {
    let Setting { ports, connections, .. } = setting;
    // What the first round makes grow may stay so large.
    let mut before = None;
    for round in 1..=setting.rounds {
        let (sent, honest) = server.during(|| server.flood())?;
        sent.map_err(|error| format!("sending datagrams: {error}"))?;
        let waiting = server.ask(b"d", &mut Honest::default())?;
        let name =
            format!("{machine}, round {round}: honest requests are answered while {ports} UDP ports are flooded");
        report.ok(true, &name, String::new);
        println!("# {} datagrams waited on {} ports; {honest:?}", waiting.datagrams, waiting.ports);
        report.ok(waiting.ports == *ports, "each port was reached", || format!("{} of {ports}", waiting.ports));

        let (answered, honest) = server.during(|| server.burst(*connections))?;
        let name = format!("{machine}, round {round}: and during a burst of {connections} connections");
        report.ok(answered >= if setting.all { *connections } else { FEWEST }, &name, || {
            format!("{answered} of these were answered")
        });
        println!("# {answered} were answered; {honest:?}");

        let wanted = before.map_or(0, |before: u64| before.saturating_sub(SLACK));
        let free = server.recovers(wanted)?;
        println!("# {free} KiB are free");
        let before = *before.get_or_insert(free);
        report.ok(free >= wanted, "memory is back", || format!("{free} KiB of {before}"));
    }
    Ok(())
}

/// As many descriptors as may be, here and in what is started from here: each connection takes one in QEMU, too.
fn raise_limit() -> io::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}
