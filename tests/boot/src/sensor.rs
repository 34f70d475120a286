//! The sensor without userspace: its readings arrive here by UDP, its answers by TCP, and it stops when it is asked to.
use crate::guest::{PATIENCE, Rig, Watched};
use crate::http::explain;
use crate::report::Report;
use serde_json::json;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The port of queries in the guest.
const QUERY_PORT: u16 = 77;
/// Between two readings.
const INTERVAL: Duration = Duration::from_millis(200);
/// The guest's address in its network, which forwards ports to no other.
const ADDRESS: &str = "10.0.2.15";

/// A reading as it arrives.
#[derive(Clone, Copy, Debug)]
struct Reading {
    number: u64,
    /// Seconds since 1970.
    time: u64,
    /// Microseconds since the guest's start.
    uptime: u64,
    /// Bytes of free memory.
    free: u64,
}

/// Takes a line apart; every word of it must be as documented.
fn parse(line: &str) -> Option<Reading> {
    let words: Vec<&str> = line.strip_suffix('\n')?.split(' ').collect();
    let ["reading", number, "time", time, "uptime", uptime, "free", free] = words[..] else { return None };
    Some(Reading {
        number: number.parse().ok()?,
        time: time.parse().ok()?,
        uptime: uptime.parse().ok()?,
        free: free.parse().ok()?,
    })
}

/// The sensor in `image` does all that it should, with a lent address and with a fixed one.
pub fn measures(rig: &Rig, image: &Path, report: &mut Report) -> Result<(), String> {
    for (how, network) in [("by DHCP", "dhcp".to_owned()), ("fixed", format!("{ADDRESS}/24"))] {
        let name = |what: &str| format!("{}, address {how}: {what}", rig.machine());
        let collector = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(|error| format!("UDP socket: {error}"))?;
        let port = collector.local_addr().map_err(|error| format!("UDP socket: {error}"))?.port();
        let sensor = json!({
            // This host.
            "collector": format!("10.0.2.2:{port}"),
            "interval": format!("{}ms", INTERVAL.as_millis()),
            "query": QUERY_PORT.to_string(),
        });
        let (options, query) = rig.link_with_port("tcp", QUERY_PORT)?;
        let configuration =
            json!({ "network": { "address": network }, "sensor": sensor, "tracing": { "level": "info" } });
        let guest = start(rig, image, &configuration, options)?;
        report.check(&name("readings arrive"), || readings(&collector))?;
        report.check(&name("queries are answered"), || queries(query))?;
        report.check(&name("a silent peer keeps nobody out for long"), || silence(query))?;
        let by_dhcp = guest.line("net: eth0 ")?.contains("by DHCP");
        report.ok(by_dhcp == (how == "by DHCP"), &name("it has the address from where it should"), || guest.text());
        guest.stop()?;
        let outcome = guest.finish()?;
        report.ok(outcome.code() == 0, &name("it stops when asked"), || {
            format!("{}\n{}", outcome.status, outcome.console)
        });
        // For the log of the check.
        for line in outcome.console.lines() {
            println!("# {line}");
        }
    }
    let file = configuration_file(&json!({ "sensor": { "collector": "nowhere" } }))?;
    let bad = rig.run(image, &["--config".into(), file.path().display().to_string()], &[])?;
    let named = bad.code() == 125 && bad.console.contains("sensor.collector");
    report.ok(named, &format!("{}: a bad configuration is named", rig.machine()), || {
        format!("{}\n{}", bad.status, bad.console)
    });
    Ok(())
}

fn configuration_file(configuration: &serde_json::Value) -> Result<tempfile::NamedTempFile, String> {
    let file = tempfile::NamedTempFile::new().map_err(|error| format!("temporary file: {error}"))?;
    fs::write(file.path(), configuration.to_string()).map_err(|error| format!("configuration: {error}"))?;
    Ok(file)
}

