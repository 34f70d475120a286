//! What a kernel's primitives cost: `probe costs` prints a line `NAME NANOSECONDS` per primitive, then `done`;
//! `probe tcp PORT` is the far end of the bulk transfers and runs until it is stopped.
//!
//! The same file runs in a unikernel and on Linux; nothing in it knows of us.

mod costs;
mod tcp;

use std::process::ExitCode;

const USAGE: &str = "usage: probe costs | probe tcp PORT";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match *words {
        ["costs"] => costs::print(),
        ["tcp", port] => match port.parse() {
            Ok(port) => tcp::serve(port),
            Err(_) => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        },
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("probe: {error}");
            ExitCode::FAILURE
        }
    }
}
