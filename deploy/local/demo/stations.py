"""The demo's two stations: storage SCPs on free ports of the loopback interface that keep what they get."""

import hashlib
import os
import threading
from collections.abc import Container, Sequence
from pathlib import Path
from types import TracebackType

from services.dicom import commands, pdu
from services.dicom.acceptor import AssociationProposal
from services.dicom.association import Handler, Request
from services.dicom.contexts import ALL_TRANSFER_SYNTAXES, STORAGE_CLASSES, VERIFICATION
from services.dicom.guards import Guards
from services.dicom.listener import Listener, listen
from services.dicom.part10 import ObjectMeta, begin_object

LARGEST_BYTES = 1 << 30
SUCCESS = 0x0000
LAST_CHANCE_SECONDS = 2.0


class DemoStation:
    """A station that runs while its ``with`` block does; files go to ``folder`` and replace those of earlier runs."""

    classes: Container[str] = STORAGE_CLASSES | {VERIFICATION}

    def __init__(self, title: str, folder: Path) -> None:
        self.title = title
        self.folder = folder
        self.port = 0
        self._digests: dict[str, list[str]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> "DemoStation":
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob("*.dcm"):
            left.unlink()
        sock = listen("127.0.0.1", 0)
        self.port = int(sock.getsockname()[1])
        self._listener = Listener(sock, _AnyStorage(self.classes), self._handlers(), Guards())
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.drain(LAST_CHANCE_SECONDS)

    def digests(self, sop_instance_uid: str) -> list[str]:
        """SHA-256 (hex) of every data set it got under that UID, in their order."""
        with self._lock:
            return list(self._digests.get(sop_instance_uid, ()))

    @property
    def received(self) -> int:
        """How many instances it got in all, repeats counted."""
        with self._lock:
            return sum(map(len, self._digests.values()))

    def _handlers(self) -> dict[int, Handler]:
        return {commands.C_ECHO: _echo, commands.C_STORE: self._store}

    def _store(self, request: Request) -> None:
        command = request.command
        meta = ObjectMeta(
            sop_class_uid=command.affected_sop_class_uid,
            sop_instance_uid=command.affected_sop_instance_uid,
            transfer_syntax_uid=request.context.transfer_syntax,
        )
        digest = hashlib.sha256()
        with self._lock:
            number = sum(map(len, self._digests.values())) + 1
            self._digests.setdefault(command.affected_sop_instance_uid, [])
        fd = os.open(self.folder / f"{number:04}-{request.association.id}.dcm", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            begin_object(fd, meta)
            request.copy_data_set(fd, digest, LARGEST_BYTES)
        finally:
            os.close(fd)
        with self._lock:
            self._digests[command.affected_sop_instance_uid].append(digest.hexdigest())
        request.association.respond(request, SUCCESS)


class _AnyStorage:
    """Takes the station's classes in every transfer syntax from everybody."""

    def __init__(self, classes: Container[str]) -> None:
        self._classes = classes

    def judge(self, proposal: AssociationProposal) -> pdu.Rejection | None:
        return None

    def forbidden(self, proposal: AssociationProposal) -> frozenset[int]:
        return frozenset()

    def accepts(self, proposal: AssociationProposal, abstract_syntax: str) -> Sequence[str]:
        return ALL_TRANSFER_SYNTAXES if abstract_syntax in self._classes else ()


def _echo(request: Request) -> None:
    request.association.respond(request, SUCCESS)
