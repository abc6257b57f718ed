"""The data sets of storage commitment: what we write others read, what others write is told apart (R133 to R136)."""

import io
import random
import struct
import time

import pytest
from pydicom import dcmread
from pydicom.uid import UID

from services.dicom import commitment, status
from services.dicom.commitment import UnreadableCommitment, encode_report, encode_request, read_report, read_request
from services.dicom.uids import valid_uid

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
NM = "1.2.840.10008.5.1.4.1.1.20"
TRANSACTION = "1.2.3.99"


def parsed(data: bytes, syntax: str) -> object:
    """The data set as pydicom reads it."""
    return dcmread(io.BytesIO(_part10(data, syntax)))


def _part10(data: bytes, syntax: str) -> bytes:
    encoded = syntax.encode() + b"\0" * (len(syntax) % 2)
    meta = struct.pack("<HH2sH", 2, 0x10, b"UI", len(encoded)) + encoded
    return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta)) + meta + data


@pytest.mark.requirement("R78", "R133", "R134")
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_a_request_of_twenty_thousand_instances_is_written_and_read_fast(syntax: str) -> None:
    instances = [(NM, f"1.2.3.{number}") for number in range(20_000)]
    begun = time.process_time()
    data = encode_request(TRANSACTION, instances, syntax)
    requested = read_request(data, syntax)
    assert time.process_time() - begun < 5
    assert requested.transaction_uid == TRANSACTION
    assert [(each.sop_class_uid, each.sop_instance_uid) for each in requested.instances] == instances
    small = parsed(encode_request(TRANSACTION, instances[:2], syntax), syntax)
    assert [element.keyword for element in small.iterall()] == [  # type: ignore[attr-defined]
        "TransactionUID", "ReferencedSOPSequence",
        *("ReferencedSOPClassUID", "ReferencedSOPInstanceUID") * 2,
    ]  # fmt: skip


@pytest.mark.requirement("R82", "R133", "R135")
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_a_report_is_read_as_it_was_written(syntax: str) -> None:
    data = encode_report(TRANSACTION, [(NM, "1.2.3.1")], [(NM, "1.2.3.22", 0x0112)], syntax, retrieve_aet="GATEWAY")
    reported = read_report(data, syntax)
    assert [each.sop_instance_uid for each in reported.committed] == ["1.2.3.1"]
    assert [(each.sop_instance_uid, each.failure_reason) for each in reported.failed] == [("1.2.3.22", 0x0112)]
    whole = parsed(data, syntax)
    assert whole.RetrieveAETitle == "GATEWAY"  # type: ignore[attr-defined]
    assert whole.FailedSOPSequence[0].FailureReason == 0x0112  # type: ignore[attr-defined]
    assert b"GATEWAY" not in encode_report(TRANSACTION, [(NM, "1.2.3.1")], [], syntax)


def test_an_instance_that_is_named_twice_is_asked_for_once() -> None:
    data = encode_request(TRANSACTION, [(NM, "1.2.3"), (NM, "1.2.4"), (NM, "1.2.3")], EXPLICIT)
    assert [each.sop_instance_uid for each in read_request(data, EXPLICIT).instances] == ["1.2.3", "1.2.4"]


def test_what_names_nothing_or_is_of_another_syntax_is_not_written() -> None:
    with pytest.raises(ValueError, match="at least one"):
        encode_request(TRANSACTION, [], EXPLICIT)
    with pytest.raises(ValueError, match="at least one"):
        encode_report(TRANSACTION, [], [], EXPLICIT)
    with pytest.raises(ValueError, match=r"1\.2\.840\.10008\.1\.2\.2"):
        encode_request(TRANSACTION, [(NM, "1.2")], "1.2.840.10008.1.2.2")


GOOD = encode_request(TRANSACTION, [(NM, "1.2.3.1")], EXPLICIT)
SEQUENCE = GOOD.index(b"\x08\0\x99\x11")


def _element(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


WRONG = {
    "sequence is no sequence": (GOOD[:SEQUENCE] + _element(0x00081199, b"LO", b"ab"), 0x0212),
    "transaction of another type": (_element(0x00081195, b"US", b"12") + GOOD[SEQUENCE:], 0x0212),
    "transaction too long": (_element(0x00081195, b"UI", b"1." * 40) + GOOD[SEQUENCE:], 0x0212),
    "no transaction": (GOOD[SEQUENCE:], 0x0115),
    "no legal transaction": (_element(0x00081195, b"UI", b"../x") + GOOD[SEQUENCE:], 0x0115),
    "no sequence": (GOOD[:SEQUENCE], 0x0115),
    "sequence of no items": (GOOD[:SEQUENCE] + struct.pack("<HH2s2xI", 8, 0x1199, b"SQ", 0), 0x0115),
    "instance without UID": (encode_request(TRANSACTION, [(NM, "1.2"), (NM, "")], EXPLICIT), 0x0115),
    "nothing": (b"", 0x0115),
    "cut": (GOOD[:-5], 0x0110),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_why_a_request_cannot_be_read_is_told_apart(wrong: str) -> None:
    data, answer = WRONG[wrong]
    with pytest.raises(UnreadableCommitment) as caught:
        read_request(data, EXPLICIT)
    assert caught.value.status == answer


def test_implicit_bytes_where_items_have_to_be_are_no_sequence() -> None:
    data = encode_request(TRANSACTION, [(NM, "1.2.3.1")], IMPLICIT)
    start = data.index(b"\x08\0\x99\x11")
    with pytest.raises(UnreadableCommitment) as caught:
        read_request(data[:start] + struct.pack("<HHI", 8, 0x1199, 4) + b"abcd", IMPLICIT)
    assert caught.value.status == status.MISTYPED_ARGUMENT


def test_hostile_bytes_are_read_or_refused() -> None:
    """Nothing else is ever raised, and what is read has legal UIDs."""
    chance = random.Random(4)
    for syntax in (EXPLICIT, IMPLICIT):
        good = encode_report(TRANSACTION, [(NM, "1.2.3.1")] * 3, [(NM, "1.2.3.2", 0x0110)], syntax)
        for _ in range(1500):
            data = bytearray(good)
            for _ in range(chance.randint(1, 6)):
                data[chance.randrange(len(data))] = chance.choice((0, 1, 8, 0x7F, 0xFE, 0xFF, chance.randrange(256)))
            for read in (read_report, read_request):
                try:
                    found = read(bytes(data[: chance.choice((len(data), chance.randrange(len(data))))]), syntax)
                except UnreadableCommitment:
                    continue
                assert valid_uid(found.transaction_uid)  # type: ignore[attr-defined]


def test_too_many_instances_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commitment, "MOST_INSTANCES", 3)
    with pytest.raises(UnreadableCommitment, match="too-many-instances"):
        read_request(encode_request(TRANSACTION, [(NM, f"1.2.{n}") for n in range(4)], EXPLICIT), EXPLICIT)


@pytest.mark.requirement("R136")
def test_failure_reasons_have_names() -> None:
    names = {reason: commitment.failure_name(reason) for reason in (0x0110, 0x0112, 0x0213, 0x0122, 0x0119, 0x0131)}
    assert len(set(names.values())) == 6
    assert names[0x0112] == "No such object instance"
    assert commitment.failure_name(0x0999) == commitment.failure_name(0) == "undefined"


@pytest.mark.requirement("R134")
def test_transaction_uids_are_new_and_legal() -> None:
    made = {commitment.new_transaction_uid() for _ in range(100)}
    assert len(made) == 100
    assert all(UID(each).is_valid for each in made)
