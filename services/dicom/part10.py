"""Objects as the gateway writes them: a cleared preamble, our file meta with the receipt, the received data set.

The receipt is private information in the file meta (PS3.10 section 7.1): (0002,0100) names its creator, (0002,0102)
holds it. It is JSON, padded with blanks to a fixed size, so that it can be written after the data set, whose hash and
findings it carries, and before the object is committed. Whatever reads Part 10 reads these files.
"""

import io
import json
import os
from dataclasses import dataclass
from struct import Struct
from typing import Any, BinaryIO, Final

from pydantic import ValidationError

from schemas.messages import Receipt
from services.dicom.elements import UnparsableDataSet
from services.dicom.uids import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    PRIVATE_INFORMATION_CREATOR_UID,
)

RECEIPT_BYTES: Final = 3072
MORE_FINDINGS: Final = "findings-cut"
"""Last finding of a receipt that had more than fit into its block."""

_PREAMBLE: Final = bytes(128) + b"DICM"
_SHORT: Final = Struct("<HH2sH")
_LONG: Final = Struct("<HH2sHL")
_LARGEST_META: Final = 4096
_RECEIPT_TAG: Final = (0x0002, 0x0102)
_LONG_VRS: Final = frozenset({b"OB", b"OW", b"OF", b"SQ", b"UN", b"UT"})


@dataclass(frozen=True)
class ObjectMeta:
    """What the file meta says of the data set; ``source_aet`` is the AE that sent it, left out when empty."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    source_aet: str = ""


def begin_object(fd: int, meta: ObjectMeta) -> int:
    """Write all that stands before the data set, with an empty receipt; the offset of the data set.

    The descriptor must be at the beginning of an empty file. At most 4096 bytes are written.

    Raises:
        OSError: as ``os.write``.
    """
    creator = _short(0x0100, b"UI", PRIVATE_INFORMATION_CREATOR_UID)
    head = memoryview(_head(meta, creator + _long(_RECEIPT_TAG[1], b"OB", b" " * RECEIPT_BYTES)))
    written = 0
    while written < len(head):
        written += os.write(fd, head[written:])
    return written


def file_head(meta: ObjectMeta) -> bytes:
    """What stands before the data set in a file for others: as in our objects, without the receipt."""
    return _head(meta, b"")


def write_receipt(fd: int, receipt: Receipt) -> Receipt:
    """Fill the receipt's block of an object that ``begin_object`` began; the receipt as it was written.

    Findings that do not fit are cut, and the cut is flagged.

    Raises:
        OSError: as ``os.pwrite``.
        ValueError: the receipt does not fit even without findings.
    """
    written_receipt, encoded = _fitted(receipt)
    block = memoryview(encoded.ljust(RECEIPT_BYTES))
    place = receipt.offset - RECEIPT_BYTES
    written = 0
    while written < RECEIPT_BYTES:
        written += os.pwrite(fd, block[written:], place + written)
    return written_receipt


def read_object(source: BinaryIO, key: str) -> Receipt:
    """The receipt of a complete object under that key, as the sweep needs it.

    Raises:
        UnparsableDataSet: no object of ours, no receipt in it, or its length is not what the receipt says.
    """
    source.seek(0)
    head = source.read(_LARGEST_META + 1)
    block, end = _private_information(head)
    try:
        document: Any = json.loads(block)
        receipt = Receipt.model_validate({**document, "object_key": key} if isinstance(document, dict) else document)
    except (ValueError, ValidationError) as fault:
        raise UnparsableDataSet("no-receipt", end - len(block)) from fault
    if receipt.offset != end:
        raise UnparsableDataSet("receipt-contradicts-object", end)
    length = source.seek(0, io.SEEK_END) - end
    if length != receipt.size:
        raise UnparsableDataSet("truncated" if length < receipt.size else "receipt-contradicts-object", end + length)
    return receipt


def _head(meta: ObjectMeta, private: bytes) -> bytes:
    """Preamble and file meta, ``private`` being its last elements."""
    elements = b"".join(
        (
            _long(0x0001, b"OB", b"\0\1"),
            _short(0x0002, b"UI", meta.sop_class_uid),
            _short(0x0003, b"UI", meta.sop_instance_uid),
            _short(0x0010, b"UI", meta.transfer_syntax_uid),
            _short(0x0012, b"UI", IMPLEMENTATION_CLASS_UID),
            _short(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME),
            _short(0x0016, b"AE", meta.source_aet) if meta.source_aet else b"",
            private,
        )
    )
    group_length = _SHORT.pack(0x0002, 0x0000, b"UL", 4) + len(elements).to_bytes(4, "little")
    return _PREAMBLE + group_length + elements


def _short(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii")
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return _SHORT.pack(0x0002, element, vr, len(value)) + value


def _long(element: int, vr: bytes, value: bytes) -> bytes:
    return _LONG.pack(0x0002, element, vr, 0, len(value)) + value


def _fitted(receipt: Receipt) -> tuple[Receipt, bytes]:
    encoded = receipt.model_dump_json().encode()
    findings = list(receipt.findings)
    while len(encoded) > RECEIPT_BYTES and findings:
        excess = len(encoded) - RECEIPT_BYTES
        while findings and excess > -len(MORE_FINDINGS):
            excess -= len(findings.pop()) + 3
        receipt = receipt.model_copy(update={"findings": [*findings, MORE_FINDINGS]})
        encoded = receipt.model_dump_json().encode()
    if len(encoded) > RECEIPT_BYTES:
        raise ValueError(f"a receipt of {len(encoded)} bytes without findings does not fit into {RECEIPT_BYTES}")
    return receipt, encoded


def _private_information(head: bytes) -> tuple[bytes, int]:
    """The value of (0002,0102) and the end of the file meta."""
    if head[128:132] != b"DICM":
        raise UnparsableDataSet("not-part-10", 0)
    place, block = len(_PREAMBLE), b""
    while place + 12 <= len(head) and head[place : place + 2] == b"\2\0":
        _, element, vr, length = _SHORT.unpack_from(head, place)
        start = place + 8
        if vr in _LONG_VRS:
            length, start = _LONG.unpack_from(head, place)[4], place + 12
        place = start + length
        if place > len(head):
            raise UnparsableDataSet("truncated", start)
        if element == _RECEIPT_TAG[1]:
            block = head[start:place]
    if not block:
        raise UnparsableDataSet("no-receipt", place)
    return block, place
