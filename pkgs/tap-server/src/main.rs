//! The command `rumpkin-tap-server`: the kernel in a Linux process, on a tap.
#![forbid(unsafe_code)]

use clap::Parser;
use rumpkin_spine::config::Config;
use rumpkin_tap_server::{SERVED, image, kernel, log_lines, options::Options, serve};
use rumpuser::{
    boot::BootData,
    device::{self, Devices},
    power::{self, Exit},
};
use rumpuser_hosted::link;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{error::Error, fs, process::ExitCode};

fn main() -> ExitCode {
    let options = Options::parse();
    log_lines::show(options.log);
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rumpkin-tap-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    if let Some(path) = &options.root {
        let root = image::load(path).map_err(|error| format!("{}: {error}", path.display()))?;
        rumpuser_hosted::set_boot_data(BootData { root_file_system: Some(root), ..BootData::default() });
    }
    let content = options.file.clone();
    if let Some(path) = &content {
        fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let content = content.map(|path| {
        move || {
            fs::read(&path).unwrap_or_else(|error| {
                log::error!("{}: {error}: what is served is empty", path.display());
                Vec::new()
            })
        }
    });
    let link = link::tap(&options.tap, options.mac)?;
    let config = Config { network: options.network(), trace_system_calls: options.trace, ..Config::default() };
    let devices = Devices { links: vec![link], disks: Vec::new(), console: device::take().console };
    let kernel = kernel(config, devices, content);

    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::spawn(move || signals.forever().for_each(|_| rumpuser_hosted::request_stop()));
    power::on_stop({
        let kernel = kernel.clone();
        move || {
            kernel.stop();
            power::exit(Exit::Status(0));
        }
    });
    kernel.start();
    let path = options.serve.as_deref().unwrap_or(SERVED);
    serve::run(&kernel, options.port, path)
        .map_err(|error| format!("{path} cannot be served on port {}: {error:?}", options.port).into())
}
