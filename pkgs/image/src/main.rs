//! The composition root: joins the platforms, core, the hypercalls on core and the kernel into one image.
#![no_std]
#![no_main]

extern crate alloc;
// Binds the hypercalls.
extern crate rumpuser_core;

mod composition;
mod manifest;
mod runtime;

use composition::PLATFORMS;
use rumpkin_core::for_image::{BootInfo, Platform};

rumpkin_pvh::entry!(main);

fn main(boot: BootInfo) -> ! {
    const ONLY: [&dyn Platform; PLATFORMS.len()] = {
        let mut platforms = [PLATFORMS[0].1; PLATFORMS.len()];
        let mut index = 1;
        while index < platforms.len() {
            platforms[index] = PLATFORMS[index].1;
            index += 1;
        }
        platforms
    };
    rumpkin_core::for_image::start(boot, &ONLY, composition::run)
}
