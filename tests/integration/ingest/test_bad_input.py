"""Bad input: each gets its status, a log line and a metric, leaves nothing behind, and the next one is served."""

import hashlib
import socket
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from services.dicom.part10 import read_object
from tests.factories import Instance, ct
from tests.ingest_process import IngestProcess
from tests.stations import RawSender
from tests.stations.raw_sender import command_set, data_pdu, number, store_command, uid
from tests.unit.ingest.test_causes import TABLE
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
PIXEL_DATA = b"\xe0\x7f\x10\x00"
KEPT = (0x0000, 0xB007)
DEEP = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 300
BEYOND = b"\x08\x00\x06\x00SQ\0\0\x0c\0\0\0\xfe\xff\x00\xe0\x40\0\0\0\x08\x00\x60\x00"
EVIL = "../../../etc/cron.d/x"


def without_pixels(pixels: bytes) -> Sent:
    """A good instance with these instead of its pixel data."""
    good = sent(ct(1))
    return replace(good, data_set=good.data_set[: good.data_set.index(PIXEL_DATA)] + pixels)


CASES: dict[str, tuple[Callable[[], Sent], str]] = {
    "not DICOM": (lambda: replace(sent(ct(1)), data_set=b"GET / HTTP/1.1\r\n" * 64), "unparsable"),
    "truncated": (lambda: replace(sent(ct(1)), data_set=ct(1).data_set[:-7]), "unparsable"),
    "cut within a header": (lambda: replace(sent(ct(1)), data_set=ct(1).data_set[:11]), "unparsable"),
    "300 sequences deep": (lambda: replace(sent(ct(1)), data_set=DEEP), "unparsable"),
    "4 GiB declared": (lambda: without_pixels(PIXEL_DATA + b"OW\0\0\xfe\xff\xff\xffpixels"), "unparsable"),
    "beyond its parent": (lambda: replace(sent(ct(1)), data_set=BEYOND + ct(1).data_set), "unparsable"),
    "zero length": (lambda: replace(sent(ct(1)), data_set=b""), "empty-data-set"),
    "no pixel data": (lambda: without_pixels(b""), "pixel-data-missing"),
    "empty pixel data": (lambda: without_pixels(PIXEL_DATA + b"OW\0\0\0\0\0\0"), "pixel-data-missing"),
    "short pixel data": (lambda: without_pixels(PIXEL_DATA + b"OW\0\0\2\0\0\0xx"), "pixel-data-short"),
    "class not of the context": (lambda: replace(sent(ct(1)), sop_class=MR_CLASS), "class-not-of-context"),
    "class differs": (lambda: replaced(SOP_CLASS, uid(MR_CLASS)), "class-differs"),
    "class missing": (lambda: replaced(SOP_CLASS, b""), "uid-missing"),
    "UID differs": (lambda: replaced(SOP_INSTANCE, b"1.2.3.4.5.6"), "uid-differs"),
    "UID missing": (lambda: replaced(SOP_INSTANCE, b""), "uid-missing"),
    "UID illegal": (lambda: replaced(SOP_INSTANCE, uid("1.2.x")), "uid-illegal"),
    "study UID missing": (lambda: replaced(STUDY, b""), "uid-missing"),
    "study UID illegal": (lambda: replaced(STUDY, uid("1..2")), "uid-illegal"),
    "series UID missing": (lambda: replaced(SERIES, b""), "uid-missing"),
    "two series UIDs": (lambda: replaced(SERIES, uid("1.2\\1.3") + b"\0"), "uid-illegal"),
    "command without UID": (lambda: replace(sent(ct(1)), sop_instance=""), "uid-missing"),
    "path as UID": (lambda: replace(sent(ct(1)), sop_instance=EVIL), "uid-illegal"),
    "line end in UID": (lambda: replace(sent(ct(1)), sop_instance="1.2\n{}\x1b[31m"), "uid-illegal"),
    "UID of 65 characters": (lambda: replace(sent(ct(1)), sop_instance="1." * 32 + "1"), "uid-illegal"),
}


def expected(ingest: IngestProcess, cause: str) -> int:
    """The status of a cause in the process's profile."""
    xeleris, gateway = TABLE[cause]
    return xeleris if ingest.settings.get("GATEWAY_PROFILE") == "xeleris" else gateway


