//! A kernel from a static library that the linker is given, in the place of layer 4.

use super::Devices;
use core::ffi::c_int;
use rumpuser::power;

/// It has no components that we know of.
pub const COMPONENTS: &[(&str, ())] = &[];

unsafe extern "C" {
    /// The kernel's first function: the linker is told which (`--defsym`, pkgs/lib/layers.nix).
    fn rumpuser_kernel() -> c_int;
}

/// What it can use.
pub const DEVICES: Devices = Devices::All;

/// Runs the kernel and leaves the machine with its exit status. The first thread's entry.
pub fn run() {
    // SAFETY: whoever brings the library promises a function of this type that keeps to rumpuser.h.
    let status = unsafe { rumpuser_c::run(rumpuser_kernel) };
    power::exit(power::Exit::Status(status))
}
