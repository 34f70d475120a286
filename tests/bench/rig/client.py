"""The host's side of the connections: first answer, many requests, idle connections, bulk."""

import errno
import re
import selectors
import socket
import subprocess
import time
from dataclasses import dataclass

from .machine import Failed

REQUEST = b"GET / HTTP/1.1\r\nHost: guest\r\n\r\n"
# A SYN that finds no guest is lost, and TCP sends the next a second later; so new attempts start this often.
INTERVAL = 0.005
ATTEMPTS = 16
PIECE = 256 << 10


def first_answer(guest, address, seconds):
    """Seconds from the start of QEMU to the first HTTP 200."""
    deadline = time.monotonic() + seconds
    selector = selectors.DefaultSelector()
    attempts = []

    def drop(connection):
        selector.unregister(connection)
        attempts.remove(connection)
        connection.close()

    def attempt():
        connection = socket.socket()
        connection.setblocking(False)
        if connection.connect_ex(address) not in (0, errno.EINPROGRESS):
            connection.close()
            return
        attempts.append(connection)
        selector.register(connection, selectors.EVENT_WRITE)
        if len(attempts) > ATTEMPTS:
            drop(attempts[0])

    try:
        next_attempt = time.monotonic()
        while (now := time.monotonic()) < deadline:
            if now >= next_attempt:
                attempt()
                next_attempt = now + INTERVAL
            for key, events in selector.select(max(0, next_attempt - time.monotonic())):
                connection = key.fileobj
                try:
                    if events & selectors.EVENT_WRITE:
                        connection.sendall(REQUEST)
                        selector.modify(connection, selectors.EVENT_READ)
                    elif connection.recv(PIECE).startswith(b"HTTP/1.1 200 "):
                        return time.monotonic() - guest.began
                    else:
                        drop(connection)
                except OSError:
                    drop(connection)
            if not guest.alive():
                break
    finally:
        for connection in attempts:
            connection.close()
        selector.close()
    raise guest.failed(f"no answer within {seconds} s")


@dataclass
class Load:
    """What a load of requests came to."""

    rate: float  # requests per second
    cost: float  # microseconds of QEMU's processor time per request
    errors: int


def load(guest, host, connections, seconds):
    """Requests over so many keep-alive connections, by wrk."""
    before = guest.cpu()
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"http://{host}/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30)
    used = guest.cpu() - before
    text = done.stdout
    requests = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if not requests or not rate or not int(requests[1]):
        raise Failed(f"{' '.join(command)}: {text}{done.stderr}")
    errors = sum(int(count) for count in re.findall(r"(?:connect|read|write|timeout|responses:) (\d+)", text))
    return Load(float(rate[1]), used / int(requests[1]) * 1e6, errors)


class Idle:
    """Connections that are open and have been answered once, and then stay silent."""

    def __init__(self, address, count):
        self.connections = []
        for _ in range(count):
            connection = socket.create_connection(address, timeout=30)
            self.connections.append(connection)
            connection.sendall(REQUEST)
            if not connection.recv(PIECE).startswith(b"HTTP/1.1 200 "):
                raise Failed(f"connection {len(self.connections)} of {count} was not answered by 200")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.connections:
            connection.close()


def receive(address, size):
    """MB/s from the guest."""
    with socket.create_connection(address, timeout=60) as connection:
        piece = bytearray(PIECE)
        start = time.monotonic()
        connection.sendall(size.to_bytes(8, "big"))
        rest = size
        while rest:
            count = connection.recv_into(piece)
            if not count:
                raise Failed(f"the guest stopped sending {rest} bytes before the end")
            rest -= count
        return size / (time.monotonic() - start) / 1e6


def send(address, size):
    """MB/s to the guest."""
    with socket.create_connection(address, timeout=60) as connection:
        piece = bytes(PIECE)
        start = time.monotonic()
        connection.sendall(bytes(8))
        for _ in range(size // PIECE):
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while len(answer) < 8 and (more := connection.recv(8)):
            answer += more
        if int.from_bytes(answer, "big") != size:
            raise Failed(f"the guest received {int.from_bytes(answer, 'big')} of {size} bytes")
        return size / (time.monotonic() - start) / 1e6
