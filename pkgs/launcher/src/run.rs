//! Runs a guest: from the image to the program's exit status.
use crate::guest::{Accelerator, Guest, Network, mac_for};
use crate::options::RunOptions;
use crate::qemu::{self, Files};
use crate::status::{Report, conclude};
use crate::{configuration, inspect, qmp};
use signal_hook::consts::{SIGABRT, SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// Runs the image as `options` say, and gives back the exit status.
///
/// # Errors
/// The image or the configuration is bad, or the monitor cannot be started.
pub fn run(options: &RunOptions) -> Result<u8, String> {
    let file = inspect::read(&options.image)?;
    let image = inspect::parse(&options.image, &file)?;
    let needed = image.memory_end().div_ceil(1 << 20);
    if u64::from(options.memory) < needed {
        return Err(format!(
            "{}: needs more than {} MiB of memory; give --memory {} or more",
            options.image.display(),
            options.memory,
            needed + 4
        ));
    }
    let document = configuration::effective(image.configuration, options)?;
    let mut guest = Guest {
        image: options.image.clone(),
        machine: options.machine,
        kvm: use_kvm(options.accel)?,
        memory_mib: options.memory,
        cpus: options.cpus,
        network: network(options, configuration::is_offline(&document))?,
        mac: options.mac.clone().or_else(|| options.tap.as_deref().map(mac_for)),
        disks: options.disk.clone(),
    };
    drop(file);

    if options.print_command {
        let arguments = qemu::arguments(&guest, &Files::new(Path::new("$RUN")));
        let words = std::iter::once(options.qemu.as_os_str()).chain(arguments.iter().map(|word| word.as_os_str()));
        println!("{}", qemu::shell_line(words));
        return Ok(0);
    }

    let folder =
        tempfile::Builder::new().prefix("rumpkin-").tempdir().map_err(|error| format!("temporary folder: {error}"))?;
    let files = Files::new(folder.path());
    write_private(&files.configuration, document.to_string().as_bytes())?;
    let mut ran = supervise(options, &guest, &files)?;
    if guest.kvm && options.accel == Accelerator::Auto && ran.1.signal() == Some(SIGABRT) {
        // QEMU aborts where the device opens and KVM then refuses the processor (nested virtualization, mostly).
        eprintln!("rumpkin: KVM does not work on this machine; running in software emulation");
        guest.kvm = false;
        ran = supervise(options, &guest, &files)?;
    }
    let (killed, ended) = ran;
    let report = fs::read(&files.status).ok().and_then(|bytes| Report::parse(&String::from_utf8_lossy(&bytes)));
    let (status, message) = conclude(report, killed, ended);
    if let Some(message) = message {
        eprintln!("rumpkin: {message}");
    }
    Ok(status)
}

/// Whether to use KVM. The device is probed by opening it: that it exists does not say that it can be used.
fn use_kvm(accelerator: Accelerator) -> Result<bool, String> {
    let open = || OpenOptions::new().read(true).write(true).open("/dev/kvm");
    match accelerator {
        Accelerator::Tcg => Ok(false),
        Accelerator::Auto => Ok(open().is_ok()),
        Accelerator::Kvm => match open() {
            Ok(_) => Ok(true),
            Err(error) => Err(format!("/dev/kvm: {error}; --accel tcg works without it, slowly")),
        },
    }
}

fn network(options: &RunOptions, offline: bool) -> Result<Network, String> {
    match &options.tap {
        _ if offline && (options.tap.is_some() || !options.forward.is_empty()) => {
            Err("the configuration says that there is no network; give --address dhcp to have one".into())
        }
        _ if offline => Ok(Network::None),
        Some(interface) => Ok(Network::Tap { interface: interface.clone() }),
        None => Ok(Network::User(options.forward.clone())),
    }
}

/// Writes a file that nobody else can read: it may hold credentials.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(bytes));
    written.map_err(|error| format!("{}: {error}", path.display()))
}

fn start(options: &RunOptions, guest: &Guest, files: &Files) -> Result<Child, String> {
    let terminal = io::stdin().is_terminal();
    let mut child = Command::new(&options.qemu)
        .args(qemu::arguments(guest, files))
        // A process group of its own, so that a terminal's Ctrl-C reaches the launcher alone.
        .process_group(0)
        // Such a group may not read from the terminal; the launcher hands over what is typed.
        .stdin(if terminal { Stdio::piped() } else { Stdio::inherit() })
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!(
                "{} not found; install QEMU (Debian: apt-get install qemu-system-x86) or give its path with --qemu",
                options.qemu.display()
            ),
            _ => format!("{}: {error}", options.qemu.display()),
        })?;
    if let Some(mut input) = child.stdin.take() {
        // Ends with the process. An error means that QEMU has ended.
        thread::spawn(move || io::copy(&mut io::stdin(), &mut input));
    }
    Ok(child)
}

/// Runs the guest to its end, handing signals on. Says whether it had to be killed, and how the monitor ended.
fn supervise(options: &RunOptions, guest: &Guest, files: &Files) -> Result<(bool, ExitStatus), String> {
    let signals = Signals::new([SIGCHLD, SIGHUP, SIGINT, SIGTERM]).map_err(|error| format!("signals: {error}"))?;
    let signals = receive(signals);
    let mut child = start(options, guest, files)?;
    let mut deadline = None;
    loop {
        if let Some(status) = child.try_wait().map_err(|error| format!("waiting for QEMU: {error}"))? {
            return Ok((false, status));
        }
        match next(&signals, deadline) {
            Some(SIGCHLD) => {}
            Some(_) if deadline.is_none() => {
                deadline = Some(Instant::now() + Duration::from_secs(options.grace));
                if let Err(error) = qmp::press_power_button(&files.control) {
                    eprintln!("rumpkin: QEMU cannot be asked to stop ({error}); killing it");
                    deadline = Some(Instant::now());
                }
            }
            // A second signal, or no time left.
            _ => {
                // Fails only if it has just ended.
                let _ = child.kill();
                let status = child.wait().map_err(|error| format!("waiting for QEMU: {error}"))?;
                return Ok((true, status));
            }
        }
    }
}

/// The signals that arrive, as messages.
fn receive(mut signals: Signals) -> Receiver<i32> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || signals.forever().try_for_each(|signal| sender.send(signal)));
    receiver
}

/// The next signal, or `None` when `deadline` has passed.
fn next(signals: &Receiver<i32>, deadline: Option<Instant>) -> Option<i32> {
    match deadline {
        None => signals.recv().ok(),
        Some(deadline) => signals.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok(),
    }
}
