"""Measures images of ours against the same programs in a Linux guest, on one rig, in one run."""

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time

from rig import kernel, measures, network, report, tsc
from rig.machine import Failed, Guest
from rig.systems import Linux, Unikernel

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = {"/srv/www/index.html": os.path.join(HERE, "www/index.html")}
# What the guests run: the file's name, and its command line.
PROGRAMS = {
    "hello": ("hello", ["/bin/hello"]),
    "httpd": ("httpd", ["/bin/httpd", "--log", "off", "--idle", "3600"]),
    "costs": ("probe", ["/bin/probe", "costs"]),
    "bulk": ("probe", ["/bin/probe", "tcp", str(measures.BULK_PORT)]),
}
# Each system has a tap of its own, so that both can be up while loads alternate.
TAPS = {"unikernel": 1, "linux": 2}


class Plan:
    """Who is measured, with what, how often."""

    def __init__(self, options, folder):
        self.machine = options.machine
        self.memory = options.memory
        self.starts = options.starts
        self.rounds = options.rounds
        self.seconds = options.seconds
        self.long_seconds = options.long_seconds
        self.qemu = options.qemu
        self.options, self.page, self.folder = options, PAGE, folder
        names = ("hello", "httpd", "kernel", "kernel_everywhere")
        self.images = {name: getattr(options, name) for name in names}
        self.vmlinux = vmlinux = os.path.join(folder, "vmlinux")
        with open(options.linux, "rb") as packed, open(vmlinux, "wb") as unpacked:
            unpacked.write(kernel.uncompressed(packed.read()))
        self.runs = {}
        kilohertz = tsc.kilohertz()
        for name, (file, argv) in PROGRAMS.items():
            image, elf = getattr(options, file), getattr(options, f"{file}_elf")
            systems = [Unikernel(image, argv, folder)] if image else []
            if elf:
                files = PAGE if name == "httpd" else {}
                parts = {"kilohertz": kilohertz, "busybox": options.busybox, "modules": options.modules, "files": files}
                systems.append(Linux(vmlinux, options.linux, argv, elf, folder, **parts))
            self.runs[name] = systems
        self.taps = {name: network.Tap(number) for name, number in TAPS.items()}

    def systems(self, program):
        return self.runs[program]

    def tap(self, system):
        return self.taps[system.name]

    def guest(self, system, machine, tap=None, memory=None):
        return Guest(system, machine, memory or self.memory, tap=tap, qemu=self.qemu)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    for file in ("hello", "httpd", "probe"):
        parser.add_argument(f"--{file}", metavar="IMAGE", help=f"our image of {file}")
        parser.add_argument(f"--{file}-elf", metavar="ELF", help="the same program, for the Linux guest")
    parser.add_argument("--kernel", metavar="ELF", help="our kernel for QEMU without a program, for its size")
    parser.add_argument("--kernel-everywhere", metavar="ELF", help="the same for all platforms")
    parser.add_argument("--xen", metavar="FOLDER", help="what a Xen host consists of, for domains")
    parser.add_argument("--linux", metavar="VMLINUZ", required=True, help="the Linux guest's kernel")
    parser.add_argument("--modules", metavar="FOLDER", required=True, help="its modules")
    parser.add_argument("--busybox", metavar="ELF", required=True, help="a static busybox for its initramfs")
    parser.add_argument("--qemu", default="qemu-system-x86_64")
    parser.add_argument("--machine", default="q35", choices=["q35", "pc", "microvm"], help="for all but starts")
    parser.add_argument("--memory", type=int, default=256, metavar="MIB", help="of each guest (default 256)")
    parser.add_argument("--starts", type=int, default=11, help="how often each guest is started (default 11)")
    parser.add_argument("--rounds", type=int, default=3, help="of alternating runs (default 3)")
    parser.add_argument("--seconds", type=int, default=5, help="that each load lasts (default 5)")
    parser.add_argument("--long-seconds", type=int, default=60, help="that the load in 16 MiB lasts (default 60)")
    parser.add_argument("--only", nargs="+", choices=list(measures.ALL), metavar="PART", help=", ".join(measures.ALL))
    parser.add_argument("--json", metavar="FILE", help="write everything, samples included, here")
    parser.add_argument("--markdown", metavar="FILE", help="write the table here")
    return parser.parse_args()


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def facts(options):
    with open("/proc/cpuinfo") as file:
        model = next((line.partition(": ")[2].strip() for line in file if line.startswith("model name")), "unknown")
    return {
        "machine": f"{model}, {os.cpu_count()} processors, Linux {platform.release()}",
        "qemu": f"{output(options.qemu, '--version').splitlines()[0]}, -accel tcg -cpu max -smp 1,maxcpus=2",
        "guests": f"starts on microvm, the rest on {options.machine}; -m {options.memory}",
        "linux guest": f"{os.path.basename(options.linux)} by its PVH entry, mitigations=off, minimal initramfs",
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def load_average():
    return "%.1f" % os.getloadavg()[0]


def main():
    options = arguments()
    network.isolate()
    # The first process of a namespace ignores what it does not handle.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    known, rows = facts(options), []
    known["load average"] = load_average()
    failed = False
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        plan = Plan(options, folder)
        for name in options.only or measures.ALL:
            print(f"bench: {name}", file=sys.stderr, flush=True)
            try:
                rows += measures.ALL[name](plan)
            except (Failed, OSError, subprocess.SubprocessError) as error:
                failed = True
                print(f"bench: {name}: {error}", file=sys.stderr, flush=True)
    known["load average"] += f" before, {load_average()} after"
    print(report.text(known, rows))
    for path, render in ((options.json, report.as_json), (options.markdown, report.markdown)):
        if path:
            with open(path, "w") as file:
                file.write(render(known, rows))
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
