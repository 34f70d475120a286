//! What a kernel's primitives cost: `probe costs` prints a line `NAME NANOSECONDS` per primitive, then `done`;
//! `probe tcp PORT` is the far end of the bulk transfers and runs until it is stopped; `probe receive ADDRESS:PORT BYTES` and
//! `probe send ADDRESS:PORT BYTES` are the near end; `probe disk DEVICE` measures a disk.
//!
//! The same file runs in a unikernel and on Linux; nothing in it knows of us.

mod costs;
mod disk;
mod tcp;

use std::process::ExitCode;

const USAGE: &str =
    "usage: probe costs | tcp PORT | receive ADDRESS:PORT BYTES | send ADDRESS:PORT BYTES | disk DEVICE";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match *words {
        ["costs"] => Some(costs::print()),
        ["tcp", port] => port.parse().ok().map(tcp::serve),
        ["receive", address, size] => size.parse().ok().map(|size| tcp::receive(address, size)),
        ["send", address, size] => size.parse().ok().map(|size| tcp::send(address, size)),
        ["disk", path] => Some(disk::print(path)),
        _ => None,
    };
    let Some(result) = result else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("probe: {error}");
            ExitCode::FAILURE
        }
    }
}
