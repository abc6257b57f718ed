"""What a raw socket can do to the acceptor: each input has one exact answer, leaves nothing behind, harms nobody."""

import hashlib
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from services.dicom.acceptor import Outcome
from services.dicom.contexts import Roles
from services.dicom.slots import Slots
from tests.integration.dicom.conftest import FAST, Scp, serving
from tests.stations import RawSender
from tests.stations.hostile import (
    ASSOCIATION,
    CONNECTION,
    CONTEXTS,
    CT,
    EXPLICIT,
    REQUEST,
    REQUESTS,
    STORE,
    answers,
    told,
)
from tests.stations.raw_sender import (
    VERIFICATION,
    associate_request,
    command_set,
    data_pdu,
    echo_command,
    item,
    number,
    pdu,
    store_command,
    uid,
)
from tests.waiting import until

ECHO_CONTEXT = 3


def answer(port: int, data: bytes, limit: float = 3.0) -> bytes:
    """All the peer says to these bytes until it closes."""
    with socket.create_connection(("127.0.0.1", port), limit) as peer:
        peer.sendall(data)
        return everything(peer)


def everything(peer: socket.socket) -> bytes:
    """What comes until the peer closes; a reset fails the test."""
    collected = b""
    while part := peer.recv(65536):
        collected += part
    return collected


def abort(source: int, reason: int) -> bytes:
    """An A-ABORT PDU."""
    return struct.pack(">BxI2xBB", 7, 4, source, reason)


@contextmanager
def associated(scp: Scp, **more: object) -> Iterator[socket.socket]:
    """A socket with an association, and the bare hands to misuse it."""
    sender = RawSender(scp.port, contexts=CONTEXTS, limit=5, **more)  # type: ignore[arg-type]
    sender.__enter__()
    with sender.socket as peer:
        yield peer


@pytest.mark.parametrize("name", CONNECTION)
def test_before_an_association(scp: Scp, name: str) -> None:
    begun = time.monotonic()
    heard = answer(scp.port, CONNECTION[name])
    assert told(heard) == answers()["connection", name]
    assert len(heard) in (0, 10)
    assert time.monotonic() - begun < 2


def rejected(result: int, source: int, reason: int) -> bytes:
    """An A-ASSOCIATE-RJ PDU."""
    return struct.pack(">BxIxBBB", 3, 4, result, source, reason)


@pytest.mark.parametrize("name", REQUESTS)
def test_rejections_reach_the_peer(scp: Scp, name: str) -> None:
    # Left-over bytes behind the request must not turn the answer into a reset.
    heard = answer(scp.port, REQUESTS[name] + b"left over" * 1000)
    assert (told(heard), len(heard)) == (answers()["request", name], 10)
    assert scp.ended().outcome is Outcome.REJECTED


def test_a_policy_that_breaks_rejects(scp: Scp) -> None:
    assert answer(scp.port, associate_request(CONTEXTS, calling_aet="CALAMITY")) == rejected(2, 3, 1)
    assert scp.ended().outcome is Outcome.REJECTED


def _command(**elements: bytes) -> bytes:
    return data_pdu(1, 3, command_set({int(key[1:], 16): value for key, value in elements.items()}))


@pytest.mark.parametrize("name", ASSOCIATION)
def test_within_an_association(scp: Scp, name: str) -> None:
    with associated(scp) as peer:
        peer.sendall(ASSOCIATION[name])
        begun = time.monotonic()
        heard = everything(peer)
        assert (told(heard), len(heard)) == (answers()["association", name], 10)
        assert time.monotonic() - begun < 2
    assert scp.ended().outcome is Outcome.VIOLATION
    assert scp.received == []


@pytest.mark.parametrize(
    "request_pdu",
    [
        pytest.param(associate_request(CONTEXTS, maximum_pdu=0), id="maximum PDU 0: no limit"),
        pytest.param(associate_request(CONTEXTS * 128), id="128 contexts"),
        pytest.param(pdu(1, REQUEST[6 : REQUEST.index(b"\x50\0", 74)]), id="no user information"),
        pytest.param(associate_request(CONTEXTS, calling_aet=" PADDED IN FRONT"), id="blanks around a title"),
    ],
)
def test_what_is_only_odd_is_served(scp: Scp, request_pdu: bytes) -> None:
    """PS3.8 D.1: a maximum length of 0 is no limit."""
    with socket.create_connection(("127.0.0.1", scp.port), 3) as peer:
        peer.sendall(request_pdu)
        assert peer.recv(65536)[0] == 2
        peer.sendall(pdu(5, bytes(4)))
        assert everything(peer)[-10:] == pdu(6, bytes(4))


