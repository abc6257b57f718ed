"""Associations as a state machine: whatever order a peer does things in, each step has the answer that PS3.8 9.2 gives
it, and afterwards nothing is left and the next peer is served."""

import hashlib
import socket
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from services.dicom.acceptor import Outcome
from tests.integration.dicom.conftest import FAST, Scp, serving
from tests.stations.hostile import ASSOCIATION, CONNECTION, CT, REQUEST, REQUESTS, STORE, answers, told
from tests.stations.raw_sender import RawSender, data_pdu, echo_command, pdu, store_command
from tests.waiting import until

EXAMPLES, STEPS = 40, 20
PATIENT = replace(FAST, artim_seconds=10, pdu_seconds=10, pause_seconds=10, idle_seconds=30)
"""Nothing in a script waits for its end."""
ECHO_CONTEXT = 3
RELEASE, ABORT = pdu(5, bytes(4)), pdu(7, bytes(4))
IN_A_DATA_SET = ("data set on another context", "command within a data set", "A-RELEASE-RQ within a data set")
CUTS = st.lists(st.integers(1, 200), max_size=4)
"""Sizes of the pieces a message is written in; the rest in one."""
DATA = st.binary(max_size=3000)


class AssociationScripts(RuleBasedStateMachine):
    """One connection of a peer, and where it stands."""

    scp: Scp

    def __init__(self) -> None:
        super().__init__()
        self.state = "closed"
        self.begin()

    # ------------------------------------------------------------------------------------ before an association

    @precondition(lambda self: self.state == "closed")
    @rule()
    def connect(self) -> None:
        """First, or once more after all is told of the one before."""
        self.settle()
        self.begin()
        self.peer = socket.create_connection(("127.0.0.1", self.scp.port), 30)
        self.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.state = "connected"

    @precondition(lambda self: self.state == "connected")
    @rule(cuts=CUTS)
    def associate(self, cuts: list[int]) -> None:
        self.write(REQUEST, cuts)
        assert self.read_pdu()[0] == 2
        self.state = "idle"

    @precondition(lambda self: self.state == "connected")
    @rule(name=st.sampled_from(sorted(REQUESTS)), cuts=CUTS)
    def be_rejected(self, name: str, cuts: list[int]) -> None:
        self.write(REQUESTS[name], cuts)
        self.expect_end(answers()["request", name], Outcome.REJECTED)

    @precondition(lambda self: self.state == "connected")
    @rule(name=st.sampled_from(sorted(CONNECTION)), cuts=CUTS)
    def begin_wrongly(self, name: str, cuts: list[int]) -> None:
        self.write(CONNECTION[name], cuts)
        aborts = name == "A-ABORT first"
        self.expect_end(answers()["connection", name], Outcome.ABORTED_BY_PEER if aborts else Outcome.VIOLATION)

    # -------------------------------------------------------------------------------------- within an association

    @precondition(lambda self: self.state == "idle")
    @rule(count=st.integers(1, 5), cuts=CUTS)
    def echo(self, count: int, cuts: list[int]) -> None:
        """Several without waiting are answered one by one."""
        ids = [self.next_id() for _ in range(count)]
        self.write(b"".join(data_pdu(ECHO_CONTEXT, 3, echo_command(each)) for each in ids), cuts)
        for each in ids:
            assert self.read_response() == (each, 0)

    @precondition(lambda self: self.state == "idle")
    @rule(data=DATA, sizes=st.lists(st.integers(1, 900), max_size=5), cuts=CUTS)
    def store(self, data: bytes, sizes: list[int], cuts: list[int]) -> None:
        """A data set in fragments of any size is kept as it was sent."""
        number = self.next_id()
        message = data_pdu(1, 3, store_command(CT, f"1.2.{number}", number)) + b"".join(fragments(data, sizes))
        self.write(message, cuts)
        assert self.read_response() == (number, 0)
        self.stored.append(hashlib.sha256(data).hexdigest())

    @precondition(lambda self: self.state == "idle")
    @rule()
    def announce_a_data_set(self) -> None:
        self.data = b""
        self.number = self.next_id()
        self.write(data_pdu(1, 3, store_command(CT, f"1.2.{self.number}", self.number)), [])
        self.state = "data set"

    @precondition(lambda self: self.state == "data set")
    @rule(piece=st.binary(min_size=1, max_size=2000), cuts=CUTS)
    def go_on_with_the_data_set(self, piece: bytes, cuts: list[int]) -> None:
        self.data += piece
        self.write(data_pdu(1, 0, piece), cuts)

    @precondition(lambda self: self.state == "data set")
    @rule(piece=DATA)
    def end_the_data_set(self, piece: bytes) -> None:
        self.data += piece
        self.write(data_pdu(1, 2, piece), [])
        assert self.read_response() == (self.number, 0)
        self.stored.append(hashlib.sha256(self.data).hexdigest())
        self.state = "idle"

    @precondition(lambda self: self.state == "idle")
    @rule(name=st.sampled_from(sorted(ASSOCIATION)), cuts=CUTS)
    def break_the_rules(self, name: str, cuts: list[int]) -> None:
        self.write(ASSOCIATION[name], cuts)
        self.expect_end(answers()["association", name], Outcome.VIOLATION)

    @precondition(lambda self: self.state == "data set")
    @rule(name=st.sampled_from(IN_A_DATA_SET))
    def break_the_rules_in_a_data_set(self, name: str) -> None:
        self.write(ASSOCIATION[name].removeprefix(STORE), [])
        self.expect_end(answers()["association", name], Outcome.VIOLATION)

    # ---------------------------------------------------------------------------------------------------- the end

    @precondition(lambda self: self.state == "idle")
    @rule()
    def release(self) -> None:
        self.write(RELEASE, [])
        assert self.read_to_the_end() == pdu(6, bytes(4))
        self.end(Outcome.RELEASED)

    @precondition(lambda self: self.state in {"idle", "data set"})
    @rule()
    def abort(self) -> None:
        self.write(ABORT, [])
        assert self.read_to_the_end() == b""
        self.end(Outcome.ABORTED_BY_PEER)

    @precondition(lambda self: self.state != "closed")
    @rule(reset=st.booleans())
    def vanish(self, reset: bool) -> None:
        if reset:
            self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.end(Outcome.LOST)

    def teardown(self) -> None:
        if self.state != "closed":
            self.end(Outcome.LOST)
        self.settle()
        before = len(self.scp.summaries)
        with RawSender(self.scp.port) as sender:
            assert sender.echo() == 0
        until(lambda: len(self.scp.summaries) > before, limit=30, what="the end of the good association")

    def begin(self) -> None:
        """Forget the connection before."""
        self.ending: Outcome | None = None
        self.message_id, self.data = 0, b""
        self.ended_before, self.received_before = len(self.scp.summaries), len(self.scp.received)
        self.stored: list[str] = []

    def settle(self) -> None:
        """What the acceptor tells of the connection that has ended is what was done; nothing of it is left."""
        if self.ending is None:
            return
        until(lambda: len(self.scp.summaries) > self.ended_before, limit=30, what="the end of the association")
        assert self.scp.summaries[-1].outcome is self.ending
        until(lambda: not self.scp.listener.connections, limit=30, what="no connection left")
        kept = [digest for _, _, digest in self.scp.received[self.received_before :]]
        assert kept == self.stored

    # ----------------------------------------------------------------------------------------------------- hands

    def next_id(self) -> int:
        self.message_id += 1
        return self.message_id

    def write(self, data: bytes, cuts: list[int]) -> None:
        """In pieces of these sizes; what is refused early may end the writing."""
        with suppress(ConnectionError):
            for size in cuts:
                self.peer.sendall(data[:size])
                data = data[size:]
            self.peer.sendall(data)

    def read_pdu(self) -> tuple[int, bytes]:
        kind, length = struct.unpack(">BxI", self.exactly(6))
        return kind, self.exactly(length)

    def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.peer.recv(size - len(data))
            assert part, "the acceptor closed instead of answering"
            data += part
        return data

    def read_response(self) -> tuple[int, int]:
        """Message ID and status of the next response."""
        kind, body = self.read_pdu()
        assert kind == 4, told(struct.pack(">BxI", kind, len(body)) + body)
        values = [body[body.index(struct.pack("<HHI", 0, element, 2)) + 8 :][:2] for element in (0x0120, 0x0900)]
        return int.from_bytes(values[0], "little"), int.from_bytes(values[1], "little")

    def read_to_the_end(self) -> bytes:
        data = b""
        while part := self.peer.recv(65536):
            data += part
        return data

    def expect_end(self, answer: str, outcome: Outcome) -> None:
        assert told(self.read_to_the_end()) == answer
        self.end(outcome)

    def end(self, outcome: Outcome) -> None:
        self.peer.close()
        self.state, self.ending = "closed", outcome


def fragments(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    """P-DATA-TFs of a data set in pieces of these sizes, the rest in the last one."""
    for size in sizes:
        if size >= len(data):
            break
        yield data_pdu(1, 0, data[:size])
        data = data[size:]
    yield data_pdu(1, 2, data)


@contextmanager
def machine() -> Iterator[type[AssociationScripts]]:
    """The machine against a listener of its own; afterwards threads and descriptors are back to the baseline."""
    with tempfile.TemporaryDirectory() as folder, serving(Scp(Path(folder)), PATIENT) as scp:
        yield type("Served", (AssociationScripts,), {"scp": scp})


@pytest.mark.timeout(1200)
def test_every_script_is_answered_by_the_book(request: pytest.FixtureRequest) -> None:
    most = 20 if request.config.getoption("--faults") == "all" else 1
    with machine() as scripts:
        run_state_machine_as_test(
            scripts,
            settings=settings(
                max_examples=EXAMPLES * most, stateful_step_count=STEPS, deadline=None, database=None,
                phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck), print_blob=True,
            ),
        )  # fmt: skip
