//! Fuzz targets: each takes bytes, whatever they are, and throws what it makes of them at a kernel in a process.
//!
//! A panic is a finding, an overflow is one, and so is what a target asserts: that everything comes to an end, and that nothing is
//! left over. Runs are simulations, so an input says all that happens in them. `main.rs` hands the targets to libFuzzer,
//! `tests/corpus.rs` replays the inputs that are kept; README.md tells how to use both.

mod machine;
mod packet;
mod peer;
mod targets;

/// Something to throw bytes at.
pub struct Target {
    /// Its name; its inputs are in the folder of that name under `corpus`.
    pub name: &'static str,
    /// Panics if the input shows something wrong.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "packets", run: targets::packets::run },
    Target { name: "dhcp", run: targets::dhcp::run },
    Target { name: "dns", run: targets::dns::run },
    Target { name: "configuration", run: targets::configuration::run },
    Target { name: "elf", run: targets::elf::run },
    Target { name: "rootfs", run: targets::rootfs::run },
    Target { name: "calls", run: targets::calls::run },
];

/// The target of a name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