def test_command_fragments_that_never_end(scp: Scp) -> None:
    with associated(scp) as peer:
        with suppress(OSError):
            for _ in range(100):
                peer.sendall(data_pdu(1, 1, b"x" * 8000))
        assert everything(peer) == abort(2, 6)
    assert scp.ended().received_bytes < 1 << 20


def test_data_fragments_that_never_end(scp: Scp) -> None:
    with associated(scp) as peer:
        peer.sendall(STORE)
        with suppress(OSError):
            for _ in range(100):
                peer.sendall(data_pdu(1, 0, b"x" * 65536))
        assert everything(peer) == abort(0, 0)
    assert "above" in scp.ended().detail


def test_unknown_items_and_extended_negotiation_are_ignored(scp: Scp) -> None:
    identity = item(0x58, struct.pack(">BBH", 1, 1, 4) + b"user" + b"\0\0")
    extended = item(0x56, struct.pack(">H", len(CT)) + CT.encode() + b"\1")
    window = item(0x53, struct.pack(">HH", 8, 8))
    request = associate_request(CONTEXTS, more_user_items=window + extended + identity + item(0x6F, b"?"))
    with socket.create_connection(("127.0.0.1", scp.port), 3) as peer:
        peer.sendall(request)
        accept = peer.recv(65536)
        assert accept[0] == 2
        assert item(0x53, b"")[:1] + b"\0" not in accept[74:]  # the window stays at one
        peer.sendall(pdu(5, bytes(4)))
        assert everything(peer) == pdu(6, bytes(4))


def test_contexts_are_answered_one_by_one(scp: Scp) -> None:
    contexts = [(CT, EXPLICIT), (CT, "1.2.3.4"), ("1.2.840.10008.5.1.1.9", EXPLICIT)]
    with socket.create_connection(("127.0.0.1", scp.port), 3) as peer:
        peer.sendall(associate_request(contexts))
        accept = peer.recv(65536)
        results = re.findall(rb"\x21\0..(.)\0(.)\0\x40", accept[74:], re.DOTALL)
        assert [(found[0][0], found[1][0]) for found in results] == [(1, 0), (3, 4), (5, 3)]
        peer.sendall(pdu(7, bytes(4)))


@pytest.mark.parametrize("sent", [b"", REQUEST[:3], REQUEST[:40]], ids=["silent", "half a header", "half a PDU"])
def test_silence_before_the_association_ends_at_artim(scp: Scp, sent: bytes) -> None:
    begun = time.monotonic()
    assert answer(scp.port, sent) == abort(2, 0)
    assert FAST.artim_seconds * 0.9 < time.monotonic() - begun < FAST.artim_seconds + 1.5
    assert scp.ended().outcome is Outcome.TIMED_OUT


def _drip(peer: socket.socket, data: bytes, stop: threading.Event) -> None:
    with suppress(OSError):
        for position in range(len(data)):
            if stop.wait(0.05):
                return
            peer.sendall(data[position : position + 1])


@pytest.mark.parametrize("established", [False, True])
def test_drops_of_a_pdu_do_not_extend_its_deadline(scp: Scp, established: bool) -> None:
    stop = threading.Event()
    with ExitStack() as stack:
        if established:
            peer = stack.enter_context(associated(scp))
        else:
            peer = stack.enter_context(socket.create_connection(("127.0.0.1", scp.port), 5))
        begun = time.monotonic()
        dripping = threading.Thread(target=_drip, args=(peer, STORE if established else REQUEST, stop))
        dripping.start()
        try:
            assert everything(peer) == abort(2, 0)
        finally:
            stop.set()
            dripping.join()
        assert time.monotonic() - begun < FAST.artim_seconds + 1.5


def test_a_peer_that_falls_silent_within_a_data_set(scp: Scp) -> None:
    with associated(scp) as peer:
        peer.sendall(STORE + data_pdu(1, 0, b"x" * 1000))
        assert everything(peer) == abort(2, 0)
    assert scp.ended().outcome is Outcome.TIMED_OUT


def test_a_peer_that_vanishes_within_a_data_set(scp: Scp) -> None:
    with associated(scp) as peer:
        peer.sendall(STORE + data_pdu(1, 0, b"x" * 1000))
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert scp.ended().outcome is Outcome.LOST


