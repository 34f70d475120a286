//! The command `rumpkin`: runs an image under a virtual machine monitor, or says what is in it.
//!
//! It is the one place that knows the command lines of virtual machine monitors, one file per monitor. `docs/launcher.md`
//! is its reference.
#![forbid(unsafe_code)]

mod configuration;
mod guest;
mod inspect;
mod options;
mod qemu;
mod qmp;
mod run;
mod status;

use clap::Parser;
use options::{Command, Options};
use std::process::ExitCode;

/// Exit status for what went wrong on the launcher's side, before or beside the guest.
const LAUNCHER_FAILED: u8 = 125;

fn main() -> ExitCode {
    let result = match Options::parse().command {
        Command::Run(options) => run::run(&options),
        Command::Inspect(options) => inspect::inspect(&options).map(|()| 0),
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(message) => {
            eprintln!("rumpkin: {message}");
            ExitCode::from(LAUNCHER_FAILED)
        }
    }
}
