"""N-ACTION and N-EVENT-REPORT on one association, with scripted peers: in any order, for a limited time, both sides."""

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.commitment import CommitmentReport
from services.dicom import commands
from services.dicom.association import Request
from services.dicom.commitment import encode_report, encode_request, read_request
from services.dicom.commitment_reports import CommitmentReports
from services.dicom.contexts import COMMITMENT_PUSH, PUSH_INSTANCE, PresentationContext, ProposedContext, Roles
from services.dicom.errors import AssociationError, PeerTooSlow, ProtocolViolation
from services.dicom.guards import Guards
from services.dicom.requestor import Peer, Requestor
from services.dicom.status import name
from services.runtime.objects import Watermark
from services.runtime.objects_local import LocalStore
from tests.integration.dicom.conftest import FAST, Policy, Scp, serving
from tests.integration.dicom.test_requestor import scripted
from tests.stations import RawSender
from tests.stations.raw_association import role_item
from tests.stations.raw_sender import command_set, data_pdu, item, number, pdu, uid
from tests.waiting import until

EXPLICIT = "1.2.840.10008.1.2.1"
NM = "1.2.840.10008.5.1.4.1.1.20"
REQUEST = encode_request("1.2.3.99", [(NM, "1.2.3.1")], EXPLICIT)
REPORT = encode_report("1.2.3.99", [(NM, "1.2.3.1")], [], EXPLICIT)


class Archive:
    """The peer's side of one accepted connection."""

    def __init__(self, connection: socket.socket, roles: bytes = b"") -> None:
        self.socket = connection
        items = item(0x10, b"1.2.840.10008.3.1.1.1") + item(0x21, b"\1\0\0\0" + item(0x40, EXPLICIT.encode()))
        user = item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3") + roles)
        connection.sendall(pdu(2, struct.pack(">H2x32s32x", 1, b" " * 32) + items + user))

    def read(self) -> tuple[int, bytes, bytes]:
        """Kind of PDU or, for a message, 4 with command set and data set."""
        parts = {0: b"", 1: b""}
        while True:
            kind, length = struct.unpack(">BxI", self._exactly(6))
            body = self._exactly(length)
            if kind != 4:
                return kind, b"", b""
            while body:
                size, _, flags = struct.unpack_from(">IBB", body)
                parts[flags & 1] += body[6 : 4 + size]
                body = body[4 + size :]
            if flags == 2 or (flags == 3 and b"\0\0\0\x08\2\0\0\0\1\1" in parts[1]):
                return kind, parts[1], parts[0]

    def message(self) -> tuple[commands.Command, bytes]:
        """The next message."""
        kind, command, data = self.read()
        assert kind == 4
        return commands.decode(command), data

    def answer(self, status: int, field: int = 0x8130, message_id: int = 1) -> None:
        """A response without data set."""
        elements = {0x0100: number(field), 0x0120: number(message_id), 0x0800: number(0x0101), 0x0900: number(status)}
        self.socket.sendall(data_pdu(1, 3, command_set(elements)))

    def report(self, message_id: int = 9, field: int = 0x0100) -> None:
        """An N-EVENT-REPORT-RQ, or another command with its data set."""
        self.socket.sendall(report_bytes(message_id, field))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise ConnectionResetError
            data += part
        return data


def report_bytes(message_id: int, field: int = 0x0100) -> bytes:
    elements = {
        0x0002: uid(COMMITMENT_PUSH), 0x0100: number(field), 0x0110: number(message_id), 0x0800: number(1),
        0x1000: uid(PUSH_INSTANCE), 0x1002: number(1),
    }  # fmt: skip
    return data_pdu(1, 3, command_set(elements)) + data_pdu(1, 2, REPORT)


