//! The kernel in a Linux process: a composition of layer 3 (its hosted back end) and 4, and a program without user code that serves a file.
//!
//! For debugging TCP, the network and the file system under an ordinary debugger: the kernel's threads are the process's.
#![forbid(unsafe_code)]

pub mod image;
pub mod log_lines;
pub mod options;
pub mod serve;

use rumpkin_spine::{Kernel, config::Config};
use rumpuser::device::Devices;
use std::sync::Arc;

/// Where a file of the host stands in the kernel's tree.
pub const SERVED: &str = "/srv/file";

/// A kernel with files and the network, not started yet. It serves [`SERVED`] from `content`, if given, made anew at each
/// open.
pub fn kernel(
    config: Config,
    devices: Devices,
    content: Option<impl Fn() -> Vec<u8> + Send + Sync + 'static>,
) -> Arc<Kernel> {
    let mut kernel = Kernel::new(config, devices);
    rumpkin_vfs::register(&mut kernel);
    rumpkin_erofs::register(&mut kernel);
    rumpkin_net::register(&mut kernel);
    if let Some(content) = content {
        kernel.add_generated_file(SERVED, move |_| Ok(content()));
    }
    Arc::new(kernel)
}
