"""The measurements. Each takes a plan and yields rows; where two systems are compared, their runs alternate."""

import contextlib
import os
import time

from . import client, xen
from .machine import Failed
from .report import Row

WEB_PORT = 80
BULK_PORT = 5001
START_SECONDS = 60  # a guest that has not answered by then never will
BULK_SIZE = 64 << 20
IDLE_CONNECTIONS = 1000
MIB = 1 << 20


def first_line(plan):
    """From the start of QEMU to the program's first line."""
    row = Row("start to hello's first line", "s", "", target=0.18, factor=10)
    for _ in range(plan.starts):
        for system in plan.systems("hello"):
            with plan.guest(system, "microvm") as guest:
                row.add(system.name, guest.wait_for("hello, world\n", START_SECONDS))
                row.command = row.command or guest.command
    return [row]


def first_answer(plan):
    """From the start of QEMU to the server's first answer."""
    row = Row("start to httpd's first 200", "s", "", target=0.25, factor=10)
    for _ in range(plan.starts):
        for system in plan.systems("httpd"):
            tap = plan.tap(system)
            with plan.guest(system, "microvm", tap=tap) as guest:
                row.add(system.name, client.first_answer(guest, (tap.guest, WEB_PORT), START_SECONDS))
                row.command = row.command or guest.command
    return [row]


@contextlib.contextmanager
def serving(plan, program, port_line, memory=None):
    """One guest per system that runs `program`, as pairs of guest and address; ready when `port_line` has come."""
    with contextlib.ExitStack() as stack:
        guests = []
        for system in plan.systems(program):
            tap = plan.tap(system)
            guest = stack.enter_context(plan.guest(system, plan.machine, tap=tap, memory=memory))
            guest.wait_for(port_line, START_SECONDS)
            if program == "httpd":
                client.first_answer(guest, (tap.guest, WEB_PORT), START_SECONDS)
            guests.append((system, guest, tap.guest))
        yield guests


def web(plan):
    """Requests per second, and what a request costs the host, at several numbers of connections."""
    rows = []
    with serving(plan, "httpd", "listening on") as guests:
        for connections in (1, 10, 50):
            command = f"wrk -t1 -c{connections} -d{plan.seconds}s http://GUEST/"
            plural = "s" if connections > 1 else ""
            rate = Row(f"httpd, {connections} connection{plural}", "req/s", command, higher_is_better=True)
            rate.factor = 2 if connections == 50 else None
            cost = Row("  QEMU's processor time", "µs/req", f"{command}; utime + stime in /proc/QEMU/stat")
            failed = Row("  errors", "", command)
            for _ in range(plan.rounds):
                for system, guest, host in guests:
                    result = client.load(guest, host, connections, plan.seconds)
                    rate.add(system.name, result.rate)
                    cost.add(system.name, result.cost)
                    failed.add(system.name, result.errors)
            rows += [rate, cost]
            if any(map(any, failed.samples.values())):
                rows.append(failed)
    return rows


def idle_connections(plan):
    """Whether a request costs more while a thousand other connections are open and silent."""
    command = f"wrk -t1 -c50 -d{plan.seconds}s http://GUEST/ with {IDLE_CONNECTIONS} more connections open, and without"
    rate = Row(f"httpd, 50 of {IDLE_CONNECTIONS + 50:,} connections", "req/s", command, higher_is_better=True)
    slower = Row("  slower than without idle ones by", "%", command, target=15, comparable=False)
    dearer = Row("  dearer in processor time by", "%", command, target=15, comparable=False)
    with serving(plan, "httpd", "listening on") as guests:
        for _ in range(plan.rounds):
            for system, guest, host in guests:
                without = client.load(guest, host, 50, plan.seconds)
                with client.Idle((host, WEB_PORT), IDLE_CONNECTIONS):
                    among = client.load(guest, host, 50, plan.seconds)
                rate.add(system.name, among.rate)
                slower.add(system.name, (without.rate / among.rate - 1) * 100)
                dearer.add(system.name, (among.cost / without.cost - 1) * 100)
                time.sleep(0.5)
    return [rate, slower, dearer]


def costs(plan):
    """System call, context switch and page fault, as the program probe finds them inside the guest."""
    names = {
        "system-call": "system call (getppid)",
        "switch-pipe": "switch between threads, pipe",
        "switch-condvar": "switch between threads, condvar",
        "page-fault": "page fault, anonymous",
    }
    rows = {name: Row(title, "ns", "probe costs") for name, title in names.items()}
    for _ in range(plan.rounds):
        for system in plan.systems("costs"):
            with plan.guest(system, plan.machine) as guest:
                guest.wait_for("\ndone\n", START_SECONDS)
                for line in guest.console.splitlines():
                    name, _, value = line.partition(" ")
                    if name in rows:
                        rows[name].add(system.name, float(value))
    return list(rows.values())


