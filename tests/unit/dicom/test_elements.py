"""Walking data sets: every encoding, every kind of damage, and never anything but UnparsableDataSet."""

import io
import struct
import time
import tracemalloc
import zlib
from contextlib import suppress
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dicom.elements import (
    DEFLATED,
    EXPLICIT_BIG,
    IMPLICIT_LITTLE,
    ITEM,
    MAX_DEPTH,
    Element,
    UnparsableDataSet,
    Walker,
)
from services.dicom.facts import read_header
from tests.factories import ct, nm_gated_tomo, nm_static

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
UNDEFINED = 0xFFFFFFFF
ITEM_END = b"\xfe\xff\x0d\xe0\0\0\0\0"
SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"


def short(tag: int, vr: str, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), len(value)) + value


def long(tag: int, vr: str, value: bytes, length: int | None = None, order: str = "<") -> bytes:
    declared = len(value) if length is None else length
    return struct.pack(order + "HH2sHL", tag >> 16, tag & 0xFFFF, vr.encode(), 0, declared) + value


def implicit(tag: int, value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


def item(value: bytes, length: int | None = None) -> bytes:
    return implicit(ITEM, value, length)


def walk(data: bytes, transfer_syntax: str = EXPLICIT_LITTLE, source: BinaryIO | None = None) -> list[Element]:
    walker = Walker(source or io.BytesIO(data), 0, len(data), transfer_syntax, lambda tag, depth: "UN")
    return list(walker)


def reason(data: bytes, transfer_syntax: str = EXPLICIT_LITTLE) -> str:
    with pytest.raises(UnparsableDataSet) as caught:
        walk(data, transfer_syntax)
    return caught.value.reason


MODALITY = short(0x00080060, "CS", b"NM")
NAME = short(0x00100010, "PN", b"Doe^J ")


def test_elements_come_in_order_with_vr_place_and_depth() -> None:
    nested = long(0x00400275, "SQ", item(short(0x00400009, "SH", b"A1")))
    assert walk(MODALITY + nested + NAME) == [
        (0x00080060, "CS", 8, 2, 0),
        (0x00400275, "SQ", 22, 18, 0),
        (ITEM, "", 30, 10, 1),
        (0x00400009, "SH", 38, 2, 1),
        (0x00100010, "PN", 48, 6, 0),
    ]


@pytest.mark.parametrize("defined_items", [True, False])
def test_undefined_lengths_end_at_their_delimiters(defined_items: bool) -> None:
    content = short(0x00400009, "SH", b"A1")
    one = item(content) if defined_items else item(content + ITEM_END, UNDEFINED)
    data = long(0x00400275, "SQ", one + one + SEQUENCE_END, UNDEFINED) + NAME
    found = [(tag, depth) for tag, _, _, _, depth in walk(data)]
    inside = [(ITEM, 1), (0x00400009, 1)]
    assert found == [(0x00400275, 0), *inside, *inside, (0x00100010, 0)]


def test_unknown_vr_of_undefined_length_is_implicit_inside() -> None:
    content = item(implicit(0x00081234, b"some") + ITEM_END, UNDEFINED)
    data = long(0x00091001, "UN", content + SEQUENCE_END, UNDEFINED) + MODALITY
    found = [(tag, depth) for tag, _, _, _, depth in walk(data)]
    assert found == [(0x00091001, 0), (ITEM, 1), (0x00081234, 1), (0x00080060, 0)]


def test_big_endian() -> None:
    rows = short(0x00280010, "US", b"\1\0", ">")
    data = long(0x00400275, "SQ", struct.pack(">HHL", 0xFFFE, 0xE000, len(rows)) + rows, order=">") + rows
    assert [(tag, depth) for tag, _, _, _, depth in walk(data, EXPLICIT_BIG)] == [
        (0x00400275, 0),
        (ITEM, 1),
        (0x00280010, 1),
        (0x00280010, 0),
    ]


def test_encapsulated_pixel_data_is_walked_to_its_delimiter() -> None:
    fragments = item(b"\0\0\0\0") + item(b"ab" * 50) + item(SEQUENCE_END)
    data = long(0x7FE00010, "OB", fragments + SEQUENCE_END, UNDEFINED)
    walker = Walker(io.BytesIO(data), 0, len(data), EXPLICIT_LITTLE, lambda tag, depth: "UN")
    assert [element[0] for element in walker] == [0x7FE00010]
    assert walker.pixel_data_bytes == 108
    assert reason(data[:-8]) == "truncated"
    assert reason(data[:-9]) == "truncated"


@pytest.mark.parametrize(
    ("odd", "vr"),
    [
        (short(0x00080070, "??", b"ABCD"), "UN"),
        (short(0x00080070, "lo", b"ABCD"), "UN"),
        (long(0x00080070, "ob", b"ABCD"), "UN"),
        (b"\x08\x00\x70\x00\xff\xff\x04\x00ABCD", None),
        (short(0x00080070, "ZZ", b"ABCD"), "UN"),
        (long(0x00080070, "ZZ", b"ABCD"), "UN"),
        (short(0x00080070, "ZZ", b""), "UN"),
        (implicit(0x00080070, b"ABCD"), "UN"),
    ],
)
def test_odd_vrs_are_tolerated_where_the_structure_stays_readable(odd: bytes, vr: str | None) -> None:
    if vr is None:
        assert reason(MODALITY + odd + NAME) == "truncated"
        return
    found = walk(MODALITY + odd + NAME)
    assert [element[0] for element in found] == [0x00080060, 0x00080070, 0x00100010]
    assert found[1][1] == vr


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (MODALITY[:-1], "truncated"),
        (MODALITY + NAME[:5], "truncated"),
        (long(0x7FE00010, "OW", b"", 0xFFFFFFFE), "truncated"),
        (long(0x00400275, "SQ", item(short(0x00400009, "SH", b"A1"), 9)) + NAME, "length-beyond-parent"),
        (long(0x00400275, "SQ", item(MODALITY, 40)) + NAME, "length-beyond-parent"),
        (long(0x00400275, "SQ", MODALITY + SEQUENCE_END, UNDEFINED), "not-an-item"),
        (long(0x00400275, "SQ", item(MODALITY), UNDEFINED), "truncated"),
        (item(MODALITY), "unexpected-item"),
        (long(0x00400275, "SQ", item(MODALITY + ITEM_END[:4], UNDEFINED), UNDEFINED), "truncated"),
        (long(0x00091001, "UN", b"abcd", UNDEFINED), "truncated"),
    ],
)
def test_damage_is_found_and_named(data: bytes, expected: str) -> None:
    assert reason(data) == expected


