"""What a raw socket can do to an acceptor; tests/tables/hostile_associations.csv has the answer to each.

The bytes stand here, their answers in the table alone: whoever reads it knows what the gateway says to what.
"""

import csv
import struct
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.stations.raw_sender import (
    IMPLICIT_LITTLE_ENDIAN,
    VERIFICATION,
    associate_request,
    command_set,
    data_pdu,
    echo_command,
    item,
    number,
    pdu,
    store_command,
)

TABLE = Path(__file__).resolve().parents[1] / "tables" / "hostile_associations.csv"

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
CONTEXTS = [(CT, EXPLICIT)]
REQUEST = associate_request([*CONTEXTS, (VERIFICATION, IMPLICIT_LITTLE_ENDIAN)])
STORE = data_pdu(1, 3, store_command(CT, "1.2.3", 1))
CONTEXT_ITEM = REQUEST[REQUEST.index(b"\x20\0", 74) :][:4]
ONE_MORE = item(0x20, b"\2\0\0\0" + item(0x30, CT.encode()) + item(0x40, EXPLICIT.encode()))
NO_APPLICATION_CONTEXT = REQUEST[6:74] + REQUEST[REQUEST.index(CONTEXT_ITEM) :]
GREEDY = command_set({0x0100: number(0x30)})[:-6] + struct.pack("<IH", 99, 0x30)
STRANGE = struct.pack("<HHII", 0, 0, 4, 10) + struct.pack("<HHIH", 8, 0x0100, 2, 0x30)


def _command(**elements: bytes) -> bytes:
    return data_pdu(1, 3, command_set({int(key[1:], 16): value for key, value in elements.items()}))


def _fragment(length: int, context_id: int, flags: int, data: bytes = b"") -> bytes:
    return pdu(4, struct.pack(">IBB", length, context_id, flags) + data)


