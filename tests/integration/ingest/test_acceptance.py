"""Who is let in for what, asked of running processes: rejections, limits over processes, contexts of each product."""

import os
import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from schemas.snapshot import CalledTitle, SnapshotStation
from services.dicom.acceptance import SnapshotPolicy
from services.dicom.listener import Listener, listen
from services.dicom.profile import Profile, profile_of
from services.dicom.settings import DicomSettings
from services.ingest.offer import roles, transfer_syntaxes
from tests.ingest_process import IngestProcess, ingest_process, snapshot
from tests.stations import RawSender
from tests.stations.raw_sender import associate_request, item, pdu
from tests.waiting import until

XELERIS = {"GATEWAY_PROFILE": "xeleris", "GATEWAY_AET": "GATEWAY"}
EXPLICIT, IMPLICIT, JPEG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.70"
VERIFICATION, CT, NM = "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.20"
PDF, PUSH, PRIVATE = "1.2.840.10008.5.1.4.1.1.104.1", "1.2.840.10008.1.20.1", "1.2.840.113619.4.27"
ULTRASOUND = "1.2.840.10008.5.1.4.1.1.6.1"
REQUEST = associate_request([(VERIFICATION, IMPLICIT)])


def answer(peer: socket.socket, request: bytes) -> tuple[int, ...]:
    """Result, source and reason of an A-ASSOCIATE-RJ; () for an association, which is then ended."""
    peer.sendall(request)
    reply = peer.recv(65536)
    if reply[0] == 3:
        return tuple(reply[7:10])
    assert reply[0] == 2
    peer.sendall(pdu(5, bytes(4)))
    while peer.recv(65536):
        pass
    return ()


def asked(port: int, calling: str = "SCANNER1", called: str = "GATEWAY", host: str = "127.0.0.1") -> tuple[int, ...]:
    """The answer to a proposal of Verification."""
    request = associate_request([(VERIFICATION, IMPLICIT)], calling_aet=calling, called_aet=called)
    with socket.create_connection((host, port), 5) as peer:
        return answer(peer, request)


STATIONS = [
    SnapshotStation(title="SCANNER1"),
    SnapshotStation(title="NEAR", addresses=["127.0.0.0/8"]),
    SnapshotStation(title="NEAR6", addresses=["::1"]),
    SnapshotStation(title="FAR", addresses=["10.0.0.0/8"]),
]
TITLES = [CalledTitle(title="RESEARCH", stations=["NEAR"], associations=1), CalledTitle(title="ALIAS")]


def configure(ingest: IngestProcess) -> None:
    """Put stations and titles in force."""
    ingest.configure(snapshot(2, STATIONS).model_copy(update={"titles": TITLES}))
    until(lambda: ingest.metric("gateway_snapshot_number") == 2, what="the snapshot to be in force")


@pytest.fixture(scope="module")
def ingest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IngestProcess]:
    """An ingest with those stations and titles."""
    with ingest_process(tmp_path_factory.mktemp("ingest")) as running:
        configure(running)
        yield running


@pytest.mark.parametrize(
    ("calling", "called", "codes"),
    [
        ("NOBODY", "GATEWAY", (1, 1, 3)),
        ("SCANNER1", "OTHER", (1, 1, 7)),
        ("FAR", "GATEWAY", (1, 1, 3)),
        ("SCANNER1", "RESEARCH", (1, 1, 3)),
        ("NEAR", "RESEARCH", ()),
        ("SCANNER1", "ALIAS", ()),
        ("NEAR", "GATEWAY", ()),
    ],
)
def test_station_address_and_title_decide(
    ingest: IngestProcess, calling: str, called: str, codes: tuple[int, ...]
) -> None:
    assert asked(ingest.port, calling, called) == codes


def test_another_application_context_is_rejected(ingest: IngestProcess) -> None:
    with socket.create_connection(("127.0.0.1", ingest.port), 5) as peer:
        assert answer(peer, REQUEST.replace(b"10008.3.1.1.1", b"10008.3.1.1.9")) == (1, 1, 2)


