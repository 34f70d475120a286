//! What Xen offers, for the reference page (docs/platforms.md).

use crate::devices::{BLOCK_FEATURES, NET_FEATURES};
use rumpkin_core::for_platform::interface::Offers;

/// What it offers.
pub static OFFERS: Offers = Offers {
    machines: "64-bit PVH domains (tried with Xen 4.17); a PVH dom0 as far as it has the same",
    found_by: "CPUID, `XenVMMXenVMM`",
    boot: "PVH: xl `kernel=`, `ramdisk=` for the configuration, `cmdline=`",
    memory: "16 MiB or more",
    processors: "1",
    clock: "the paravirtual clock; the counter alone where Xen says that it is stable",
    date: "the shared page's wall clock",
    timer: "`VCPUOP_set_singleshot_timer`",
    interrupts: "event channels, FIFO where offered, else 2-level; one upcall vector",
    console: "the console ring, with input",
    early_console: "`CONSOLEIO_write` where the domain may (dom0), else port 0xe9 (`xl dmesg`)",
    devices: "`device/vif` and `device/vbd` in xenstore",
    plugging: "out, and in again under the same number; of what is new the log says that it is not used",
    network: "netfront: 256 pages to receive into and 256 KiB to send from for each queue, a quarter and half of that below 48 MiB",
    disk: "blkfront: data passes through 128 pages, 32 below 48 MiB of memory",
    entropy: "the processor, jitter",
    stop: "`control/shutdown`: `poweroff`, `halt`, `reboot`",
    ending: "`exit N`, `panic` or `reboot` to the domain's node `data/ending`, and to port 0xe9",
    off: "`SCHEDOP_shutdown`: poweroff, crash after a panic, reboot",
    missing: "suspend, migration",
    network_features: NET_FEATURES,
    disk_features: BLOCK_FEATURES,
};
