"""A minimal Linux guest's root: an initramfs (newc cpio) with busybox, modules for its devices and one program."""

import os
import stat

# In the order in which they must be loaded; a file's name has - for _ or the other way round.
MODULES = {
    "pci": ["virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci"],
    "mmio": ["virtio_ring", "virtio", "virtio_mmio"],
    "xen": ["xen_netfront", "xen_blkfront"],
}
NETWORK = {
    "pci": ["failover", "net_failover", "virtio_net"],
    "mmio": ["failover", "net_failover", "virtio_net"],
    "xen": [],
}

INIT = """#!/bin/busybox sh
export PATH=/bin
busybox mount -t devtmpfs dev /dev
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t tmpfs tmp /tmp
{network}
ulimit -n 65536
exec {argv}
"""


def find_modules(folder, names):
    """The files of these modules below `folder`."""
    wanted = set(names)
    found = {}
    for parent, _, files in os.walk(folder):
        for file in files:
            name = file.partition(".ko")[0].replace("-", "_")
            if file.endswith(".ko") and name in wanted:
                found[name] = os.path.join(parent, file)
    missing = wanted - found.keys()
    if missing:
        raise SystemExit(f"bench: {folder} lacks the modules {', '.join(sorted(missing))}")
    return [found[name] for name in names]


class Archive:
    """Writes the cpio format `newc`."""

    def __init__(self):
        self.parts = []
        self.inode = 0
        self.folders = set()

    def entry(self, path, mode, data=b"", device=(0, 0)):
        self.inode += 1
        name = path.lstrip("/").encode() + b"\0"
        fields = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0]
        header = b"070701" + b"".join(b"%08x" % field for field in fields) + name
        for part in (header, data):
            self.parts.append(part + b"\0" * (-len(part) % 4))

    def folder(self, path):
        path = path.rstrip("/")
        if path and path not in self.folders:
            self.folder(os.path.dirname(path))
            self.folders.add(path)
            self.entry(path, stat.S_IFDIR | 0o755)

    def file(self, path, data, mode=0o644):
        self.folder(os.path.dirname(path))
        self.entry(path, stat.S_IFREG | mode, data)

    def copy(self, path, source, mode=0o644):
        with open(source, "rb") as file:
            self.file(path, file.read(), mode)

    def write(self, path):
        self.entry("TRAILER!!!", 0)
        with open(path, "wb") as file:
            file.write(b"".join(self.parts))


def build(path, *, busybox, modules, bus, argv, elf, files, address):
    """Writes the initramfs of a guest that runs `argv`, whose first word is where `elf` goes.

    `files` maps places in the guest to files; `address` is the guest's, or None where it needs no network.
    """
    archive = Archive()
    for folder in ("/dev", "/proc", "/sys", "/tmp", "/bin"):
        archive.folder(folder)
    archive.entry("/dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.copy("/bin/busybox", busybox, 0o755)
    archive.copy(argv[0], elf, 0o755)
    for place, source in files.items():
        archive.copy(place, source)
    network = []
    if address:
        for module in find_modules(modules, MODULES[bus] + NETWORK[bus]):
            place = "/lib/" + os.path.basename(module)
            archive.copy(place, module)
            network.append(f"busybox insmod {place}")
        if bus == "xen":
            # The front ends shake hands with the back ends while they are being loaded, and after that.
            network.append("while ! test -e /dev/xvda || ! test -e /sys/class/net/eth0; do busybox sleep 0.05; done")
        network.append("busybox ip link set lo up")
        network.append(f"busybox ip addr add {address} dev eth0")
        network.append("busybox ip link set eth0 up")
    archive.file("/init", INIT.format(network="\n".join(network), argv=" ".join(argv)).encode(), 0o755)
    archive.write(path)
