"""The private network: one tap for each guest, in a namespace that nothing else shares and that dies with us."""

import os
import subprocess
import sys

MARK = "RUMPKIN_BENCH_ISOLATED"


def isolate():
    """Starts this program again in network and process namespaces of its own, unless it is in them.

    The kernel removes the taps and kills every guest when the program ends, however it ends.
    """
    if MARK in os.environ:
        ip("link", "set", "lo", "up")
        return
    if os.geteuid() != 0:
        raise SystemExit("bench: network namespaces and taps need root")
    os.environ[MARK] = "1"
    namespaces = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.execvp("unshare", ["unshare", *namespaces, "--", sys.executable, *sys.argv])


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Tap:
    """A tap, its subnet 10.99.N.0/24, and the guest at 10.99.N.2, whose hardware address needs no asking for."""

    def __init__(self, number):
        self.name = f"guest{number}"
        self.mac = f"52:54:00:99:00:{number:02x}"
        self.host = f"10.99.{number}.1"
        self.guest = f"10.99.{number}.2"
        self.address = f"{self.guest}/24"
        ip("tuntap", "add", "dev", self.name, "mode", "tap")
        ip("addr", "add", f"{self.host}/24", "dev", self.name)
        ip("link", "set", self.name, "up")
        ip("neigh", "replace", self.guest, "lladdr", self.mac, "nud", "permanent", "dev", self.name)