fn start(
    rig: &Rig,
    image: &Path,
    configuration: &serde_json::Value,
    mut options: Vec<String>,
) -> Result<Watched, String> {
    let file = configuration_file(configuration)?;
    options.extend(["--config".into(), file.path().display().to_string()]);
    let guest = rig.start(image, &options, &[])?;
    guest.line("first reading")?;
    Ok(guest)
}

/// Readings come at the interval, numbered, with a clock that is right and goes on.
fn readings(collector: &UdpSocket) -> Result<(), String> {
    collector.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
    let mut before: Option<Reading> = None;
    for _ in 0..5 {
        let mut buffer = [0; 200];
        let length = collector.recv(&mut buffer).map_err(|error| explain("waiting for a reading", &error))?;
        let line = String::from_utf8_lossy(&buffer[..length]);
        let now = parse(&line).ok_or_else(|| format!("not a reading: {line:?}"))?;
        let host = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if now.time.abs_diff(host) > 60 {
            return Err(format!("{now:?} is far from the time here, {host}"));
        }
        if now.free == 0 || now.free >= 1 << 40 {
            return Err(format!("{now:?} has no sensible amount of free memory"));
        }
        if let Some(before) = before {
            let least = INTERVAL.as_micros() as u64 / 2;
            if now.number != before.number + 1 || now.uptime < before.uptime + least {
                return Err(format!("{now:?} does not follow {before:?}"));
            }
        }
        before = Some(now);
    }
    Ok(())
}

/// The answer to each line of `query` in one connection.
fn ask(address: SocketAddr, query: &str) -> Result<Vec<String>, String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| explain("connecting", &error))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
    stream.write_all(query.as_bytes()).map_err(|error| explain("sending queries", &error))?;
    stream.shutdown(std::net::Shutdown::Write).map_err(|error| error.to_string())?;
    BufReader::new(stream).lines().collect::<Result<_, _>>().map_err(|error| explain("waiting for answers", &error))
}

fn queries(address: SocketAddr) -> Result<(), String> {
    let answers = ask(address, "read\naddress\nbogus\r\nread\n")?;
    let [first, own, wrong, second] = &answers[..] else { return Err(format!("not four answers: {answers:?}")) };
    let reading = |line: &str| parse(&format!("{line}\n")).filter(|reading| reading.number == 0);
    let (Some(first), Some(second)) = (reading(first), reading(second)) else {
        return Err(format!("not readings: {answers:?}"));
    };
    if first.uptime > second.uptime || *own != format!("address {ADDRESS}") || !wrong.starts_with("error: `bogus`") {
        return Err(format!("wrong answers: {answers:?}"));
    }
    let long = ask(address, &"x".repeat(1000));
    match long.as_deref() {
        // What was not read when it hung up may reset the connection under the answer.
        Ok([answer]) if answer.starts_with("error: a query has at most") => Ok(()),
        Ok([]) | Err(_) => Ok(()),
        Ok(other) => Err(format!("a long line was answered with {other:?}")),
    }
}

/// Somebody who connects and says nothing is hung up on, and the next one is served.
fn silence(address: SocketAddr) -> Result<(), String> {
    let silent =
        TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| explain("connecting in silence", &error))?;
    thread::sleep(Duration::from_millis(100));
    let begin = Instant::now();
    let answers = ask(address, "address\n")?;
    let waited = begin.elapsed();
    drop(silent);
    match answers.len() {
        1 if waited < Duration::from_secs(60) => Ok(()),
        _ => Err(format!("{answers:?} after {waited:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_whole_readings_are_taken() {
        let reading = parse("reading 3 time 1700000000 uptime 5 free 4096\n").unwrap();
        assert_eq!((reading.number, reading.free), (3, 4096));
        for line in ["", "reading 3\n", "reading 3 time 1 uptime 5 free 4096", "reading x time 1 uptime 5 free 4096\n"]
        {
            assert!(parse(line).is_none(), "{line}");
        }
    }
}
