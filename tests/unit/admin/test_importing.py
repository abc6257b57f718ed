"""What an import finds: folders, ZIPs, DICOMDIRs and files, and what each file is."""

import io
import os
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from services.admin.importing import archive
from services.admin.importing.beginning import hindrance
from services.admin.importing.found import Candidate, Found, Left, NotSent
from services.admin.importing.instances import FoundInstance, read_instance
from services.admin.importing.sources import sources
from services.admin.station import Station
from services.dicom.part10 import ObjectMeta, file_head
from services.runtime.errors import UsageError
from tests.factories import Instance, ct

LARGEST = 1 << 20


def part_10(instance: Instance) -> bytes:
    meta = ObjectMeta(instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid)
    return file_head(meta) + instance.data_set


def told(found: Iterable[Found]) -> dict[str, str]:
    """What became of each file, by its name's end: the SOP Instance UID, or why it is left (with ``!`` for a fault)."""
    outcomes = {}
    for each in found:
        if isinstance(each, Left):
            outcomes[each.name.rpartition("/")[2]] = f"!{each.reason}" if each.fault else each.reason
            continue
        assert isinstance(each, Candidate)
        try:
            with each.open() as source:
                outcomes[each.name.rpartition("/")[2]] = read_instance(source).sop_instance_uid
        except NotSent as reason:
            outcomes[each.name.rpartition("/")[2]] = f"!{reason}" if reason.fault else str(reason)
    return outcomes


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_file_is_known_with_and_without_file_meta(syntax: str) -> None:
    instance = ct(1, transfer_syntax=syntax)
    whole = part_10(instance)
    expected = (instance.sop_class_uid, instance.sop_instance_uid, syntax)
    for data, offset in ((whole, len(whole) - len(instance.data_set)), (instance.data_set, 0)):
        found = read_instance(io.BytesIO(data))
        assert (found.sop_class_uid, found.sop_instance_uid, found.transfer_syntax_uid) == expected
        assert (found.offset, found.size) == (offset, len(instance.data_set))
    headless = read_instance(io.BytesIO(whole[132:]))
    offset, size = len(whole) - 132 - len(instance.data_set), len(instance.data_set)
    assert headless == FoundInstance(*expected, offset, size, instance.study_instance_uid)


@pytest.mark.parametrize(
    ("data", "reason", "fault"),
    [
        (b"", "not DICOM", False),
        (b"Dear radiologist,\n" * 100, "not DICOM", False),
        (b"\x08\x00" * 2000, "not DICOM", False),
        (part_10(ct(1))[:150], "its file meta is cut off", True),
        (file_head(ObjectMeta("1.2", "1.3", ImplicitVRLittleEndian)), "the file has no data set", True),
        (file_head(ObjectMeta("1.2.840.10008.1.3.10", "1.3", "1.2.840.10008.1.2.1")) + bytes(8), "a DICOMDIR", False),
        (file_head(ObjectMeta("", "1.3", "1.2.840.10008.1.2.1")) + bytes(8), "the file has no SOP Class UID", True),
    ],
)
def test_what_cannot_be_sent_says_why(data: bytes, reason: str, fault: bool) -> None:
    with pytest.raises(NotSent, match=reason) as caught:
        read_instance(io.BytesIO(data))
    assert caught.value.fault == fault


def test_a_truncated_file_is_sent_for_the_gateway_to_judge() -> None:
    data = part_10(ct(1))[:-1000]
    assert read_instance(io.BytesIO(data)).sop_instance_uid == ct(1).sop_instance_uid


def test_a_folder_is_walked_without_following_links_or_opening_what_blocks(tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/one.dcm").write_bytes(part_10(ct(1)))
    (tmp_path / "two").write_bytes(ct(2).data_set)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "round").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    assert told(sources([tmp_path], LARGEST, tmp_path)) == {
        "one.dcm": ct(1).sop_instance_uid,
        "two": ct(2).sop_instance_uid,
        "notes.txt": "not DICOM",
        "round": "a link to a folder",
        "fifo": "no plain file",
    }


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return path


