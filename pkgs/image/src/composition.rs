//! Joins the layers above the hypercalls: the kernel and its components, the configuration, the program.

use crate::manifest::manifest;
use alloc::sync::Arc;
use rumpkin_kernel::Kernel;
use rumpuser::{boot, device, power};

/// Exit status when the configuration cannot be used (that of the program otherwise; see docs/configuration.md).
const BAD_CONFIGURATION: u8 = 125;

/// Names the parts of this image once: the kernel's components in the order in which they start, and the manifest.
macro_rules! parts {
    (platforms: $platforms:tt, components: [$($name:literal => $register:path),* $(,)?]) => {
        const COMPONENTS: &[fn(&mut Kernel)] = &[$($register),*];

        /// What the image is made of, as JSON.
        pub const MANIFEST: &str = manifest! { platforms: $platforms, components: [$($name),*] };
    };
}

// First the network, which then has the others' time to get an address.
parts! {
    platforms: ["hw"],
    components: [
        "net" => rumpkin_net::register,
        "vfs" => rumpkin_vfs::register,
        "process" => rumpkin_process::register,
        "event" => rumpkin_event::register,
        "time" => rumpkin_time::register,
    ]
}

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
    log::set_max_level(document.tracing.level);
    let mut kernel = Kernel::new(document.kernel_config(), device::take());
    for register in COMPONENTS {
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
