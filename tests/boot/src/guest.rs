//! A guest: started through the launcher, watched on its console, ended in time.
use crate::RigOptions;
use crate::report::Report;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take: guests are emulated, and many may share a processor.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// How long a guest runs whose program may never end, before it is asked to.
const LIMIT: Duration = Duration::from_secs(30);

/// Lines that tell where a program stood.
const TAIL: usize = 30;

/// What the launcher's exit status says beyond the program's own (docs/launcher.md).
pub const KERNEL_PANICKED: i32 = 70;
pub const NO_STATUS: i32 = 71;
const LAUNCHER_FAILED: i32 = 125;
const KILLED: i32 = 137;

/// Where guests are started.
#[derive(Clone, Debug)]
pub struct Rig(RigOptions);

/// What a process has written so far.
#[derive(Debug, Default)]
struct Console {
    text: Mutex<(String, bool)>,
    grown: Condvar,
    /// Outputs that have not ended.
    open: AtomicUsize,
}

/// A process under watch: the launcher with its guest, or a program on this host. Killed when dropped.
#[derive(Debug)]
pub struct Watched {
    child: Child,
    console: Arc<Console>,
}

/// A port of this host that nobody else is given as long as this is held.
#[derive(Debug)]
struct Unused {
    port: u16,
    _socket: OwnedFd,
}

/// How a process ended.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    pub console: String,
}

impl Rig {
    pub fn new(options: RigOptions) -> Rig {
        Rig(options)
    }

    /// The machine's type, for messages.
    pub fn machine(&self) -> &str {
        &self.0.machine
    }

    /// Whether what is written is to be shown.
    pub fn shows(&self) -> bool {
        self.0.show
    }

    /// Whether guests are domains of Xen.
    pub fn is_xen(&self) -> bool {
        self.0.machine == "xen"
    }

    /// Options for the launcher with which the guest's TCP `port` can be reached from here, and where that is then.
    pub fn reach(&self, port: u16) -> Result<(Vec<String>, SocketAddr), String> {
        let (options, addresses) = self.reach_all([("tcp", port)])?;
        Ok((options, addresses[0]))
    }

