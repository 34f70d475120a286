//! Joins the layers above the hypercalls: the kernel and its components, the configuration, the program.

use super::Devices;
use alloc::sync::Arc;
use rumpkin_spine::{Kernel, config::Config};
use rumpuser::{boot, device, power};

/// Exit status when the configuration cannot be used (that of the program otherwise; see docs/configuration.md).
const BAD_CONFIGURATION: u8 = 125;

/// What a component adds to a kernel.
type Register = fn(&mut Kernel);

/// The kernel's components that were chosen, in the order in which they start, with their names: as the manifest of this
/// crate lists them (build.rs).
pub const COMPONENTS: &[(&str, Register)] = include!(concat!(env!("OUT_DIR"), "/components.rs"));

/// What it can use.
pub const DEVICES: Devices = Devices::All;

/// Runs the program of this image and leaves the machine with its exit status. The first thread's entry.
pub fn run() {
    power::exit(power::Exit::Status(run_program()))
}

fn run_program() -> u8 {
    let document = match rumpkin_base::configuration(boot::data()) {
        Ok(document) => document,
        Err(error) => {
            log::error!("{error}");
            return BAD_CONFIGURATION;
        }
    };
    log::set_max_level(document.settings.tracing.level);
    let mut kernel = Kernel::new(Config::from(&document.settings), device::take());
    for (_, register) in COMPONENTS {
        register(&mut kernel);
    }
    rumpkin_base::prepare(&mut kernel, &document);
    let kernel = Arc::new(kernel);
    kernel.start();
    let status = rumpkin_base::run(&kernel, &document).unwrap_or_else(|error| {
        log::error!("{error}");
        error.status()
    });
    kernel.stop();
    status
}
