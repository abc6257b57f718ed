"""Stations that attack who calls them: a worker of an outgoing association returns in time and leaves nothing."""

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace

import pytest

from services.dicom.errors import AssociationError, PeerGone, PeerTooSlow, ProtocolViolation
from tests.integration.dicom.conftest import FAST, nothing_left
from tests.integration.dicom.test_requestor import (
    CT,
    EXPLICIT,
    _accept,
    _read_until_closed,
    _response,
    connect,
    scripted,
    store,
)
from tests.stations import StationReceiver
from tests.stations.raw_sender import data_pdu, echo_command, number, pdu

GUARDS = replace(FAST, response_seconds=1.5)
LIMIT_SECONDS = 6.0
"""For the longest of them: connecting, response, PDU and linger times together, and a busy machine."""
ACCEPT = _accept()
ANSWER = data_pdu(1, 3, _response(1))
Script = Callable[[socket.socket], None]


@pytest.fixture(autouse=True)
def _baseline() -> Iterator[None]:
    with nothing_left():
        yield


def drips(data: bytes) -> Script:
    """A byte every 50 ms: every read gets something, for ever."""

    def script(connection: socket.socket) -> None:
        for position in range(len(data)):
            connection.sendall(data[position : position + 1])
            time.sleep(0.05)
        _read_until_closed(connection)

    return script


def says(data: bytes, after: bytes = b"") -> Script:
    """These bytes, after others once the peer has said something; then it waits."""

    def script(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.recv(65536)
        connection.sendall(after)
        _read_until_closed(connection)

    return script


def floods(data: bytes) -> Script:
    """The same again and again, whatever the peer does."""

    def script(connection: socket.socket) -> None:
        connection.sendall(ACCEPT)
        connection.recv(65536)
        with suppress(OSError):
            for _ in range(100_000):
                connection.sendall(data)

    return script


def resets(connection: socket.socket) -> None:
    """Accepts, hears a little and is gone without a word."""
    connection.sendall(ACCEPT)
    connection.recv(100)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


HOSTILE: dict[str, tuple[Script, type[AssociationError]]] = {
    "silent after the connection": (_read_until_closed, PeerTooSlow),  # type: ignore[dict-item]
    "half a header for an answer": (says(ACCEPT[:3]), PeerTooSlow),
    "half an A-ASSOCIATE-AC": (says(ACCEPT[:60]), PeerTooSlow),
    "an A-ASSOCIATE-AC in drops": (drips(ACCEPT), PeerTooSlow),
    "half a header for a response": (says(ACCEPT, ANSWER[:4]), PeerTooSlow),
    "half a response": (says(ACCEPT, ANSWER[:30]), PeerTooSlow),
    "a response of 4 GiB": (says(ACCEPT, struct.pack(">BxI", 4, 0xFFFFFFFF)), ProtocolViolation),
    "a fragment of 4 GiB": (says(ACCEPT, pdu(4, struct.pack(">IBB", 0xFFFFFFFF, 1, 3))), ProtocolViolation),
    "command fragments without end": (floods(data_pdu(1, 1, b"x" * 8000)), ProtocolViolation),
    "C-ECHO requests without end": (floods(data_pdu(3, 3, echo_command(1))), AssociationError),
    "responses nobody waits for": (floods(data_pdu(1, 3, _response(77))), ProtocolViolation),
    "a reset": (resets, PeerGone),
    "a response of the class before": (says(ACCEPT, data_pdu(1, 3, _response(1, 0x8030))), ProtocolViolation),
    "a data set for a response": (says(ACCEPT, data_pdu(1, 3, _response(1, _0800=number(1)))), PeerTooSlow),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_worker_returns(name: str) -> None:
    script, error = HOSTILE[name]
    with scripted(script) as port:
        begun = time.monotonic()
        with pytest.raises(error), connect(port, GUARDS) as requestor:
            store(requestor, b"x" * 100_000)
        assert time.monotonic() - begun < LIMIT_SECONDS


def test_a_release_that_is_never_answered_ends_at_artim() -> None:
    with scripted(says(ACCEPT)) as port:
        requestor = connect(port, GUARDS)
        begun = time.monotonic()
        requestor.release()
        assert time.monotonic() - begun < LIMIT_SECONDS


def test_many_hostile_stations_at_once_each_give_their_thread_back() -> None:
    """What one does to its association does nothing to the others, a good one among them."""
    failed: list[str] = []

    def call(port: int) -> None:
        try:
            with connect(port, GUARDS) as requestor:
                store(requestor, b"x" * 100_000)
        except AssociationError:
            failed.append("")

    with StationReceiver() as good, ExitStack() as stack:
        ports = [stack.enter_context(scripted(script)) for script, _ in HOSTILE.values()]
        threads = [threading.Thread(target=call, args=(port,), daemon=True) for port in ports]
        for thread in threads:
            thread.start()
        with connect(good.port) as requestor:
            assert store(requestor).status == 0
        for thread in threads:
            thread.join(2 * LIMIT_SECONDS)
        assert not any(thread.is_alive() for thread in threads)
        assert len(failed) == len(HOSTILE)


def test_descriptors_above_1023() -> None:
    with ExitStack() as stack:
        for _ in range(1100):
            stack.callback(os.close, os.open("/dev/null", os.O_RDONLY))
        with StationReceiver() as station, connect(station.port) as requestor:
            assert store(requestor).status == 0
            assert requestor.context_for(CT, EXPLICIT) is not None
            assert requestor.association.stream._socket.fileno() > 1023
