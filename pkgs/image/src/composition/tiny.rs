//! The tiny kernel in C, in the place of layer 4.

use super::Devices;
use rumpuser::power;

/// It has no components.
pub const COMPONENTS: &[(&str, ())] = &[];

/// What it can use.
pub const DEVICES: Devices = Devices::All;

/// Runs the kernel and leaves the machine with its exit status. The first thread's entry.
pub fn run() {
    power::exit(power::Exit::Status(rumpkin_kernel_tiny::run()))
}
