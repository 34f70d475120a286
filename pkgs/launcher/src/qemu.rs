//! QEMU: its command line, its process, its control socket.
use crate::child;
use crate::console::Console;
use crate::file::{self, At, Store, Unusable};
use crate::folder::CONFIGURATION;
use crate::guest::{Accelerator, Forward, Guest, Machine, Network};
use crate::hypervisor::{self, Ending, Monitor};
use crate::options::RunOptions;
use crate::qmp;
use crate::status::Report;
use signal_hook::consts::SIGABRT;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use thiserror::Error;

/// QEMU's control socket in a run's private folder.
pub const CONTROL: &str = "control";
/// What QEMU gives up by its seccomp filters: outdated calls, more privileges, new processes, changes of its own limits.
const SANDBOX: &str = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

/// How long to wait before a guest that is starting is looked at again.
const LISTEN_AGAIN: Duration = Duration::from_millis(50);
/// A guest that KVM cannot run by then has run a while, and is not started again.
const FIRST_STEPS: Duration = Duration::from_secs(5);

/// Why there is no guest under QEMU, or why it is not reached.
#[derive(Debug, Error)]
pub enum Error {
    /// The guest is to be attached to a bridge.
    #[error("QEMU attaches guests to taps: put one on the bridge and give --tap instead of --bridge")]
    Bridge,
    /// QEMU's control socket does not do what it should.
    #[error("{0}")]
    Control(io::Error),
    /// What a disk is kept in is not there, or of another kind.
    #[error(transparent)]
    Disk(#[from] At<Unusable>),
    /// KVM is asked for, and its device cannot be opened.
    #[error("/dev/kvm: {0}; --accel tcg works without it, slowly")]
    Kvm(io::Error),
    /// QEMU is not there.
    #[error(
        "{} not found; install QEMU (Debian: apt-get install qemu-system-x86) or give its path with --qemu", .0.display()
    )]
    Missing(PathBuf),
    /// QEMU cannot be started.
    #[error(transparent)]
    NotStarted(#[from] At<io::Error>),
    /// vhost is asked for, and its device cannot be opened.
    #[error("/dev/vhost-net: {0}; load the module vhost_net, or leave out --vhost: it works without, slower")]
    Vhost(io::Error),
}

/// A guest under QEMU.
#[derive(Debug)]
pub struct Qemu {
    guest: Guest,
    /// What each of its disks is kept in.
    stores: Vec<Store>,
    executable: PathBuf,
    machine: Machine,
    /// Use KVM, which has been found to be there.
    kvm: bool,
    /// Go on in software emulation if KVM turns out not to work.
    emulate: bool,
    sandbox: bool,
    files: Files,
    /// The thread that passes the console on.
    console: Option<JoinHandle<()>>,
    /// The thread that ends QEMU when KVM cannot go on, which it finds out.
    watch: Option<JoinHandle<bool>>,
}

/// The private files of one run.
#[derive(Debug)]
struct Files {
    /// The configuration document, given as the first PVH module.
    configuration: PathBuf,
    /// Where the guest's status line ends up.
    status: PathBuf,
    /// QEMU's control socket.
    control: PathBuf,
    /// Another one, since each takes one client at a time: it is watched for KVM's failure.
    events: PathBuf,
}

impl Qemu {
    /// See [`crate::hypervisor::choose`].
    ///
    /// # Errors
    /// KVM or vhost is asked for and not to be had, a disk is no file or device, or the network is one that only other hypervisors
    /// have.
    pub fn new(options: &RunOptions, guest: Guest, folder: &Path) -> Result<Qemu, Error> {
        if let Network::Bridge { .. } = guest.network {
            return Err(Error::Bridge);
        }
        if guest.vhost {
            // QEMU aborts without it.
            open("/dev/vhost-net").map_err(Error::Vhost)?;
        }
        let stores = guest.disks.iter().map(|disk| file::store(&disk.path)).collect::<Result<_, _>>()?;
        Ok(Qemu {
            guest,
            stores,
            executable: options.qemu.clone(),
            machine: options.machine,
            kvm: use_kvm(options.accel)?,
            emulate: options.accel == Accelerator::Auto,
            sandbox: options.sandbox,
            console: None,
            watch: None,
            files: Files {
                configuration: folder.join(CONFIGURATION),
                status: folder.join("status"),
                control: folder.join(CONTROL),
                events: folder.join("events"),
            },
        })
    }
}

