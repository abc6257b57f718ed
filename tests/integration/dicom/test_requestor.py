"""The requestor against stations that misbehave: every call returns in time, says how far it got, leaves nothing."""

import io
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from services.dicom.association import Response
from services.dicom.commands import RESPONSE
from services.dicom.contexts import ProposedContext, Roles
from services.dicom.errors import (
    AssociationAborted,
    AssociationError,
    AssociationRejected,
    ConnectFailed,
    PeerGone,
    PeerTooSlow,
    ProtocolViolation,
    SourceTruncated,
)
from services.dicom.guards import Guards
from services.dicom.requestor import Peer, Requestor
from tests.integration.dicom.conftest import FAST, nothing_left
from tests.stations import AbortAfterData, Answer, Freeze, RejectAssociations, StationReceiver
from tests.stations.raw_sender import command_set, data_pdu, item, number, pdu
from tests.waiting import until

CT, EXPLICIT, IMPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
VERIFICATION = "1.2.840.10008.1.1"
CONTEXTS = (ProposedContext(CT, (EXPLICIT,)), ProposedContext(VERIFICATION, (IMPLICIT,)))
DATA = bytes(range(256)) * 4096


@pytest.fixture(autouse=True)
def _baseline() -> Iterator[None]:
    with nothing_left():
        yield


def connect(port: int, guards: Guards = FAST, **more: object) -> Requestor:
    """An association to a local port."""
    return Requestor.connect(Peer("127.0.0.1", port, "ARCHIVE1", "GATEWAY"), CONTEXTS, guards, **more)  # type: ignore[arg-type]


def store(requestor: Requestor, data: bytes = DATA, size: int | None = None) -> Response:
    """C-STORE of bytes in memory, with something before and behind that must not be sent."""
    context = requestor.context_for(CT, EXPLICIT)
    assert context is not None
    source = io.BytesIO(b"before" + data + b"behind")
    return requestor.store(context, CT, "1.2.3.4", source, 6, len(data) if size is None else size)


def test_bytes_arrive_as_they_are() -> None:
    with StationReceiver() as station, connect(station.port) as requestor:
        for data in (b"12", DATA, DATA + b"odd", b"x" * 131066, b"x" * 131067, b"x" * 131065):
            assert store(requestor, data).status == 0
            assert station.data_set("1.2.3.4") == data
        assert requestor.echo() == 0
        assert requestor.alive()


def test_the_move_originator_travels_along() -> None:
    with StationReceiver() as station, connect(station.port) as requestor:
        context = requestor.context_for(CT, EXPLICIT)
        assert context is not None
        requestor.store(context, CT, "1.2.3", io.BytesIO(b"ab"), 0, 2, priority=1, move_originator=("MOVER", 17))
        (command,) = station.requests
        assert (command.move_originator_aet, command.move_originator_id, command.priority) == ("MOVER", 17, 1)


def test_a_failure_status_and_its_comment_come_back_and_the_association_goes_on() -> None:
    with StationReceiver(behaviour=Answer(0xA700)) as station, connect(station.port) as requestor:
        assert store(requestor).status == 0xA700
        station.behave(Answer(0xB000))
        assert store(requestor).status == 0xB000


@pytest.mark.parametrize(("codes", "transient"), [((1, 1, 7), False), ((2, 3, 2), True)])
def test_a_rejection_says_why(codes: tuple[int, int, int], transient: bool) -> None:
    with StationReceiver(behaviour=RejectAssociations(*codes)) as station:
        with pytest.raises(AssociationRejected) as caught:
            connect(station.port)
        error = caught.value
        assert (error.result, error.source, error.reason) == codes
        assert (error.transient, error.phase) == (transient, "negotiate")


def test_a_closed_port_and_an_unknown_host_fail_to_connect() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectFailed, match=r"ARCHIVE1 at 127\.0\.0\.1") as caught:
            connect(unused.getsockname()[1])
        assert caught.value.phase == "connect"
    with pytest.raises(ConnectFailed, match="not resolved"):
        Requestor.connect(Peer("no-such-host.invalid", 104, "A", "B"), CONTEXTS, FAST)


