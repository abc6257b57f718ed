"""A transformation and the transfer syntax that is sent, what lies in fragments, and how much memory it takes."""

import io
import tracemalloc
from pathlib import Path

import pytest

from deploy.local.demo.nuclear_medicine import encoded
from services.dicom.contexts import (
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)
from services.dicom.transcoding import NotConvertible
from services.dicom.transforming.apply import Content, transformed
from tests.factories import nm_gated_tomo
from tests.unit.dicom.transformed_data import (
    CT,
    JPEG,
    SYNTAXES,
    bytes_in,
    image,
    read,
    sent,
    transformation,
)


@pytest.mark.parametrize(
    ("received", "prefer", "ways"),
    [
        (IMPLICIT_LITTLE_ENDIAN, ["received"], (IMPLICIT_LITTLE_ENDIAN,)),
        (IMPLICIT_LITTLE_ENDIAN, ["Explicit VR Little Endian", "received"],
         (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN)),
        (EXPLICIT_BIG_ENDIAN, ["received"], (EXPLICIT_BIG_ENDIAN,)),
        (JPEG, ["received", IMPLICIT_LITTLE_ENDIAN], (JPEG, IMPLICIT_LITTLE_ENDIAN)),
        ("1.2.840.10008.1.2.4.100", [EXPLICIT_LITTLE_ENDIAN], ("1.2.840.10008.1.2.4.100",)),
    ],
)  # fmt: skip
def test_the_preferred_transfer_syntax_that_can_be_made_comes_first(
    received: str, prefer: list[str], ways: tuple[str, ...]
) -> None:
    assert transformation({"do": "transfer_syntax", "prefer": prefer}).ways(received) == ways


def test_what_nothing_is_written_in_goes_in_another_syntax() -> None:
    step = {"do": "set", "tag": "StudyID", "value": "X"}
    assert transformation(step).ways(EXPLICIT_BIG_ENDIAN) == (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN)
    assert transformation(step).ways(JPEG) == (JPEG,)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("wanted", SYNTAXES[:2])
def test_elements_are_changed_and_the_syntax_too(syntax: str, wanted: str) -> None:
    change = transformation(
        {"do": "set", "tag": "StudyID", "value": "X"}, {"do": "transfer_syntax", "prefer": [wanted]}
    )
    data, sent_in, _ = sent(bytes_in(image(), syntax), syntax, change)
    assert sent_in == wanted
    found, expected = read(data, wanted), read(encoded(image(StudyID="X"), wanted), wanted)
    if syntax == IMPLICIT_LITTLE_ENDIAN:  # what nobody knows is UN once it has a VR
        found.remove_private_tags()
        expected.remove_private_tags()
    assert found == expected


def test_reduction_comes_last(tmp_path: Path) -> None:
    tomo = nm_gated_tomo(1)
    change = transformation({"do": "reduce"}, {"do": "set", "tag": "StudyID", "value": "X"},
                            {"do": "set", "tag": "MedicalAlerts", "value": "gone"})  # fmt: skip
    data, syntax, _ = sent(
        tomo.data_set, tomo.transfer_syntax_uid, change, folder=tmp_path, sop_class=tomo.sop_class_uid
    )
    found = read(data, syntax)
    assert (found.StudyID, "MedicalAlerts" in found) == ("X", False)


def test_fragments_are_copied(tmp_path: Path) -> None:
    data_set = image()
    fragments = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\4\0\0\0\xff\xd8\xff\xd9\xfe\xff\xdd\xe0\0\0\0\0"
    del data_set.PixelData
    head = encoded(data_set, EXPLICIT_LITTLE_ENDIAN)
    tail = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + fragments
    data, syntax, _ = sent(head + tail, JPEG, transformation({"do": "new_uids"}), folder=tmp_path)
    assert syntax == JPEG
    assert data.endswith(tail)


def test_memory_does_not_grow_with_the_pixels(tmp_path: Path) -> None:
    size = 64 << 20
    large = tmp_path / "large"
    head = encoded(image(), EXPLICIT_LITTLE_ENDIAN)
    head = head[: head.rindex(b"\xe0\x7f\x10\x00")]
    with large.open("wb") as file:
        file.write(head + b"\xe0\x7f\x10\x00OW\0\0" + size.to_bytes(4, "little"))
        file.seek(size - 1, io.SEEK_CUR)
        file.write(b"\0")
    change = transformation({"do": "new_uids"}, {"do": "set", "tag": "StudyID", "value": "X"})
    with large.open("rb") as source:
        tracemalloc.start()
        content = Content(source, 0, large.stat().st_size, EXPLICIT_LITTLE_ENDIAN)
        with transformed(content, CT, change, EXPLICIT_LITTLE_ENDIAN, folder=tmp_path, largest=1 << 30) as (made, _):
            assert made.size > size
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8 << 20


def test_what_becomes_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    data = encoded(image(), EXPLICIT_LITTLE_ENDIAN)
    content = Content(io.BytesIO(data), 0, len(data), EXPLICIT_LITTLE_ENDIAN)
    change = transformation({"do": "set", "tag": "StudyID", "value": "X"})
    with (
        pytest.raises(NotConvertible, match="larger than"),
        transformed(content, CT, change, EXPLICIT_LITTLE_ENDIAN, folder=tmp_path, largest=len(data) // 2),
    ):
        raise AssertionError