    /// The same for several, each `tcp` or `udp` and a port. One that is named twice is reached in two ways where there is a
    /// forwarder between.
    pub fn reach_all(
        &self,
        ports: impl IntoIterator<Item = (&'static str, u16)>,
    ) -> Result<(Vec<String>, Vec<SocketAddr>), String> {
        if self.is_xen() {
            let RigOptions { bridge, address, .. } = &self.0;
            let guest = address.split_once('/').and_then(|(guest, _)| guest.parse::<Ipv4Addr>().ok());
            let guest = guest.ok_or_else(|| format!("{address}: not an IPv4 address with its prefix"))?;
            let options = ["--bridge", bridge, "--address", address].map(str::to_owned);
            return Ok((options.into(), ports.into_iter().map(|(_, port)| (guest, port).into()).collect()));
        }
        // Held until all are chosen, so that none is chosen twice.
        let (mut options, mut addresses, mut held) = (vec![], vec![], vec![]);
        for (protocol, port) in ports {
            let free = Unused::bind(protocol).map_err(|error| format!("no free port: {error}"))?;
            options.extend(["--forward".into(), format!("{protocol}:127.0.0.1:{}:{port}", free.port)]);
            addresses.push((Ipv4Addr::LOCALHOST, free.port).into());
            held.push(free);
        }
        Ok((options, addresses))
    }

    /// Options for the launcher with which the guest has a link to a network like QEMU's own, in which it is 10.0.2.15 and this host
    /// 10.0.2.2.
    pub fn link(&self) -> Vec<String> {
        if self.is_xen() { vec!["--bridge".into(), self.0.bridge.clone()] } else { vec![] }
    }

    /// The same, and where the `port` of that address can be reached from here; `protocol` is tcp or udp.
    pub fn link_with_port(&self, protocol: &'static str, port: u16) -> Result<(Vec<String>, SocketAddr), String> {
        let mut options = self.link();
        if self.is_xen() {
            return Ok((options, (Ipv4Addr::new(10, 0, 2, 15), port).into()));
        }
        let (forward, addresses) = self.reach_all([(protocol, port)])?;
        options.extend(forward);
        Ok((options, addresses[0]))
    }

    /// Boots `image`; `options` go to the launcher and `arguments` to the program.
    pub fn start(&self, image: &Path, options: &[String], arguments: &[String]) -> Result<Watched, String> {
        let rig = &self.0;
        let mut command = Command::new(&rig.launcher);
        command.arg("run").arg(image);
        if self.is_xen() {
            command.args(["--hypervisor", "xen"]);
        } else {
            command.args(["--machine", &rig.machine, "--accel", &rig.accel]);
        }
        command.args(["--memory", &rig.memory.to_string()]);
        if let Some(qemu) = &rig.qemu {
            command.arg("--qemu").arg(qemu);
        }
        command.args(options);
        if !arguments.is_empty() {
            command.arg("--").args(arguments);
        }
        Watched::start(&mut command, rig.show)
    }

    /// Boots `image` with the bytes of `configuration`, neither of which the launcher looks into, and waits for its end, which is soon.
    pub fn run_unchecked(&self, image: &Path, configuration: &[u8]) -> Result<Outcome, String> {
        let file = tempfile::NamedTempFile::new().map_err(|error| format!("temporary file: {error}"))?;
        fs::write(file.path(), configuration).map_err(|error| format!("{}: {error}", file.path().display()))?;
        let options = ["--unchecked".to_owned(), "--config".into(), file.path().display().to_string()];
        self.start(image, &options, &[])?.finish()
    }

    /// The same. The guest must end with a status of its own accord, whatever it is.
    pub fn endures(&self, image: &Path, configuration: &[u8]) -> Result<(), String> {
        self.run_unchecked(image, configuration)?.orderly()
    }

    /// Boots `image` and waits for its end.
    pub fn run(&self, image: &Path, options: &[String], arguments: &[String]) -> Result<Outcome, String> {
        self.start(image, options, arguments)?.finish()
    }
}

impl Watched {
    /// Starts `command`; with `show`, what it writes is passed on.
    pub fn start(command: &mut Command, show: bool) -> Result<Watched, String> {
        let name = command.get_program().display().to_string();
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|error| format!("{name}: {error}"))?;
        let console = Arc::new(Console { open: AtomicUsize::new(2), ..Console::default() });
        if let Some(errors) = child.stderr.take() {
            console.collect(errors, show);
        }
        if let Some(output) = child.stdout.take() {
            console.collect(output, show);
        }
        Ok(Watched { child, console })
    }

    /// Waits for a console line that contains `piece`, and gives it back.
    pub fn line(&self, piece: &str) -> Result<String, String> {
        let deadline = Instant::now() + PATIENCE;
        let mut text = self.console.text.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // The last piece is a line that is not ended yet.
            let ended = text.0.rsplit_once('\n').map_or("", |(ended, _)| ended);
            if let Some(line) = ended.lines().find(|line| line.contains(piece)) {
                return Ok(line.to_owned());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let when = match text.1 {
                true => "at the end".to_owned(),
                false if left.is_zero() => format!("after {} s", PATIENCE.as_secs()),
                false => {
                    text = self.console.grown.wait_timeout(text, left).unwrap_or_else(PoisonError::into_inner).0;
                    continue;
                }
            };
            return Err(format!("no console line contains {piece:?} {when}:\n{}", text.0));
        }
    }

