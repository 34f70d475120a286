"""The rate of the host's time-stamp counter, which is also that of the emulated one."""

import ctypes
import mmap
import time

READ = bytes.fromhex("0f31" "48c1e220" "4809d0" "c3")  # rdtsc; shl rdx, 32; or rax, rdx; ret


def kilohertz(seconds=0.5):
    """Ticks per millisecond."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(READ)
    counter = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    start, first = time.monotonic_ns(), counter()
    time.sleep(seconds)
    end, last = time.monotonic_ns(), counter()
    return round((last - first) * 1e6 / (end - start))