@contextmanager
def asking(
    script: Callable[[Archive], None], guards: Guards = FAST, *, roles: bytes = b"", scp: bool = False
) -> Iterator[tuple[Requestor, PresentationContext]]:
    """An association of ours to a peer that does as the script says."""

    def play(connection: socket.socket) -> None:
        with suppress(OSError):
            script(Archive(connection, roles))

    wanted = {COMMITMENT_PUSH: Roles(scu=False, scp=True)} if scp else None
    with scripted(play) as port:
        peer = Peer("127.0.0.1", port, "ARCHIVE1", "GATEWAY")
        requestor = Requestor.connect(peer, [ProposedContext(COMMITMENT_PUSH, (EXPLICIT,))], guards, roles=wanted)
        context = requestor.context_for(COMMITMENT_PUSH, EXPLICIT)
        assert context is not None
        try:
            yield requestor, context
        finally:
            requestor.abort()


class Reports:
    """Takes reports and answers 0000."""

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.peers: list[tuple[str, str]] = []

    def take(self, request: Request) -> None:
        self.data.append(request.read_data_set(1 << 20))
        self.peers.append((request.association.peer_aet, request.association.own_aet))
        request.association.respond(request, 0, event_type_id=1)


@pytest.mark.requirement("R76", "R77")
@pytest.mark.parametrize("status", [0, 0x0119, 0x0210, 0x0115, 0x0117, 0x0212, 0x0123, 0x0118, 0x0112, 0x0110, 0xC123])
def test_every_answer_of_an_action_has_its_name(status: int) -> None:
    def script(archive: Archive) -> None:
        archive.message()
        archive.answer(status)
        archive.read()

    with asking(script) as (requestor, context):
        response = requestor.action(context, REQUEST)
    assert response.status == status
    assert bool(name(response.status, commands.N_ACTION)) == bool(status)


@pytest.mark.requirement("R74", "R134")
def test_one_request_names_twenty_thousand_instances() -> None:
    seen: list[tuple[commands.Command, bytes]] = []

    def script(archive: Archive) -> None:
        seen.append(archive.message())
        archive.answer(0)
        archive.read()

    data = encode_request("1.2.3.99", [(NM, f"1.2.3.{each}") for each in range(20_000)], EXPLICIT)
    with asking(script) as (requestor, context):
        assert requestor.action(context, data).status == 0
    ((command, received),) = seen
    assert (command.requested_sop_class_uid, command.requested_sop_instance_uid) == (COMMITMENT_PUSH, PUSH_INSTANCE)
    assert command.action_type == 1
    assert not command.affected_sop_class_uid
    assert len(read_request(received, EXPLICIT).instances) == 20_000


@pytest.mark.parametrize("with_handler", [True, False], ids=["taken", "R81"])
@pytest.mark.requirement("R81")
def test_a_report_may_come_before_the_answer_and_while_lingering(with_handler: bool) -> None:
    answers: list[commands.Command] = []
    reports = Reports()

    def script(archive: Archive) -> None:
        archive.message()
        archive.report(9)
        answers.append(archive.message()[0])
        archive.answer(0)
        archive.report(10)
        answers.append(archive.message()[0])
        archive.report(11, field=0x0130)
        answers.append(archive.message()[0])
        assert archive.read()[0] == 5
        archive.report(12)
        archive.socket.sendall(pdu(6, bytes(4)))

    with asking(script) as (requestor, context):
        taken = reports.take if with_handler else None
        assert requestor.action(context, REQUEST, on_request=taken).status == 0
        assert requestor.serve(5, taken, lambda: len(answers) == 3)
        begun = time.monotonic()
        requestor.release()
        assert time.monotonic() - begun < FAST.artim_seconds
    expected = 0 if with_handler else 0x0110
    assert [(each.message_id, each.status) for each in answers] == [(9, expected), (10, expected), (11, 0x0211)]
    assert answers[0].affected_sop_class_uid == COMMITMENT_PUSH
    assert answers[0].affected_sop_instance_uid == PUSH_INSTANCE
    assert reports.data == ([REPORT] * 2 if with_handler else [])
    assert set(reports.peers) <= {("ARCHIVE1", "GATEWAY")}


