"""What is kept of level 1 classes (R92)."""

import io
import json
import os
import struct
import tracemalloc
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from schemas.dicom.profiles import profile_data
from services.dicom.contexts import EXPLICIT_BIG_ENDIAN, EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN
from services.dicom.reduction import reduced, reducible
from services.dicom.transcoding import NotConvertible
from tests.factories import Instance, nm_gated_tomo, nm_static, secondary_capture, storable_files

JPEG = "1.2.840.10008.1.2.4.50"
NATIVE = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN)
LEVEL_1 = {offered.uid for offered in profile_data().xeleris.classes if offered.level == 1}
DOCUMENT = json.loads(files("schemas.dicom").joinpath("level_1_elements.json").read_text(encoding="utf-8"))


def less(instance: Instance, wanted: str | None = None, folder: Path = Path()) -> bytes:
    source = io.BytesIO(b"before" + instance.data_set + b"behind")
    syntax = instance.transfer_syntax_uid
    with reduced(
        source,
        6,
        len(instance.data_set),
        syntax,
        wanted or syntax,
        instance.sop_class_uid,
        folder=folder,
        largest=1 << 30,
    ) as (target, size):
        target.seek(0)
        data = target.read()
        assert len(data) == size
        return data


def read(data: bytes, syntax: str) -> Dataset:
    return pydicom.filereader.read_dataset(io.BytesIO(data), syntax == IMPLICIT_LITTLE_ENDIAN, True)


def tags(data_set: Dataset, prefix: str = "") -> Iterator[str]:
    for element in data_set:
        yield f"{prefix}{int(element.tag):08X}"
        if element.VR == "SQ":
            for item in element.value:
                yield from tags(item, f"{prefix}{int(element.tag):08X}.")


def test_the_list_has_the_level_1_classes() -> None:
    assert set(DOCUMENT["classes"]) == LEVEL_1
    assert len(LEVEL_1) == 5
    assert all(reducible(uid) for uid in LEVEL_1)
    assert not reducible("1.2.840.10008.5.1.4.1.1.2")
    assert {name for names in DOCUMENT["classes"].values() for name in names} == set(DOCUMENT["tables"])
    for names in DOCUMENT["classes"].values():
        kept = set().union(*(DOCUMENT["tables"][name] for name in names))
        assert kept >= {"00080005", "00080016", "00080018", "00100010", "00100020", "0020000D", "0020000E"}


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize("wanted", NATIVE)
def test_what_the_tables_name_is_kept_and_the_rest_is_not(syntax: str, wanted: str) -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "F-10440", "99SDM", "erect"
    code.CodingSchemeUID = "1.2.3"
    orientation = Dataset()
    orientation.update(code)
    orientation.PatientOrientationModifierCodeSequence = Sequence([code])
    request = Dataset()
    request.RequestedProcedureID, request.StudyInstanceUID = "RP1", "1.2.3"
    other = Dataset()
    other.ReferencedSOPClassUID, other.PurposeOfReferenceCodeSequence = "1.2.3", Sequence([code])
    instance = nm_static(
        1,
        transfer_syntax=syntax,
        PatientOrientationCodeSequence=Sequence([orientation]),
        RequestAttributesSequence=Sequence([request, request]),
        OtherPatientIDsSequence=Sequence([other]),
        InstitutionAddress="not in the tables",
        PatientComments="chosen type 3",
        IssuerOfPatientID="not used",
    )
    found = set(tags(read(less(instance, wanted), wanted)))
    assert found >= {
        "00100010", "00104000", "00540410.00080100", "00540410.00540412.00080104", "00400275.00401001", "7FE00010",
    }  # fmt: skip
    gone = {"00080081", "00100021", "00101002", "00540410.0008010C", "00400275.0020000D"}
    assert not found & gone
    assert not [tag for tag in found if tag.startswith("00101002")]


@pytest.mark.parametrize("syntax", NATIVE)
def test_private_elements_are_kept_by_the_dictionary(syntax: str) -> None:
    ours, foreign = Dataset(), Dataset()
    for data_set in (ours, foreign):
        data_set.PatientID = "P1"
    instance = _with_private(nm_static(1, transfer_syntax=EXPLICIT_LITTLE_ENDIAN), syntax)
    found = read(less(instance), syntax)
    assert found[0x0009, 0x1010].value in ("study", b"study ")
    assert (0x0009, 0x10EE) not in found, "not in the dictionary"
    assert (0x000B, 0x1001) not in found, "a creator that nobody knows"
    assert (0x000B, 0x0010) not in found
    assert (0x0009, 0x0010) in found


