"""Which transfer syntax an instance goes out in, and conversion that changes nothing but the encoding."""

import io
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy
import pydicom.data
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset

from services.dicom import gdcm_codec, transcoding_pixels
from services.dicom.contexts import (
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)
from services.dicom.elements import Walker
from services.dicom.transcoding import NotConvertible, choose, converted, ways, why_not
from tests.factories import Instance, ct, nm_gated_tomo, nm_static, storable_files

JPEG_BASELINE, JPEG_LOSSLESS, J2K = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"
J2K_LOSSY, RLE, MPEG4 = "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.102"
NATIVE = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, DEFLATED_LITTLE_ENDIAN)
GIB = 1 << 30
FILES = storable_files(Path(pydicom.data.__file__).parent / "test_files")
GENERATED = [nm_gated_tomo(1, transfer_syntax=syntax) for syntax in NATIVE[:3]] + [nm_static(2), ct(3)]


def named(instance: Instance) -> str:
    return instance.path.name if instance.path else f"{instance.sop_instance_uid} {instance.transfer_syntax_uid}"


def convert(data: bytes, syntax: str, wanted: str, *, largest: int = GIB) -> bytes:
    """Converted, from the middle of a file."""
    source = io.BytesIO(b"head" + data + b"tail")
    with converted(source, 4, len(data), syntax, wanted, folder=Path("/tmp"), largest=largest) as (file, size):
        file.seek(0)
        made = file.read()
    assert len(made) == size
    return made


def values(data: bytes, syntax: str) -> list[tuple[str, bytes]]:
    """Path and value bytes of every element of a little endian data set, as pydicom finds them; no group lengths."""
    with pydicom.config.disable_value_validation():
        return list(_values(read_dataset(DicomBytesIO(data), syntax == IMPLICIT_LITTLE_ENDIAN, True), ""))


def _values(data_set: Dataset, prefix: str) -> Iterator[tuple[str, bytes]]:
    found = {tag: data_set.get_item(tag) for tag in sorted(data_set.keys()) if tag.element}
    for tag, raw in found.items():
        path, value = f"{prefix}{tag}", raw.value
        is_sequence = raw.VR == "SQ" or (raw.VR in ("UN", None) and data_set[tag].VR == "SQ")
        if not is_sequence:
            yield path, value or b""
            continue
        yield path, b""
        for number, item in enumerate(data_set[tag].value):
            yield from _values(item, f"{path}[{number}]")


def decoded(data: bytes, syntax: str) -> Dataset:
    """All elements as pydicom understands them."""
    with pydicom.config.disable_value_validation():
        read = read_dataset(DicomBytesIO(data), syntax == IMPLICIT_LITTLE_ENDIAN, syntax != EXPLICIT_BIG_ENDIAN)
        for _ in read.iterall():
            continue
    return read


@pytest.mark.parametrize(
    "instance", [each for each in FILES + GENERATED if each.transfer_syntax_uid in NATIVE], ids=named
)
def test_there_and_back_every_value_is_the_same(instance: Instance) -> None:
    syntax, data = instance.transfer_syntax_uid, instance.data_set
    explicit = convert(data, syntax, EXPLICIT_LITTLE_ENDIAN)
    implicit = convert(explicit, EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN)
    again = convert(implicit, IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN)
    found = values(explicit, EXPLICIT_LITTLE_ENDIAN)
    assert len(found) > 10
    assert values(implicit, IMPLICIT_LITTLE_ENDIAN) == found
    assert values(again, EXPLICIT_LITTLE_ENDIAN) == found
    if syntax == EXPLICIT_BIG_ENDIAN:
        assert swapped_alike(decoded(data, syntax), decoded(explicit, EXPLICIT_LITTLE_ENDIAN))
    elif syntax == DEFLATED_LITTLE_ENDIAN:
        assert explicit == zlib.decompress(data, -zlib.MAX_WBITS)
    else:
        assert found == values(data, syntax)


def swapped_alike(big: Dataset, little: Dataset) -> bool:
    """Whether every element that is no bulk data has the same value in both."""
    for element in big:
        if element.VR in ("OB", "OW", "UN") or not element.tag.element:
            continue
        if element.VR == "SQ":
            pairs = zip(element.value, little[element.tag].value, strict=True)
            assert all(swapped_alike(*pair) for pair in pairs)
        else:
            assert element.value == little[element.tag].value, element.tag
    if "PixelData" in big and big["PixelData"].VR == "OW":
        assert bytes(little.PixelData)[0::2] == bytes(big.PixelData)[1::2]
    return True