@pytest.mark.parametrize("end", [pdu(5, bytes(4)), pdu(7, bytes(4)), b""], ids=["release", "abort", "close"])
def test_lingering_ends_with_the_peer(end: bytes) -> None:
    def script(archive: Archive) -> None:
        archive.message()
        archive.answer(0)
        archive.socket.sendall(end)
        if end:
            archive.read()

    with asking(script) as (requestor, context):
        requestor.action(context, REQUEST)
        begun = time.monotonic()
        assert not requestor.serve(4, None, lambda: False)
        assert time.monotonic() - begun < 2


def test_lingering_ends_at_its_limit() -> None:
    def script(archive: Archive) -> None:
        archive.message()
        archive.answer(0)
        archive.read()

    with asking(script) as (requestor, context):
        requestor.action(context, REQUEST)
        assert requestor.serve(0.3, None, lambda: False)


def test_a_flood_of_reports_holds_nobody() -> None:
    def script(archive: Archive) -> None:
        archive.message()
        archive.socket.settimeout(3)
        while True:
            archive.report()
            if archive.read()[0] != 4:
                return

    guards = replace(FAST, response_seconds=0.5)
    with asking(script, guards) as (requestor, context):
        begun = time.monotonic()
        with pytest.raises((PeerTooSlow, ProtocolViolation)) as caught:
            requestor.action(context, REQUEST, on_request=Reports().take)
        assert caught.value.phase == "response"
        assert time.monotonic() - begun < 3


def test_a_response_nobody_waits_for_ends_the_association() -> None:
    def script(archive: Archive) -> None:
        archive.message()
        archive.answer(0)
        archive.answer(0, 0x8130, 77)
        archive.read()

    with asking(script) as (requestor, context):
        requestor.action(context, REQUEST)
        assert not requestor.serve(4, None, lambda: False)


@pytest.mark.parametrize(
    ("roles", "refused"),
    [(b"", False), (role_item(COMMITMENT_PUSH, scu=False, scp=True), False),
     (role_item(COMMITMENT_PUSH, scu=True, scp=False), True)],
    ids=["omitted", "granted", "refused"],
)  # fmt: skip
def test_we_report_on_an_association_of_ours(roles: bytes, refused: bool) -> None:
    def script(archive: Archive) -> None:
        command, data = archive.message()
        assert (command.command_field, command.event_type, data) == (0x0100, 1, REPORT)
        archive.answer(0x0113, 0x8100)
        archive.read()

    with asking(script, roles=roles, scp=True) as (requestor, context):
        assert requestor.role_refused() == refused
        assert requestor.report(context, 1, REPORT).status == 0x0113


class CommitmentScp(Scp):
    """Answers N-ACTION and then, if the peer is quiet, reports on the same association."""

    def __init__(self, folder: Path, listening: Callable[[], bool] = lambda: True) -> None:
        super().__init__(folder)
        self.statuses: list[int] = []
        self.faults: list[AssociationError] = []
        self.quiet: list[bool] = []
        self._listening = listening
        self.handlers[commands.N_ACTION] = self.action

    def action(self, request: Request) -> None:
        association = request.association
        association.respond(request, 0, action_type_id=1)
        self.quiet.append(association.quiet())
        if not self.quiet[-1]:
            return
        try:
            self.statuses.append(association.report(request.context, 1, REPORT).status)
        except AssociationError as error:
            self.faults.append(error)
            raise


@pytest.fixture
def commitment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommitmentScp]:
    """The SCP above, which takes the commitment class."""
    known = Policy.accepts
    monkeypatch.setattr(
        Policy, "accepts", lambda self, proposal, syntax: (EXPLICIT,) if syntax == COMMITMENT_PUSH else
        known(self, proposal, syntax),
    )  # fmt: skip
    with serving(CommitmentScp(tmp_path)) as running:
        yield running  # type: ignore[misc]


