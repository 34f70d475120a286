"""A guest under QEMU: started, watched and ended, with the time and memory that it costs the host."""

import os
import selectors
import shlex
import signal
import subprocess
import time

PAGE = os.sysconf("SC_PAGE_SIZE")
TICK = os.sysconf("SC_CLK_TCK")
BUSES = {"microvm": "mmio", "q35": "pci", "pc": "pci"}


class Failed(Exception):
    """A guest did not do what was asked of it."""


class Guest:
    """One QEMU process. `system` is what it runs: an object with `arguments(...)`, see systems.py."""

    running = set()

    def __init__(self, system, machine, memory, tap=None, qemu="qemu-system-x86_64"):
        bus = BUSES[machine]
        suffix = "device" if bus == "mmio" else "pci"
        command = [qemu, "-M", machine, "-accel", "tcg", "-cpu", "max", "-smp", "1,maxcpus=2", "-m", str(memory)]
        command += ["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"]
        if bus == "mmio":
            command += ["-global", "virtio-mmio.force-legacy=false"]
        command += ["-object", "rng-builtin,id=entropy", "-device", f"virtio-rng-{suffix},rng=entropy"]
        if tap:
            rom = ",romfile=" if bus == "pci" else ""
            command += ["-netdev", f"tap,id=net0,ifname={tap.name},script=no,downscript=no"]
            command += ["-device", f"virtio-net-{suffix},netdev=net0,mac={tap.mac}{rom}"]
        command += system.arguments(bus, tap)
        self.name = system.name
        self.command = shlex.join(command)
        self.console = ""
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        os.set_blocking(self.process.stdout.fileno(), False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        Guest.running.add(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def listen(self, seconds):
        """Reads the console for at most so long; false once it has ended."""
        if self.selector.select(seconds):
            data = self.process.stdout.read()
            if data == b"":
                return False
            self.console += (data or b"").decode(errors="replace").replace("\r", "")
        return True

    def wait_for(self, text, seconds):
        """Seconds from the start of QEMU until the console shows `text`."""
        deadline = time.monotonic() + seconds
        while text not in self.console:
            left = deadline - time.monotonic()
            if left <= 0 or not self.listen(left):
                raise self.failed(f"no {text!r} within {seconds} s")
        return time.monotonic() - self.began

    def finish(self, seconds):
        """QEMU's exit status, once it ends by itself."""
        deadline = time.monotonic() + seconds
        while self.listen(0.1):
            if time.monotonic() > deadline:
                raise self.failed(f"no end within {seconds} s")
        return self.process.wait()

    def failed(self, what):
        """An error that shows what there is to see."""
        self.listen(0)
        state = "running" if self.alive() else f"ended with {self.process.returncode}"
        tail = self.console[-2000:]
        return Failed(f"{self.name}: {what}; QEMU: {state}\n{self.command}\n--- console\n{tail}\n---")

    def alive(self):
        return self.process.poll() is None

    def cpu(self):
        """Seconds of the host's processors that QEMU has used."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def resident(self):
        """QEMU's resident memory in MiB."""
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * PAGE / (1 << 20)

    def stop(self):
        if self.alive():
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.selector.close()
        Guest.running.discard(self)
