//! Xen: the guest as a PVH domain that `xl` creates (man 5 xl.cfg), watches and destroys.
//!
//! `xl create -F` stays until the domain has been destroyed. A domain that has shut down is kept (`on_poweroff` and so on say
//! "preserve") until the launcher has read what it left in the store; only then is it destroyed.
use crate::child;
use crate::console::Console;
use crate::file::At;
use crate::folder::{CONFIGURATION, write_private};
use crate::guest::{Guest, Network};
use crate::hypervisor::{self, Ending, Monitor};
use crate::loops::{self, Device};
use crate::options::RunOptions;
use crate::status::Report;
use crate::xl::{self, Xl, read_store};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use thiserror::Error;

/// The node of the guest's part of the store that says how it ended, as a line that [`Report::parse`] reads.
const STATUS: &str = "data/ending";
/// The file that says what is held beside the folder that it is in.
const HELD: &str = "held.json";
/// A console that has been silent for so long after the guest's end has nothing more to say…
const SILENCE: Duration = Duration::from_millis(150);
/// … and one that has not by then is not waited for.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// The most disks of a domain: there are as many names.
const MOST_DISKS: usize = 26;

/// Why there is no guest under Xen, or why it is not reached.
#[derive(Debug, Error)]
pub enum Error {
    /// This is not the name of a bridge.
    #[error("{0}: not the name of a bridge")]
    BridgeName(String),
    /// There is no device for a disk.
    #[error(transparent)]
    Disk(#[from] loops::Error),
    /// The folder of this run cannot be written to.
    #[error(transparent)]
    Folder(#[from] At<io::Error>),
    /// There are options that only QEMU has.
    #[error("--mtu and --sandbox are for QEMU: under Xen the bridge decides, and no process runs the guest")]
    ForQemu,
    /// Ports are to be forwarded.
    #[error("Xen forwards no ports: put the guest on a bridge and give --bridge")]
    Forwards,
    /// The toolstack has not made the domain.
    #[error("xl could not create the domain ({status}):\n{log}")]
    NotCreated { status: ExitStatus, log: String },
    /// There is no random number to know the domain by.
    #[error("/dev/urandom: {0}")]
    Random(io::Error),
    /// The guest is to be attached to a tap.
    #[error("Xen makes its own interfaces: give --bridge instead of --tap")]
    Tap,
    /// There are more disks than names.
    #[error("a domain has at most {MOST_DISKS} disks, xvda to xvdz")]
    TooManyDisks,
    /// The toolstack did not do what it was asked for.
    #[error(transparent)]
    Xl(#[from] xl::Error),
}

/// A guest under Xen.
#[derive(Debug)]
pub struct Xen {
    xl: Xl,
    guest: Guest,
    /// The domain's name, which no other domain of this host has.
    name: String,
    /// What no other domain has anywhere.
    uuid: String,
    folder: PathBuf,
    devices: Vec<Device>,
    /// The thread that passes the console on.
    console: Option<JoinHandle<()>>,
    /// The thread that watches the domain.
    watch: Option<JoinHandle<Watched>>,
    killed: bool,
}

/// What `xl create` has said while the domain was there.
#[derive(Debug, Default)]
struct Watched {
    log: String,
    created: bool,
    /// Why the domain shut down (sched.h, "SHUTDOWN_*").
    reason: Option<u32>,
    report: Option<Report>,
}

/// When the console last had something to say.
#[derive(Debug)]
struct Activity(Mutex<Instant>);

impl Xen {
    /// See [`crate::hypervisor::choose`].
    ///
    /// # Errors
    /// The network is one that only other hypervisors have, or there are more disks than names.
    pub fn new(options: &RunOptions, guest: Guest, folder: &Path) -> Result<Xen, Error> {
        match &guest.network {
            Network::User(_) => return Err(Error::Forwards),
            Network::Tap { .. } => return Err(Error::Tap),
            Network::Bridge { name } if name.contains([',', '"', '\\']) => {
                return Err(Error::BridgeName(name.clone()));
            }
            Network::Bridge { .. } | Network::None => {}
        }
        if guest.mtu.is_some() || options.sandbox {
            return Err(Error::ForQemu);
        }
        if guest.disks.len() > MOST_DISKS {
            return Err(Error::TooManyDisks);
        }
        let stem = guest.image.file_stem().unwrap_or_default().to_string_lossy();
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' };
        let unique = || format!("{}-{}", stem.chars().take(32).map(plain).collect::<String>(), std::process::id());
        let name = options.name.clone().unwrap_or_else(unique);
        Ok(Xen {
            xl: Xl::new(&options.xl),
            guest,
            name,
            uuid: new_uuid().map_err(Error::Random)?,
            folder: folder.to_owned(),
            devices: vec![],
            console: None,
            watch: None,
            killed: false,
        })
    }

    /// The loop devices that its disks are on, each with its file.
    fn loops(&self) -> Vec<(&Path, String)> {
        let disks = self.devices.iter().zip(&self.guest.disks).filter(|(device, _)| device.is_loop());
        disks
            .filter_map(|(device, disk)| {
                Some((device.path(), disk.path.canonicalize().ok()?.to_string_lossy().into_owned()))
            })
            .collect()
    }

    /// The domain's configuration, with its disks on `disks`.
    fn configuration<'a>(&self, disks: impl Iterator<Item = &'a Path>) -> String {
        let Guest { image, memory_mib, cpus, network, mac, .. } = &self.guest;
        let mut text = format!(
            "name = {}\nuuid = \"{}\"\ntype = \"pvh\"\nkernel = {}\nmemory = {memory_mib}\nvcpus = {cpus}\n",
            quoted(self.name.as_bytes()),
            self.uuid,
            quoted(image.as_os_str().as_bytes()),
        );
        let module = self.folder.join(CONFIGURATION);
        // An empty one is refused; QEMU gives the guest none, then.
        if !fs::metadata(&module).is_ok_and(|module| module.len() == 0) {
            let _ = writeln!(text, "ramdisk = {}", quoted(module.as_os_str().as_bytes()));
        }
        if let Network::Bridge { name } = network {
            let mac = mac.as_ref().map(|mac| format!(",mac={mac}")).unwrap_or_default();
            let _ = writeln!(text, "vif = [ {} ]", quoted(format!("bridge={name}{mac}").as_bytes()));
        }
        let disks: Vec<String> = ('a'..='z')
            .zip(disks.zip(&self.guest.disks))
            .map(|(letter, (device, disk))| {
                let access = if disk.read_only { "ro" } else { "rw" };
                // What follows the word `target` is the path, whatever characters it has (man 5 xl-disk-configuration).
                let mut words = format!("format=raw, vdev=xvd{letter}, access={access}, target=").into_bytes();
                words.extend(device.as_os_str().as_bytes());
                quoted(&words)
            })
            .collect();
        if !disks.is_empty() {
            let _ = writeln!(text, "disk = [ {} ]", disks.join(", "));
        }
        for event in ["poweroff", "reboot", "crash", "watchdog", "soft_reset"] {
            let _ = writeln!(text, "on_{event} = \"preserve\"");
        }
        text
    }
}

impl Monitor for Xen {
    fn describe(&self) -> String {
        self.configuration(self.guest.disks.iter().map(|disk| disk.path.as_path())).trim_end().to_owned()
    }

    fn start(&mut self, console: &Arc<Console>) -> Result<Child, hypervisor::Error> {
        for disk in &self.guest.disks {
            self.devices.push(Device::of(&disk.path, disk.read_only).map_err(Error::Disk)?);
        }
        // Should this launcher be killed, the next one lets go of them.
        let held = json!({ "domain": self.uuid, "loops": self.loops() });
        write_private(&self.folder.join(HELD), held.to_string().as_bytes()).map_err(Error::Folder)?;
        let path = self.folder.join("domain.cfg");
        let configuration = self.configuration(self.devices.iter().map(Device::path));
        write_private(&path, configuration.as_bytes()).map_err(Error::Folder)?;
        let arguments = ["create".as_ref(), "-q".as_ref(), "-F".as_ref(), "-c".as_ref(), path.as_os_str()];
        let mut child = child::tie(&mut self.xl.command(arguments))
            // A process group of its own, so that a terminal's Ctrl-C reaches the launcher alone.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Error::Xl(self.xl.not_started(error)))?;
        let activity = Arc::new(Activity(Mutex::new(Instant::now())));
        if let Some(output) = child.stdout.take() {
            let source = Noted { source: output, activity: Arc::clone(&activity) };
            let console = Arc::clone(console);
            self.console = Some(thread::spawn(move || console.pass_on(source)));
        }
        if let Some(messages) = child.stderr.take() {
            let (xl, name) = (self.xl.clone(), self.name.clone());
            self.watch = Some(thread::spawn(move || watch(messages, &xl, &name, &activity)));
        }
        Ok(child)
    }

    fn stop(&self) -> Result<(), hypervisor::Error> {
        self.xl.run(&["shutdown", &self.name]).map_err(Error::Xl)?;
        Ok(())
    }

    fn kill(&mut self, process: &mut Child) {
        self.killed = true;
        // Fails if the domain is not complete; then whoever is building it must go, and what there is of it after that.
        if self.xl.run(&["destroy", &self.name]).is_err() {
            let _ = process.kill();
            let _ = self.xl.run(&["destroy", &self.name]);
        }
    }

    fn finish(&mut self, status: ExitStatus) -> Result<Ending, hypervisor::Error> {
        let watched = self.watch.take().and_then(|watch| watch.join().ok()).unwrap_or_default();
        if let Some(console) = self.console.take() {
            // A console thread that panicked has shown what it could.
            let _ = console.join();
        }
        self.devices.clear();
        let Watched { log, created, reason, report } = watched;
        if !created && !self.killed {
            let _ = self.xl.run(&["destroy", &self.name]);
            return Err(Error::NotCreated { status, log: log.trim_end().into() }.into());
        }
        let (report, remark) = match reason {
            // SHUTDOWN_reboot and SHUTDOWN_crash speak for themselves.
            Some(1) => (report.or(Some(Report::Reboot)), "Xen: the domain asked for a reboot"),
            Some(3) => (report.or(Some(Report::Panic)), "Xen: the domain crashed"),
            Some(0) => (report, "Xen: the domain powered off"),
            Some(_) => (report, "Xen: the domain shut down"),
            None => (report, "Xen: the domain was destroyed"),
        };
        Ok(Ending::Ran { report, remark: remark.into() })
    }
}

/// A random number as domains are known by (RFC 9562, version 4).
fn new_uuid() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let number = u128::from_be_bytes(bytes) & !(0xf << 76 | 0b11 << 62) | 4 << 76 | 0b10 << 62;
    let digits = format!("{number:032x}");
    let (groups, mut rest) = ([8, 4, 4, 4, 12], digits.as_str());
    let groups = groups.map(|length| {
        let (group, behind) = rest.split_at(length);
        rest = behind;
        group
    });
    Ok(groups.join("-"))
}

/// Lets go of what a launcher held that was killed, and left word of it in its `folder`: a domain, which goes on by itself, and loop
/// devices. Says whether there is nothing left to do.
pub fn release(folder: &Path, xl: &Path) -> bool {
    let Ok(held) = fs::read(folder.join(HELD)) else { return true };
    let held: Value = serde_json::from_slice(&held).unwrap_or_default();
    let Some(uuid) = held["domain"].as_str() else { return true };
    match Xl::new(xl).destroy_by_uuid(uuid) {
        Ok(()) => {
            for pair in held["loops"].as_array().into_iter().flatten() {
                if let (Some(device), Some(file)) = (pair[0].as_str(), pair[1].as_str()) {
                    loops::detach_from(Path::new(device), Path::new(file));
                }
            }
            true
        }
        Err(error) => {
            eprintln!("rumpkin: a domain whose launcher was killed is still there: {error}");
            false
        }
    }
}

/// Follows what `xl create` says, and destroys the domain when it has shut down and had its last words.
fn watch(messages: impl Read, xl: &Xl, name: &str, activity: &Activity) -> Watched {
    let mut watched = Watched::default();
    let mut reader = BufReader::new(messages);
    let mut line = vec![];
    while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
        let text = String::from_utf8_lossy(&line);
        watched.created |= text.starts_with("Waiting for domain ");
        if let Some((domain, reason)) = shutdown(&text) {
            watched.reason = Some(reason);
            match read_store(domain, STATUS) {
                Ok(text) => watched.report = text.and_then(|text| Report::parse(&format!("{text}\n"))),
                Err(error) => eprintln!("rumpkin: {error}"),
            }
            activity.wait_for_silence();
            if let Err(error) = xl.run(&["destroy", name]) {
                eprintln!("rumpkin: {error}");
            }
        }
        watched.log.push_str(&text);
        line.clear();
    }
    watched
}

