//! A static file server: `httpd --root DIRECTORY --listen ADDRESS:PORT [--log on|off] [--idle SECONDS]`.
//!
//! HTTP/1.1 with keep-alive, ranges, validators, directory indexes and an access log; stops in an orderly way on SIGTERM
//! and SIGINT. One thread: the work per request is a few system calls on files that are in memory.
#![forbid(unsafe_code)]

mod body;
mod files;
mod log;
mod mime;
mod options;
mod range;
mod respond;
mod server;
mod validators;

use options::Options;
use std::process::ExitCode;

fn run() -> Result<(), String> {
    let options = Options::parse(std::env::args_os().skip(1))?;
    let site = files::Site::open(&options.root).map_err(|error| format!("{}: {error}", options.root.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no event loop: {error}"))?;
    runtime.block_on(server::serve(site, &options))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("httpd: {message}");
            ExitCode::FAILURE
        }
    }
}
