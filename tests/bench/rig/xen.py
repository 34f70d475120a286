"""The same two systems as domains of one Xen host, which runs from memory under QEMU (tests/xen)."""

import os
import re
import subprocess

from . import initramfs
from .machine import Failed
from .report import Row

SECONDS = 900  # a run that has not ended by then hangs
ADDRESS = "10.0.9.2/24"
PROCESSOR = "EPYC,-smap,-smep,-monitor,-rdtscp,+svm,+npt"
XEN = "console=com1 com1=115200,8n1 bootscrub=0 edd=off dom0_mem=768M spec-ctrl=eager-fpu"
DOM0 = "console=hvc0 quiet mitigations=off swiotlb=512 lsm= audit=0 cryptomgr.notests random.trust_cpu=on panic=-1"
# What the Linux domains run: the initramfs's name, the program, its command line.
LINUX = {
    "httpd": ("httpd", ["/bin/httpd", "--log", "off", "--idle", "3600"]),
    "probe-tcp": ("probe", ["/bin/probe", "tcp", "5001"]),
    "probe-disk": ("probe", ["/bin/probe", "disk", "/dev/xvda"]),
}
FIGURES = {
    "httpd-rate": ("httpd in a domain, 10 connections", "req/s", True, None),
    "httpd-processor": ("  the domain's processor time", "s/1,000 req", False, 2),
    "tcp-out": ("TCP, domain to dom0", "MB/s", True, None),
    "tcp-in": ("TCP, dom0 to domain", "MB/s", True, None),
    "disk-write": ("disk of a domain, writing", "MB/s", True, None),
    "disk-read": ("disk of a domain, reading", "MB/s", True, None),
}


def suite(options, vmlinux, page, folder):
    """The archive that dom0 runs: the images, the Linux domains' parts, and the script."""
    archive = initramfs.Archive()
    archive.copy("/suite/tests/0-bench", os.path.join(os.path.dirname(__file__), "../xen.sh"), 0o755)
    environment = f"export ROUNDS={options.rounds} SECONDS_EACH={options.seconds} MEMORY={options.memory}\n"
    archive.file("/suite/environment", f"{environment}PATH=/suite/bin:/bench/bin:$PATH\n".encode())
    archive.copy("/suite/bin/probe", options.probe_elf, 0o755)
    archive.copy("/suite/vmlinux", vmlinux)
    for name, image in (("httpd", options.httpd), ("probe-tcp", options.probe), ("probe-disk", options.probe)):
        archive.copy(f"/suite/{name}", image)
    for name, (program, argv) in LINUX.items():
        path = os.path.join(folder, f"domain-{name}.cpio")
        parts = {"busybox": options.busybox, "modules": options.modules, "files": page if name == "httpd" else {}}
        elf = getattr(options, f"{program}_elf")
        initramfs.build(path, bus="xen", argv=argv, elf=elf, address=ADDRESS, **parts)
        archive.copy(f"/suite/linux-{name}.cpio", path)
    path = os.path.join(folder, "suite.cpio")
    archive.write(path)
    return path


def run(options, vmlinux, page, folder):
    """What dom0 printed."""
    whole = os.path.join(folder, "dom0.cpio")
    with open(whole, "wb") as file:
        for part in (f"{options.xen}/dom0.cpio", f"{options.xen}/tools.cpio", suite(options, vmlinux, page, folder)):
            with open(part, "rb") as source:
                file.write(source.read())
    command = [options.qemu, "-accel", "tcg", "-cpu", PROCESSOR, "-machine", "q35", "-m", "2048"]
    command += ["-smp", "1,maxcpus=2", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]
    command += ["-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    command += ["-kernel", f"{options.xen}/xen", "-append", XEN, "-initrd", f"{options.xen}/vmlinux {DOM0},{whole}"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"xen: no end within {SECONDS} s\n{(error.stdout or b'')[-2000:]}") from error
    if done.returncode != 1:
        raise Failed(f"xen: QEMU's status is {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    return done.stdout


def figures(plan):
    """Both systems as domains: requests, bulk transfers, disks. dom0's share is in all of them but the processor time."""
    output = run(plan.options, plan.vmlinux, plan.page, plan.folder)
    rows = {}
    for name, (title, unit, higher, factor) in FIGURES.items():
        rows[name] = Row(title, unit, "tests/bench/xen.sh", higher_is_better=higher, factor=factor)
    for name, system, value in re.findall(r"^figure (\S+) (\S+) ([\d.e+-]+)\s*$", output, re.MULTILINE):
        rows[name].add(system, float(value))
    missing = [name for name, row in rows.items() if len(row.samples) < 2]
    if missing:
        raise Failed(f"xen: no figures for {', '.join(missing)}\n{output[-3000:]}")
    return list(rows.values())
