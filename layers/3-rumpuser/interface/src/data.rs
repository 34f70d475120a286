//! What hypercalls hand over that is no word of layer 0.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use rumpkin_vocabulary::{Console, Disk, Link};

/// Data handed over by the boot loader or baked into the image; it lives as long as the kernel.
#[derive(Debug, Default, Clone, Copy)]
pub struct BootData {
    /// The command line; empty if there is none.
    pub command_line: &'static str,
    /// The launch-time configuration document (the first boot module), if one was given; empty, which no document is, if it cannot
    /// be read.
    pub launch_configuration: Option<&'static [u8]>,
    /// The configuration document baked into the image, if any.
    pub baked_configuration: Option<&'static [u8]>,
    /// The root file system baked into the image, page-aligned, if any.
    pub root_file_system: Option<&'static [u8]>,
}

/// What the machine has.
pub struct Devices {
    /// Network interfaces, in the order of discovery.
    pub links: Vec<Box<dyn Link>>,
    /// Disks, in the order of discovery.
    pub disks: Vec<Arc<dyn Disk>>,
    /// The console.
    pub console: Arc<dyn Console>,
}

/// How to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Power off and report this exit status (0 to 255; 128 + signal for a killed program) to the host.
    Status(u8),
    /// Restart the machine.
    Reboot,
}
