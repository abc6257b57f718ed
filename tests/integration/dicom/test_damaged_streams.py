"""Conversations with damaged bytes, against the real listener and the real requestor: each connection ends soon, what
is said is made of whole PDUs, and the next peer is served."""

import random
import socket
import struct
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from services.dicom.errors import AssociationError
from tests.factories import ct
from tests.faults.fuzzing import mutated
from tests.integration.dicom.conftest import FAST, Scp, nothing_left, serving
from tests.integration.dicom.test_requestor import _accept, _response, connect, scripted, store
from tests.stations.hostile import ASSOCIATION, CT, REQUEST, REQUESTS
from tests.stations.raw_sender import RawSender, data_pdu, echo_command, pdu, store_command

SECONDS, SECONDS_OF_ALL = 3.0, 60.0
"""For each seed."""
LIMIT_SECONDS = 10.0
GUARDS = replace(FAST, artim_seconds=1, pdu_seconds=1, pause_seconds=1, idle_seconds=1, response_seconds=1)
RELEASE = pdu(5, bytes(4))
STORED = data_pdu(1, 3, store_command(CT, "1.2.3", 1)) + data_pdu(1, 2, ct(1, pixel_bytes=64).data_set)
CONVERSATIONS = [
    REQUEST + STORED + data_pdu(3, 3, echo_command(2)) + RELEASE,
    REQUEST + data_pdu(3, 3, echo_command(1)) * 3 + pdu(7, bytes(4)),
    *(REQUEST + data for data in list(ASSOCIATION.values())[:8]),
    *list(REQUESTS.values())[:4],
]
ANSWERS = [
    _accept() + data_pdu(1, 3, _response(1)) + pdu(6, bytes(4)),
    _accept() + data_pdu(1, 3, _response(1, _0900=b"\0\xa7")) + pdu(7, b"\0\0\2\6"),
]
TOKENS = (
    b"\1\0\0\0\0",
    b"\4\0\0\0\0\6\0\0\0\2\1\3",
    b"\5\0\0\0\0\4",
    b"\7\0\0\0\0\4",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
)


def whole_pdus(data: bytes) -> bool:
    """Whether bytes are PDUs of the types there are, one after the other, none cut off."""
    offset = 0
    while offset < len(data):
        if len(data) - offset < 6 or not 1 <= data[offset] <= 7:
            return False
        offset += 6 + struct.unpack_from(">I", data, offset + 2)[0]
    return offset == len(data)


@pytest.mark.timeout(900)
def test_a_damaged_conversation_ends_and_the_next_peer_is_served(
    tmp_path: Path, seed: int, request: pytest.FixtureRequest
) -> None:
    chance, number = random.Random(seed), 0
    ends = time.monotonic() + (SECONDS_OF_ALL if request.config.getoption("--faults") == "all" else SECONDS)
    with serving(Scp(tmp_path), GUARDS) as scp:
        while time.monotonic() < ends:
            number += 1
            data = mutated(chance.choice(CONVERSATIONS), chance, TOKENS, CONVERSATIONS)
            begun = time.monotonic()
            answer = said(scp.port, data)
            assert time.monotonic() - begun < LIMIT_SECONDS, data.hex()
            assert answer is None or whole_pdus(answer), data.hex()
            if number % 50 == 0:
                with RawSender(scp.port) as sender:
                    assert sender.echo() == 0


def said(port: int, data: bytes) -> bytes | None:
    """What is answered until the connection ends; None where it was reset."""
    with socket.create_connection(("127.0.0.1", port), LIMIT_SECONDS) as peer:
        try:
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
            answer = b""
            while part := peer.recv(65536):
                answer += part
        except ConnectionError:
            return None
    return answer


@pytest.mark.timeout(900)
def test_a_damaged_answer_gives_the_worker_back(seed: int, request: pytest.FixtureRequest) -> None:
    chance = random.Random(seed)
    ends = time.monotonic() + (SECONDS_OF_ALL if request.config.getoption("--faults") == "all" else SECONDS / 3)
    with nothing_left():
        while time.monotonic() < ends:
            data = mutated(chance.choice(ANSWERS), chance, TOKENS, ANSWERS)

            def script(connection: socket.socket, data: bytes = data) -> None:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    continue

            begun = time.monotonic()
            with (
                scripted(script) as port,
                suppress(AssociationError, AssertionError),
                connect(port, GUARDS) as requestor,
            ):
                store(requestor, b"x" * 5000)
            assert time.monotonic() - begun < LIMIT_SECONDS, data.hex()