CONNECTION = {
    "unknown PDU type": pdu(0x99, b"hello"),
    "HTTP": b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n",
    "TLS ClientHello": bytes.fromhex("160301020001fc0303") + b"x" * 40,
    "1 GiB A-ASSOCIATE-RQ": struct.pack(">BxI", 1, 1 << 30) + b"x" * 5000,
    "1 GiB P-DATA-TF first": struct.pack(">BxI", 4, 1 << 30) + b"x" * 5000,
    "A-ASSOCIATE-RQ of 5 bytes": pdu(1, b"short"),
    "P-DATA-TF first": STORE,
    "A-RELEASE-RQ first": pdu(5, bytes(4)),
    "A-ASSOCIATE-AC first": pdu(2, REQUEST[6:]),
    "no presentation context": pdu(1, REQUEST[6:74]),
    "items cut": pdu(1, REQUEST[6:-3]),
    "item beyond the PDU": pdu(1, REQUEST[6:74] + b"\x10\0\xff\xff1.2"),
    "item beyond its parent": pdu(1, REQUEST[6:].replace(b"\x30\0\0", b"\x30\0\xff")),
    "even context id": REQUEST.replace(CONTEXT_ITEM + b"\1", CONTEXT_ITEM + b"\2"),
    "context id twice": REQUEST.replace(CONTEXT_ITEM + b"\1", CONTEXT_ITEM + b"\3"),
    "129 contexts": pdu(1, associate_request(CONTEXTS * 128)[6:] + ONE_MORE),
    "A-ABORT first": pdu(7, bytes(4)),
}
"""Instead of an A-ASSOCIATE-RQ, or for one."""
REQUESTS = {
    "protocol version": REQUEST[:6] + b"\0\2" + REQUEST[8:],
    "application context": REQUEST.replace(b"10008.3.1.1.1", b"10008.3.1.1.9"),
    "calling title": associate_request(CONTEXTS, calling_aet="STRANGER"),
    "calling title illegal": associate_request(CONTEXTS, calling_aet="A\nB"),
    "calling title blank": associate_request(CONTEXTS, calling_aet=""),
    "called title": associate_request(CONTEXTS, called_aet="OTHER"),
    "called title illegal": associate_request(CONTEXTS, called_aet="A\\B"),
    "maximum PDU of 7": associate_request(CONTEXTS, maximum_pdu=7),
    "maximum PDU of 1023": associate_request(CONTEXTS, maximum_pdu=1023),
    "no application context": pdu(1, NO_APPLICATION_CONTEXT),
    "calling not ASCII": associate_request(CONTEXTS, calling_aet="J\u00fcrgen"),
    "NUL in called": associate_request(CONTEXTS, called_aet="GATE\0WAY"),
}
"""Association requests that are rejected."""
ASSOCIATION = {
    "unknown PDU type": pdu(0x99, b""),
    "second A-ASSOCIATE-RQ": REQUEST,
    "A-RELEASE-RP": pdu(6, bytes(4)),
    "A-RELEASE-RQ of 5 bytes": pdu(5, bytes(5)),
    "1 GiB P-DATA-TF": struct.pack(">BxI", 4, 1 << 30) + b"x" * 5000,
    "P-DATA-TF above our maximum": struct.pack(">BxI", 4, 131072 + 1025),
    "empty P-DATA-TF": pdu(4, b""),
    "fragment of length 0": _fragment(0, 1, 3),
    "fragment of length 1": _fragment(1, 1, 3),
    "fragment beyond its PDU": _fragment(99, 1, 3, b"x"),
    "fragment of 4 GiB": _fragment(0xFFFFFFFF, 1, 3, b"x"),
    "empty command fragment that is not the last": _fragment(2, 1, 1),
    "rest too short": pdu(4, struct.pack(">IBB", 3, 1, 3) + b"x" + b"yyy"),
    "data set before any command": data_pdu(1, 2, b"data"),
    "context that was not accepted": data_pdu(9, 3, echo_command(1)),
    "command over two contexts": data_pdu(1, 1, b"x" * 10) + data_pdu(3, 3, b"x"),
    "garbage for a command set": data_pdu(1, 3, b"garbage!" * 9),
    "no Command Field": _command(_0110=number(1), _0800=number(0x101)),
    "unknown Command Field": _command(_0100=number(0x7777), _0110=number(1), _0800=number(0x101)),
    "a response nobody waits for": _command(
        _0100=number(0x8001), _0120=number(1), _0800=number(0x101), _0900=number(0)
    ),
    "wrong group length": data_pdu(1, 3, echo_command(1) + b"xx"),
    "command element beyond the command set": data_pdu(1, 3, GREEDY),
    "element of another group in a command": data_pdu(1, 3, STRANGE),
    "data set on another context": STORE + data_pdu(3, 2, b"x"),
    "command within a data set": STORE + STORE,
    "A-RELEASE-RQ within a data set": STORE + pdu(5, bytes(4)),
    "empty data fragment that is not the last": STORE + _fragment(2, 1, 0),
}
"""Within an association of CONTEXTS and Verification."""


def told(answer: bytes) -> str:
    """An answer in the words of the table: the first PDU of it, or that there was none."""
    if not answer:
        return "closed"
    kind, body = answer[0], answer[6:]
    if kind == 7:
        return f"A-ABORT ({body[2]},{body[3]})"
    if kind == 3:
        return f"A-ASSOCIATE-RJ ({body[1]},{body[2]},{body[3]})"
    if kind == 4 and (status := body.find(_STATUS)) >= 0:
        return f"C-STORE-RSP {int.from_bytes(body[status + 8 : status + 10], 'little'):04X}"
    return f"PDU type {kind:02X}"


_STATUS = struct.pack("<HHI", 0, 0x0900, 2)


@cache
def answers() -> Mapping[tuple[str, str], str]:
    """The answer to each input of each stage, in the order of their numbers."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        return {(row["stage"], row["input"]): row["answer"] for row in csv.DictReader(file)}
