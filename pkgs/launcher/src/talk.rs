//! The commands that talk to a running unikernel by its name: stop, status, console, logs.
use crate::instance::{SOCKET, bases};
use serde_json::{Value, json};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Exit status of `status` for what is not running (LSB, "Init Script Actions").
const NOT_RUNNING: u8 = 3;
/// A launcher answers at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection after the answer to a request.
struct Conversation {
    answer: Value,
    reader: BufReader<UnixStream>,
}

/// Why there is no conversation.
enum Silence {
    /// There is no such unikernel here.
    Absent,
    Failed(String),
}

impl Silence {
    fn message(self, name: &str) -> String {
        match self {
            Silence::Absent => format!("{name} is not running"),
            Silence::Failed(message) => format!("{name}: {message}"),
        }
    }
}

fn connect(name: &str) -> Result<UnixStream, Silence> {
    for base in bases() {
        let path = base.join(name).join(SOCKET);
        match UnixStream::connect(&path) {
            Ok(stream) => return Ok(stream),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Silence::Failed(format!("{}: {error}; it is another user's, try as root", path.display())));
            }
            Err(error) => return Err(Silence::Failed(format!("{}: {error}", path.display()))),
        }
    }
    Err(Silence::Absent)
}

fn ask(name: &str, request: &Value) -> Result<Conversation, Silence> {
    let failed = |error: io::Error| Silence::Failed(error.to_string());
    let stream = connect(name)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    writeln!(&stream, "{request}").map_err(failed)?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).map_err(failed)?;
    let answer: Value = serde_json::from_str(&line).map_err(|error| Silence::Failed(format!("no answer: {error}")))?;
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => Err(Silence::Failed(error.into())),
        None => {
            reader.get_ref().set_read_timeout(None).map_err(failed)?;
            Ok(Conversation { answer, reader })
        }
    }
}

/// Asks the unikernel to stop and waits until it has.
pub fn stop(name: &str) -> Result<u8, String> {
    let mut conversation = ask(name, &json!({ "command": "stop" })).map_err(|silence| silence.message(name))?;
    // Nothing more is said; the connection ends with the launcher.
    let _ = conversation.reader.read_to_end(&mut vec![]);
    Ok(0)
}

/// Says how the unikernel is, or how all are.
pub fn status(name: Option<&str>, as_json: bool) -> Result<u8, String> {
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
        Err(Silence::Absent) => {
            eprintln!("rumpkin: {name} is not running");
            Ok(NOT_RUNNING)
        }
        Err(silence) => Err(silence.message(name)),
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
pub fn logs(name: &str, follow: bool) -> Result<u8, String> {
    let request = json!({ "command": "logs", "follow": follow });
    let conversation = ask(name, &request).map_err(|silence| silence.message(name))?;
    show(conversation.reader)
}

/// Connects the terminal with the console, until the unikernel ends.
pub fn console(name: &str) -> Result<u8, String> {
    let conversation = ask(name, &json!({ "command": "console" })).map_err(|silence| silence.message(name))?;
    if conversation.answer.get("input") == Some(&Value::Bool(true)) {
        let stream = conversation.reader.get_ref().try_clone().map_err(|error| format!("{name}: {error}"))?;
        thread::spawn(move || io::copy(&mut io::stdin(), &mut &stream));
    } else {
        eprintln!("rumpkin: this hypervisor passes on no input; the console is shown only");
    }
    show(conversation.reader)
}

fn show(mut reader: impl Read) -> Result<u8, String> {
    let mut output = io::stdout().lock();
    let mut piece = [0; 4096];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(0),
            Ok(count) => {
                let piece = piece.get(..count).unwrap_or_default();
                output.write_all(piece).and_then(|()| output.flush()).map_err(|error| format!("output: {error}"))?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("console: {error}")),
        }
    }
}
