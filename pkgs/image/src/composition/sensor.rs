//! The sensor, an app without userspace, which brings the components that it needs.

use super::Devices;
use rumpuser::power;

/// Their names.
pub const COMPONENTS: &[(&str, ())] = &{
    let mut named = [("", ()); sensor::COMPONENTS.len()];
    let mut index = 0;
    while index < named.len() {
        named[index].0 = sensor::COMPONENTS[index];
        index += 1;
    }
    named
};

/// What it can use.
pub const DEVICES: Devices = Devices::Links;

/// Runs the sensor and leaves the machine with its exit status. The first thread's entry.
pub fn run() {
    power::exit(power::Exit::Status(sensor::run()))
}
