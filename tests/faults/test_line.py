"""The line that fault tests cut is one: it carries what comes, and does what it is told."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.line import Carry, Delay, Hold, Line, Sever, SeverAfter
from tests.faults.plan import EVERY_SECONDS, Kind, plan
from tests.waiting import until

LONG = bytes(range(256)) * 4096


class Echo:
    """A server that answers what it gets."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    @staticmethod
    def _answer(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                return

    def close(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def line() -> Iterator[Line]:
    """A line to an echo."""
    echo = Echo()
    with Line(lambda: echo.port) as made:
        yield made
    echo.close()


def connect(line: Line) -> socket.socket:
    """A connection over the line."""
    return socket.create_connection(("127.0.0.1", line.port), 10)


def everything(peer: socket.socket, count: int) -> bytes:
    """So many bytes, or what came until the end."""
    found = b""
    while len(found) < count and (data := peer.recv(65536)):
        found += data
    return found


def ends(line: Line, sent: bytes) -> bool:
    """Whether a connection on which this is sent ends before all of it, or anything, has come back."""
    try:
        with connect(line) as peer:  # which may be reset before it is told that it is open
            peer.sendall(sent)
            return len(everything(peer, max(len(sent), 1))) < max(len(sent), 1)
    except ConnectionError:
        return True


def test_it_carries_all_and_both_ends(line: Line) -> None:
    with connect(line) as peer:
        threading.Thread(target=lambda: (peer.sendall(LONG), peer.shutdown(socket.SHUT_WR)), daemon=True).start()
        assert everything(peer, len(LONG) + 1) == LONG


def test_what_is_held_up_arrives_later(line: Line) -> None:
    with connect(line) as peer:
        line.behave(Hold())
        peer.sendall(b"first")
        peer.settimeout(0.3)
        with pytest.raises(TimeoutError):
            peer.recv(5)
        peer.settimeout(10)
        line.behave(Carry())
        assert everything(peer, 5) == b"first"


def test_what_is_cut_is_reset_and_nobody_else_comes_through(line: Line) -> None:
    with connect(line) as peer:
        peer.sendall(b"x")
        assert peer.recv(1) == b"x"
        line.behave(Sever())
        with pytest.raises(ConnectionResetError):
            peer.recv(1)
    assert ends(line, b"x")
    line.behave(Carry())
    with connect(line) as peer:
        peer.sendall(b"x")
        assert peer.recv(1) == b"x"


def test_it_is_cut_in_the_middle(line: Line) -> None:
    line.behave(SeverAfter(100_000))
    assert ends(line, LONG)


def test_it_is_slow(line: Line) -> None:
    line.behave(Delay(0.2))
    with connect(line) as peer:
        began = time.monotonic()
        peer.sendall(b"x")
        assert peer.recv(1) == b"x"
        assert time.monotonic() - began >= 0.4


def test_whose_server_is_away_is_cut_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with Line(lambda: port) as line:
        assert ends(line, b"")
        until(lambda: line.connections == 1, what="the connection to be counted")


def test_a_plan_of_faults_is_that_of_its_seed() -> None:
    """Every five seconds one, never two for one victim, all over at the end."""
    processes, lines = [f"process {n}" for n in range(10)], [f"line {n}" for n in range(6)]
    faults = plan(5, 600.0, processes, lines)
    assert faults == plan(5, 600.0, processes, lines)
    assert faults != plan(6, 600.0, processes, lines)
    assert len(faults) == pytest.approx(600 / EVERY_SECONDS, rel=0.1)
    assert {fault.kind for fault in faults} == set(Kind)
    assert {fault.victim for fault in faults} == {*processes, *lines}
    assert all(fault.end <= 600 for fault in faults)
    for number, fault in enumerate(faults):
        assert all(earlier.end < fault.at for earlier in faults[:number] if earlier.victim == fault.victim)
    assert {fault.victim in processes for fault in faults if fault.kind in (Kind.KILL, Kind.FREEZE)} == {True}
