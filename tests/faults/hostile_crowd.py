"""Hostile peers in a process of their own, so that they take no time from the good sender that is measured beside them.

``python -m tests.faults.hostile_crowd PORT`` reads lines ``FIRST COUNT RATE`` and carries out that many attacks, so
many a second; it answers each line with the faults it saw, as a JSON list of texts.
"""

import json
import socket
import struct
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from tests.factories import ct
from tests.integration.ingest.test_bad_input import CASES, Sent
from tests.stations.hostile import ASSOCIATION, CONNECTION, REQUEST, REQUESTS, STORE, answers, told
from tests.stations.raw_sender import data_pdu, store_command

CLIENTS = 12
LIMIT_SECONDS = 10
_CHUNK = 16_000


@dataclass(frozen=True)
class Attack:
    """One association: what is sent, whether one is opened first, and how it is left."""

    data: bytes
    within: bool = False
    stays: bool = True
    """For the answer; else it goes without waiting for one."""
    reset: bool = False


def _bad_store(bad: Sent) -> Attack:
    """A C-STORE that is refused, then an abort."""
    command = data_pdu(1, 3, store_command(bad.sop_class, bad.sop_instance, 1))
    starts = range(0, max(len(bad.data_set), 1), _CHUNK)
    pieces = [bad.data_set[start : start + _CHUNK] for start in starts]
    data = b"".join(data_pdu(1, 2 if number == len(pieces) - 1 else 0, piece) for number, piece in enumerate(pieces))
    return Attack(command + data + struct.pack(">BxI4x", 7, 4), within=True)


def _vanishing() -> Iterator[tuple[str, Attack]]:
    yield "reset within the request", Attack(REQUEST[:40], stays=False, reset=True)
    begun = STORE + data_pdu(1, 0, ct(1).data_set[:1000])
    yield "reset within a data set", Attack(begun, within=True, stays=False, reset=True)
    yield "closed within a data set", Attack(begun, within=True, stays=False)


def attacks() -> dict[tuple[str, str], Attack]:
    """Every kind of the table, by its stage and name."""
    made = {("connection", name): Attack(data) for name, data in CONNECTION.items()}
    made |= {("request", name): Attack(data) for name, data in REQUESTS.items()}
    made |= {("association", name): Attack(data, within=True) for name, data in ASSOCIATION.items()}
    made |= {("instance", name): _bad_store(make()) for name, (make, _) in CASES.items()}
    return made | {("vanishing", name): attack for name, attack in _vanishing()}


def attacked(port: int, attack: Attack) -> str:
    """Carry one out; the answer in the words of the table."""
    with socket.create_connection(("127.0.0.1", port), LIMIT_SECONDS) as peer:
        if attack.within:
            peer.sendall(REQUEST)
            if (answer := peer.recv(4096))[:1] != b"\2":
                return f"no association: {answer!r}"
        with suppress(ConnectionError):
            peer.sendall(attack.data)
        if attack.reset:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return told(everything(peer)) if attack.stays else "none"


def everything(peer: socket.socket) -> bytes:
    """What comes until the connection ends, however it does."""
    collected = b""
    with suppress(ConnectionError):
        while part := peer.recv(65536):
            collected += part
    return collected


def crowd(port: int, numbers: range, rate: float) -> list[str]:
    """So many attacks a second, of each kind in turn; what was answered otherwise than the table says."""
    kinds, begun = list(attacks().items()), time.monotonic()

    def one(number: int) -> str:
        time.sleep(max(0.0, begun + (number - numbers.start) / rate - time.monotonic()))
        name, attack = kinds[number % len(kinds)]
        try:
            answer = attacked(port, attack)
        except OSError as error:
            answer = f"{type(error).__name__}: {error}"
        wanted = answers()[name]
        return "" if answer == wanted else f"{' / '.join(name)}: {answer} instead of {wanted}"

    with ThreadPoolExecutor(CLIENTS) as clients:
        return [fault for fault in clients.map(one, numbers) if fault]


if __name__ == "__main__":
    for line in sys.stdin:
        first, count, rate_of_line = line.split()
        faults = crowd(int(sys.argv[1]), range(int(first), int(first) + int(count)), float(rate_of_line))
        sys.stdout.write(json.dumps(faults) + "\n")
        sys.stdout.flush()
