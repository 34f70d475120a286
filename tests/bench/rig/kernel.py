"""The Linux guest's kernel as an uncompressed ELF file, taken out of Debian's compressed image.

QEMU starts an ELF kernel by its PVH entry, as it starts ours: no firmware, no decompression. That is Linux at its
quickest, and the only way it starts on microvm.
"""

import struct

MAGIC = bytes([0x02, 0x21, 0x4C, 0x18])  # LZ4, legacy frame
BLOCK = 8 << 20  # all blocks but the last decompress to this


def uncompressed(image):
    """The ELF kernel inside a bzImage that is compressed by LZ4, as Debian's are."""
    start = image.find(MAGIC)
    if start < 0:
        raise SystemExit("bench: the Linux kernel is not compressed by LZ4; this knows no other way")
    position = start + len(MAGIC)
    kernel = bytearray()
    while True:
        (size,) = struct.unpack_from("<I", image, position)
        position += 4
        block = decompress(image[position : position + size])
        position += size
        kernel += block
        if len(block) < BLOCK:
            break
    if kernel[:4] != b"\x7fELF":
        raise SystemExit("bench: the Linux kernel does not decompress to an ELF file")
    return bytes(kernel)


def length(block, position, base):
    """A length that began with `base` in the token: 15 means that bytes follow, up to the first below 255."""
    total = base
    if base == 15:
        while True:
            byte = block[position]
            position += 1
            total += byte
            if byte != 255:
                break
    return total, position


def decompress(block):
    """One LZ4 block: literals, then a match further back, again and again; the last sequence has literals alone."""
    out = bytearray()
    position = 0
    while position < len(block):
        token = block[position]
        count, position = length(block, position + 1, token >> 4)
        out += block[position : position + count]
        position += count
        if position >= len(block):
            break
        back = block[position] | block[position + 1] << 8
        count, position = length(block, position + 2, token & 15)
        count += 4
        start = len(out) - back
        if back >= count:
            out += out[start : start + count]
        else:
            pattern = bytes(out[start:])
            out += (pattern * (count // back + 1))[:count]
    return bytes(out)
