"""10,000 associations of bad input against one process: nothing of them is left, and it serves as before."""

import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.factories import ct
from tests.ingest_process import IngestProcess, ingest_process
from tests.integration.dicom.test_hostile_peers import (
    BEFORE_AN_ASSOCIATION,
    REJECTIONS,
    REQUEST,
    STORE,
    WITHIN_AN_ASSOCIATION,
)
from tests.integration.ingest.test_bad_input import CASES, Sent
from tests.stations import RawSender
from tests.stations.raw_sender import data_pdu, store_command
from tests.waiting import until

ASSOCIATIONS, WARM_UP, CLIENTS, SILENT = 10_000, 300, 12, 100
GROWTH_KB = 8_000
CHUNK = 16_000


@dataclass(frozen=True)
class Attack:
    """One connection: what is sent, whether an association is opened first, and how the answer begins."""

    data: bytes
    within: bool
    expected: bytes | None
    reset: bool = False


def of(parameters: list[Any], *, within: bool) -> list[Attack]:
    """The inputs of the Upper Layer's own tests."""
    return [Attack(data, within, expected) for data, expected in (each.values for each in parameters)]


def bad_store(bad: Sent) -> Attack:
    """A C-STORE that is refused, then an abort."""
    command = data_pdu(1, 3, store_command(bad.sop_class, bad.sop_instance, 1))
    pieces = [bad.data_set[start : start + CHUNK] for start in range(0, max(len(bad.data_set), 1), CHUNK)]
    data = b"".join(data_pdu(1, 2 if piece is pieces[-1] else 0, piece) for piece in pieces)
    return Attack(command + data + struct.pack(">BxI4x", 7, 4), True, b"\4\0")


VANISHING = [
    Attack(REQUEST[:40], False, None, reset=True),
    Attack(STORE + data_pdu(1, 0, ct(1).data_set[:1000]), True, None, reset=True),
    Attack(STORE + data_pdu(1, 0, b"\0" * 9000), True, None),
]
ATTACKS = [
    *of(BEFORE_AN_ASSOCIATION, within=False),
    *of(REJECTIONS, within=False),
    *of(WITHIN_AN_ASSOCIATION, within=True),
    *(bad_store(make()) for make, _ in CASES.values()),
    *VANISHING,
]


def attack(port: int, number: int) -> str:
    """Carry one out; "" or what went wrong."""
    attacked = ATTACKS[number % len(ATTACKS)]
    with socket.create_connection(("127.0.0.1", port), 10) as peer:
        if attacked.within:
            peer.sendall(REQUEST)
            if peer.recv(4096)[:1] != b"\2":
                return f"{number}: no association"
        with suppress(ConnectionError):
            peer.sendall(attacked.data)
        if attacked.reset:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if attacked.expected is None:
            return ""
        answer = _everything(peer)
        return "" if answer.startswith(attacked.expected) else f"{number}: {answer[:20]!r}"


def _everything(peer: socket.socket) -> bytes:
    collected = b""
    with suppress(ConnectionError):
        while part := peer.recv(65536):
            collected += part
    return collected


def at_once(port: int, numbers: range) -> None:
    """Many clients; every answer is the right one."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        faults = [fault for fault in clients.map(lambda number: attack(port, number), numbers) if fault]
    assert faults == []


@dataclass(frozen=True)
class Footprint:
    """What a process holds."""

    threads: int
    descriptors: int
    kilobytes: int

    @classmethod
    def of(cls, ingest: IngestProcess) -> "Footprint":
        assert ingest.process is not None
        at = Path(f"/proc/{ingest.process.pid}")
        (resident,) = (line.split()[1] for line in (at / "status").read_text().splitlines() if line.startswith("VmRSS"))
        return cls(len(list((at / "task").iterdir())), len(list((at / "fd").iterdir())), int(resident))


@pytest.mark.large
@pytest.mark.timeout(180)
def test_ten_thousand_bad_associations_leave_nothing(tmp_path: Path) -> None:
    with ingest_process(tmp_path, {"GATEWAY_LOG_LEVEL": "error"}) as ingest, ExitStack() as stack:
        idle = Footprint.of(ingest)
        at_once(ingest.port, range(WARM_UP))
        warm = _settled(ingest, idle)
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", ingest.port), 20)) for _ in range(SILENT)]
        at_once(ingest.port, range(ASSOCIATIONS))
        assert {_everything(peer)[:1] for peer in silent} == {b"\7"}  # half-open peers end at the ARTIM time
        stack.close()
        assert _settled(ingest, idle).kilobytes - warm.kilobytes < GROWTH_KB
        with RawSender(ingest.port) as sender:
            assert sender.echo() == 0
        assert ingest.unfinished() == []
        assert ingest.stored() == []


def _settled(ingest: IngestProcess, idle: Footprint) -> Footprint:
    """The footprint once there are no more threads and descriptors than when nobody had called."""

    def found() -> Footprint | None:
        now = Footprint.of(ingest)
        return now if now.threads <= idle.threads and now.descriptors <= idle.descriptors else None

    settled = until(found, limit=20, what="threads and descriptors to be back at the baseline")
    assert settled is not None
    return settled
