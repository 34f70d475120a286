"""The two systems that run the same program: ours, and Linux."""

import json
import os

from . import initramfs

# The emulated counters fail Linux's synchronisation test, and on a busy host their measurement fails too; then each look
# at the clock would be a device exit (HPET), and microvm, which has no HPET, would not even start.
OPTIONS = "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable tsc_early_khz={kilohertz}"


def file_name(argv, tap):
    """A name for the file that tells a guest what to run."""
    words = [*argv, tap.name] if tap else argv
    return "-".join(words).replace("/", "_")


class Unikernel:
    """An image of ours, its program's arguments replaced at launch."""

    name = "unikernel"

    def __init__(self, image, argv, folder):
        self.image = image
        self.argv = argv
        self.folder = folder
        self.status_file = os.path.join(folder, file_name(argv, None) + ".status")

    def arguments(self, _bus, tap):
        network = {"address": tap.address, "gateway": tap.host} if tap else {"address": "none"}
        document = {"programs": [{"argv": self.argv}], "network": network}
        path = os.path.join(self.folder, file_name(self.argv, tap) + ".json")
        with open(path, "w") as file:
            json.dump(document, file)
        return [
            *["-chardev", f"file,id=status,path={self.status_file}"],
            *["-device", "isa-debugcon,iobase=0xe9,chardev=status"],
            *["-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
            *["-kernel", self.image, "-initrd", path],
        ]

    def status(self):
        """What the last guest said about its end, such as `exit 0`."""
        with open(self.status_file) as file:
            return file.read().strip()


class Linux:
    """Debian's cloud kernel with a minimal initramfs around the program."""

    name = "linux"

    def __init__(self, kernel, packed, argv, elf, folder, *, kilohertz, busybox, modules, files=None):
        self.kernel = kernel
        self.packed = packed
        self.argv = argv
        self.elf = elf
        self.folder = folder
        self.options = OPTIONS.format(kilohertz=kilohertz)
        self.parts = {"busybox": busybox, "modules": modules, "files": files or {}}

    def initramfs(self, bus, tap):
        path = os.path.join(self.folder, f"{file_name(self.argv, tap)}-{bus}.cpio")
        if not os.path.exists(path):
            address = tap.address if tap else None
            initramfs.build(path, bus=bus, argv=self.argv, elf=self.elf, address=address, **self.parts)
        return path

    def arguments(self, bus, tap):
        return ["-kernel", self.kernel, "-initrd", self.initramfs(bus, tap), "-append", self.options]

    def size(self, bus, tap):
        """Bytes of kernel and initramfs, as they are shipped: the kernel compressed."""
        return os.path.getsize(self.packed) + os.path.getsize(self.initramfs(bus, tap))