impl Monitor for Qemu {
    fn describe(&self) -> String {
        let arguments = self.arguments();
        shell_line(std::iter::once(self.executable.as_os_str()).chain(arguments.iter().map(OsString::as_os_str)))
    }

    fn start(&mut self, console: &Arc<Console>) -> Result<Child, hypervisor::Error> {
        let mut child = child::tie(&mut Command::new(&self.executable))
            .args(self.arguments())
            // A process group of its own, so that a terminal's Ctrl-C reaches the launcher alone.
            .process_group(0)
            // Such a group may not read from the terminal; and the console is not this terminal's alone.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => Error::Missing(self.executable.clone()),
                _ => At::new(&self.executable, error).into(),
            })?;
        console.connect_input(child.stdin.take());
        if let Some(output) = child.stdout.take() {
            let console = Arc::clone(console);
            self.console = Some(thread::spawn(move || console.pass_on(output)));
        }
        if self.kvm {
            let (events, began) = (self.files.events.clone(), Instant::now());
            self.watch = Some(thread::spawn(move || {
                qmp::end_if_broken(&events).unwrap_or(false) && began.elapsed() < FIRST_STEPS
            }));
        }
        Ok(child)
    }

    fn stop(&self) -> Result<(), hypervisor::Error> {
        let control = self.files.control.clone();
        let heard = self.machine == Machine::Microvm || qmp::is_power_button_heard(&control).map_err(Error::Control)?;
        if heard {
            return Ok(qmp::press_power_button(&control).map_err(Error::Control)?);
        }
        thread::spawn(move || {
            // It comes to an end when the guest does.
            while qmp::is_power_button_heard(&control).is_ok_and(|heard| !heard) {
                thread::sleep(LISTEN_AGAIN);
            }
            let _ = qmp::press_power_button(&control);
        });
        Ok(())
    }

    fn kill(&mut self, process: &mut Child) {
        // Fails only if it has just ended.
        let _ = process.kill();
    }

    fn finish(&mut self, status: ExitStatus) -> Result<Ending, hypervisor::Error> {
        if let Some(console) = self.console.take() {
            // A console thread that panicked has shown what it could.
            let _ = console.join();
        }
        // Where the device opens and KVM then does not work (nested virtualization, mostly), QEMU aborts or stops the guest at
        // its first instructions.
        let stuck = self.watch.take().and_then(|watch| watch.join().ok()).unwrap_or(false);
        if self.kvm && self.emulate && (stuck || status.signal() == Some(SIGABRT)) {
            eprintln!("rumpkin: KVM does not work on this machine; running in software emulation");
            self.kvm = false;
            return Ok(Ending::NotRun);
        }
        let text = fs::read(&self.files.status).ok();
        let report = text.and_then(|bytes| Report::parse(&String::from_utf8_lossy(&bytes)));
        Ok(Ending::Ran { report, remark: format!("QEMU: {status}") })
    }
}

/// Opens a device and closes it again: that it exists does not say that it can be used.
fn open(device: &str) -> io::Result<()> {
    OpenOptions::new().read(true).write(true).open(device).map(drop)
}

/// Whether to use KVM.
fn use_kvm(accelerator: Accelerator) -> Result<bool, Error> {
    match accelerator {
        Accelerator::Tcg => Ok(false),
        Accelerator::Auto => Ok(open("/dev/kvm").is_ok()),
        Accelerator::Kvm => open("/dev/kvm").map(|()| true).map_err(Error::Kvm),
    }
}

/// Collects arguments.
#[derive(Default)]
struct Line(Vec<OsString>);

impl Line {
    fn flag(&mut self, flag: &str) {
        self.0.push(flag.into());
    }

    fn option(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.push(name.into());
        self.0.push(value.into());
    }
}

