//! What the machine was given at boot.

use crate::hypercalls::*;

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

/// What was handed over at boot.
pub fn data() -> &'static BootData {
    rumpuser_boot_data()
}