def short(tag: int, vr: str, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), len(value)) + value


def long(tag: int, vr: str, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH2sxxL", tag >> 16, tag & 0xFFFF, vr.encode(), len(value)) + value


def implicit(tag: int, value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, implicit(0xFFFEE00D, b""), implicit(0xFFFEE0DD, b"")
UNDEFINED = 0xFFFFFFFF
UID = short(0x00080018, "UI", b"1.2\0")


def vrs(data: bytes) -> dict[int, str]:
    """VR of every element of an explicit data set."""
    walker = Walker(io.BytesIO(data), 0, len(data), EXPLICIT_LITTLE_ENDIAN, lambda tag, depth: "none")
    return {tag: vr for tag, vr, *_ in walker if tag != ITEM}


def test_vrs_come_from_the_dictionaries() -> None:
    data = b"".join((
        implicit(0x00080018, b"1.2\0"),
        implicit(0x00090010, b"GEMS_GENIE_1"), implicit(0x00091010, b"Study"), implicit(0x000910FE, b"unknown "),
        implicit(0x00280010, b"\4\0"), implicit(0x00280103, b"\1\0"), implicit(0x00280106, b"\xff\xff"),
        implicit(0x00283006, b"\0\0"), implicit(0x60003000, b"\0\0"), implicit(0x7FE00010, b"\0\1"),
    ))  # fmt: skip
    assert vrs(convert(data, IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN)) == {
        0x00080018: "UI", 0x00090010: "LO", 0x00091010: "LO", 0x000910FE: "UN", 0x00280010: "US", 0x00280103: "US",
        0x00280106: "SS", 0x00283006: "OW", 0x60003000: "OW", 0x7FE00010: "OW",
    }  # fmt: skip


def test_a_value_too_long_for_its_vr_becomes_un_and_comes_back() -> None:
    data = implicit(0x00080018, b"1.2\0") + implicit(0x30060050, b"1\\" * 40_000)
    explicit = convert(data, IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN)
    assert vrs(explicit) == {0x00080018: "UI", 0x30060050: "UN"}
    assert convert(explicit, EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN) == data


def test_sequences_are_delimited_and_group_lengths_left_out() -> None:
    inner = short(0x00400000, "UL", b"\x0e\0\0\0") + short(0x00400009, "SH", b"A1")
    item = implicit(ITEM, inner) + implicit(ITEM, b"")
    data = (
        short(0x00080000, "UL", b"\x0c\0\0\0") + UID + long(0x00400275, "SQ", item) + long(0x00400275 + 11, "SQ", b"")
    )
    assert convert(data, EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN) == b"".join((
        implicit(0x00080018, b"1.2\0"), implicit(0x00400275, b"", UNDEFINED),
        implicit(ITEM, b"", UNDEFINED), implicit(0x00400009, b"A1"), ITEM_END,
        implicit(ITEM, b"", UNDEFINED), ITEM_END, SEQUENCE_END, implicit(0x00400280, b""),
    ))  # fmt: skip


def test_an_unknown_sequence_of_undefined_length_is_read_as_implicit() -> None:
    content = implicit(ITEM, implicit(0x00080018, b"1.2\0") + ITEM_END, UNDEFINED) + SEQUENCE_END
    data = UID + struct.pack("<HH2sxxL", 0x0009, 0x1001, b"UN", UNDEFINED) + content
    explicit = convert(
        data + long(0x00090010 + 0x1001, "UN", b"opaque"), EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN
    )
    assert explicit == b"".join((
        implicit(0x00080018, b"1.2\0"), implicit(0x00091001, content, UNDEFINED), implicit(0x00091011, b"opaque"),
    ))  # fmt: skip


def test_numbers_are_swapped_by_their_vr() -> None:
    data = b"".join((
        short(0x00080018, "UI", b"1.2\0", ">"), short(0x00189998, "UL", b"\0\0\0\7", ">"),
        short(0x00189999, "AT", b"\0\10\0\11", ">"), short(0x0018999A, "FD", bytes(range(8)), ">"),
        long(0x7FE00010, "OW", b"\0\1\0\2", ">"),
    ))  # fmt: skip
    assert convert(data, EXPLICIT_BIG_ENDIAN, EXPLICIT_LITTLE_ENDIAN) == b"".join((
        UID, short(0x00189998, "UL", b"\7\0\0\0"), short(0x00189999, "AT", b"\10\0\11\0"),
        short(0x0018999A, "FD", bytes(reversed(range(8)))), long(0x7FE00010, "OW", b"\1\0\2\0"),
    ))  # fmt: skip


def test_memory_does_not_grow_with_the_pixel_data(tmp_path: Path) -> None:
    path = tmp_path / "large"
    size = 64 << 20
    with path.open("wb") as file:
        file.write(UID + struct.pack("<HH2sxxL", 0x7FE0, 0x0010, b"OW", size))
        file.truncate(len(UID) + 12 + size)
    with path.open("rb") as source:
        tracemalloc.start()
        with converted(
            source, 0, path.stat().st_size, EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, folder=tmp_path, largest=GIB
        ) as (_, made):
            assert made == path.stat().st_size - 4
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 6 << 20
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("data", "syntax", "why"),
    [
        (UID[:-1], EXPLICIT_LITTLE_ENDIAN, "truncated"),
        (b"nonsense", DEFLATED_LITTLE_ENDIAN, "not deflated"),
        (UID + struct.pack("<HH2sxxL", 0x7FE0, 0x10, b"OB", UNDEFINED) + SEQUENCE_END, EXPLICIT_LITTLE_ENDIAN, "fragm"),
        (UID, MPEG4, "cannot be decompressed"),
        (short(0x00080000, "UL", b"\0\0\0\0"), EXPLICIT_LITTLE_ENDIAN, "no elements"),
        (zlib.compress(bytes(1 << 22), wbits=-15), DEFLATED_LITTLE_ENDIAN, "more than 1048576 bytes"),
        (long(0x7FE00010, "OW", bytes(1 << 21)), EXPLICIT_LITTLE_ENDIAN, "larger than 1048576 bytes"),
    ],
)
def test_what_cannot_be_converted_is_told(data: bytes, syntax: str, why: str) -> None:
    with pytest.raises(NotConvertible, match=why):
        convert(data, syntax, IMPLICIT_LITTLE_ENDIAN, largest=1 << 20)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from([*NATIVE, RLE, J2K]), st.sampled_from(NATIVE[:2]))
