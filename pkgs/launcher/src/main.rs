//! The command `rumpkin`: runs an image under a hypervisor, or says what is in it.
//!
//! It is the one place that knows the command lines of hypervisors, one file per hypervisor. `docs/launcher.md` is its
//! reference.
#![forbid(unsafe_code)]

mod configuration;
mod guest;
mod hypervisor;
mod inspect;
mod loops;
mod options;
mod qemu;
mod qmp;
mod run;
mod status;
mod xen;
mod xl;

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