    /// Asks the process to stop.
    pub fn stop(&self) -> Result<(), String> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).map_err(|error| format!("stopping: {error}"))
    }

    /// Asks a guest to stop; its exit status must be `status`.
    pub fn ends_when_asked(self, machine: &str, status: u8, report: &mut Report) -> Result<(), String> {
        self.stop()?;
        let outcome = self.finish()?;
        let ended = outcome.status.code() == Some(i32::from(status));
        report.ok(ended, &format!("{machine}: stopped, exit status {status}"), || {
            format!("{}\n{}", outcome.status, outcome.console)
        });
        Ok(())
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Result<Outcome, String> {
        let deadline = Instant::now() + PATIENCE;
        let mut text = self.console.text.lock().unwrap_or_else(PoisonError::into_inner);
        while !text.1 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("no end after {} s:\n{}", PATIENCE.as_secs(), text.0));
            }
            text = self.console.grown.wait_timeout(text, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(text);
        let status = self.child.wait().map_err(|error| format!("waiting: {error}"))?;
        Ok(Outcome { status, console: self.text() })
    }

    /// Waits for the end for a while, and then asks for it.
    pub fn finish_or_stop(self) -> Result<Outcome, String> {
        let deadline = Instant::now() + LIMIT;
        while !self.has_ended() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
        if !self.has_ended() {
            self.stop()?;
        }
        self.finish()
    }

    /// Whether the process has ended.
    pub fn has_ended(&self) -> bool {
        self.console.text.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// The last lines that have been written so far.
    pub fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }

    /// All that has been written so far.
    pub fn text(&self) -> String {
        self.console.text.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // The launcher takes its guest along when it is asked twice; killing it alone would not.
            for _ in 0..2 {
                let _ = self.stop();
                thread::sleep(Duration::from_millis(100));
            }
            for _ in 0..50 {
                if matches!(self.child.try_wait(), Ok(Some(_))) {
                    return;
                }
                thread::sleep(Duration::from_millis(100));
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Console {
    /// Collects what `source` gives, in a thread of its own; the end of the last source is the end of the console.
    fn collect(self: &Arc<Console>, source: impl Read + Send + 'static, show: bool) {
        let console = Arc::clone(self);
        thread::spawn(move || {
            let mut reader = BufReader::new(source);
            let mut piece = Vec::new();
            while matches!(reader.read_until(b'\n', &mut piece), Ok(1..)) {
                let line = String::from_utf8_lossy(&piece).replace('\r', "");
                if show {
                    eprint!("{line}");
                }
                console.text.lock().unwrap_or_else(PoisonError::into_inner).0.push_str(&line);
                console.grown.notify_all();
                piece.clear();
            }
            if console.open.fetch_sub(1, Ordering::AcqRel) == 1 {
                console.text.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
                console.grown.notify_all();
            }
        });
    }
}

impl Outcome {
    /// The exit status as a number; -1 if a signal ended the process.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Fails with the console unless the guest ended in an orderly way: no panic, and a status.
    pub fn orderly(&self) -> Result<(), String> {
        match self.code() {
            KERNEL_PANICKED => Err(format!("the kernel panicked:\n{}", self.console)),
            NO_STATUS | KILLED | -1 => Err(format!("ended without a status ({}):\n{}", self.status, self.console)),
            // The guest says the same of a configuration that it refuses.
            LAUNCHER_FAILED if self.console.lines().any(|line| line.starts_with("rumpkin: ")) => {
                Err(format!("the launcher failed:\n{}", self.console))
            }
            _ => Ok(()),
        }
    }
}

impl Unused {
    fn bind(protocol: &str) -> io::Result<Unused> {
        let anywhere = (Ipv4Addr::LOCALHOST, 0);
        let (port, socket) = if protocol == "udp" {
            let socket = UdpSocket::bind(anywhere)?;
            (socket.local_addr()?.port(), OwnedFd::from(socket))
        } else {
            let listener = TcpListener::bind(anywhere)?;
            (listener.local_addr()?.port(), OwnedFd::from(listener))
        };
        Ok(Unused { port, _socket: socket })
    }
}