impl Qemu {
    /// The arguments that make QEMU run the guest.
    ///
    /// The console is standard input and output. The guest reports its status through port 0xe9 and ends the machine through
    /// port 0xf4 where it can (docs/image.md, "Exit status").
    fn arguments(&self) -> Vec<OsString> {
        let Qemu { guest, files, machine, .. } = self;
        let mut line = Line::default();
        for flag in ["-nodefaults", "-no-user-config", "-no-reboot"] {
            line.flag(flag);
        }
        line.option("-display", "none");
        if self.sandbox {
            line.option("-sandbox", SANDBOX);
        }
        self.machine(&mut line);
        line.option("-kernel", guest.image.clone());
        line.option("-initrd", files.configuration.clone());

        // signal=off: interrupts are the launcher's to handle, which stops the guest in an orderly way.
        line.option("-chardev", "stdio,id=console,signal=off");
        line.option("-serial", "chardev:console");
        line.option("-chardev", with_path("file,id=status,path=", &files.status));
        line.option("-device", "isa-debugcon,iobase=0xe9,chardev=status");
        line.option("-device", "isa-debug-exit,iobase=0xf4,iosize=4");
        line.option("-chardev", with_path("socket,id=control,server=on,wait=off,path=", &files.control));
        line.option("-mon", "chardev=control,mode=control");
        if self.kvm {
            line.option("-chardev", with_path("socket,id=events,server=on,wait=off,path=", &files.events));
            line.option("-mon", "chardev=events,mode=control");
        }

        let bus = if *machine == Machine::Microvm { "device" } else { "pci" };
        line.option("-object", "rng-builtin,id=entropy");
        line.option("-device", format!("virtio-rng-{bus},rng=entropy"));
        network(&mut line, guest, bus);
        for (index, (disk, store)) in guest.disks.iter().zip(&self.stores).enumerate() {
            let mode = if disk.read_only { "on" } else { "off" };
            // Named, since QEMU would take a file's name like nbd:… or json:… for another driver's.
            let driver = match store {
                Store::File => "file",
                Store::Device => "host_device",
            };
            let drive =
                format!("if=none,id=disk{index},format=raw,readonly={mode},file.driver={driver},file.filename=");
            line.option("-drive", with_path(&drive, &disk.path));
            // Errors are the guest's to deal with. By default it would stand still when this host has no room left.
            line.option("-device", format!("virtio-blk-{bus},drive=disk{index},werror=report,rerror=report"));
        }
        line.0
    }

    fn machine(&self, line: &mut Line) {
        line.option(
            "-machine",
            match self.machine {
                Machine::Microvm => "microvm",
                Machine::Q35 => "q35",
                Machine::Pc => "pc",
            },
        );
        if self.machine == Machine::Microvm {
            line.option("-global", "virtio-mmio.force-legacy=false");
            // Debian's default, and not that of others: SeaBIOS counts the page among its own in which QEMU puts a small
            // configuration there.
            line.option("-bios", "qboot.rom");
        }
        let cpus = self.guest.cpus;
        // Never kvm:tcg: where /dev/kvm exists but cannot be used, QEMU aborts instead of falling back.
        if self.kvm {
            line.option("-accel", "kvm");
            line.option("-cpu", "host");
            line.option("-smp", cpus.to_string());
        } else {
            // With room for one processor only, QEMU 7.2 weakens the guest's barriers and loses virtio wake-ups.
            line.option("-accel", "tcg");
            line.option("-cpu", "max");
            line.option("-smp", format!("{cpus},maxcpus={}", cpus.max(2)));
        }
        line.option("-m", self.guest.memory_mib.to_string());
    }
}

fn network(line: &mut Line, guest: &Guest, bus: &str) {
    match &guest.network {
        Network::None | Network::Bridge { .. } => return,
        Network::User(forwards) => {
            let mut backend = String::from("user,id=net0");
            for Forward { protocol, address, host, guest } in forwards {
                backend.push_str(&format!(",hostfwd={protocol}:{address}:{host}-:{guest}"));
            }
            line.option("-netdev", backend);
        }
        Network::Tap { interface } => {
            let vhost = if guest.vhost { "vhost=on," } else { "" };
            let backend = format!("tap,id=net0,{vhost}script=no,downscript=no,ifname=");
            let backend = with_path(&backend, Path::new(interface));
            line.option("-netdev", backend);
        }
    }
    // No boot ROM: it would only cost time, and distributions package it apart.
    let rom = if bus == "pci" { ",romfile=" } else { "" };
    let mac = guest.mac.as_ref().map(|mac| format!(",mac={mac}")).unwrap_or_default();
    let mtu = guest.mtu.map(|mtu| format!(",host_mtu={mtu}")).unwrap_or_default();
    line.option("-device", format!("virtio-net-{bus},netdev=net0{rom}{mac}{mtu}"));
}