def test_an_abort_within_a_data_set(scp: Scp) -> None:
    with associated(scp) as peer:
        peer.sendall(STORE + data_pdu(1, 0, b"x" * 1000) + pdu(7, bytes(4)))
        assert everything(peer) == b""
    assert scp.ended().outcome is Outcome.ABORTED_BY_PEER


def test_a_release_and_a_second_message_in_one_pdu(scp: Scp) -> None:
    first = struct.pack(">IBB", len(echo_command(1)) + 2, ECHO_CONTEXT, 3) + echo_command(1)
    second = struct.pack(">IBB", len(echo_command(2)) + 2, ECHO_CONTEXT, 3) + echo_command(2)
    with associated(scp) as peer:
        peer.sendall(pdu(4, first + second) + pdu(5, bytes(4)))
        answers = everything(peer)
    assert answers.count(struct.pack("<HHIH", 0, 0x0120, 2, 1)) == 1
    assert answers.count(struct.pack("<HHIH", 0, 0x0120, 2, 2)) == 1
    assert answers.endswith(pdu(6, bytes(4)))


def test_command_and_data_in_one_pdu_and_odd_fragments(scp: Scp) -> None:
    data = bytes(range(256)) * 3
    command = store_command(CT, "1.2.3", 1)
    body = struct.pack(">IBB", len(command) + 2, 1, 3) + command
    for start in range(0, len(data), 7):
        piece = data[start : start + 7]
        body += struct.pack(">IBB", len(piece) + 2, 1, 2 if start + 7 >= len(data) else 0) + piece
    with associated(scp) as peer:
        peer.sendall(pdu(4, body))
        until(lambda: scp.received, what="the instance")
        peer.sendall(pdu(7, bytes(4)))
    assert scp.received == [("1.2.3", len(data), hashlib.sha256(data).hexdigest())]


def test_a_command_without_handler_is_answered_0211(scp: Scp) -> None:
    find = _command(_0002=uid(CT), _0100=number(0x0020), _0110=number(5), _0700=number(0), _0800=number(1))
    with associated(scp) as peer:
        peer.sendall(find + data_pdu(1, 2, b"identifier"))
        reply = peer.recv(4096)
        assert struct.pack("<HHIH", 0, 0x0900, 2, 0x0211) in reply
        assert struct.pack("<HHIH", 0, 0x0100, 2, 0x8020) in reply
        peer.sendall(data_pdu(ECHO_CONTEXT, 3, echo_command(6)))
        assert struct.pack("<HHIH", 0, 0x0900, 2, 0) in peer.recv(4096)
        peer.sendall(pdu(5, bytes(4)))


def test_a_handler_that_breaks_is_answered_0110_and_its_data_set_discarded(scp: Scp) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("no disk")

    scp.handlers[0x0001] = broken
    with RawSender(scp.port, contexts=CONTEXTS) as sender:
        assert sender.store(CT, "1.2.3", EXPLICIT, b"x" * 300_000) == 0x0110
        assert sender.echo() == 0


def test_pipelined_requests_wait_in_the_peers_socket(scp: Scp) -> None:
    """A thousand stores without waiting: served one by one, and never more than the buffers' worth is taken in."""
    gate = threading.Event()
    store = scp.store

    def gated(request: object) -> None:
        gate.wait(10)
        store(request)  # type: ignore[arg-type]

    scp.handlers[0x0001] = gated
    message = STORE + data_pdu(1, 2, b"x" * 20_000)
    with associated(scp) as peer:
        peer.settimeout(0.5)
        sent = 0
        with suppress(TimeoutError):
            while sent < 100 << 20:
                sent += peer.send(message * 50)
        assert sent < 20 << 20
        gate.set()
        peer.sendall(pdu(7, bytes(4)))
    scp.ended()
    assert len(scp.received) <= sent // len(message) + 1


def test_silent_connections_leave_room_for_associations(scp: Scp) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", scp.port), 5)) for _ in range(100)]
        with RawSender(scp.port) as sender:
            assert sender.echo() == 0
        for peer in silent:
            assert everything(peer) == abort(2, 0)


def test_caps_before_a_thread_is_spent(tmp_path: Path) -> None:
    guards = replace(FAST, maximum_waiting=5, maximum_per_address=8, artim_seconds=5)
    with serving(Scp(tmp_path), guards) as scp, ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", scp.port), 5)) for _ in range(20)]
        until(lambda: scp.listener.turned_away == 15, what="15 connections turned away")
        assert scp.listener.connections == 5
        closed = [peer for peer in silent if _is_closed(peer)]
        assert len(closed) == 15