/// Number of the domain and reason in xl's message that a domain has shut down.
fn shutdown(line: &str) -> Option<(u32, u32)> {
    let (domain, reason) = line.strip_prefix("Domain ")?.split_once(" has shut down, reason code ")?;
    Some((domain.parse().ok()?, reason.split_whitespace().next()?.parse().ok()?))
}

/// A source of which it is noted when it last gave something.
struct Noted<S> {
    source: S,
    activity: Arc<Activity>,
}

impl<S: Read> Read for Noted<S> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(piece)?;
        *self.activity.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Ok(count)
    }
}

impl Activity {
    fn wait_for_silence(&self) {
        let began = Instant::now();
        loop {
            let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let left = SILENCE.saturating_sub(last.max(began).elapsed());
            if left.is_zero() || began.elapsed() > LAST_WORDS {
                return;
            }
            thread::sleep(left);
        }
    }
}

/// `bytes` as a string of xl's configuration.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Command, Options};
    use clap::Parser;

    fn xen(network: Network, disks: &[&str]) -> Result<Xen, Error> {
        let Command::Run(options) = Options::parse_from(["rumpkin", "run", "image"]).command else { unreachable!() };
        let guest = Guest {
            image: "/images/a \"b\".img".into(),
            memory_mib: 16,
            cpus: 1,
            network,
            mtu: None,
            vhost: false,
            mac: Some("00:16:3e:00:00:01".into()),
            disks: disks.iter().map(|disk| disk.parse().unwrap()).collect(),
        };
        Xen::new(&options, guest, Path::new("/run/x"))
    }

    #[test]
    fn a_domain_has_what_the_guest_has() {
        let xen = xen(Network::Bridge { name: "xenbr0".into() }, &["/d,1", "/dev/x:ro"]).unwrap();
        let text = xen.describe();
        for line in [
            &format!("name = \"a__b_-{}\"", std::process::id())[..],
            "type = \"pvh\"",
            r#"kernel = "/images/a \"b\".img""#,
            "ramdisk = \"/run/x/configuration.json\"",
            "memory = 16",
            "vcpus = 1",
            "vif = [ \"bridge=xenbr0,mac=00:16:3e:00:00:01\" ]",
            "disk = [ \"format=raw, vdev=xvda, access=rw, target=/d,1\", \"format=raw, vdev=xvdb, access=ro, target=/dev/x\" ]",
            "on_crash = \"preserve\"",
        ] {
            assert!(text.lines().any(|each| each == line), "{line} in {text}");
        }
    }

    #[test]
    fn without_network_and_disks_there_is_no_word_of_them() {
        let text = xen(Network::None, &[]).unwrap().describe();
        assert!(!text.lines().any(|line| line.starts_with("vif") || line.starts_with("disk")), "{text}");
    }

    #[test]
    fn what_xen_does_not_have_is_refused() {
        let forward = Network::User(vec!["8080:80".parse().unwrap()]);
        assert!(xen(forward, &[]).unwrap_err().to_string().contains("--bridge"));
        assert!(xen(Network::Tap { interface: "tap0".into() }, &[]).unwrap_err().to_string().contains("--bridge"));
        assert!(
            xen(Network::Bridge { name: "a,script=b".into() }, &[]).unwrap_err().to_string().contains("a,script=b")
        );
        assert!(xen(Network::None, &["a"; 27]).unwrap_err().to_string().contains("26"));
    }

    #[test]
    fn no_two_domains_have_one_number() {
        let (one, other) = (new_uuid().unwrap(), new_uuid().unwrap());
        assert_ne!(one, other);
        let lengths: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert!(one[14..15] == *"4" && "89ab".contains(&one[19..20]), "{one}");
    }

    #[test]
    fn strings_are_escaped() {
        assert_eq!(quoted(b"a\\b\"c\n\xff"), r#""a\\b\"c\x0a\xff""#);
    }

    #[test]
    fn xl_tells_why_a_domain_shut_down() {
        assert_eq!(shutdown("Domain 7 has shut down, reason code 3 0x3\n"), Some((7, 3)));
        for line in ["Domain 7 has been destroyed.\n", "Waiting for domain a (domid 7) to die [pid 1]\n", ""] {
            assert_eq!(shutdown(line), None);
        }
    }
}
