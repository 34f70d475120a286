//! The tiny kernel in C: it does what it says with threads, timers and a disk, echoes on its link, and stops.
use crate::guest::{PATIENCE, Rig};
use crate::report::Report;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes of the disk.
const DISK: usize = 1 << 20;

/// The kernel in `image` works on all that it has.
pub fn lives(rig: &Rig, image: &Path, report: &mut Report) -> Result<(), String> {
    let machine = rig.machine();
    let folder = tempfile::tempdir().map_err(|error| format!("temporary folder: {error}"))?;
    let disk = folder.path().join("disk");
    let content: Vec<u8> = (0..DISK).map(|index| (index * index / 7) as u8).collect();
    fs::write(&disk, &content).map_err(|error| format!("{}: {error}", disk.display()))?;
    let sum: u64 = content.iter().map(|&byte| u64::from(byte)).sum();

    let (mut options, echo) = rig.link_with_port("udp", 7)?;
    options.extend(["--disk".to_owned(), disk.display().to_string()]);
    let guest = rig.start(image, &options, &[])?;
    for line in [
        "tiny: a kernel in C",
        "tiny: 9 threads: queue 180300 of 180300, table 20 of 20 and 0 torn, counter 2000 of 2000",
        "tiny: 5 of 5 timers, in order, 0 early",
        &format!("tiny: disk0 has {DISK} bytes in whole pages, whose sum is {sum}"),
        "tiny: ready",
    ] {
        report.check(&format!("{machine}: {line}"), || guest.line(line).map(drop))?;
    }
    report.check(&format!("{machine}: datagrams come back"), || echoes(echo))?;
    guest.stop()?;
    let outcome = guest.finish()?;
    let stopped = outcome.code() == 0 && outcome.console.contains("tiny: asked to stop");
    report
        .ok(stopped, &format!("{machine}: it stops when asked"), || format!("{}\n{}", outcome.status, outcome.console));
    Ok(())
}

/// Datagrams of every kind of length come back as they were sent. A lost one is sent again.
fn echoes(address: SocketAddr) -> Result<(), String> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(|error| error.to_string())?;
    socket.connect(address).map_err(|error| error.to_string())?;
    socket.set_read_timeout(Some(Duration::from_secs(2))).map_err(|error| error.to_string())?;
    let deadline = Instant::now() + PATIENCE;
    for length in [1, 2, 17, 18, 19, 100, 511, 1400] {
        let sent: Vec<u8> = (0..length).map(|index| (index * 31 + length) as u8).collect();
        let mut buffer = [0; 2000];
        loop {
            socket.send(&sent).map_err(|error| format!("sending {length} bytes: {error}"))?;
            match socket.recv(&mut buffer) {
                Ok(received) if buffer[..received] == sent[..] => break,
                // An answer to what was sent twice.
                Ok(received) if received != length => {}
                Ok(_) => return Err(format!("{length} bytes came back changed")),
                Err(_) if Instant::now() < deadline => {}
                Err(error) => return Err(format!("{length} bytes do not come back: {error}")),
            }
        }
    }
    Ok(())
}
