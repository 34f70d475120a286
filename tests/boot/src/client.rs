//! A server in an image serves a client of this host, and ends when it is asked to stop.
use crate::guest::{PATIENCE, Rig, Watched};
use crate::report::Report;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Who is asked, by whom, and what must come of it.
#[derive(Clone, Debug)]
pub struct Setting {
    pub image: PathBuf,
    /// The guest's port.
    pub port: u16,
    /// A shell script, which runs in a folder of its own, and finds the port of the guest in $HOST and $PORT. It waits for the server itself, and its status is 0 if all is well.
    pub client: PathBuf,
    /// The exit status after the request to stop.
    pub status: u8,
}

/// Boots the image, runs the client, and stops the image.
pub fn is_served(rig: &Rig, setting: &Setting, report: &mut Report) -> Result<(), String> {
    let client = setting.client.canonicalize().map_err(|error| format!("{}: {error}", setting.client.display()))?;
    let (mut options, address) = rig.reach(setting.port)?;
    options.extend(["--grace".into(), "60".into()]);
    let guest = rig.start(&setting.image, &options, &[])?;
    let machine = rig.machine();
    report.check(&format!("{machine}: the client is served"), || {
        let began = Instant::now();
        let folder = tempfile::tempdir().map_err(|error| format!("temporary folder: {error}"))?;
        let mut command = Command::new("sh");
        command.arg("-eu").arg(&client).current_dir(folder.path());
        command.env("HOST", address.ip().to_string()).env("PORT", address.port().to_string());
        let of_guest = |said: String| format!("{said}\nThe guest's last lines:\n{}", guest.tail());
        let client = Watched::start(&mut command, rig.shows())?;
        while !client.has_ended() && began.elapsed() < PATIENCE {
            if guest.has_ended() {
                return Err(of_guest("the guest ended".to_owned()));
            }
            thread::sleep(Duration::from_millis(50));
        }
        let outcome = client.finish().map_err(of_guest)?;
        if outcome.status.success() {
            Ok(())
        } else {
            Err(of_guest(format!("{}\n{}", outcome.status, outcome.console)))
        }
    })?;
    guest.ends_when_asked(machine, setting.status, report)
}

/// Sends standard input, and prints what comes until the other side ends.
pub fn connect(to: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    io::copy(&mut io::stdin(), &mut stream)?;
    io::copy(&mut stream, &mut io::stdout())?;
    io::stdout().flush()
}
