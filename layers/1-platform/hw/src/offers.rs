//! What PC-like machines offer, for the reference page (docs/platforms.md).

use rumpkin_core::for_platform::interface::Offers;
use rumpkin_virtio::{BLOCK_FEATURES, NET_FEATURES};

/// What they offer.
pub static OFFERS: Offers = Offers {
    machines: "QEMU's `pc`, `q35`, `microvm` and `microvm,acpi=off`, and what resembles them",
    found_by: "what no other platform in the image recognises",
    boot: "PVH: `-kernel IMAGE -initrd CONFIGURATION`",
    memory: "4 MiB to more than 4 GiB",
    processors: "1",
    clock: "the time-stamp counter; its rate from pvclock, CPUID 0x15, CPUID 0x40000010, the 8254 or ACPI's timer",
    date: "pvclock, else the real-time clock",
    timer: "the local APIC's: TSC deadline, else one shot",
    interrupts: "I/O APICs",
    console: "virtio-console, else the 16550 at 0x3f8; both with input",
    early_console: "the 16550, by polling",
    devices: "virtio 1.2 over PCI (ports 0xcf8, else MCFG) and over virtio-mmio (DSDT, else command line)",
    plugging: "no",
    network: "virtio-net: a pair of queues, 256 buffers of 2 KiB each way, 64 below 48 MiB of memory",
    disk: "virtio-blk: 32 requests in flight, straight from and to kernel memory",
    entropy: "virtio-rng, the processor, jitter",
    stop: "ACPI's power button: fixed, or the generic event device",
    ending: "`exit N`, `panic` or `reboot` to port 0xe9; the status to port 0xf4",
    off: "ACPI: S5, or the sleep register; else a triple fault. Reset: ACPI's register, the keyboard controller, a triple fault",
    missing: "MSI and MSI-X; PCI on `microvm,pcie=on`; virtio's legacy interface",
    network_features: NET_FEATURES,
    disk_features: BLOCK_FEATURES,
};