def test_nesting_has_a_limit_and_no_recursion() -> None:
    def nested(levels: int) -> bytes:
        return (
            long(0x00400275, "SQ", b"", UNDEFINED)
            .join([b""] * (levels + 1))
            .replace(b"\xff\xff\xff\xff", b"\xff\xff\xff\xff" + item(b"", UNDEFINED))
        )

    closing = ITEM_END + SEQUENCE_END
    walk(nested(MAX_DEPTH) + closing * MAX_DEPTH)
    assert reason(nested(300) + closing * 300) == "too-deep"


def test_padding_at_the_end_is_tolerated() -> None:
    assert len(walk(MODALITY + b"\0")) == 1
    assert len(walk(MODALITY + b"\0" * 7)) == 1


def test_stray_delimiters_are_tolerated() -> None:
    assert [element[0] for element in walk(SEQUENCE_END + MODALITY + ITEM_END + NAME)] == [0x00080060, 0x00100010]


def test_implicit_data_in_an_explicit_syntax_and_the_reverse_are_read() -> None:
    assert [element[0] for element in walk(MODALITY + NAME, IMPLICIT_LITTLE)] == [0x00080060, 0x00100010]
    data = implicit(0x00080060, b"NM") + implicit(0x00100010, b"Doe^J ")
    assert [element[0] for element in walk(data, EXPLICIT_LITTLE)] == [0x00080060, 0x00100010]


