//! Runs a guest: from the image to the program's exit status.
use crate::console::Console;
use crate::file::{At, Unusable};
use crate::folder::{CONFIGURATION, Folder, write_private};
use crate::guest::{Guest, Network, mac_for};
use crate::hypervisor::{self, Ending, Monitor};
use crate::instance::{Instance, Phase, Running};
use crate::options::{Hypervisor, Journal, RunOptions};
use crate::qemu::CONTROL;
use crate::ready::{Condition, Probe};
use crate::status::conclude;
use crate::{configuration, file, folder, inspect, instance, journal, notify, ready, xen};
use rumpkin_configuration::{Address, Settings};
use serde_json::{Value, json};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};
use thiserror::Error;

/// What is given to the guest unchecked may be too long for it, but not for this host.
const UNCHECKED_LIMIT: u64 = 1 << 30;

/// Why a guest is not run.
#[derive(Debug, Error)]
pub enum Error {
    /// There is no configuration for it.
    #[error(transparent)]
    Configuration(#[from] configuration::Error),
    /// What it is to be given unchecked cannot be read.
    #[error(transparent)]
    Document(#[from] At<Unusable>),
    /// There is no folder for this run.
    #[error(transparent)]
    Folder(#[from] At<io::Error>),
    /// The hypervisor does not do what is asked for.
    #[error(transparent)]
    Hypervisor(#[from] hypervisor::Error),
    /// The image is none.
    #[error(transparent)]
    Image(#[from] inspect::Error),
    /// The image does not fit into so many MiB of memory.
    #[error(
        "{}: does not start in {memory} MiB of memory; give --memory {needed} or more, as its program needs",
        .image.display()
    )]
    Memory { image: PathBuf, memory: u32, needed: u64 },
    /// It cannot have its name.
    #[error(transparent)]
    Name(#[from] instance::Error),
    /// It is to have a network by one option, and none by another.
    #[error("the configuration says that there is no network; give --address dhcp to have one")]
    NoNetwork,
    /// It is not seen from here when it is ready.
    #[error(transparent)]
    Ready(#[from] ready::Error),
    /// Signals cannot be waited for.
    #[error("signals: {0}")]
    Signals(io::Error),
    /// Its process cannot be waited for.
    #[error("waiting for the guest: {0}")]
    Waiting(io::Error),
}

/// Runs the image as `options` say, and gives back the exit status.
///
/// # Errors
/// The image or the configuration is bad, or the guest cannot be started.
pub fn run(options: &RunOptions) -> Result<u8, Error> {
    let (document, settings) = document(options)?;
    let address = settings.network.address;
    // Of a guest that is given what it is given unchecked, who starts it says whether there is a network.
    let offline = if options.unchecked { !wants_network(options) } else { address == Address::None };
    let guest = Guest {
        image: options.image.clone(),
        memory_mib: options.memory,
        cpus: options.cpus,
        network: network(options, offline)?,
        mtu: options.mtu,
        vhost: options.vhost,
        mac: options.mac.clone().or_else(|| options.tap.as_deref().map(mac_for)),
        disks: options.disk.clone(),
    };

    if options.print_command {
        println!("{}", hypervisor::choose(options, guest, Path::new("$RUN"))?.describe());
        return Ok(0);
    }

    folder::clean(|folder| xen::release(folder, &options.xl));
    let folder = Folder::new()?;
    write_private(&folder.path().join(CONFIGURATION), &document)?;
    let probe = probe(options, &guest, address, folder.path())?;
    let mut monitor = hypervisor::choose(options, guest, folder.path())?;

    let (events, received) = mpsc::channel();
    receive_signals(events.clone())?;
    let levels = options.journal == Journal::On || options.journal == Journal::Auto && journal::is_there();
    let console = Arc::new(Console::new(levels, io::stdout()));
    let stop = move || {
        // Fails when the guest has just ended.
        let _ = events.send(Event::Stop);
    };
    let running = Arc::new(Running::new(Arc::clone(&console), about(options), stop));
    let _instance = options.name.as_deref().map(|name| Instance::open(name, Arc::clone(&running))).transpose()?;
    console.type_from_standard_input();
    await_readiness(options, probe, &running);

    let (killed, report, remark) = loop {
        let (killed, ended) = supervise(options, monitor.as_mut(), &running, &received)?;
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

/// The MiB of memory with which an image starts that ends at so many bytes. What its program needs beyond that nobody can know.
fn least_memory(image_end: u64) -> u64 {
    /// What the kernel takes beside its image, and keeps in reserve, before a small program runs: 690 KiB on microvm, 820 KiB on pc
    /// and q35.
    const BESIDE: u64 = 1 << 20;
    (image_end + BESIDE).div_ceil(1 << 20)
}

/// The configuration for the guest, and what its kernel is told by it and the image's own.
fn document(options: &RunOptions) -> Result<(Vec<u8>, Settings), Error> {
    if options.unchecked {
        let path = options.config.as_deref().unwrap_or(Path::new(""));
        let document = file::read(path, UNCHECKED_LIMIT)?;
        let settings = configuration::settings_of_unchecked(&document);
        return Ok((document, settings));
    }
    let file = inspect::read(&options.image)?;
    let image = inspect::parse_whole(&options.image, &file)?;
    let needed = least_memory(image.memory_end());
    if u64::from(options.memory) < needed {
        return Err(Error::Memory { image: options.image.clone(), memory: options.memory, needed });
    }
    let document = configuration::at_launch(image.configuration, options)?;
    let beside = (u64::from(options.memory) << 20).saturating_sub(image.memory_end());
    let settings = configuration::judge(&image, &document, beside.saturating_sub(document.len() as u64))?;
    Ok((document.into_bytes(), settings))
}

fn wants_network(options: &RunOptions) -> bool {
    options.tap.is_some() || options.bridge.is_some() || !options.forward.is_empty()
}

fn network(options: &RunOptions, offline: bool) -> Result<Network, Error> {
    if offline && wants_network(options) {
        return Err(Error::NoNetwork);
    }
    Ok(match (&options.tap, &options.bridge) {
        _ if offline => Network::None,
        (Some(interface), _) => Network::Tap { interface: interface.clone() },
        (_, Some(name)) => Network::Bridge { name: name.clone() },
        _ if options.hypervisor == Hypervisor::Xen && options.forward.is_empty() => Network::None,
        _ => Network::User(options.forward.clone()),
    })
}

/// What does not change while the guest runs, for `rumpkin status`.
fn about(options: &RunOptions) -> Value {
    let hypervisor = match options.hypervisor {
        Hypervisor::Qemu => "qemu",
        Hypervisor::Xen => "xen",
    };
    json!({ "name": options.name, "image": options.image, "hypervisor": hypervisor, "memory": options.memory })
}

fn probe(options: &RunOptions, guest: &Guest, address: Address, folder: &Path) -> Result<Option<Probe>, Error> {
    let Some(Condition::Port(port)) = options.ready else { return Ok(None) };
    Ok(Some(Probe::new(port, guest, address, &folder.join(CONTROL))?))
}

/// Sees to it that the guest is declared ready when it is, if that is not when it starts.
fn await_readiness(options: &RunOptions, probe: Option<Probe>, running: &Arc<Running>) {
    let running = Arc::clone(running);
    if let Some(Condition::Line(text)) = &options.ready {
        let console = Arc::clone(&running.console);
        console.when_line(text.clone(), move || declare_ready(&running));
    } else if let Some(probe) = probe {
        thread::spawn(move || {
            if probe.wait(|| running.phase() == Phase::Stopping) {
                declare_ready(&running);
            }
        });
    }
}

fn declare_ready(running: &Running) {
    if running.enter(Phase::Ready) {
        notify::tell(&format!("READY=1\nSTATUS=Ready after {:.1} s", running.age().as_secs_f64()));
    }
}

/// What the launcher waits for.
enum Event {
    /// A child process may have ended.
    Child,
    /// A signal asks for the guest's end.
    Signal,
    /// Somebody asks for it through the control socket.
    Stop,
}

/// Runs the guest to its end, handing on that it is to stop. Says whether it had to be killed, and how the monitor's process
/// ended.
fn supervise(
    options: &RunOptions,
    monitor: &mut dyn Monitor,
    running: &Running,
    events: &Receiver<Event>,
) -> Result<(bool, ExitStatus), Error> {
    let mut process = monitor.start(&running.console)?;
    if options.ready.is_none() {
        declare_ready(running);
    }
    let mut deadline = None;
    loop {
        if let Some(status) = process.try_wait().map_err(Error::Waiting)? {
            return Ok((false, status));
        }
        match next(events, deadline) {
            Some(Event::Child) => {}
            Some(_) if deadline.is_none() => {
                deadline = Some(Instant::now() + Duration::from_secs(options.grace));
                if running.enter(Phase::Stopping) {
                    notify::tell("STOPPING=1");
                }
                if let Err(error) = monitor.stop() {
                    eprintln!("rumpkin: the guest cannot be asked to stop ({error}); killing it");
                    deadline = Some(Instant::now());
                }
            }
            Some(Event::Stop) => {}
            // A second signal, or no time left.
            Some(Event::Signal) | None => {
                monitor.kill(&mut process);
                return Ok((true, process.wait().map_err(Error::Waiting)?));
            }
        }
    }
}

/// Has signals arrive as events from now on.
fn receive_signals(events: Sender<Event>) -> Result<(), Error> {
    let mut signals = Signals::new([SIGCHLD, SIGHUP, SIGINT, SIGTERM]).map_err(Error::Signals)?;
    let event = |signal| if signal == SIGCHLD { Event::Child } else { Event::Signal };
    thread::spawn(move || signals.forever().try_for_each(|signal| events.send(event(signal))));
    Ok(())
}

/// The next event, or `None` when `deadline` has passed.
fn next(events: &Receiver<Event>, deadline: Option<Instant>) -> Option<Event> {
    match deadline {
        None => events.recv().ok(),
        Some(deadline) => events.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok(),
    }
}
