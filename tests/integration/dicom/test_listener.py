"""Draining, sharing one socket, cancel and pending answers, and the hook for TLS."""

import contextlib
import io
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from services.dicom import commands
from services.dicom.acceptor import Outcome
from services.dicom.association import Request
from services.dicom.contexts import VERIFICATION, ProposedContext
from services.dicom.listener import Listener, listen
from services.dicom.requestor import Peer, Requestor
from tests.integration.dicom.conftest import FAST, Policy, Scp, nothing_left, serving
from tests.stations import RawSender
from tests.stations.raw_sender import associate_request, command_set, data_pdu, number, pdu, uid
from tests.waiting import until

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
CONTEXTS = [(CT, EXPLICIT)]


def _listener(scp: Scp, sock: socket.socket) -> Listener:
    scp.listener = Listener(sock, Policy(), scp.handlers, FAST, ended=scp.summaries.append)
    scp.listener.start()
    return scp.listener


def test_drain_serves_running_associations_to_their_end(tmp_path: Path) -> None:
    scp = Scp(tmp_path)
    with nothing_left():
        listener = _listener(scp, listen("127.0.0.1", 0))
        port, clean = scp.port, []
        with RawSender(port, contexts=CONTEXTS) as sender:
            draining = threading.Thread(target=lambda: clean.append(listener.drain(10)))
            draining.start()
            until(lambda: _refused(port), what="the port closed")
            assert sender.store(CT, "1.2.3", EXPLICIT, b"x" * 100_000) == 0
            assert sender.echo() == 0
        draining.join(10)
    assert clean == [True]
    # What asked whether the port is closed may have been accepted just before.
    assert [each.outcome for each in scp.summaries if each.calling_aet] == [Outcome.RELEASED]


def _refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionRefusedError:
        return True
    except TimeoutError:  # it closed while the connection was being made
        return False
    return False


def test_drain_aborts_what_is_left_at_its_limit(tmp_path: Path) -> None:
    scp = Scp(tmp_path)
    with nothing_left():
        listener = _listener(scp, listen("127.0.0.1", 0))
        sender = RawSender(scp.port, contexts=CONTEXTS, limit=5)
        sender.__enter__()
        with sender.socket:
            assert listener.drain(0.1) is False
            with pytest.raises(ConnectionAbortedError, match="source 0, reason 0"):
                sender.read_pdu()
    assert scp.summaries[0].outcome is Outcome.ABORTED
    assert listener.drain(0) is True


_TWIN = """
import socket, sys, threading
from tests.integration.dicom.conftest import FAST, Scp, Policy
from services.dicom.listener import Listener
from pathlib import Path
scp = Scp(Path(sys.argv[2]))
listener = Listener(socket.socket(fileno=int(sys.argv[1])), Policy(), scp.handlers, FAST)
listener.start()
print("ready", flush=True)
sys.stdin.read()
listener.drain(5)
"""