def test_a_full_backlog_ends_at_the_connect_limit() -> None:
    """A listening socket whose backlog is full drops our SYN, as a black hole does."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        address = hole.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(address)
        begun = time.monotonic()
        with pytest.raises(ConnectFailed):
            connect(address[1], replace(FAST, connect_seconds=0.5))
        assert time.monotonic() - begun < 2
        for filler in fillers:
            filler.close()


def test_an_abort_after_the_data_leaves_the_answer_unknown() -> None:
    with StationReceiver(behaviour=AbortAfterData()) as station:
        requestor = connect(station.port)
        with pytest.raises(AssociationAborted) as caught:
            store(requestor)
        assert (caught.value.phase, caught.value.local) == ("response", False)
        assert not requestor.alive()
        with pytest.raises(AssociationAborted):
            requestor.echo()
        requestor.release()


def test_a_frozen_receiver_ends_at_the_write_deadline() -> None:
    with StationReceiver(behaviour=Freeze()) as station:
        begun = time.monotonic()
        with pytest.raises(PeerTooSlow) as caught, connect(station.port) as requestor:
            store(requestor, b"x" * (32 << 20))
        assert caught.value.phase == "request"
        assert time.monotonic() - begun < 4


def test_a_silent_receiver_ends_at_the_response_limit() -> None:
    with StationReceiver(behaviour=Freeze()) as station:
        requestor = connect(station.port, replace(FAST, response_seconds=0.5))
        with pytest.raises(PeerTooSlow) as caught:
            store(requestor, b"small")
        assert caught.value.phase == "response"


def test_an_object_that_is_shorter_than_said_aborts() -> None:
    with StationReceiver() as station:
        with pytest.raises(SourceTruncated) as caught, connect(station.port) as requestor:
            store(requestor, size=len(DATA) + 100)
        assert caught.value.phase == "request"
        assert station.uids == []


def test_abort_from_another_thread_ends_a_wait() -> None:
    with StationReceiver(behaviour=Freeze()) as station:
        requestor = connect(station.port, replace(FAST, response_seconds=60))
        timer = threading.Timer(0.2, requestor.association.abort)
        timer.start()
        with pytest.raises(AssociationAborted) as caught:
            store(requestor, b"small")
        timer.join()
        assert caught.value.local


def test_an_idle_association_that_the_peer_ends_is_seen() -> None:
    station = StationReceiver()
    with station:
        requestor = connect(station.port)
        assert requestor.alive()
    until(lambda: not requestor.alive(), what="the end seen")


ACCEPT_ITEMS = (
    item(0x10, b"1.2.840.10008.3.1.1.1")
    + item(0x21, b"\1\0\0\0" + item(0x40, EXPLICIT.encode()))
    + item(0x21, b"\3\0\0\0" + item(0x40, IMPLICIT.encode()))
)


def _accept(maximum_pdu: int = 16384) -> bytes:
    user = item(0x50, item(0x51, struct.pack(">I", maximum_pdu)) + item(0x52, b"1.2.3"))
    return pdu(2, struct.pack(">H2x16s16s32x", 1, b"ARCHIVE1".ljust(16), b"GATEWAY".ljust(16)) + ACCEPT_ITEMS + user)


@contextmanager
def scripted(script: Callable[[socket.socket], None]) -> Iterator[int]:
    """A peer that does just this with one connection, after having read the A-ASSOCIATE-RQ."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.settimeout(5)
            connection.recv(65536)
            script(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            thread.join(10)


def _read_until_closed(connection: socket.socket) -> bytes:
    collected = b""
    while part := connection.recv(65536):
        collected += part
    return collected


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(b"", PeerGone, id="closes"),
        pytest.param(_accept()[:50], PeerGone, id="closes within the answer"),
        pytest.param(pdu(7, b"\0\0\2\1"), AssociationAborted, id="aborts"),
        pytest.param(pdu(0x99, b""), ProtocolViolation, id="unknown PDU"),
        pytest.param(pdu(6, bytes(4)), ProtocolViolation, id="unexpected PDU"),
        pytest.param(struct.pack(">BxI", 2, 1 << 30), ProtocolViolation, id="1 GiB answer"),
        pytest.param(_accept()[:-5], PeerGone, id="answer cut"),
        pytest.param(pdu(2, _accept()[6:-3]), ProtocolViolation, id="items cut"),
        pytest.param(_accept(7), ProtocolViolation, id="maximum PDU of 7"),
    ],
)
def test_bad_answers_to_the_association_request(answer: bytes, error: type[AssociationError]) -> None:
    with scripted(lambda connection: connection.sendall(answer)) as port:
        with pytest.raises(error) as caught:
            connect(port)
        assert caught.value.phase == "negotiate"