/// `prefix` and then `path`, whose commas are doubled as QEMU's option syntax demands.
fn with_path(prefix: &str, path: &Path) -> OsString {
    let mut value = prefix.as_bytes().to_vec();
    for &byte in path.as_os_str().as_bytes() {
        value.push(byte);
        if byte == b',' {
            value.push(byte);
        }
    }
    OsString::from_vec(value)
}

/// `words` as one line for a POSIX shell.
fn shell_line<'a>(words: impl IntoIterator<Item = &'a OsStr>) -> String {
    let quoted = words.into_iter().map(|word| {
        let word = word.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,=:+@%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.into_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::Disk;

    fn qemu(machine: Machine) -> Qemu {
        let folder = Path::new("/run/x,y");
        Qemu {
            guest: Guest {
                image: "a,b.img".into(),
                memory_mib: 16,
                cpus: 1,
                network: Network::None,
                mac: None,
                mtu: None,
                vhost: false,
                disks: vec![],
            },
            stores: vec![],
            executable: "qemu".into(),
            machine,
            kvm: false,
            emulate: false,
            sandbox: false,
            console: None,
            watch: None,
            files: Files {
                configuration: folder.join("configuration.json"),
                status: folder.join("status"),
                control: folder.join(CONTROL),
                events: folder.join("events"),
            },
        }
    }

    #[test]
    fn emulation_always_has_room_for_two_processors() {
        let mut qemu = qemu(Machine::Pc);
        assert!(qemu.describe().contains("-accel tcg -cpu max -smp 1,maxcpus=2 -m 16"));
        qemu.guest.cpus = 3;
        assert!(qemu.describe().contains("-smp 3,maxcpus=3"));
        qemu.guest.cpus = 1;
        qemu.kvm = true;
        assert!(qemu.describe().contains("-accel kvm -cpu host -smp 1 -m 16"));
    }

    #[test]
    fn paths_are_escaped_where_commas_separate() {
        let line = qemu(Machine::Q35).describe();
        assert!(line.contains("-kernel a,b.img -initrd /run/x,y/configuration.json"), "{line}");
        assert!(line.contains("path=/run/x,,y/status"), "{line}");
    }

    #[test]
    fn devices_sit_on_the_bus_that_the_machine_has() {
        let disks =
            vec![Disk { path: "nbd:d,1".into(), read_only: true }, Disk { path: "/dev/d".into(), read_only: false }];
        let mut microvm = qemu(Machine::Microvm);
        microvm.guest.network = Network::User(vec!["8080:80".parse().unwrap(), "udp:53:53".parse().unwrap()]);
        (microvm.guest.disks, microvm.stores) = (disks.clone(), vec![Store::File, Store::Device]);
        let on_mmio = microvm.describe();
        let forwards = "-netdev user,id=net0,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=udp:127.0.0.1:53-:53";
        for part in [
            forwards,
            "-bios qboot.rom",
            "-device virtio-net-device,netdev=net0",
            "readonly=on,file.driver=file,file.filename=nbd:d,,1 -device virtio-blk-device,drive=disk0,werror=report,rerror=report",
            "readonly=off,file.driver=host_device,file.filename=/dev/d -device virtio-blk-device,drive=disk1,werror=report,",
        ] {
            assert!(on_mmio.contains(part), "{part} in {on_mmio}");
        }
        let mut pc = qemu(Machine::Pc);
        pc.guest.network = Network::Tap { interface: "tap0".into() };
        pc.guest.mac = Some("52:54:00:00:00:01".into());
        pc.guest.mtu = Some(1400);
        pc.guest.vhost = true;
        pc.sandbox = true;
        (pc.guest.disks, pc.stores) = (disks, vec![Store::File, Store::Device]);
        let on_pci = pc.describe();
        for part in [
            "vhost=on,script=no,downscript=no,ifname=tap0",
            "virtio-net-pci,netdev=net0,romfile=,mac=52:54:00:00:00:01,host_mtu=1400",
            "-sandbox on,obsolete=deny,",
            "virtio-rng-pci",
        ] {
            assert!(on_pci.contains(part), "{part} in {on_pci}");
        }
    }

    #[test]
    fn shell_lines_are_quoted() {
        assert_eq!(shell_line([OsStr::new("a b"), OsStr::new("it's"), OsStr::new("")]), r"'a b' 'it'\''s' ''");
    }
}