def _is_closed(peer: socket.socket) -> bool:
    peer.setblocking(False)
    try:
        return peer.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("shared", [False, True], ids=["own limit", "slots"])
def test_300_associations_at_a_limit_of_50(tmp_path: Path, shared: bool) -> None:
    guards = replace(FAST, maximum_associations=50, artim_seconds=20)
    folder = tmp_path / "scp"
    folder.mkdir()
    slots = Slots(tmp_path / "slots", 50)
    admit = (lambda calling, called: slots.acquire()) if shared else None
    with serving(Scp(folder), guards, admit=admit) as scp, ExitStack() as stack:
        peers = [stack.enter_context(socket.create_connection(("127.0.0.1", scp.port), 10)) for _ in range(300)]
        for peer in peers:
            peer.sendall(REQUEST)
        answers = [peer.recv(65536) for peer in peers]
        assert sum(each[0] == 2 for each in answers) == 50
        assert sum(each == rejected(2, 3, 2) for each in answers) == 250
        assert scp.listener.active == 50
        peers[[each[0] for each in answers].index(2)].sendall(pdu(5, bytes(4)))
        until(lambda: scp.listener.active == 49, what="a slot given back")
        with RawSender(scp.port) as sender:
            assert sender.echo() == 0


def test_descriptors_above_1023(tmp_path: Path) -> None:
    with ExitStack() as stack, serving(Scp(tmp_path)) as scp:
        for _ in range(1100):
            stack.enter_context(open("/dev/null", "rb"))
        with RawSender(scp.port, contexts=CONTEXTS) as sender:
            assert sender.socket.fileno() > 1023
            assert sender.store(CT, "1.2.3", EXPLICIT, b"x" * 300_000) == 0
        stack.close()


def test_role_selection_is_answered(tmp_path: Path) -> None:
    push = VERIFICATION
    role = struct.pack(">H", len(push)) + push.encode()
    roles = {push: Roles(scu=True, scp=True)}
    with serving(Scp(tmp_path), roles=roles) as scp, socket.create_connection(("127.0.0.1", scp.port), 3) as peer:
        peer.sendall(associate_request([(push, EXPLICIT)], more_user_items=item(0x54, role + b"\0\1")))
        assert item(0x54, role + b"\0\1") in peer.recv(65536)
        peer.sendall(pdu(7, bytes(4)))


def test_a_slow_line_is_given_its_time(tmp_path: Path) -> None:
    """64 kbit/s: more than the guards' least rate, so that no deadline of a PDU or a pause passes."""
    data = bytes(range(256)) * 80
    with serving(Scp(tmp_path), replace(FAST, minimum_rate=4096)) as scp, associated(scp) as peer:
        peer.sendall(STORE)
        for start in range(0, len(data), 800):
            time.sleep(0.1)
            peer.sendall(data_pdu(1, 2 if start + 800 >= len(data) else 0, data[start : start + 800]))
        until(lambda: scp.received, what="the instance")
        assert scp.received[0][1:] == (len(data), hashlib.sha256(data).hexdigest())
        peer.sendall(pdu(7, bytes(4)))


FLOODS = {
    "C-ECHO": data_pdu(ECHO_CONTEXT, 3, echo_command(1)),
    "N-EVENT-REPORT": _command(
        _0002=uid(CT), _0100=number(0x0100), _0110=number(1), _0800=number(0x101), _1000=uid("1.2"), _1002=number(1)
    ),
    "C-CANCEL": _command(_0100=number(0x0FFF), _0120=number(1), _0800=number(0x101)),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_on_one_association_costs_no_thread_and_ends_with_it(scp: Scp, name: str) -> None:
    """Two thousand requests without waiting: one after the other in the thread of the association."""
    with associated(scp) as peer:
        peer.settimeout(30)
        before = threading.active_count()
        reading = threading.Thread(target=lambda: answered.append(everything(peer)))
        answered: list[bytes] = []
        reading.start()
        for _ in range(20):
            peer.sendall(FLOODS[name] * 100)
            assert threading.active_count() <= before + 1
        peer.sendall(pdu(5, bytes(4)))
        reading.join(30)
    assert answered[0].endswith(pdu(6, bytes(4)))
    assert scp.ended().outcome is Outcome.RELEASED