def test_members_of_a_zip_are_read_and_their_names_lead_nowhere(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", **{"../../evil.dcm": part_10(ct(1)), "sub/": b"", "x.txt": b"no image" * 50})
    found = list(sources([path], LARGEST, tmp_path))
    assert told(found) == {"evil.dcm": ct(1).sop_instance_uid, "a.zip:x.txt": "not DICOM"}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.zip"]


def test_a_large_member_is_unpacked_in_the_folder_that_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not where the system keeps temporary files, which has room for little; nothing of it has a name."""
    monkeypatch.setattr(archive, "_IN_MEMORY_BYTES", 1000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    path = zipped(tmp_path / "a.zip", large=part_10(ct(1)))
    (found,) = sources([path], LARGEST, tmp_path / "home" / "importing")
    assert isinstance(found, Candidate)
    with found.open() as copy:
        assert read_instance(copy).sop_instance_uid == ct(1).sop_instance_uid
        assert list((tmp_path / "home" / "importing").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="let GATEWAY_HOME be a folder that may be written to"):
        list(sources([path], LARGEST, tmp_path / "file" / "importing"))


def test_a_member_that_is_damaged_encrypted_or_too_large_is_a_fault(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", damaged=part_10(ct(1)), large=part_10(ct(2, pixel_bytes=300_000)), locked=b"x")
    data = bytearray(path.read_bytes())
    data[data.find(b"damaged") + 7 + 400] ^= 0xFF
    entry = data.rfind(b"locked") - 46
    data[entry + 8] |= 1
    path.write_bytes(data)
    outcomes = told(sources([path], 100_000, tmp_path))
    assert outcomes["a.zip:damaged"].startswith("!cannot be unpacked: ")
    assert outcomes["a.zip:large"] == "!unpacks to more than 100000 bytes (GATEWAY_MAX_OBJECT_BYTES)"
    assert outcomes["a.zip:locked"] == "!encrypted in the ZIP"


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        ("MOST_MEMBERS", 2, "has 3 members, 2 at most"),
        ("MOST_BYTES", 1000, "unpacks to 0 GiB"),
        ("FREE_OF_RATIO_BYTES", 1000, "unpacks to [0-9]+ times its size, 200 times at most"),
        ("MOST_DIRECTORY_BYTES", 100, "has a directory of"),
    ],
)
def test_a_bomb_is_refused_before_anything_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, words: str
) -> None:
    path = zipped(tmp_path / "bomb.zip", a=bytes(1 << 20), b=b"", c=b"")
    assert len(list(sources([path], 4 << 20, tmp_path))) == 3
    monkeypatch.setattr(archive, limit, value)
    with pytest.raises(UsageError, match=f"bomb.zip: {words}.*; unpack it yourself and import the folder"):
        list(sources([path], 4 << 20, tmp_path))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("missing", None, "does not exist; name a folder, a ZIP, a DICOMDIR or a file"),
        ("cut.zip", b"PK\5\6" + bytes(8) + b"\1\1" + bytes(8), "cannot be read as ZIP"),
        ("DICOMDIR", b"no directory", "cannot be read as DICOMDIR"),
        ("DICOMDIR", part_10(ct(1)), "is no DICOMDIR; import its folder instead"),
    ],
)
def test_a_source_that_cannot_be_read_is_named_with_the_cure(
    tmp_path: Path, name: str, data: bytes | None, words: str
) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UsageError, match=f"{path}: {words}"):
        told(sources([path], LARGEST, tmp_path))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"host": "127.0.0.1"}, None),
        ({"host": "scanner.example"}, None),
        ({"host": "10.1.1.1", "addresses": ["127.0.0.0/8"]}, None),
        ({"host": "127.0.0.1", "enabled": False}, "is disabled"),
        ({"host": "127.0.0.1", "certificates": ["san:ct1"]}, "calls over TLS only"),
        ({"host": "127.0.0.1", "services": ["echo", "find"]}, "may not store (--service echo, find)"),
        ({"host": "127.0.0.1", "services": ["store"]}, None),
        ({"host": "10.1.1.1"}, "--address 10.1.1.1 --address 127.0.0.1"),
        ({"host": "10.1.1.1", "addresses": ["10.0.0.0/8"]}, "calls from 10.0.0.0/8 only, not from 127.0.0.1"),
    ],
)
def test_a_station_that_may_not_call_from_here_is_named_with_the_cure(
    fields: dict[str, object], words: str | None
) -> None:
    reason = hindrance(Station.model_validate({"title": "CT1", "port": 104, **fields}), "127.0.0.1")
    assert (words is None) == (reason is None)
    assert words is None or words in str(reason)