def test_hostile_bytes_raise_nothing_else(drawn: st.DataObject, syntax: str, wanted: str) -> None:
    data = bytearray(
        nm_gated_tomo(1, transfer_syntax=syntax).data_set if syntax in NATIVE[:3] else GENERATED[0].data_set
    )
    for _ in range(drawn.draw(st.integers(1, 12))):
        data[drawn.draw(st.integers(0, min(len(data) - 1, 3000)))] = drawn.draw(st.integers(0, 255))
    with suppress(NotConvertible):
        convert(bytes(data[: drawn.draw(st.integers(1, len(data)))]), syntax, wanted)


# ------------------------------------------------------------------------------------------------ compressed

ODD = {"J2K_pixelrep_mismatch.dcm", "JPEG2000-embedded-sequence-delimiter.dcm", "SC_rgb_jpeg.dcm"}
"""pydicom itself does not read these."""
COMPRESSED = [
    each for each in FILES if each.path and each.path.name not in ODD
    and each.transfer_syntax_uid in (JPEG_BASELINE, JPEG_LOSSLESS, J2K, J2K_LOSSY, RLE, "1.2.840.10008.1.2.4.80")
]  # fmt: skip


@pytest.mark.parametrize("instance", COMPRESSED, ids=named)
def test_decompressed_as_pydicom_does(instance: Instance) -> None:
    """The same pixels, and no other element changed but those that describe them."""
    assert instance.path is not None
    original = pydicom.dcmread(instance.path)
    made = convert(instance.data_set, instance.transfer_syntax_uid, EXPLICIT_LITTLE_ENDIAN)
    found = decoded(made, EXPLICIT_LITTLE_ENDIAN)
    assert numpy.array_equal(raw_pixels(found, EXPLICIT_LITTLE_ENDIAN), raw_pixels(original))
    changed = {"(0028,0004)", "(0028,0006)", "(0028,0100)", "(7FE0,0001)", "(7FE0,0002)", "(7FE0,0010)"}
    before = [pair for pair in values(instance.data_set, EXPLICIT_LITTLE_ENDIAN) if pair[0] not in changed]
    assert [pair for pair in values(made, EXPLICIT_LITTLE_ENDIAN) if pair[0] not in changed] == before


EXTENDED = [each for each in FILES if each.transfer_syntax_uid == transcoding_pixels.JPEG_EXTENDED]


