//! The part of QEMU's control protocol that stopping a guest and watching it take (QEMU docs, "QEMU Machine Protocol Specification").
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long QEMU may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The register by which a guest enables events of fixed hardware, on QEMU's pc and q35, and the power button's bit in it.
const ENABLE_PORT: u16 = 0x602;
const POWER_BUTTON: u16 = 1 << 8;

/// Presses the guest's power button through the control socket at `path`.
///
/// # Errors
/// QEMU is not there, does not answer in time, or refuses.
pub fn press_power_button(path: &Path) -> io::Result<()> {
    execute(path, json!({ "execute": "system_powerdown" })).map(drop)
}

/// Whether the guest listens to a power button of fixed hardware (ACPI 6.5, §4.8.4.1.1): QEMU forgets a press before that.
///
/// # Errors
/// As above.
pub fn is_power_button_heard(path: &Path) -> io::Result<bool> {
    let arguments = json!({ "command-line": format!("i /h {ENABLE_PORT:#x}") });
    let answer = execute(path, json!({ "execute": "human-monitor-command", "arguments": arguments }))?;
    let value = answer.as_str().and_then(|text| u16::from_str_radix(text.rsplit_once("= 0x")?.1.trim(), 16).ok());
    // Where there is no such register all bits are set.
    Ok(value.is_some_and(|value| value != u16::MAX && value & POWER_BUTTON != 0))
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

/// Waits until the hypervisor cannot go on with the guest, and ends QEMU then, which would keep it for somebody to look at.
/// Gives false when the guest has ended in another way. Blocks as long as the guest runs.
///
/// # Errors
/// QEMU is not there, or does not answer in time.
pub fn end_if_broken(path: &Path) -> io::Result<bool> {
    let began = Instant::now();
    let mut connection = loop {
        match Connection::open(path) {
            // QEMU has not made it yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound && began.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(5));
            }
            other => break other?,
        }
    };
    loop {
        let status = connection.execute(&json!({ "execute": "query-status" }))?;
        if status.get("status").is_some_and(|status| status == "internal-error") {
            connection.execute(&json!({ "execute": "quit" }))?;
            return Ok(true);
        }
        if !connection.wait_for_event("STOP")? {
            return Ok(false);
        }
    }
}

/// Has QEMU execute `command`, and gives back what it returns.
fn execute(path: &Path, command: Value) -> io::Result<Value> {
    Connection::open(path)?.execute(&command)
}

/// A connection that has been greeted.
struct Connection {
    reader: BufReader<UnixStream>,
    control: UnixStream,
}

impl Connection {
    fn open(path: &Path) -> io::Result<Connection> {
        let control = UnixStream::connect(path)?;
        control.set_read_timeout(Some(PATIENCE))?;
        control.set_write_timeout(Some(PATIENCE))?;
        let mut connection = Connection { reader: BufReader::new(control.try_clone()?), control };
        read_line(&mut connection.reader)?;
        connection.execute(&json!({ "execute": "qmp_capabilities" }))?;
        Ok(connection)
    }

    fn execute(&mut self, command: &Value) -> io::Result<Value> {
        writeln!(self.control, "{command}")?;
        loop {
            let mut answer = read_line(&mut self.reader)?;
            if let Some(returned) = answer.get_mut("return") {
                return Ok(returned.take());
            }
            if let Some(error) = answer.get("error") {
                return Err(io::Error::other(format!("{command}: {error}")));
            }
        }
    }

    /// Waits for an event; false if QEMU ends before.
    fn wait_for_event(&mut self, name: &str) -> io::Result<bool> {
        self.control.set_read_timeout(None)?;
        loop {
            match read_line(&mut self.reader) {
                Ok(message) if message.get("event").is_some_and(|event| event == name) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        self.control.set_read_timeout(Some(PATIENCE))?;
        Ok(true)
    }
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
    use std::net::Shutdown;
    use std::os::unix::net::UnixListener;

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
            // In this order: after the last answer it says no more, and waits for no further line.
            for (answer, line) in answers.iter().zip(lines) {
                seen.push(line.unwrap());
                writeln!(stream, "{answer}").unwrap();
            }
            stream.shutdown(Shutdown::Write).unwrap();
            (seen, stream)
        });
        let result = ask(&path);
        (result, server.join().unwrap().0)
    }

    #[test]
    fn commands_follow_the_greeting_and_events_are_skipped() {
        let (result, seen) = press(&[r#"{"return":{}}"#, "{\"event\":\"POWERDOWN\"}\n{\"return\":{}}"]);
        result.unwrap();
        assert_eq!(seen, [r#"{"execute":"qmp_capabilities"}"#, r#"{"execute":"system_powerdown"}"#]);
    }

    #[test]
    fn who_listens_to_the_power_button_has_enabled_it() {
        for (answer, heard) in [
            (r#"{"return":"portw[0x0602] = 0x0100\r\n"}"#, true),
            (r#"{"return":"portw[0x0602] = 0x0000\r\n"}"#, false),
            (r#"{"return":"portw[0x0602] = 0xffff\r\n"}"#, false),
            (r#"{"return":""}"#, false),
        ] {
            let answers = Box::leak(Box::new([r#"{"return":{}}"#, answer]));
            assert_eq!(converse(answers, is_power_button_heard).0.unwrap(), heard, "{answer}");
        }
    }

    #[test]
    fn tables_for_people_come_through() {
        let (table, seen) = converse(&[r#"{"return":{}}"#, r#"{"return":"a\r\nb"}"#], user_network);
        assert_eq!(table.unwrap(), "a\r\nb");
        assert!(seen[1].contains("info usernet"));
    }

    #[test]
    fn a_guest_that_cannot_go_on_is_ended() {
        let (broken, seen) = converse(
            &[
                r#"{"return":{}}"#,
                "{\"return\":{\"status\":\"running\"}}\n{\"event\":\"RESUME\"}\n{\"event\":\"STOP\"}",
                r#"{"return":{"status":"internal-error"}}"#,
                r#"{"return":{}}"#,
            ],
            end_if_broken,
        );
        assert!(broken.unwrap());
        assert_eq!(seen.last().unwrap(), r#"{"execute":"quit"}"#);
    }

    #[test]
    fn a_guest_that_ends_is_not_broken() {
        let (broken, _) = converse(&[r#"{"return":{}}"#, r#"{"return":{"status":"running"}}"#], end_if_broken);
        assert!(!broken.unwrap());
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