class CountingSource(io.BytesIO):
    """Counts the bytes that are read."""

    read_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.read_bytes += len(data)
        return data


def test_bulk_data_is_not_read() -> None:
    data = MODALITY + long(0x7FE00010, "OW", bytes(8 << 20)) + short(0xFFFAFFFA - 0x10000, "CS", b"AB")
    source = CountingSource(data)
    found = walk(data, source=source)
    assert len(found) == 3
    assert source.read_bytes < 100_000


def test_a_declared_length_of_four_gigabytes_costs_nothing() -> None:
    data = MODALITY + long(0x00880200, "OB", b"", 0xFFFFFFF0)
    tracemalloc.start()
    assert reason(data) == "truncated"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def deflated(data: bytes) -> bytes:
    compress = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compress.compress(data) + compress.flush()


def test_deflated_data_sets() -> None:
    data = MODALITY + NAME
    assert [element[0] for element in walk(deflated(data), DEFLATED)] == [0x00080060, 0x00100010]
    assert reason(deflated(data)[:-4], DEFLATED) == "truncated"
    assert reason(b"\xff" * 100, DEFLATED) == "not-deflated"
    assert reason(deflated(data[:-1]), DEFLATED) == "truncated"


def test_a_deflated_bomb_is_inflated_to_one_mib_at_most() -> None:
    bomb = deflated(MODALITY + long(0x00091010, "OB", bytes(100 << 20)) + NAME)
    tracemalloc.start()
    found = walk(bomb, DEFLATED)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [element[0] for element in found] == [0x00080060, 0x00091010]
    assert peak < 8 << 20


SEEDS = [
    (ct(1).data_set, EXPLICIT_LITTLE),
    (nm_gated_tomo(2, transfer_syntax=IMPLICIT_LITTLE, matrix=2).data_set, IMPLICIT_LITTLE),
    (nm_static(3, transfer_syntax=EXPLICIT_BIG, matrix=2).data_set, EXPLICIT_BIG),
    (deflated(ct(4).data_set), DEFLATED),
    (
        long(0x00400275, "SQ", item(short(0x00400009, "SH", b"A1") + ITEM_END, UNDEFINED) + SEQUENCE_END, UNDEFINED)
        + long(0x7FE00010, "OB", item(b"") + item(b"ab") + SEQUENCE_END, UNDEFINED),
        EXPLICIT_LITTLE,
    ),
]


@given(st.sampled_from(SEEDS), st.data())
@settings(max_examples=400, deadline=None)
def test_mutated_data_sets_raise_nothing_else_and_end_soon(seed: tuple[bytes, str], data: st.DataObject) -> None:
    raw, syntax = bytearray(seed[0]), seed[1]
    head = min(len(raw), 1500)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, head - 1))
        kind = data.draw(st.sampled_from(["flip", "length", "cut", "insert"]))
        if kind == "flip":
            raw[place] ^= data.draw(st.integers(1, 255))
        elif kind == "length":
            raw[place : place + 4] = data.draw(st.sampled_from([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f"]))
        elif kind == "cut":
            del raw[place : place + data.draw(st.integers(1, 64))]
        else:
            raw[place:place] = data.draw(st.binary(min_size=1, max_size=16))
        head = max(1, min(len(raw), 1500))
        if not raw:
            break
    started = time.perf_counter()
    with suppress(UnparsableDataSet):
        header = read_header(io.BytesIO(raw), 0, len(raw), syntax)
        assert set(header.facts) == {"values", "cut", "undecodable"}
    assert time.perf_counter() - started < 2


@given(st.binary(max_size=400), st.sampled_from([EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED]))
@settings(max_examples=300, deadline=None)
def test_noise_raises_nothing_else(raw: bytes, syntax: str) -> None:
    with suppress(UnparsableDataSet):
        assert read_header(io.BytesIO(raw), 0, len(raw), syntax).facts["cut"] == []
