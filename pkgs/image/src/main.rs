//! The composition root: joins the platforms, core, the hypercalls on core and the kernel into one image.
#![no_std]
#![no_main]

extern crate alloc;
// Binds the hypercalls.
extern crate rumpuser_core;

mod composition;
mod manifest;
mod runtime;

use rumpkin_core::{boot::BootInfo, interface::Platform};

/// The platforms of this image, the more particular first.
const PLATFORMS: &[&dyn Platform] = &[&rumpkin_hw::PLATFORM];

rumpkin_pvh::entry!(main);

fn main(boot: BootInfo) -> ! {
    rumpkin_core::start(boot, PLATFORMS, composition::run)
}
