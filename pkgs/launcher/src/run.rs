//! Runs a guest: from the image to the program's exit status.
use crate::guest::{Guest, Network, mac_for};
use crate::hypervisor::{self, Ending, Monitor};
use crate::options::{Hypervisor, RunOptions};
use crate::status::conclude;
use crate::{configuration, inspect};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// The configuration's name in a run's private folder.
pub const CONFIGURATION: &str = "configuration.json";

/// Runs the image as `options` say, and gives back the exit status.
///
/// # Errors
/// The image or the configuration is bad, or the guest cannot be started.
pub fn run(options: &RunOptions) -> Result<u8, String> {
    let (document, offline) = document(options)?;
    let guest = Guest {
        image: options.image.clone(),
        memory_mib: options.memory,
        cpus: options.cpus,
        network: network(options, offline)?,
        mac: options.mac.clone().or_else(|| options.tap.as_deref().map(mac_for)),
        disks: options.disk.clone(),
    };

    if options.print_command {
        println!("{}", hypervisor::choose(options, guest, Path::new("$RUN"))?.describe());
        return Ok(0);
    }

    let folder =
        tempfile::Builder::new().prefix("rumpkin-").tempdir().map_err(|error| format!("temporary folder: {error}"))?;
    write_private(&folder.path().join(CONFIGURATION), &document)?;
    let mut monitor = hypervisor::choose(options, guest, folder.path())?;
    let (killed, report, remark) = loop {
        let (killed, ended) = supervise(options, monitor.as_mut())?;
        if let Ending::Ran { report, remark } = monitor.finish(ended)? {
            break (killed, report, remark);
        }
    };
    let (status, message) = conclude(report, killed, &remark);
    if let Some(message) = message {
        eprintln!("rumpkin: {message}");
    }
    Ok(status)
}

/// The configuration for the guest, and whether it says that there is no network.
fn document(options: &RunOptions) -> Result<(Vec<u8>, bool), String> {
    if options.unchecked {
        let path = options.config.as_deref().unwrap_or(Path::new(""));
        let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        return Ok((bytes, !wants_network(options)));
    }
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
    let offline = configuration::is_offline(&document);
    Ok((document.to_string().into_bytes(), offline))
}

fn wants_network(options: &RunOptions) -> bool {
    options.tap.is_some() || options.bridge.is_some() || !options.forward.is_empty()
}

fn network(options: &RunOptions, offline: bool) -> Result<Network, String> {
    if offline && wants_network(options) {
        return Err("the configuration says that there is no network; give --address dhcp to have one".into());
    }
    Ok(match (&options.tap, &options.bridge) {
        _ if offline => Network::None,
        (Some(interface), _) => Network::Tap { interface: interface.clone() },
        (_, Some(name)) => Network::Bridge { name: name.clone() },
        _ if options.hypervisor == Hypervisor::Xen && options.forward.is_empty() => Network::None,
        _ => Network::User(options.forward.clone()),
    })
}

/// Writes a file that nobody else can read: it may hold credentials.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(bytes));
    written.map_err(|error| format!("{}: {error}", path.display()))
}

/// Runs the guest to its end, handing signals on. Says whether it had to be killed, and how the monitor's process ended.
fn supervise(options: &RunOptions, monitor: &mut dyn Monitor) -> Result<(bool, ExitStatus), String> {
    let signals = Signals::new([SIGCHLD, SIGHUP, SIGINT, SIGTERM]).map_err(|error| format!("signals: {error}"))?;
    let signals = receive(signals);
    let mut process = monitor.start()?;
    let waiting = |error| format!("waiting for the guest: {error}");
    let mut deadline = None;
    loop {
        if let Some(status) = process.try_wait().map_err(waiting)? {
            return Ok((false, status));
        }
        match next(&signals, deadline) {
            Some(SIGCHLD) => {}
            Some(_) if deadline.is_none() => {
                deadline = Some(Instant::now() + Duration::from_secs(options.grace));
                if let Err(message) = monitor.stop() {
                    eprintln!("rumpkin: the guest cannot be asked to stop ({message}); killing it");
                    deadline = Some(Instant::now());
                }
            }
            // A second signal, or no time left.
            _ => {
                monitor.kill(&mut process);
                return Ok((true, process.wait().map_err(waiting)?));
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
