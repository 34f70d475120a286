//! QEMU's command line.
use crate::guest::{Forward, Guest, Machine, Network};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The private files of one run.
#[derive(Debug)]
pub struct Files {
    /// The configuration document, given as the first PVH module.
    pub configuration: PathBuf,
    /// Where the guest's status line ends up.
    pub status: PathBuf,
    /// QEMU's control socket.
    pub control: PathBuf,
}

impl Files {
    pub fn new(folder: &Path) -> Files {
        Files {
            configuration: folder.join("configuration.json"),
            status: folder.join("status"),
            control: folder.join("control"),
        }
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

/// The arguments that make QEMU run `guest`.
///
/// The console is standard input and output. The guest reports its status through port 0xe9 and ends the machine through
/// port 0xf4 where it can (docs/image.md, "Exit status").
pub fn arguments(guest: &Guest, files: &Files) -> Vec<OsString> {
    let mut line = Line::default();
    for flag in ["-nodefaults", "-no-user-config", "-no-reboot"] {
        line.flag(flag);
    }
    line.option("-display", "none");
    machine(&mut line, guest);
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

    let bus = if guest.machine == Machine::Microvm { "device" } else { "pci" };
    line.option("-object", "rng-builtin,id=entropy");
    line.option("-device", format!("virtio-rng-{bus},rng=entropy"));
    network(&mut line, guest, bus);
    for (index, disk) in guest.disks.iter().enumerate() {
        let mode = if disk.read_only { "on" } else { "off" };
        let drive = format!("if=none,id=disk{index},format=raw,readonly={mode},file=");
        line.option("-drive", with_path(&drive, &disk.path));
        line.option("-device", format!("virtio-blk-{bus},drive=disk{index}"));
    }
    line.0
}

fn machine(line: &mut Line, guest: &Guest) {
    line.option(
        "-machine",
        match guest.machine {
            Machine::Microvm => "microvm",
            Machine::Q35 => "q35",
            Machine::Pc => "pc",
        },
    );
    if guest.machine == Machine::Microvm {
        line.option("-global", "virtio-mmio.force-legacy=false");
    }
    let cpus = guest.cpus;
    // Never kvm:tcg: where /dev/kvm exists but cannot be used, QEMU aborts instead of falling back.
    if guest.kvm {
        line.option("-accel", "kvm");
        line.option("-cpu", "host");
        line.option("-smp", cpus.to_string());
    } else {
        // With room for one processor only, QEMU 7.2 weakens the guest's barriers and loses virtio wake-ups.
        line.option("-accel", "tcg");
        line.option("-cpu", "max");
        line.option("-smp", format!("{cpus},maxcpus={}", cpus.max(2)));
    }
    line.option("-m", guest.memory_mib.to_string());
}

fn network(line: &mut Line, guest: &Guest, bus: &str) {
    match &guest.network {
        Network::None => return,
        Network::User(forwards) => {
            let mut backend = String::from("user,id=net0");
            for Forward { protocol, address, host, guest } in forwards {
                backend.push_str(&format!(",hostfwd={protocol}:{address}:{host}-:{guest}"));
            }
            line.option("-netdev", backend);
        }
        Network::Tap { interface } => {
            let backend = with_path("tap,id=net0,script=no,downscript=no,ifname=", Path::new(interface));
            line.option("-netdev", backend);
        }
    }
    // No boot ROM: it would only cost time, and distributions package it apart.
    let rom = if bus == "pci" { ",romfile=" } else { "" };
    let mac = guest.mac.as_ref().map(|mac| format!(",mac={mac}")).unwrap_or_default();
    line.option("-device", format!("virtio-net-{bus},netdev=net0{rom}{mac}"));
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
pub fn shell_line<'a>(words: impl IntoIterator<Item = &'a OsStr>) -> String {
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

    fn guest(machine: Machine) -> Guest {
        Guest {
            image: "a,b.img".into(),
            machine,
            kvm: false,
            memory_mib: 16,
            cpus: 1,
            network: Network::None,
            mac: None,
            disks: vec![],
        }
    }

    fn line(guest: &Guest) -> String {
        let arguments = arguments(guest, &Files::new(Path::new("/run/x,y")));
        shell_line(arguments.iter().map(OsString::as_os_str))
    }

    #[test]
    fn emulation_always_has_room_for_two_processors() {
        assert!(line(&guest(Machine::Pc)).contains("-accel tcg -cpu max -smp 1,maxcpus=2 -m 16"));
        let three = Guest { cpus: 3, ..guest(Machine::Pc) };
        assert!(line(&three).contains("-smp 3,maxcpus=3"));
        let kvm = Guest { kvm: true, ..guest(Machine::Pc) };
        assert!(line(&kvm).contains("-accel kvm -cpu host -smp 1 -m 16"));
    }

    #[test]
    fn paths_are_escaped_where_commas_separate() {
        let line = line(&guest(Machine::Q35));
        assert!(line.contains("-kernel a,b.img -initrd /run/x,y/configuration.json"), "{line}");
        assert!(line.contains("path=/run/x,,y/status"), "{line}");
    }

    #[test]
    fn devices_sit_on_the_bus_that_the_machine_has() {
        let network = Network::User(vec!["8080:80".parse().unwrap(), "udp:53:53".parse().unwrap()]);
        let disks = vec![Disk { path: "d".into(), read_only: true }];
        let microvm = Guest { network: network.clone(), disks: disks.clone(), ..guest(Machine::Microvm) };
        let on_mmio = line(&microvm);
        let forwards = "-netdev user,id=net0,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=udp:127.0.0.1:53-:53";
        for part in [
            forwards,
            "-device virtio-net-device,netdev=net0",
            "-device virtio-blk-device,drive=disk0",
            "readonly=on,file=d",
        ] {
            assert!(on_mmio.contains(part), "{part} in {on_mmio}");
        }
        let tap = Network::Tap { interface: "tap0".into() };
        let pc = Guest { network: tap, mac: Some("52:54:00:00:00:01".into()), disks, ..guest(Machine::Pc) };
        let on_pci = line(&pc);
        for part in [
            "script=no,downscript=no,ifname=tap0",
            "virtio-net-pci,netdev=net0,romfile=,mac=52:54:00:00:00:01",
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