def test_a_drained_process_leaves_the_shared_backlog_to_the_others(tmp_path: Path) -> None:
    """Two processes on one socket; one drains while clients connect: none of them is reset."""
    scp = Scp(tmp_path)
    with nothing_left():
        sock = listen("127.0.0.1", 0)
        command = [sys.executable, "-c", _TWIN, str(sock.fileno()), str(tmp_path)]
        with subprocess.Popen(
            command, pass_fds=[sock.fileno()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as twin:
            assert twin.stdout is not None
            assert twin.stdout.readline() == "ready\n"
            listener = _listener(scp, sock)
            port, echoes, stop = scp.port, [], threading.Event()

            def clients() -> None:
                while not stop.is_set():
                    with RawSender(port) as sender:
                        echoes.append(sender.echo())

            threads = [threading.Thread(target=clients) for _ in range(4)]
            for thread in threads:
                thread.start()
            until(lambda: len(echoes) > 40, what="some echoes")
            assert listener.drain(5) is True
            drained_at = len(echoes)
            until(lambda: len(echoes) > drained_at + 40, what="echoes by the other process")
            stop.set()
            for thread in threads:
                thread.join(10)
            assert set(echoes) == {0}
            twin.communicate("", 10)
            assert twin.returncode == 0


def _find(message_id: int) -> bytes:
    command = command_set(
        {
            0x0002: uid(CT),
            0x0100: number(0x0020),
            0x0110: number(message_id),
            0x0700: number(0),
            0x0800: number(1),
        }
    )
    return data_pdu(1, 3, command) + data_pdu(1, 2, b"identifier")


def _cancel(message_id: int) -> bytes:
    return data_pdu(1, 3, command_set({0x0100: number(0x0FFF), 0x0120: number(message_id), 0x0800: number(0x0101)}))


def test_pending_answers_with_data_until_the_request_is_cancelled(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def find(request: Request) -> None:
        seen.append(request.read_data_set(1000))
        while not request.association.cancelled(request):
            request.association.respond(request, 0xFF00, data_set=b"match" * 8000, remaining=3)
        request.association.respond(request, 0xFE00)

    scp = Scp(tmp_path)
    scp.handlers[commands.C_FIND] = find
    with serving(scp), socket.create_connection(("127.0.0.1", scp.port), 5) as peer:
        peer.sendall(associate_request(CONTEXTS, maximum_pdu=4096))
        peer.recv(65536)
        peer.sendall(_find(7) + _cancel(6))
        pending = [_message(peer) for _ in range(3)]
        peer.sendall(_cancel(7))
        assert all(status == 0xFF00 and data == b"match" * 8000 for status, data in pending)
        while (last := _message(peer))[0] == 0xFF00:
            pass
        assert last == (0xFE00, b"")
        peer.sendall(pdu(5, bytes(4)))
        assert peer.recv(100) == pdu(6, bytes(4))
    assert seen == [b"identifier"]


def _message(peer: socket.socket) -> tuple[int, bytes]:
    parts = {0: b"", 1: b""}
    finished: set[int] = set()
    while True:
        _, length = struct.unpack(">BxI", _exactly(peer, 6))
        assert length <= 4096
        body = _exactly(peer, length)
        flags = body[5]
        parts[flags & 1] += body[6:]
        if flags & 2:
            finished.add(flags & 1)
        if 1 in finished:
            (status,) = struct.unpack_from("<H", parts[1], parts[1].index(b"\x00\x00\x00\x09\x02\x00\x00\x00") + 8)
            if 0 in finished or status == 0xFE00:
                return status, parts[0]


def _exactly(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = peer.recv(size - len(data))
        assert part
        data += part
    return data


def test_a_handler_sees_an_abort_while_it_works(tmp_path: Path) -> None:
    ended = threading.Event()

    def find(request: Request) -> None:
        request.read_data_set(1000)
        try:
            while not request.association.cancelled(request):
                ended.wait(0.01)
        finally:
            ended.set()

    scp = Scp(tmp_path)
    scp.handlers[commands.C_FIND] = find
    with serving(scp), socket.create_connection(("127.0.0.1", scp.port), 5) as peer:
        peer.sendall(associate_request(CONTEXTS))
        peer.recv(65536)
        peer.sendall(_find(1))
        peer.sendall(pdu(7, bytes(4)))
        assert ended.wait(5)
        assert scp.ended().outcome is Outcome.ABORTED_BY_PEER


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", str(path), "-out", str(path.with_suffix(".crt"))],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


def test_tls_wraps_both_roles_and_a_silent_client_stops_nobody(tmp_path: Path, certificate: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    client = ssl.create_default_context(cafile=certificate)
    client.check_hostname = False
    data = b"\1\2\3" * 300_000
    scp = Scp(tmp_path)
    with nothing_left():
        scp.listener = Listener(
            listen("127.0.0.1", 0), Policy(), scp.handlers, replace(FAST, artim_seconds=2),
            secure=lambda sock: server.wrap_socket(sock, server_side=True), ended=scp.summaries.append,
        )  # fmt: skip
        with scp.listener, socket.create_connection(("127.0.0.1", scp.port), 5) as silent:
            peer = Peer("127.0.0.1", scp.port, "GATEWAY", "SCANNER1", secure=client.wrap_socket)
            contexts = [ProposedContext(CT, (EXPLICIT,))]
            with Requestor.connect(peer, contexts, FAST) as requestor:
                context = requestor.context_for(CT, EXPLICIT)
                assert context is not None
                assert requestor.store(context, CT, "1.2.3", io.BytesIO(data), 0, len(data)).status == 0
            assert scp.received[0][1] == len(data)
            assert silent.recv(10) == b""


def test_both_ends_send_at_once_and_look_for_dead_peers(tmp_path: Path) -> None:
    """Seen on the sockets of a running association: no Nagle delay, keep-alive, an end for silence."""
    contexts = [ProposedContext(VERIFICATION, (EXPLICIT,))]
    with serving(Scp(tmp_path)) as scp:
        peer = Peer("127.0.0.1", scp.port, "GATEWAY", "US")
        with Requestor.connect(peer, contexts, FAST) as us, ExitStack() as stack:
            assert us.echo() == 0
            ends = [stack.enter_context(end) for end in _sockets_at(scp.port)]
            assert len(ends) == 2
            for end in ends:
                assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
                assert end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
                assert 0 < end.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 60_000


def _sockets_at(port: int) -> list[socket.socket]:
    """Copies of this process's connected sockets that have the port at one of their ends."""
    found = []
    kinds = {entry.name: os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()}
    for name in [name for name, kind in kinds.items() if kind.startswith("socket:")]:
        copy = socket.socket(fileno=os.dup(int(name)))
        if port in _ports(copy):
            found.append(copy)
        else:
            copy.close()
    return found


def _ports(sock: socket.socket) -> set[int]:
    """Both ports of a connection; none of anything else."""
    if sock.family != socket.AF_INET or sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return set()
    with contextlib.suppress(OSError):
        return {sock.getsockname()[1], sock.getpeername()[1]}
    return set()


def test_a_listener_that_waits_for_a_thread_without_end_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that dies for want of memory before it has said that it runs is waited for by who started it."""
    monkeypatch.setattr("services.dicom.listener.STUCK_SECONDS", 0.3)
    memory, usual = threading.Event(), threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("association-"):
            memory.wait(20)
        usual(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    scp = Scp(tmp_path)
    with nothing_left():
        listener = _listener(scp, listen("127.0.0.1", 0))
        with socket.create_connection(("127.0.0.1", scp.port), 5):
            until(lambda: listener.stuck, what="the listener to be stuck")
            memory.set()
            until(lambda: not listener.stuck, what="the listener to go on")
        with RawSender(scp.port, contexts=CONTEXTS) as sender:
            assert sender.echo() == 0
        listener.drain(5)
        assert not listener.stuck