def test_a_title_has_its_own_limit(ingest: IngestProcess) -> None:
    with RawSender(ingest.port, "NEAR", "RESEARCH"):
        assert asked(ingest.port, "NEAR", "RESEARCH") == (2, 3, 2)
        assert asked(ingest.port, "NEAR", "GATEWAY") == ()
    until(lambda: asked(ingest.port, "NEAR", "RESEARCH") == (), what="the place to be free again")


def test_who_associates_after_the_drain_began_is_rejected_for_the_moment(tmp_path: Path) -> None:
    with ingest_process(tmp_path) as ingest, ExitStack() as stack:
        held = stack.enter_context(RawSender(ingest.port))
        waiting = [stack.enter_context(socket.create_connection(("127.0.0.1", ingest.port), 5)) for _ in range(200)]
        until(lambda: _threads(ingest) >= 200, what="the connections to be taken")
        assert ingest.process is not None
        ingest.process.terminate()
        until(lambda: answer(waiting.pop(), REQUEST) == (2, 3, 1), limit=5, what="the end of the grace")
        assert held.echo() == 0


def _threads(ingest: IngestProcess) -> int:
    assert ingest.process is not None
    return len(list(Path(f"/proc/{ingest.process.pid}/task").iterdir()))


def test_five_associations_over_two_processes(tmp_path: Path) -> None:
    """R27: the sixth is rejected (2,3,2); a place is free when one ends, and at once when its process is killed."""
    with ingest_process(tmp_path, XELERIS) as first, ExitStack() as stack:
        second = IngestProcess(tmp_path, first.settings)
        stack.callback(second.end)
        second.listener.close()
        second.listener, second.port = first.listener, first.port
        second.start()
        with only(first, second):
            held = [_held(first.port, stack) for _ in range(3)]
        with only(second, first):
            for _ in range(2):
                _held(first.port, stack)
        assert {asked(first.port) for _ in range(8)} == {(2, 3, 2)}
        held[0].__exit__(None, None, None)
        until(lambda: asked(first.port) == (), what="the place of the one that ended")
        with only(first, second):
            _held(first.port, stack)
        assert asked(first.port) == (2, 3, 2)
        assert second.process is not None
        os.kill(second.process.pid, signal.SIGKILL)
        second.process.wait(10)
        assert _places(first.port) == 2


def _held(port: int, stack: ExitStack) -> RawSender:
    """An association that stays until the end of the test."""
    sender = RawSender(port).__enter__()
    stack.callback(sender.socket.close)
    return sender


