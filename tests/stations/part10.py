"""The parts of a Part 10 file a sender needs, read without pydicom (PS3.10 section 7)."""

import struct
from pathlib import Path
from typing import NamedTuple

_LONG_LENGTHS = (b"OB", b"UN")


class Part10(NamedTuple):
    """What the file meta information names, and the data set's bytes as they stand after it."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    data_set: bytes


def part10(path: Path) -> Part10:
    """Raises ValueError for a file without preamble, prefix and meta group length."""
    content = path.read_bytes()
    if content[128:132] != b"DICM" or content[132:138] != b"\x02\x00\x00\x00UL":
        raise ValueError(f"{path} is no Part 10 file with a meta group length")
    end = 144 + struct.unpack_from("<I", content, 140)[0]
    values = {}
    offset = 144
    while offset < end:
        group, element, kind, length = struct.unpack_from("<HH2sH", content, offset)
        offset += 8
        if kind in _LONG_LENGTHS:
            (length,) = struct.unpack_from("<I", content, offset)
            offset += 4
        values[group, element] = content[offset : offset + length]
        offset += length
    sop_class, instance, syntax = (
        values[2, element].decode("ascii").rstrip("\0 ") for element in (0x0002, 0x0003, 0x0010)
    )
    return Part10(sop_class, instance, syntax, content[end:])
