"""Bad input: each gets its status, a log line and a metric, leaves nothing behind, and the next one is served."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from tests.factories import Instance, ct
from tests.ingest_process import IngestProcess
from tests.stations import RawSender
from tests.stations.raw_sender import command_set, data_pdu, number, store_command, uid
from tests.waiting import until

EXPLICIT = "1.2.840.10008.1.2.1"
MR_CLASS = "1.2.840.10008.5.1.4.1.1.4"


@dataclass(frozen=True)
class Sent:
    """What a bad sender says: the command's identifiers and the data set, each of its own."""

    sop_class: str
    sop_instance: str
    data_set: bytes


def sent(instance: Instance) -> Sent:
    """As a good sender would."""
    return Sent(instance.sop_class_uid, instance.sop_instance_uid, instance.data_set)


def replaced(tag: bytes, value: bytes) -> Sent:
    """A good instance whose UI element (by its four bytes of tag) has another value in the data set."""
    good = sent(ct(1))
    at = good.data_set.index(tag + b"UI")
    (length,) = struct.unpack_from("<H", good.data_set, at + 6)
    element = tag + b"UI" + struct.pack("<H", len(value)) + value
    return replace(good, data_set=good.data_set[:at] + element + good.data_set[at + 8 + length :])


SOP_CLASS, SOP_INSTANCE = b"\x08\x00\x16\x00", b"\x08\x00\x18\x00"
STUDY, SERIES = b"\x20\x00\x0d\x00", b"\x20\x00\x0e\x00"
EVIL = "../../../etc/cron.d/x"

CASES: dict[str, tuple[Callable[[], Sent], int, str]] = {
    "not DICOM": (lambda: replace(sent(ct(1)), data_set=b"GET / HTTP/1.1\r\n" * 64), 0xC000, "unparsable"),
    "truncated": (lambda: replace(sent(ct(1)), data_set=ct(1).data_set[:-7]), 0xC000, "unparsable"),
    "cut within a header": (lambda: replace(sent(ct(1)), data_set=ct(1).data_set[:11]), 0xC000, "unparsable"),
    "zero length": (lambda: replace(sent(ct(1)), data_set=b""), 0xC000, "empty-data-set"),
    "class not of the context": (lambda: replace(sent(ct(1)), sop_class=MR_CLASS), 0x0122, "class-not-of-context"),
    "class differs": (lambda: replaced(SOP_CLASS, uid(MR_CLASS)), 0xA900, "class-differs"),
    "class missing": (lambda: replaced(SOP_CLASS, b""), 0x0117, "uid-missing"),
    "UID differs": (lambda: replaced(SOP_INSTANCE, b"1.2.3.4.5.6"), 0xA900, "uid-differs"),
    "UID missing": (lambda: replaced(SOP_INSTANCE, b""), 0x0117, "uid-missing"),
    "UID illegal": (lambda: replaced(SOP_INSTANCE, uid("1.2.x")), 0x0117, "uid-illegal"),
    "study UID missing": (lambda: replaced(STUDY, b""), 0x0117, "uid-missing"),
    "study UID illegal": (lambda: replaced(STUDY, uid("1..2")), 0x0117, "uid-illegal"),
    "series UID missing": (lambda: replaced(SERIES, b""), 0x0117, "uid-missing"),
    "two series UIDs": (lambda: replaced(SERIES, uid("1.2\\1.3") + b"\0"), 0x0117, "uid-illegal"),
    "command without UID": (lambda: replace(sent(ct(1)), sop_instance=""), 0x0117, "uid-missing"),
    "path as UID": (lambda: replace(sent(ct(1)), sop_instance=EVIL), 0x0117, "uid-illegal"),
    "line end in UID": (lambda: replace(sent(ct(1)), sop_instance="1.2\n{}\x1b[31m"), 0x0117, "uid-illegal"),
    "UID of 65 characters": (lambda: replace(sent(ct(1)), sop_instance="1." * 32 + "1"), 0x0117, "uid-illegal"),
}