@contextmanager
def only(running: IngestProcess, stopped: IngestProcess) -> Iterator[None]:
    """Connections of the shared socket go to the first one."""
    assert running.process is not None
    assert stopped.process is not None
    pid = stopped.process.pid
    os.kill(pid, signal.SIGSTOP)
    until(lambda: _is_stopped(pid), what="every thread to be stopped: one that still runs would accept")
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _is_stopped(pid: int) -> bool:
    return all("State:\tT" in (task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir())


def _places(port: int) -> int:
    """How many associations can be had at once."""
    held: list[RawSender] = []
    with ExitStack() as stack, suppress(ConnectionRefusedError):
        while len(held) < 6:
            held.append(stack.enter_context(RawSender(port)))
    return len(held)


@contextmanager
def listening(profile: Profile) -> Iterator[int]:
    """A listener with what ingest offers in a profile; its port."""
    policy = SnapshotPolicy("GATEWAY", profile, snapshot)
    policy.offers.append(lambda abstract_syntax: transfer_syntaxes(profile, abstract_syntax))
    with Listener(
        listen("127.0.0.1", 0), policy, {}, profile.guards(), roles=roles(profile),
        implementation=profile.implementation,
    ) as listener:  # fmt: skip
        yield listener.address[1]


def negotiated(port: int, contexts: dict[str, list[str]]) -> tuple[dict[str, tuple[int, str]], dict[int, bytes]]:
    """Result and transfer syntax for each class, and the user items, of an A-ASSOCIATE-AC."""
    body = associate_request([])[6:]
    at = body.index(b"\x50\0", 68)
    for place, (abstract_syntax, syntaxes) in enumerate(contexts.items()):
        items = item(0x30, abstract_syntax.encode()) + b"".join(item(0x40, each.encode()) for each in syntaxes)
        context = item(0x20, struct.pack("B3x", 2 * place + 1) + items)
        body, at = body[:at] + context + body[at:], at + len(context)
    with socket.create_connection(("127.0.0.1", port), 5) as peer:
        peer.sendall(pdu(1, body))
        accept = peer.recv(65536)
        peer.sendall(pdu(7, bytes(4)))
    assert accept[0] == 2
    found: dict[str, tuple[int, str]] = {}
    user: dict[int, bytes] = {}
    for kind, data in _items(accept[74:]):
        if kind == 0x21:
            (_, syntax), *_ = _items(data[4:])
            found[list(contexts)[data[0] // 2]] = (data[2], syntax.decode() if data[2] == 0 else "")
        elif kind == 0x50:
            user = dict(_items(data))
    return found, user


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        kind, length = struct.unpack_from(">BxH", data)
        yield kind, data[4 : 4 + length]
        data = data[4 + length :]


@pytest.mark.parametrize(
    ("variant", "commitment", "pdf", "version"),
    [
        ("3.0", 0, 3, b"Xeleris 3.0000"),
        ("3.1", 0, 3, b"Xeleris 3.1000"),
        ("4.0", 0, 3, b"Xeleris 4.0000"),
        ("4dr", 0, 0, b"Xeleris 4.1000"),
        ("v", 3, 0, b"Xeleris 4.1000"),
    ],
)
def test_what_each_product_accepts(variant: str, commitment: int, pdf: int, version: bytes) -> None:
    """R2, R3, R25, R29, R31, R84, R86, R87, R96."""
    both = [IMPLICIT, EXPLICIT]
    proposal = {
        VERIFICATION: both, NM: both, CT: [IMPLICIT], PDF: both, PUSH: both, PRIVATE: both,
        ULTRASOUND: both, "1.2.840.10008.5.1.4.1.1.4": [JPEG],
    }  # fmt: skip
    with listening(profile_of("xeleris", DicomSettings.load(variant=variant))) as port:
        found, user = negotiated(port, proposal)
    assert {name: syntax for name, (_, syntax) in found.items() if syntax} == {
        VERIFICATION: EXPLICIT, NM: EXPLICIT, CT: IMPLICIT, PRIVATE: EXPLICIT,
        **({PDF: EXPLICIT} if not pdf else {}), **({PUSH: EXPLICIT} if not commitment else {}),
    }  # fmt: skip
    assert [result for result, _ in found.values()] == [0, 0, 0, pdf, commitment, 0, 3, 4]
    assert (user[0x51], user[0x52], user[0x55]) == (struct.pack(">I", 128000), b"1.2.840.113619.6.281", version)
    assert set(user) == {0x51, 0x52, 0x55}  # no asynchronous operations, no extended negotiation (R28, R30)


def test_profile_gateway_takes_more() -> None:
    compressed = "1.2.840.10008.5.1.4.1.1.4"
    with listening(profile_of("gateway", DicomSettings.load())) as port:
        found, _ = negotiated(port, {ULTRASOUND: [IMPLICIT], PDF: [EXPLICIT], PUSH: [EXPLICIT], compressed: [JPEG]})
    assert [result for result, _ in found.values()] == [0, 0, 0, 0]


class OwnSocket(IngestProcess):
    """An ingest that opens its socket itself, on every address of both versions of IP."""

    def environment(self) -> dict[str, str]:
        environment = super().environment()
        del environment["GATEWAY_DICOM_FD"]
        return environment | {"GATEWAY_DICOM_HOST": "::", "GATEWAY_DICOM_PORT": str(self.port)}


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")
def test_both_versions_of_ip_on_one_port(tmp_path: Path) -> None:
    process = OwnSocket(tmp_path)
    process.listener.close()
    process.listener = socket.socket()  # a descriptor to pass on, nothing more
    process.configure(snapshot(2, STATIONS))
    try:
        process.start()
        assert asked(process.port, "NEAR") == ()
        assert asked(process.port, "NEAR", host="::1") == (1, 1, 3)
        assert asked(process.port, "NEAR6", host="::1") == ()
        assert asked(process.port, "NEAR6") == (1, 1, 3)
    finally:
        process.end()