def bulk(plan):
    """TCP, one connection, both ways."""
    size = f"{BULK_SIZE // MIB} MiB"
    out = Row("TCP, guest to host", "MB/s", f"{size} from probe tcp {BULK_PORT}", higher_is_better=True)
    into = Row("TCP, host to guest", "MB/s", f"{size} to probe tcp {BULK_PORT}", higher_is_better=True)
    with serving(plan, "bulk", "listening on") as guests:
        for _ in range(plan.rounds + 2):
            for system, _, host in guests:
                out.add(system.name, client.receive((host, BULK_PORT), BULK_SIZE))
                into.add(system.name, client.send((host, BULK_PORT), BULK_SIZE))
    return [out, into]


def sizes(plan):
    """Bytes to load."""
    rows = []
    titles = {"kernel": "kernel, all layers, for QEMU", "kernel_everywhere": "kernel, all layers, for QEMU and Xen"}
    for name, target in (("kernel", 600 / 1024), ("kernel_everywhere", None), ("hello", None), ("httpd", 6)):
        path = plan.images.get(name)
        if not path:
            continue
        row = Row(f"size: {titles.get(name, f'image of {name}')}", "MiB", f"stat -L {path}", target=target)
        row.add("unikernel", os.path.getsize(path) / MIB)
        if name not in titles:
            (linux,) = [system for system in plan.systems(name) if system.name == "linux"]
            row.add("linux", linux.size("mmio", plan.tap(linux) if name == "httpd" else None) / MIB)
        rows.append(row)
    return rows


def least_memory(plan):
    """The smallest -m with which hello ends well."""
    row = Row("least -m for hello", "MiB", "hello ends with status 0", target=8)
    for system in plan.systems("hello"):
        if system.name != "unikernel":
            continue
        least = None
        for memory in (64, 32, 16, 12, 10, 8, 7, 6, 5, 4, 3, 2):
            with plan.guest(system, "microvm", memory=memory) as guest:
                with contextlib.suppress(Failed):
                    guest.finish(10)
            if "hello, world\n" not in guest.console or system.status() != "exit 0":
                break
            least = memory
        if least is None:
            raise Failed(f"hello does not end well even with -m 64: {system.status()}\n{guest.console[-2000:]}")
        row.add(system.name, least)
    return [row]


def small_memory(plan):
    """Fifty connections, a minute long, in 16 MiB; and what QEMU holds of the host's memory meanwhile."""
    seconds = plan.long_seconds
    command = f"wrk -t1 -c50 -d{seconds}s http://GUEST/, -m 16"
    rate = Row("httpd, 50 connections, -m 16", "req/s", command, higher_is_better=True)
    errors = Row("  errors", "", command, target=0)
    resident = Row("  QEMU's resident memory", "MiB", "/proc/QEMU/statm after the load")
    for system in plan.systems("httpd"):
        if system.name != "unikernel":
            continue
        tap = plan.tap(system)
        with plan.guest(system, plan.machine, tap=tap, memory=16) as guest:
            client.first_answer(guest, (tap.guest, WEB_PORT), START_SECONDS)
            result = client.load(guest, tap.guest, 50, seconds)
            rate.add(system.name, result.rate)
            errors.add(system.name, result.errors)
            resident.add(system.name, guest.resident())
    return [rate, errors, resident]


def at_rest(plan):
    """What a server that nobody asks costs."""
    seconds = 10
    share = Row("host processor when idle", "%", f"utime + stime in /proc/QEMU/stat over {seconds} s")
    resident = Row("QEMU's resident memory, idle", "MiB", f"/proc/QEMU/statm, -m {plan.memory}")
    with serving(plan, "httpd", "listening on") as guests:
        time.sleep(2)
        before = [guest.cpu() for _, guest, _ in guests]
        time.sleep(seconds)
        for (system, guest, _), cpu in zip(guests, before):
            share.add(system.name, (guest.cpu() - cpu) / seconds * 100)
            resident.add(system.name, guest.resident())
    return [share, resident]


ALL = {
    "line": first_line,
    "answer": first_answer,
    "web": web,
    "idle": idle_connections,
    "costs": costs,
    "bulk": bulk,
    "sizes": sizes,
    "least": least_memory,
    "small": small_memory,
    "rest": at_rest,
    "xen": xen.figures,
}
