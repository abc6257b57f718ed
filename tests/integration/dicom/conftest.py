"""A listener of the Upper Layer that keeps what it gets, with deadlines short enough for tests, and its bookkeeping."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.dicom import commands, pdu
from services.dicom.acceptor import AssociationProposal, AssociationSummary
from services.dicom.association import Request
from services.dicom.contexts import ALL_TRANSFER_SYNTAXES, STORAGE_CLASSES, VERIFICATION
from services.dicom.guards import Guards
from services.dicom.listener import Listener, listen
from tests.stations import RawSender
from tests.waiting import until

FAST = Guards(
    artim_seconds=0.8,
    pdu_seconds=0.8,
    pause_seconds=0.8,
    minimum_rate=1 << 20,
    idle_seconds=5,
    response_seconds=5,
    connect_seconds=2,
    linger_seconds=0.5,
    maximum_object=1 << 20,
)


class Policy:
    """Knows everybody but STRANGER, is called GATEWAY, and breaks for CALAMITY."""

    def judge(self, proposal: AssociationProposal) -> pdu.Rejection | None:
        if proposal.calling_aet == "CALAMITY":
            raise RuntimeError("the list of stations is gone")
        if proposal.called_aet != "GATEWAY":
            return pdu.UNKNOWN_CALLED
        return pdu.UNKNOWN_CALLING if proposal.calling_aet == "STRANGER" else None

    def forbidden(self, _: AssociationProposal) -> frozenset[int]:
        return frozenset()

    def accepts(self, proposal: AssociationProposal, abstract_syntax: str) -> Sequence[str]:
        known = abstract_syntax in STORAGE_CLASSES or abstract_syntax == VERIFICATION
        return ALL_TRANSFER_SYNTAXES if known else ()


class Scp:
    """A Storage SCP on the Upper Layer, data sets in files of ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.received: list[tuple[str, int, str]] = []
        self.summaries: list[AssociationSummary] = []
        self.handlers: dict[int, Callable[[Request], None]] = {
            commands.C_ECHO: self.echo,
            commands.C_STORE: self.store,
        }
        self.listener: Listener

    def echo(self, request: Request) -> None:
        request.association.respond(request, 0)

    def store(self, request: Request) -> None:
        digest = hashlib.sha256()
        path = self.folder / request.association.id
        try:
            with path.open("wb") as file:
                size = request.copy_data_set(file.fileno(), digest, request.association.stream.guards.maximum_object)
        finally:
            path.unlink()
        self.received.append((request.command.affected_sop_instance_uid, size, digest.hexdigest()))
        request.association.respond(request, 0)

    @property
    def port(self) -> int:
        return self.listener.address[1]

    def ended(self, count: int = 1) -> AssociationSummary:
        """The last summary, once there are so many."""
        until(lambda: len(self.summaries) >= count, what=f"{count} ended associations")
        return self.summaries[-1]


def descriptors() -> int:
    """Open file descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))


@contextmanager
def nothing_left() -> Iterator[None]:
    """Threads and descriptors are back to what they were."""
    threads, files = set(threading.enumerate()), descriptors()
    yield
    until(lambda: set(threading.enumerate()) <= threads, what="threads back to the baseline")
    until(lambda: descriptors() <= files, what="descriptors back to the baseline")


@contextmanager
def serving(scp: Scp, guards: Guards = FAST, **more: object) -> Iterator[Scp]:
    """The SCP on a port of its own; at the end it still serves, and leaves nothing behind."""
    with nothing_left():
        scp.listener = Listener(
            listen("127.0.0.1", 0),
            Policy(),
            scp.handlers,
            guards,
            ended=scp.summaries.append,
            **more,  # type: ignore[arg-type]
        )
        with scp.listener:
            with nothing_left():
                yield scp
            with RawSender(scp.port) as sender:
                assert sender.echo() == 0
        assert list(scp.folder.iterdir()) == []


@pytest.fixture
def scp(tmp_path: Path) -> Iterator[Scp]:
    """The SCP with fast guards."""
    with serving(Scp(tmp_path)) as running:
        yield running
