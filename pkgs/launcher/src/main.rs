//! The command `rumpkin`: runs images under a hypervisor, talks to those that run, and says what an image is.
//!
//! It is the one place that knows the command lines of hypervisors, one file per hypervisor. `docs/launcher.md` is its
//! reference.
#![deny(unsafe_code)]

mod child;
mod configuration;
mod console;
mod credentials;
mod file;
mod flake;
mod folder;
mod guest;
mod hypervisor;
mod inspect;
mod instance;
mod journal;
mod loops;
mod notify;
mod options;
mod qemu;
mod qmp;
mod ready;
mod run;
mod spec;
mod status;
mod talk;
mod unit;
mod verify;
mod xen;
mod xl;

use clap::Parser;
use options::{Command, Options};
use std::error::Error;
use std::process::ExitCode;

/// Exit status for what went wrong on the launcher's side, before or beside the guest.
const LAUNCHER_FAILED: u8 = 125;

fn main() -> ExitCode {
    match obey(Options::parse().command) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("rumpkin: {error}");
            ExitCode::from(LAUNCHER_FAILED)
        }
    }
}

/// Does what is asked for, and gives back the exit status.
fn obey(command: Command) -> Result<u8, Box<dyn Error>> {
    Ok(match command {
        Command::Run(options) => run::run(&options)?,
        Command::Stop { name } => talk::stop(&name)?,
        Command::Status { name, json } => talk::status(name.as_deref(), json)?,
        Command::Console { name } => talk::console(&name)?,
        Command::Logs { name, follow } => talk::logs(&name, follow)?,
        Command::Unit { spec } => unit::print(&spec).map(|()| 0)?,
        Command::Inspect(options) => match &options.flake {
            Some(flake) => verify::verify(&options, flake),
            None => inspect::inspect(&options).map(|()| 0)?,
        },
    })
}