def _response(message_id: int, command_field: int = RESPONSE | 1, **status: bytes) -> bytes:
    elements = {0x0100: number(command_field), 0x0120: number(message_id), 0x0800: number(0x0101), 0x0900: number(0)}
    return command_set(elements | {int(key[1:], 16): value for key, value in status.items()})


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(data_pdu(1, 3, _response(99)), id="wrong message id"),
        pytest.param(data_pdu(1, 3, _response(1, 0x8030)), id="wrong command field"),
        pytest.param(data_pdu(3, 3, _response(1)), id="wrong context"),
        pytest.param(data_pdu(1, 3, _response(1, _0900=b"")), id="empty status"),
        pytest.param(data_pdu(1, 3, b"garbage"), id="garbage"),
        pytest.param(data_pdu(1, 2, b"data"), id="data set"),
        pytest.param(pdu(5, bytes(4)), id="release"),
        pytest.param(struct.pack(">BxI", 4, 1 << 30), id="1 GiB PDU"),
    ],
)
def test_a_wrong_answer_is_no_answer(answer: bytes) -> None:
    heard = []

    def script(connection: socket.socket) -> None:
        connection.sendall(_accept())
        connection.recv(65536)
        connection.sendall(answer)
        heard.append(_read_until_closed(connection))

    with scripted(script) as port:
        with pytest.raises(ProtocolViolation) as caught, connect(port) as requestor:
            store(requestor, b"small")
        assert caught.value.phase == "response"
    assert heard[0].startswith(b"\7\0\0\0\0\4")


def test_an_abort_while_sending_is_noticed_and_told_from_a_loss() -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(_accept())
        connection.recv(65536)
        connection.sendall(pdu(7, b"\0\0\2\6"))
        _read_until_closed(connection)

    with scripted(script) as port:
        with pytest.raises(AssociationAborted) as caught, connect(port) as requestor:
            store(requestor, b"x" * (64 << 20))
        assert (caught.value.phase, caught.value.source, caught.value.reason) == ("request", 2, 6)


def test_an_early_answer_is_kept_until_the_data_set_has_left() -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(_accept())
        connection.recv(65536)
        connection.sendall(data_pdu(1, 3, _response(1, _0900=number(0xA700))))
        _read_until_closed(connection)

    with scripted(script) as port, connect(port) as requestor:
        assert store(requestor, b"x" * (8 << 20)).status == 0xA700
        requestor.abort()


@pytest.mark.parametrize("maximum_pdu", [1024, 16384, 0])
def test_pdus_keep_to_the_peers_maximum(maximum_pdu: int) -> None:
    heard = []

    def script(connection: socket.socket) -> None:
        connection.sendall(_accept(maximum_pdu))
        connection.shutdown(socket.SHUT_WR)
        heard.append(_read_until_closed(connection))

    with scripted(script) as port, pytest.raises(PeerGone), connect(port) as requestor:
        store(requestor, DATA)
    lengths, offset = [], 0
    while offset < len(heard[0]):
        kind, length = struct.unpack_from(">BxI", heard[0], offset)
        if kind == 4:
            lengths.append(length)
        offset += 6 + length
    assert max(lengths) <= (maximum_pdu or 256 * 1024)
    assert len(lengths) >= 2


def test_roles_are_proposed_and_the_answer_is_known() -> None:
    with StationReceiver() as station, connect(station.port, roles={CT: Roles(scu=True, scp=True)}) as requestor:
        assert requestor.association.negotiated.roles == {CT: Roles(scu=True, scp=False)}


def test_128_contexts() -> None:
    contexts = [ProposedContext(CT, (EXPLICIT,))] * 128
    with StationReceiver() as station:
        peer = Peer("localhost", station.port, "ARCHIVE1", "GATEWAY")
        requestor = Requestor.connect(peer, contexts, FAST)
        assert len(requestor.association.contexts) == 128
        requestor.release()


@pytest.mark.parametrize("host", ["::1", "ip6-only.invalid"])
def test_profile_xeleris_never_goes_over_ipv6(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """R117."""
    asked: list[int] = []

    def getaddrinfo(name: str, port: int, family: int = 0, kind: int = 0) -> list[object]:
        asked.append(family)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(ConnectFailed):
        Requestor.connect(Peer(host, 104, "ARCHIVE1", "XELERIS", ipv4_only=True), CONTEXTS, FAST)
    assert asked == ([] if host == "::1" else [socket.AF_INET])
