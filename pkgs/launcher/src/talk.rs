//! The commands that talk to a running unikernel by its name: stop, status, console, logs.
use crate::file::At;
use crate::instance::{SOCKET, bases};
use serde_json::{Value, json};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;
use thiserror::Error;

/// Exit status of `status` for what is not running (LSB, "Init Script Actions").
const NOT_RUNNING: u8 = 3;
/// A launcher answers at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection after the answer to a request.
struct Conversation {
    answer: Value,
    reader: BufReader<UnixStream>,
}

/// Why a unikernel was not talked to. The first string is its name.
#[derive(Debug, Error)]
pub enum Error {
    /// There is no such unikernel here.
    #[error("{0} is not running")]
    Absent(String),
    /// Its socket is another user's.
    #[error("{0}: {1}; it is another user's, try as root")]
    Another(String, At<io::Error>),
    /// What its console shows does not arrive any more.
    #[error("console: {0}")]
    Console(io::Error),
    /// The connection has failed.
    #[error("{0}: {1}")]
    Connection(String, io::Error),
    /// It says something else than it should.
    #[error("{0}: no answer: {1}")]
    NoAnswer(String, serde_json::Error),
    /// What its console shows cannot be shown here.
    #[error("output: {0}")]
    Output(io::Error),
    /// It does not do what it is asked for, and says why.
    #[error("{0}: {1}")]
    Refused(String, String),
    /// Its socket cannot be used.
    #[error("{0}: {1}")]
    Socket(String, At<io::Error>),
}

fn connect(name: &str) -> Result<UnixStream, Error> {
    for base in bases() {
        let path = base.join(name).join(SOCKET);
        match UnixStream::connect(&path) {
            Ok(stream) => return Ok(stream),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Error::Another(name.into(), At::new(path, error)));
            }
            Err(error) => return Err(Error::Socket(name.into(), At::new(path, error))),
        }
    }
    Err(Error::Absent(name.into()))
}

fn ask(name: &str, request: &Value) -> Result<Conversation, Error> {
    let failed = |error| Error::Connection(name.into(), error);
    let stream = connect(name)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    writeln!(&stream, "{request}").map_err(failed)?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).map_err(failed)?;
    let answer: Value = serde_json::from_str(&line).map_err(|error| Error::NoAnswer(name.into(), error))?;
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => Err(Error::Refused(name.into(), error.into())),
        None => {
            reader.get_ref().set_read_timeout(None).map_err(failed)?;
            Ok(Conversation { answer, reader })
        }
    }
}

/// Asks the unikernel to stop and waits until it has.
pub fn stop(name: &str) -> Result<u8, Error> {
    let mut conversation = ask(name, &json!({ "command": "stop" }))?;
    // Nothing more is said; the connection ends with the launcher.
    let _ = conversation.reader.read_to_end(&mut vec![]);
    Ok(0)
}

/// Says how the unikernel is, or how all are.
pub fn status(name: Option<&str>, as_json: bool) -> Result<u8, Error> {
    let Some(name) = name else {
        let mut names: Vec<String> = bases().iter().flat_map(|base| folders(base)).collect();
        names.sort();
        names.dedup();
        for name in names {
            // Others' are not for this user to see; what has ended is not there.
            if let Ok(conversation) = ask(&name, &json!({ "command": "status" })) {
                print_status(&conversation.answer, as_json);
            }
        }
        return Ok(0);
    };
    match ask(name, &json!({ "command": "status" })) {
        Ok(conversation) => {
            print_status(&conversation.answer, as_json);
            Ok(0)
        }
        Err(error @ Error::Absent(_)) => {
            eprintln!("rumpkin: {error}");
            Ok(NOT_RUNNING)
        }
        Err(error) => Err(error),
    }
}

fn folders(base: &Path) -> Vec<String> {
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn print_status(status: &Value, as_json: bool) {
    if as_json {
        println!("{status}");
        return;
    }
    let text = |key: &str| status.get(key).and_then(Value::as_str).unwrap_or("?");
    let number = |key: &str| status.get(key).and_then(Value::as_u64).unwrap_or(0);
    println!(
        "{}: {}, for {} s, {} on {}, process {}",
        text("name"),
        text("phase"),
        number("seconds"),
        text("image"),
        text("hypervisor"),
        number("pid")
    );
}

/// Shows what the console has shown of late, and with `follow` what it shows from now on.
pub fn logs(name: &str, follow: bool) -> Result<u8, Error> {
    let request = json!({ "command": "logs", "follow": follow });
    let conversation = ask(name, &request)?;
    show(conversation.reader)
}

/// Connects the terminal with the console, until the unikernel ends.
pub fn console(name: &str) -> Result<u8, Error> {
    let conversation = ask(name, &json!({ "command": "console" }))?;
    if conversation.answer.get("input") == Some(&Value::Bool(true)) {
        let stream =
            conversation.reader.get_ref().try_clone().map_err(|error| Error::Connection(name.into(), error))?;
        thread::spawn(move || io::copy(&mut io::stdin(), &mut &stream));
    } else {
        eprintln!("rumpkin: this hypervisor passes on no input; the console is shown only");
    }
    show(conversation.reader)
}

fn show(mut reader: impl Read) -> Result<u8, Error> {
    let mut output = io::stdout().lock();
    let mut piece = [0; 4096];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(0),
            Ok(count) => {
                let piece = piece.get(..count).unwrap_or_default();
                output.write_all(piece).and_then(|()| output.flush()).map_err(Error::Output)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Console(error)),
        }
    }
}