def _with_private(instance: Instance, syntax: str) -> Instance:
    data_set = read(instance.data_set, EXPLICIT_LITTLE_ENDIAN)
    block = data_set.private_block(0x0009, "GEMS_GENIE_1", create=True)
    block.add_new(0x10, "LO", "study")
    block.add_new(0xEE, "LO", "unknown element")
    stranger = data_set.private_block(0x000B, "STRANGER", create=True)
    item = Dataset()
    item.PatientID = "hidden"
    stranger.add_new(0x01, "SQ", Sequence([item]))
    target = pydicom.filebase.DicomBytesIO()
    target.is_little_endian, target.is_implicit_VR = True, syntax == IMPLICIT_LITTLE_ENDIAN
    pydicom.filewriter.write_dataset(target, data_set)
    return Instance(
        instance.sop_class_uid, instance.sop_instance_uid, instance.study_instance_uid, instance.series_instance_uid,
        syntax, target.getvalue(),
    )  # fmt: skip


def test_what_is_kept_is_unchanged(seed: int) -> None:
    instance = nm_gated_tomo(seed)
    before, after = read(instance.data_set, EXPLICIT_LITTLE_ENDIAN), read(less(instance), EXPLICIT_LITTLE_ENDIAN)
    assert after.PixelData == before.PixelData
    assert [element.tag for element in after if element.VR != "SQ" and element != before[element.tag]] == []
    assert set(tags(after)) <= set(tags(before))


def test_compressed_pixel_data_is_taken_over() -> None:
    compressed = [
        each
        for each in storable_files(Path(pydicom.data.get_testdata_file("CT_small.dcm") or "").parent)
        if reducible(each.sop_class_uid) and each.transfer_syntax_uid not in (*NATIVE, EXPLICIT_BIG_ENDIAN)
    ]
    assert compressed
    for instance in compressed[:5]:
        before = read(instance.data_set, instance.transfer_syntax_uid)
        after = read(less(instance), instance.transfer_syntax_uid)
        assert after.PixelData == before.PixelData


@pytest.mark.parametrize(
    ("syntax", "wanted"),
    [(EXPLICIT_BIG_ENDIAN, None), (EXPLICIT_LITTLE_ENDIAN, JPEG), (EXPLICIT_BIG_ENDIAN, EXPLICIT_LITTLE_ENDIAN)],
)
def test_what_cannot_be_reduced_is_told(syntax: str, wanted: str | None) -> None:
    with pytest.raises(NotConvertible, match="is not reduced for"):
        less(secondary_capture(1, transfer_syntax=syntax), wanted)


def test_memory_does_not_grow_with_the_pixel_data(tmp_path: Path) -> None:
    path, pixels = tmp_path / "object", 64 << 20
    header = secondary_capture(1, pixel_bytes=64).data_set
    begin = header[: header.index(bytes.fromhex("e07f1000"))] + struct.pack("<HH2sxxL", 0x7FE0, 0x10, b"OW", pixels)
    path.write_bytes(begin)
    os.truncate(path, len(begin) + pixels)
    sop_class = "1.2.840.10008.5.1.4.1.1.7"
    with path.open("rb") as source:
        tracemalloc.start()
        with reduced(
            source, 0, path.stat().st_size, *(EXPLICIT_LITTLE_ENDIAN,) * 2, sop_class, folder=tmp_path, largest=1 << 30
        ) as (_, size):
            assert size > pixels
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 6 << 20
    assert list(tmp_path.iterdir()) == [path]


@given(st.binary(max_size=400), st.sampled_from(NATIVE), st.sampled_from(sorted(LEVEL_1)))
def test_hostile_bytes_raise_nothing_else(data: bytes, syntax: str, sop_class: str) -> None:
    try:
        less(Instance(sop_class, "1.2", "1.3", "1.4", syntax, data))
    except NotConvertible:
        return
