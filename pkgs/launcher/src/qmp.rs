//! The part of QEMU's control protocol that stopping a guest and watching it take (QEMU docs, "QEMU Machine Protocol Specification").
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long QEMU may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Presses the guest's power button through the control socket at `path`.
///
/// # Errors
/// QEMU is not there, does not answer in time, or refuses.
pub fn press_power_button(path: &Path) -> io::Result<()> {
    execute(path, json!({ "execute": "system_powerdown" })).map(drop)
}

/// The connections of the guest's user network, as a table for people; QEMU has no other form of it.
///
/// # Errors
/// As above.
pub fn user_network(path: &Path) -> io::Result<String> {
    let arguments = json!({ "command-line": "info usernet" });
    let table = execute(path, json!({ "execute": "human-monitor-command", "arguments": arguments }))?;
    Ok(table.as_str().unwrap_or_default().to_owned())
}

/// Has QEMU execute `command`, and gives back what it returns.
fn execute(path: &Path, command: Value) -> io::Result<Value> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut control = stream;
    read_line(&mut reader)?;
    let mut returned = Value::Null;
    for command in [json!({ "execute": "qmp_capabilities" }), command] {
        writeln!(control, "{command}")?;
        returned = loop {
            let mut answer = read_line(&mut reader)?;
            if let Some(returned) = answer.get_mut("return") {
                break returned.take();
            }
            if let Some(error) = answer.get("error") {
                return Err(io::Error::other(format!("{command}: {error}")));
            }
        };
    }
    Ok(returned)
}

/// Reads one message: the greeting, an answer, or an event.
fn read_line(reader: &mut impl BufRead) -> io::Result<Value> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    serde_json::from_str(&line).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::thread;

    fn press(answers: &'static [&'static str]) -> (io::Result<()>, Vec<String>) {
        converse(answers, press_power_button)
    }

    fn converse<T>(answers: &'static [&'static str], ask: impl FnOnce(&Path) -> T) -> (T, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let listener = UnixListener::bind(&path).unwrap();
        let server = thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            writeln!(stream, r#"{{"QMP":{{}}}}"#).unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut seen = vec![];
            for (line, answer) in lines.zip(answers) {
                seen.push(line.unwrap());
                writeln!(stream, "{answer}").unwrap();
            }
            seen
        });
        let result = ask(&path);
        (result, server.join().unwrap())
    }

    #[test]
    fn commands_follow_the_greeting_and_events_are_skipped() {
        let (result, seen) = press(&[r#"{"return":{}}"#, "{\"event\":\"POWERDOWN\"}\n{\"return\":{}}"]);
        result.unwrap();
        assert_eq!(seen, [r#"{"execute":"qmp_capabilities"}"#, r#"{"execute":"system_powerdown"}"#]);
    }

    #[test]
    fn tables_for_people_come_through() {
        let (table, seen) = converse(&[r#"{"return":{}}"#, r#"{"return":"a\r\nb"}"#], user_network);
        assert_eq!(table.unwrap(), "a\r\nb");
        assert!(seen[1].contains("info usernet"));
    }

    #[test]
    fn refusals_and_hang_ups_are_errors() {
        assert!(
            press(&[r#"{"error":{"class":"CommandNotFound"}}"#]).0.unwrap_err().to_string().contains("CommandNotFound")
        );
        assert_eq!(press(&[r#"{"return":{}}"#]).0.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(press_power_button(Path::new("/nonexistent")).is_err());
    }
}