@pytest.mark.parametrize("instance", EXTENDED, ids=named)
def test_a_compression_that_no_codec_here_decodes_is_not_taken_for_damage(instance: Instance) -> None:
    """JPEG Extended with 12 bits: the one that GDCM leaves to pylibjpeg-libjpeg, which is GPL (ADR 0016)."""
    with pytest.raises(NotConvertible) as found:
        convert(instance.data_set, instance.transfer_syntax_uid, EXPLICIT_LITTLE_ENDIAN)
    assert str(found.value) == (
        f"the codecs that are installed decode {transcoding_pixels.JPEG_EXTENDED} (JPEG Extended) with 8 bits stored "
        "only, not with 12"
    )


@pytest.mark.parametrize("syntax", [JPEG_BASELINE, JPEG_LOSSLESS, J2K])
def test_pixel_data_that_does_not_decode_is_told_by_its_transfer_syntax(syntax: str) -> None:
    sample = next(each for each in COMPRESSED if each.transfer_syntax_uid == syntax)
    start = sample.data_set.index(b"\xff\xd8\xff" if syntax != J2K else b"\xff\x4f\xff\x51")
    damaged = sample.data_set[:start] + bytes(64) + sample.data_set[start + 64 :]
    with pytest.raises(NotConvertible) as found:
        convert(damaged, syntax, EXPLICIT_LITTLE_ENDIAN)
    assert str(found.value) == (
        f"pixel data in {syntax} is not decoded by the codecs that are installed, or it is damaged"
    )


def raw_pixels(data_set: Dataset, syntax: str = "") -> "numpy.ndarray":
    """Its pixels without any change of colours."""
    if syntax:
        data_set.file_meta = FileMetaDataset()
        data_set.file_meta.TransferSyntaxUID = syntax
    data_set.pixel_array_options(as_rgb=False, raw=True)
    return data_set.pixel_array


def test_there_are_samples_of_each_kind() -> None:
    assert {each.transfer_syntax_uid for each in COMPRESSED} >= {JPEG_BASELINE, JPEG_LOSSLESS, J2K, RLE}
    assert {each.transfer_syntax_uid for each in FILES} >= set(NATIVE)
    assert EXTENDED


# -------------------------------------------------------------------------------------------------- choosing

ALL = {EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN}


@pytest.mark.parametrize(
    ("received", "accepted", "chosen"),
    [
        (EXPLICIT_LITTLE_ENDIAN, ALL, EXPLICIT_LITTLE_ENDIAN),
        (IMPLICIT_LITTLE_ENDIAN, ALL, IMPLICIT_LITTLE_ENDIAN),
        (IMPLICIT_LITTLE_ENDIAN, {EXPLICIT_LITTLE_ENDIAN}, EXPLICIT_LITTLE_ENDIAN),
        (EXPLICIT_LITTLE_ENDIAN, {IMPLICIT_LITTLE_ENDIAN}, IMPLICIT_LITTLE_ENDIAN),
        (EXPLICIT_BIG_ENDIAN, ALL, EXPLICIT_LITTLE_ENDIAN),
        (DEFLATED_LITTLE_ENDIAN, {IMPLICIT_LITTLE_ENDIAN, J2K}, IMPLICIT_LITTLE_ENDIAN),
        (J2K, {J2K, *ALL}, J2K),
        (J2K, ALL, EXPLICIT_LITTLE_ENDIAN),
        (J2K, {IMPLICIT_LITTLE_ENDIAN}, IMPLICIT_LITTLE_ENDIAN),
        (J2K, {RLE, EXPLICIT_BIG_ENDIAN}, None),
        (EXPLICIT_LITTLE_ENDIAN, {J2K}, None),
        (MPEG4, ALL, None),
        (MPEG4, {MPEG4}, MPEG4),
        (EXPLICIT_LITTLE_ENDIAN, set(), None),
    ],
)
def test_choice(received: str, accepted: set[str], chosen: str | None) -> None:
    assert choose(received, accepted) == chosen


def test_without_codecs_compressed_instances_go_as_they_are_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unavailable:
        is_available = False

    monkeypatch.setattr(transcoding_pixels, "_decoder", lambda syntax: Unavailable())
    monkeypatch.setattr(gdcm_codec, "_installed", lambda: False)
    assert ways(J2K) == (J2K,)
    assert choose(J2K, ALL) is None
    assert "dicom-gateway[codecs]" in why_not(J2K)
    with pytest.raises(NotConvertible, match="dicom-gateway"):
        convert(UID, J2K, EXPLICIT_LITTLE_ENDIAN)