@pytest.mark.parametrize("name", CASES)
def test_is_refused_and_leaves_nothing(ingest: IngestProcess, name: str) -> None:
    make, status, cause = CASES[name]
    bad, before = make(), ingest.stored()
    counted = ingest.metric(f'gateway_ingest_refused_total{{cause="{cause}"}}')
    good = ct(sum(map(ord, name)))
    with RawSender(ingest.port, contexts=[(good.sop_class_uid, EXPLICIT)]) as sender:
        assert answer(sender, bad) == (status, True)
        assert sender.store(good.sop_class_uid, good.sop_instance_uid, EXPLICIT, good.data_set) == 0
    assert len(ingest.stored()) == len(before) + 1
    assert ingest.unfinished() == []
    assert ingest.metric(f'gateway_ingest_refused_total{{cause="{cause}"}}') == counted + 1
    refused = [line for line in ingest.log() if line["event"] == "instance_refused"][-1]
    assert (refused["cause"], refused["status"]) == (cause, f"{status:04X}")


def test_no_data_set(ingest: IngestProcess) -> None:
    good = ct(1)
    elements = {0x0002: uid(good.sop_class_uid), 0x0100: number(1), 0x0110: number(1), 0x0800: number(0x0101)}
    with RawSender(ingest.port, contexts=[(good.sop_class_uid, EXPLICIT)]) as sender:
        sender._message_id = 1
        sender.socket.sendall(data_pdu(1, 3, command_set(elements | {0x1000: uid(good.sop_instance_uid)})))
        assert sender.read_status() == 0xC000
        assert sender.echo() == 0
    assert ingest.unfinished() == []


def test_larger_than_allowed_is_aborted_and_leaves_nothing(ingest: IngestProcess) -> None:
    large, before = ct(1, pixel_bytes=1_100_000), ingest.stored()
    with (
        pytest.raises(OSError, match=r"A-ABORT|reset|Broken pipe"),
        RawSender(ingest.port, contexts=[(large.sop_class_uid, EXPLICIT)]) as sender,
    ):
        sender.store(large.sop_class_uid, large.sop_instance_uid, EXPLICIT, large.data_set)
    until(lambda: not ingest.unfinished(), what="the half-written file to go")
    assert ingest.stored() == before
    assert ingest.metric('gateway_ingest_refused_total{cause="too-large"}') == 1
    good = ct(2)
    with RawSender(ingest.port, contexts=[(good.sop_class_uid, EXPLICIT)]) as sender:
        assert sender.store(good.sop_class_uid, good.sop_instance_uid, EXPLICIT, good.data_set) == 0


def test_sender_that_vanishes_leaves_nothing(ingest: IngestProcess) -> None:
    good, before = ct(1, pixel_bytes=200_000), ingest.stored()
    command = store_command(good.sop_class_uid, good.sop_instance_uid, 1)
    sender = RawSender(ingest.port, contexts=[(good.sop_class_uid, EXPLICIT)]).__enter__()
    sender.socket.sendall(data_pdu(1, 3, command) + data_pdu(1, 0, good.data_set[:30_000]))
    sender.socket.close()
    until(lambda: not ingest.unfinished(), what="the half-written file to go")
    assert ingest.stored() == before


def test_transfer_syntax_nobody_knows_is_not_accepted(ingest: IngestProcess) -> None:
    good = ct(1)
    with RawSender(ingest.port, contexts=[(good.sop_class_uid, "1.2.3.4.5")]) as sender:
        with pytest.raises(ValueError, match="no presentation context"):
            sender.store(good.sop_class_uid, good.sop_instance_uid, "1.2.3.4.5", good.data_set)
        assert sender.echo() == 0


def answer(sender: RawSender, bad: Sent) -> tuple[int, bool]:
    """The status of a C-STORE in the first context, and whether it came with a comment of at most 64 characters."""
    sender._message_id += 1
    command = store_command(bad.sop_class, bad.sop_instance, sender._message_id)
    sender.socket.sendall(data_pdu(1, 3, command))
    for pdu in sender._data_pdus(1, bad.data_set):
        sender.socket.sendall(pdu)
    elements = sender.read_command()
    (status,) = struct.unpack("<H", elements[0x0900])
    return status, 0 < len(elements.get(0x0902, b"")) <= 64
