//! A running unikernel that has a name: its place below the runtime folder, and its control socket.
//!
//! The socket speaks lines of JSON: one request, one answer. After the answer to `logs` and `console`, what the console
//! shows follows as it is; what a client of `console` sends is typed in.
use crate::console::Console;
use crate::file::At;
use serde_json::{Value, json};
use std::env;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use thiserror::Error;

/// The runtime folder of services and of root's unikernels.
const SYSTEM: &str = "/run/rumpkin";
/// The control socket's name in a unikernel's folder.
pub const SOCKET: &str = "control";
/// A client has so long to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);
/// No request is longer.
const LONGEST_REQUEST: u64 = 4096;

/// How far a guest is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    Starting,
    Ready,
    Stopping,
}

/// What is known of a running guest, shared by the threads that look after it.
pub struct Running {
    pub console: Arc<Console>,
    /// What does not change, for `status`.
    about: Value,
    began: Instant,
    phase: Mutex<Phase>,
    stop: Box<dyn Fn() + Send + Sync>,
}

impl Running {
    /// A guest that is starting; `stop` asks it to stop.
    pub fn new(console: Arc<Console>, about: Value, stop: impl Fn() + Send + Sync + 'static) -> Running {
        Running { console, about, began: Instant::now(), phase: Mutex::new(Phase::Starting), stop: Box::new(stop) }
    }

    pub fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on to `phase`. Says whether that is news; a guest that is stopping does not become ready.
    pub fn enter(&self, phase: Phase) -> bool {
        let mut now = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let news = *now != phase && *now != Phase::Stopping;
        if news {
            *now = phase;
        }
        news
    }

    /// How long the guest has been there.
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    fn status(&self) -> Value {
        let phase = match self.phase() {
            Phase::Starting => "starting",
            Phase::Ready => "ready",
            Phase::Stopping => "stopping",
        };
        let mut status = self.about.clone();
        if let Some(status) = status.as_object_mut() {
            status.insert("phase".into(), phase.into());
            status.insert("seconds".into(), self.began.elapsed().as_secs().into());
            status.insert("pid".into(), std::process::id().into());
        }
        status
    }
}

/// Whether a name may be a unikernel's: that of a folder, and part of a unit's.
pub fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=64).contains(&name.len()) && name.chars().all(plain) && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// The runtime folders in which unikernels are looked for.
pub fn bases() -> Vec<PathBuf> {
    let own = env::var_os("XDG_RUNTIME_DIR").map(|folder| Path::new(&folder).join("rumpkin"));
    own.into_iter().chain([PathBuf::from(SYSTEM)]).collect()
}

/// The folder for a unikernel that is being started: what the service manager has made (systemd.exec(5),
/// "$RUNTIME_DIRECTORY"), or else one in the user's or the system's runtime folder.
fn folder(name: &str) -> Result<PathBuf, Error> {
    if let Some(given) = env::var_os("RUNTIME_DIRECTORY") {
        let given = env::split_paths(&given).find(|path| path.file_name() == Some(OsStr::new(name)));
        if let Some(given) = given {
            return Ok(given);
        }
    }
    let base = bases().into_iter().next().unwrap_or_default();
    let failed = |path: &Path, error| Error::Folder(At::new(path, error));
    let public = base == Path::new(SYSTEM);
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(if public { 0o755 } else { 0o700 });
    builder.create(&base).map_err(|error| failed(&base, error))?;
    let folder = base.join(name);
    builder.mode(0o700).create(&folder).map_err(|error| failed(&folder, error))?;
    Ok(folder)
}

/// Why a unikernel cannot have its name.
#[derive(Debug, Error)]
pub enum Error {
    /// A file in its folder cannot be used.
    #[error(transparent)]
    File(At<io::Error>),
    /// Its folder cannot be made.
    #[error("{0}; --name needs a runtime folder: run this in a session (XDG_RUNTIME_DIR), as root, or as a service")]
    Folder(At<io::Error>),
    /// Another one has it.
    #[error("{0} is running already; stop it by rumpkin stop {0}")]
    Taken(String),
}

/// The control socket of a running unikernel. It goes with this value.
pub struct Instance {
    socket: PathBuf,
    /// Locked as long as the unikernel runs.
    _lock: File,
}

impl Instance {
    /// Takes the name and answers on its control socket from now on.
    ///
    /// # Errors
    /// The name is taken, or the folder cannot be used.
    pub fn open(name: &str, running: Arc<Running>) -> Result<Instance, Error> {
        let folder = folder(name)?;
        let failed = |path: &Path, error| Error::File(At::new(path, error));
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(|error| failed(&path, error))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Error::Taken(name.into()),
            TryLockError::Error(error) => failed(&path, error),
        })?;
        let socket = folder.join(SOCKET);
        // What a launcher that was killed has left.
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).map_err(|error| failed(&socket, error))?;
        fs::set_permissions(&socket, Permissions::from_mode(0o600)).map_err(|error| failed(&socket, error))?;
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let running = Arc::clone(&running);
                thread::spawn(move || serve(client, &running));
            }
        });
        Ok(Instance { socket, _lock: lock })
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // If it cannot be removed, the next one does.
        let _ = fs::remove_file(&self.socket);
    }
}

/// Answers one client. An error is the client's: it has gone.
fn serve(client: UnixStream, running: &Running) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(client.try_clone()?);
    let mut line = String::new();
    reader.by_ref().take(LONGEST_REQUEST).read_line(&mut line)?;
    let request: Value = serde_json::from_str(&line).unwrap_or_default();
    let mut answer = &client;
    match request.get("command").and_then(Value::as_str) {
        Some("status") => writeln!(answer, "{}", running.status()),
        Some("stop") => {
            writeln!(answer, "{}", json!({ "result": "stopping" }))?;
            (running.stop)();
            // The connection ends when the launcher does, and that tells the client.
            loop {
                thread::park();
            }
        }
        Some("logs") => {
            writeln!(answer, "{}", json!({ "result": "logs" }))?;
            let follow = request.get("follow").and_then(Value::as_bool) == Some(true);
            send_console(&client, &running.console, true, follow)
        }
        Some("console") => {
            let input = running.console.has_input();
            writeln!(answer, "{}", json!({ "result": "console", "input": input }))?;
            client.set_read_timeout(None)?;
            let console = Arc::clone(&running.console);
            thread::spawn(move || type_in(reader, &console));
            send_console(&client, &running.console, false, true)
        }
        _ => writeln!(answer, "{}", json!({ "error": "not a request: one of status, stop, logs, console" })),
    }
}

fn type_in(mut client: impl Read, console: &Console) {
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = client.read(&mut piece) {
        console.type_in(piece.get(..count).unwrap_or_default());
    }
}

fn send_console(mut client: &UnixStream, console: &Console, latest: bool, follow: bool) -> io::Result<()> {
    let (before, pieces) = console.attach();
    if latest {
        client.write_all(&before)?;
    }
    if follow {
        for piece in pieces {
            client.write_all(&piece)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for name in ["web", "a.b-c_1", "9"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "..", "-a", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn what_is_stopping_never_becomes_ready() {
        let running = Running::new(Arc::new(Console::new(true, io::sink())), json!({}), || ());
        assert!(running.enter(Phase::Ready));
        assert!(!running.enter(Phase::Ready));
        assert!(running.enter(Phase::Stopping));
        assert!(!running.enter(Phase::Ready));
        assert_eq!(running.status()["phase"], "stopping");
    }
}