def action_bytes(message_id: int) -> bytes:
    elements = {
        0x0003: uid(COMMITMENT_PUSH), 0x0100: number(0x0130), 0x0110: number(message_id), 0x0800: number(1),
        0x1001: uid(PUSH_INSTANCE), 0x1008: number(1),
    }  # fmt: skip
    return data_pdu(1, 3, command_set(elements)) + data_pdu(1, 2, REQUEST)


def report_answer(message_id: bytes) -> bytes:
    elements = {0x0100: number(0x8100), 0x0120: message_id, 0x0800: number(0x0101), 0x0900: number(0)}
    return data_pdu(1, 3, command_set(elements))


def reported(peer: RawSender) -> bytes:
    """Read the answer of an N-ACTION and the report after it; Message ID of the report."""
    answer = peer.read_command()
    assert (answer[0x0100], answer[0x0900], answer[0x1008]) == (number(0x8130), number(0), number(1))
    assert (answer[0x0002], answer[0x1000]) == (uid(COMMITMENT_PUSH), uid(PUSH_INSTANCE))
    assert not {0x0003, 0x1001} & set(answer)
    return report_of(peer)


def report_of(peer: RawSender) -> bytes:
    """Read a report, its data set included; its Message ID."""
    command = peer.read_command()
    assert command[0x0100] == number(0x0100)
    assert peer.read_pdu()[0] == 4
    return command[0x0110]


def test_a_handler_reports_on_the_association_of_the_request(commitment: CommitmentScp) -> None:
    with RawSender(commitment.port, contexts=[(COMMITMENT_PUSH, EXPLICIT)]) as peer:
        peer.socket.sendall(action_bytes(5))
        message_id = reported(peer)
        assert peer.echo() == 0  # what it asks for in between is served
        peer.socket.sendall(report_answer(message_id))
        until(lambda: commitment.statuses == [0], what="the report answered")
        assert peer.echo() == 0


def test_a_peer_that_releases_instead_of_answering_is_let_go(commitment: CommitmentScp) -> None:
    with RawSender(commitment.port, contexts=[(COMMITMENT_PUSH, EXPLICIT)]) as peer:
        peer.socket.sendall(action_bytes(5))
        reported(peer)
    summary = commitment.ended()
    assert summary.outcome.value == "released"
    assert [fault.phase for fault in commitment.faults] == ["response"]


def test_whoever_goes_on_asking_is_not_reported_to_meanwhile(commitment: CommitmentScp) -> None:
    with RawSender(commitment.port, contexts=[(COMMITMENT_PUSH, EXPLICIT)]) as peer:
        peer.socket.sendall(action_bytes(5) + action_bytes(6))
        first = peer.read_command()
        message_id = reported(peer)
        peer.socket.sendall(report_answer(message_id))
        until(lambda: commitment.statuses == [0], what="the report answered")
    assert first[0x0120] == number(5)
    assert commitment.quiet == [False, True]


@pytest.mark.parametrize("told", [True, False], ids=["told", "nobody listens"])
def test_a_report_on_our_association_is_kept_under_the_title_of_the_peer(tmp_path: Path, told: bool) -> None:
    keys: list[str] = []

    def kept(key: str) -> None:
        keys.append(key)
        if not told:
            raise RuntimeError("the loop is closed")

    statuses: list[int | None] = []

    def script(archive: Archive) -> None:
        archive.message()
        archive.report()
        statuses.append(archive.message()[0].status)
        archive.answer(0)
        archive.read()

    objects = LocalStore(tmp_path, Watermark(0, 0.0))
    with asking(script) as (requestor, context):
        reports = CommitmentReports(objects, kept)
        assert requestor.action(context, REQUEST, on_request=reports.receive).status == 0
    (key,) = keys
    report = CommitmentReport.decode(objects.get_bytes(key))
    assert statuses == [0]
    assert (report.calling_aet, report.called_aet, report.transaction_uid) == ("ARCHIVE1", "GATEWAY", "1.2.3.99")
