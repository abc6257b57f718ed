"""Objects: what we write is Part 10 to everybody, and the receipt comes back from it."""

import io
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest

from schemas.messages import Receipt
from services.admin.importing.instances import read_instance
from services.dicom.elements import UnparsableDataSet
from services.dicom.part10 import MORE_FINDINGS, ObjectMeta, begin_object, read_object, write_receipt
from services.dicom.uids import IMPLEMENTATION_CLASS_UID, valid_uid

DATA_SET = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 192\x10\x00\x10\x00PN\x08\x00Doe^Jane"
META = ObjectMeta("1.2.840.10008.5.1.4.1.1.20", "2.25.7.1", "1.2.840.10008.1.2.1", "GAMMA1")


def receipt(offset: int, **changes: object) -> Receipt:
    return Receipt.model_validate(
        {
            "object_key": "objects/2026/11/23/20/0193.dcm",
            "received_at": datetime(2026, 11, 23, 20, 5, tzinfo=UTC),
            "sop_instance_uid": META.sop_instance_uid,
            "sop_class_uid": META.sop_class_uid,
            "study_instance_uid": "2.25.7",
            "series_instance_uid": "2.25.7.0",
            "transfer_syntax_uid": META.transfer_syntax_uid,
            "sha256": "ab" * 32,
            "size": len(DATA_SET),
            "offset": offset,
            "peer_address": "10.1.2.3",
            "calling_aet": "GAMMA1",
            "called_aet": "GATEWAY",
            "association": "c0ffee",
            "configuration": 7,
            "rule_set": 3,
            **changes,
        }
    )


def write_object(path: Path, **changes: object) -> Receipt:
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        offset = begin_object(fd, META)
        os.write(fd, DATA_SET)
        written = receipt(offset, **changes)
        write_receipt(fd, written)
    finally:
        os.close(fd)
    return written


def test_the_receipt_comes_back_and_the_data_set_is_untouched(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    written = write_object(path)
    with path.open("rb") as source:
        assert read_object(source, written.object_key) == written
    raw = path.read_bytes()
    assert raw[written.offset :] == DATA_SET
    assert raw[:132] == bytes(128) + b"DICM"
    assert written.offset <= 4096


def test_pydicom_reads_the_object(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    written = write_object(path)
    data_set = pydicom.dcmread(path)
    assert str(data_set.PatientName) == "Doe^Jane"
    meta = data_set.file_meta
    assert meta.FileMetaInformationGroupLength == written.offset - 132 - 12
    assert meta.MediaStorageSOPInstanceUID == "2.25.7.1"
    assert meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert valid_uid(meta.PrivateInformationCreatorUID)
    assert meta.SourceApplicationEntityTitle == "GAMMA1"


def test_dcmdump_reads_the_object(tmp_path: Path) -> None:
    dcmdump = shutil.which("dcmdump")
    assert dcmdump, "DCMTK is part of what tests/run installs"
    path = tmp_path / "a.dcm"
    write_object(path)
    told = subprocess.run([dcmdump, "-q", "+E", path], capture_output=True, text=True, check=True)
    assert "Doe^Jane" in told.stdout
    assert not told.stderr


def test_findings_that_do_not_fit_are_cut_and_flagged(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    findings = [f"element (0011,{number:04X}) has an odd length" for number in range(300)]
    written = write_object(path, findings=findings)
    with path.open("rb") as source:
        found = read_object(source, written.object_key)
    assert found.findings[-1] == MORE_FINDINGS
    assert found.findings[:-1] == findings[: len(found.findings) - 1]
    assert len(found.findings) > 30
    with path.open("r+b") as target:
        assert write_receipt(target.fileno(), written) == found
    assert path.read_bytes()[written.offset :] == DATA_SET


def test_the_key_under_which_an_object_is_found_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    write_object(path)
    with path.open("rb") as source:
        assert read_object(source, "objects/restored.dcm").object_key == "objects/restored.dcm"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda raw: raw[:-2], "truncated"),
        (lambda raw: raw + b"\0\0", "receipt-contradicts-object"),
        (lambda raw: raw[:1000], "truncated"),
        (lambda raw: raw[:140], "no-receipt"),
        (lambda raw: raw[200:], "not-part-10"),
        (lambda raw: b"", "not-part-10"),
        (lambda raw: raw.replace(b'"sha256"', b'"sha257"'), "no-receipt"),
        (lambda raw: raw.replace(b'{"object_key"', b'["object_key"'), "no-receipt"),
    ],
)
def test_damaged_objects_are_told_apart(tmp_path: Path, change: object, reason: str) -> None:
    path = tmp_path / "a.dcm"
    write_object(path)
    damaged = change(path.read_bytes())  # type: ignore[operator]
    with pytest.raises(UnparsableDataSet) as caught:
        read_object(io.BytesIO(damaged), "objects/a.dcm")
    assert caught.value.reason == reason


def test_an_object_whose_receipt_was_never_written_has_none(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    begin_object(fd, META)
    os.write(fd, DATA_SET)
    os.close(fd)
    with path.open("rb") as source, pytest.raises(UnparsableDataSet, match="no-receipt"):
        read_object(source, "objects/a.dcm")


@pytest.mark.parametrize("preamble", [b"MZ\x90\0", b"\x7fELF\2\1\1", b"II*\0", b"#!/bin/sh\n"])
def test_a_preamble_that_is_a_program_ends_at_the_door(tmp_path: Path, preamble: bytes) -> None:
    """CVE-2019-11687: of a file its data set alone is sent, and what is written begins with zeros."""
    write_object(tmp_path / "sent.dcm")
    brought = io.BytesIO(preamble.ljust(128, b"\1") + (tmp_path / "sent.dcm").read_bytes()[128:])
    found = read_instance(brought)
    assert found.offset > 132
    path = tmp_path / "kept.dcm"
    write_object(path)
    assert path.read_bytes()[:132] == bytes(128) + b"DICM"