@pytest.mark.parametrize("name", CASES)
def test_is_refused_and_leaves_nothing(ingest: IngestProcess, name: str) -> None:
    make, cause = CASES[name]
    bad, before, status = make(), ingest.stored(), expected(ingest, cause)
    counted = ingest.metric(f'gateway_ingest_refused_total{{cause="{cause}"}}')
    good = ct(sum(map(ord, name)))
    with RawSender(ingest.port, contexts=[(good.sop_class_uid, EXPLICIT)]) as sender:
        assert answer(sender, bad) == (status, True)
        assert sender.store(good.sop_class_uid, good.sop_instance_uid, EXPLICIT, good.data_set) in KEPT
    assert len(ingest.stored()) == len(before) + 1
    assert ingest.unfinished() == []
    assert ingest.metric(f'gateway_ingest_refused_total{{cause="{cause}"}}') == counted + 1
    refused = [line for line in ingest.log() if line["event"] == "instance_refused"][-1]
    assert (refused["cause"], refused["status"]) == (cause, f"{status:04X}")


ODD: dict[str, Callable[[], Instance]] = {
    "bytes that the character set does not have": lambda: ct(
        1, SpecificCharacterSet="ISO_IR 6", PatientName="Zo\u00eb"
    ),
    "NUL in a name": lambda: ct(1, PatientName="A\0B"),
    "a character set nobody knows": lambda: _rewritten(b"ISO_IR 100", b"ISO_IR 999"),
    "a private element without a creator": lambda: _with_private(ct(1)),
}


@pytest.mark.parametrize("name", ODD)
def test_one_bad_element_never_loses_an_object(ingest: IngestProcess, name: str) -> None:
    with warnings.catch_warnings(action="ignore"):
        odd = ODD[name]()
    before = set(ingest.stored())
    with RawSender(ingest.port, contexts=[(odd.sop_class_uid, EXPLICIT)]) as sender:
        assert sender.store(odd.sop_class_uid, odd.sop_instance_uid, EXPLICIT, odd.data_set) in KEPT
    (key,) = set(ingest.stored()) - before
    with ingest.objects.open(key) as source:
        receipt = read_object(source, key)
        source.seek(receipt.offset)
        assert source.read() == odd.data_set


def _rewritten(old: bytes, new: bytes) -> Instance:
    return replace(ct(1), data_set=ct(1).data_set.replace(old, new, 1))


def _with_private(instance: Instance) -> Instance:
    at = instance.data_set.index(SOP_CLASS)
    while instance.data_set[at : at + 2] < b"\x09\x00":
        (length,) = struct.unpack_from("<H", instance.data_set, at + 6)
        at += 8 + length
    element = b"\x09\x00\x01\x10LO\x04\x00odd "
    return replace(instance, data_set=instance.data_set[:at] + element + instance.data_set[at:])


def test_no_data_set(ingest: IngestProcess) -> None:
    good = ct(1)
    elements = {0x0002: uid(good.sop_class_uid), 0x0100: number(1), 0x0110: number(1), 0x0800: number(0x0101)}
    with RawSender(ingest.port, contexts=[(good.sop_class_uid, EXPLICIT)]) as sender:
        sender._message_id = 1
        sender.socket.sendall(data_pdu(1, 3, command_set(elements | {0x1000: uid(good.sop_instance_uid)})))
        assert sender.read_status() == expected(ingest, "no-data-set")
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
        assert sender.store(good.sop_class_uid, good.sop_instance_uid, EXPLICIT, good.data_set) in KEPT


def test_sender_that_vanishes_leaves_nothing(ingest: IngestProcess) -> None:
    good, before = ct(1, pixel_bytes=200_000), ingest.stored()
    command = store_command(good.sop_class_uid, good.sop_instance_uid, 1)
    sender = RawSender(ingest.port, contexts=[(good.sop_class_uid, EXPLICIT)]).__enter__()
    sender.socket.sendall(data_pdu(1, 3, command) + data_pdu(1, 0, good.data_set[:30_000]))
    sender.socket.close()
    until(lambda: not ingest.unfinished(), what="the half-written file to go")
    assert ingest.stored() == before


def test_sender_that_resets_after_the_last_fragment_leaves_all_or_nothing(ingest: IngestProcess) -> None:
    """Whether the object was complete when the reset came decides; there is no half of it."""
    before = ingest.stored()
    for seed in range(20, 25):
        good = ct(seed)
        sender = RawSender(ingest.port, contexts=[(good.sop_class_uid, EXPLICIT)]).__enter__()
        sender.socket.sendall(data_pdu(1, 3, store_command(good.sop_class_uid, good.sop_instance_uid, 1)))
        sender.socket.sendall(b"".join(sender._data_pdus(1, good.data_set)))
        sender.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sender.socket.close()
    until(lambda: not ingest.unfinished(), what="half-written files to go")
    with RawSender(ingest.port) as after:
        assert after.echo() == 0
    kept = set(ingest.stored()) - set(before)
    assert len(kept) <= 5
    for key in kept:
        with ingest.objects.open(key) as source:
            receipt = read_object(source, key)
            source.seek(receipt.offset)
            assert hashlib.sha256(source.read()).hexdigest() == receipt.sha256


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
