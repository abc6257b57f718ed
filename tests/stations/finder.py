"""A Query SCU on a plain socket, for statuses, cancels and figures that DCMTK does not show."""

import struct
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import NamedTuple

from pydicom import Dataset
from pydicom.filereader import read_dataset

from tests.stations.raw_sender import RawSender, associate_request, command_set, data_pdu, item, number, uid

PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1.1"
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
SUCCESS, MATCH, SOME_KEYS, CANCELLED = 0x0000, 0xFF00, 0xFF01, 0xFE00


class Response(NamedTuple):
    """One C-FIND response; ``data`` is its identifier as it came."""

    status: int
    data: bytes
    comment: str = ""

    def identifier(self, syntax: str = IMPLICIT) -> Dataset:
        """The identifier, read by pydicom."""
        return read_dataset(BytesIO(self.data), syntax == IMPLICIT, True)


def element(tag: int, value: bytes | str = b"") -> bytes:
    """An element in Implicit VR Little Endian, padded."""
    encoded = value.encode() if isinstance(value, str) else value
    encoded += b"\0" * (len(encoded) % 2)
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(encoded)) + encoded


def identifier(level: str, keys: Mapping[int, bytes | str]) -> bytes:
    """A query's identifier in Implicit VR Little Endian, in order of the tags."""
    return b"".join(element(tag, value) for tag, value in sorted({0x00080052: level, **keys}.items()))


def items_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    """PDU items: type and body."""
    while data:
        kind, length = struct.unpack_from(">BxH", data)
        yield kind, data[4 : 4 + length]
        data = data[4 + length :]


class Finder(RawSender):
    """One association with both models."""

    def __init__(
        self,
        port: int,
        calling_aet: str = "SCANNER1",
        *,
        syntax: str = IMPLICIT,
        extended: Mapping[str, bytes] | None = None,
    ) -> None:
        """``extended``: extended negotiation by SOP class."""
        super().__init__(port, calling_aet, contexts=[(PATIENT_ROOT, syntax), (STUDY_ROOT, syntax)])
        self._syntax = syntax
        wanted = b"".join(
            item(0x56, struct.pack(">H", len(sop_class)) + sop_class.encode() + information)
            for sop_class, information in (extended or {}).items()
        )
        self._request = associate_request(self._contexts, calling_aet=calling_aet, more_user_items=wanted)
        self.extended: dict[str, bytes] = {}
        """What the peer answered to ``extended``."""

    def _accept(self, items: bytes) -> None:
        super()._accept(items)
        for kind, body in items_of(items):
            for sub_kind, information in items_of(body) if kind == 0x50 else ():
                if sub_kind == 0x56:
                    length = struct.unpack_from(">H", information)[0]
                    self.extended[information[2 : 2 + length].decode()] = information[2 + length :]

    def ask(self, data: bytes, root: str = STUDY_ROOT) -> None:
        """Send a C-FIND-RQ and wait for nothing."""
        self._message_id += 1
        command = command_set(
            {
                0x0002: uid(root),
                0x0100: number(0x0020),
                0x0110: number(self._message_id),
                0x0700: number(0),
                0x0800: number(1 if data else 0x0101),
            }
        )
        context = self._context_id(root, self._syntax)
        data_pdus = b"".join(self._data_pdus(context, data)) if data else b""
        self.socket.sendall(data_pdu(context, 3, command) + data_pdus)

    def cancel(self, root: str = STUDY_ROOT) -> None:
        """Send a C-CANCEL for the last request."""
        command = command_set({0x0100: number(0x0FFF), 0x0120: number(self._message_id), 0x0800: number(0x0101)})
        self.socket.sendall(data_pdu(self._context_id(root, self._syntax), 3, command))

    def responses(self) -> Iterator[Response]:
        """The responses to the last request, up to the last one."""
        while True:
            command = self.read_command()
            status = struct.unpack("<H", command[0x0900])[0]
            data = self._data_set() if command[0x0800] != number(0x0101) else b""
            yield Response(status, data, command.get(0x0902, b"").decode().strip())
            if status not in (MATCH, SOME_KEYS):
                return

    def find(self, data: bytes, root: str = STUDY_ROOT) -> list[Response]:
        """Ask, and every response."""
        self.ask(data, root)
        return list(self.responses())

    def _data_set(self) -> bytes:
        data, last = b"", False
        while not last:
            kind, body = self.read_pdu()
            assert kind == 4
            length, _, flags = struct.unpack_from(">IBB", body)
            data += body[6 : 4 + length]
            last = bool(flags & 2)
        return data
