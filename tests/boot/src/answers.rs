//! A server in an image answers on a TCP port, and ends when it is asked to stop.
use crate::guest::{PATIENCE, Rig};
use crate::report::Report;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// How long one answer may take; the guest may not have come so far.
const ATTEMPT: Duration = Duration::from_secs(10);

/// What is asked, and what must come of it.
#[derive(Clone, Debug)]
pub struct Setting {
    pub image: PathBuf,
    /// The guest's port.
    pub port: u16,
    /// What is sent first.
    pub send: String,
    /// What the answer must contain.
    pub expect: String,
    /// The exit status after the request to stop.
    pub status: u8,
}

/// Boots the image, asks until there is an answer, and stops it.
pub fn answers(rig: &Rig, setting: &Setting, report: &mut Report) -> Result<(), String> {
    let (mut options, address) = rig.reach(setting.port)?;
    options.extend(["--grace".into(), "60".into()]);
    let guest = rig.start(&setting.image, &options, &[])?;
    let began = Instant::now();
    let answer = loop {
        match ask(address, setting) {
            Ok(answer) if answer.contains(&setting.expect) => break Ok(()),
            Ok(answer) if !answer.is_empty() => break Err(format!("the answer is {answer:?}\n{}", guest.text())),
            other if began.elapsed() > PATIENCE => {
                break Err(format!("no answer within {} s: {other:?}\n{}", PATIENCE.as_secs(), guest.text()));
            }
            _ => thread::sleep(Duration::from_millis(100)),
        }
    };
    let machine = rig.machine();
    report.check(&format!("{machine}: port {} answers {:?}", setting.port, setting.expect), || answer)?;
    guest.ends_when_asked(machine, setting.status, report)
}

/// All that comes back on one connection, until its end or a pause.
fn ask(address: SocketAddr, setting: &Setting) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ATTEMPT)?;
    stream.set_read_timeout(Some(ATTEMPT))?;
    stream.set_write_timeout(Some(ATTEMPT))?;
    stream.write_all(setting.send.as_bytes())?;
    let mut answer = vec![];
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        answer.extend_from_slice(piece.get(..count).unwrap_or_default());
        let text = String::from_utf8_lossy(&answer);
        if text.contains(&setting.expect) {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
