"""A Storage SCP that remembers what it got, bit for bit, and misbehaves on demand."""

import hashlib
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass
from types import TracebackType

from services.dicom import commands, pdu
from services.dicom.acceptor import AssociationProposal, AssociationSummary
from services.dicom.association import Request
from services.dicom.contexts import ALL_TRANSFER_SYNTAXES, STORAGE_CLASSES, VERIFICATION
from services.dicom.errors import PeerGone
from services.dicom.guards import Guards
from services.dicom.listener import Listener, listen

_LARGEST = 1 << 32


@dataclass(frozen=True)
class Accept:
    """Answers 0000."""


@dataclass(frozen=True)
class Answer:
    """Reads the data set and answers ``status``; after ``seconds`` (None: never) it accepts again."""

    status: int
    seconds: float | None = None


@dataclass(frozen=True)
class Slow:
    """Answers 0000 that many seconds after the data set."""

    seconds: float


@dataclass(frozen=True)
class RejectAssociations:
    """A-ASSOCIATE-RJ with these codes."""

    result: int
    source: int
    reason: int


@dataclass(frozen=True)
class Refuse:
    """Aborts what is open and closes the listening socket: connections are refused."""


@dataclass(frozen=True)
class Freeze:
    """Accepts associations and stops reading at the first request."""


@dataclass(frozen=True)
class AbortAfterData:
    """A-ABORT instead of the response; what was received is remembered."""


@dataclass(frozen=True)
class Cut:
    """Answers 0000 ``after`` times on each association, then loses the connection in the middle of a data set."""

    after: int


Behaviour = Accept | Answer | Slow | RejectAssociations | Refuse | Freeze | AbortAfterData | Cut


class StationReceiver:
    """Context manager. ``title`` is for the test's convenience: any called title is accepted."""

    def __init__(self, title: str = "ARCHIVE1", behaviour: Behaviour | None = None, *, guards: Guards | None = None):
        self.title = title
        self.uids: list[str] = []
        """SOP Instance UIDs in order of receipt, repeats included."""
        self.associations: list[AssociationSummary] = []
        """Ended ones."""
        self.requests: list[commands.Command] = []
        self.syntaxes: Sequence[str] = ALL_TRANSFER_SYNTAXES
        """Accepted for every class, the preferred one first."""
        self.classes: Container[str] = STORAGE_CLASSES
        """Accepted besides Verification."""
        self.statuses: dict[str, int] = {}
        """Answers by SOP Instance UID, where they are not those of the behaviour."""
        self.aborted: Container[str] = frozenset()
        """SOP Instance UIDs whose data set is answered with an A-ABORT."""
        self.proposed: list[str] = []
        """Abstract syntaxes of all contexts that were proposed, in their order."""
        self.echoes = 0
        """C-ECHOs that were answered."""
        self.frozen = threading.Event()
        """A request came while it was to freeze."""
        self._guards = guards or Guards()
        self._data_sets: dict[str, list[bytes]] = defaultdict(list)
        self._received_at: dict[str, float] = {}
        self._stored: Counter[str] = Counter()  # by association
        self._lock = threading.Lock()
        self._changed = threading.Condition()
        self._behaviour: Behaviour = behaviour or Accept()
        self._since = time.monotonic()
        self._closing = False
        self._listener: Listener | None = None
        self.port = 0

    def __enter__(self) -> "StationReceiver":
        self._open()
        self.behave(self._behaviour)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._shut()

    def behave(self, behaviour: Behaviour) -> None:
        """From here on, for open associations too."""
        with self._changed:
            self._behaviour, self._since = behaviour, time.monotonic()
            self._changed.notify_all()
        if isinstance(behaviour, Refuse):
            self._shut()
        else:
            self._open()

    @property
    def open(self) -> int:
        """Associations established at this moment."""
        return self._listener.active if self._listener else 0

    def forget(self) -> None:
        """What was received so far counts no more."""
        with self._lock:
            self.uids.clear()
            self.requests.clear()
            self._data_sets.clear()
            self._received_at.clear()

    def digests(self, uid: str) -> set[str]:
        """SHA-256 (hex) of every data set received for this SOP Instance UID."""
        with self._lock:
            return {hashlib.sha256(data).hexdigest() for data in self._data_sets.get(uid, ())}

    def data_set(self, uid: str) -> bytes:
        """The data set received last for this SOP Instance UID. Raises KeyError when there is none."""
        with self._lock:
            if uid not in self._data_sets:
                raise KeyError(uid)
            return self._data_sets[uid][-1]

    def data_sets(self, uid: str) -> list[bytes]:
        """All data sets received for this SOP Instance UID, in their order."""
        with self._lock:
            return list(self._data_sets.get(uid, ()))

    def received_at(self, uid: str) -> float:
        """time.monotonic() of the first receipt. Raises KeyError when there is none."""
        return self._received_at[uid]

    def _open(self) -> None:
        if self._listener is None:
            sock = listen("127.0.0.1", self.port)
            self.port = int(sock.getsockname()[1])
            handlers = {commands.C_ECHO: self._echo, commands.C_STORE: self._store}
            self._listener = Listener(sock, _Policy(self), handlers, self._guards, ended=self.associations.append)
            self._listener.start()

    def _shut(self) -> None:
        if self._listener is not None:
            self._listener.drain(0)
            self._listener = None

    @property
    def behaviour(self) -> Behaviour:
        """The one in force at this moment."""
        current = self._behaviour
        if isinstance(current, Answer) and current.seconds is not None:
            return Accept() if time.monotonic() > self._since + current.seconds else current
        return current

    def _echo(self, request: Request) -> None:
        self._freeze()
        self.echoes += 1
        request.association.respond(request, 0)

    def _store(self, request: Request) -> None:
        self._freeze()
        self._cut(request)
        data = request.read_data_set(_LARGEST)
        behaviour = self.behaviour
        if not isinstance(behaviour, Answer):
            self._remember(request, data)
        uid = request.command.affected_sop_instance_uid
        if isinstance(behaviour, AbortAfterData) or uid in self.aborted:
            request.association.abort()
        if isinstance(behaviour, Slow):
            with self._changed:
                self._changed.wait_for(lambda: self._closing, behaviour.seconds)
        usual = behaviour.status if isinstance(behaviour, Answer) else 0
        request.association.respond(request, self.statuses.get(uid, usual))

    def _cut(self, request: Request) -> None:
        with self._lock:
            self._stored[request.association.id] += 1
            number = self._stored[request.association.id]
        behaviour = self.behaviour
        if isinstance(behaviour, Cut) and number > behaviour.after:
            raise PeerGone("the line was cut")

    def _remember(self, request: Request, data: bytes) -> None:
        uid = request.command.affected_sop_instance_uid
        with self._lock:
            self._received_at.setdefault(uid, time.monotonic())
            self._data_sets[uid].append(data)
            self.requests.append(request.command)
            self.uids.append(uid)

    def _freeze(self) -> None:
        with self._changed:
            if isinstance(self._behaviour, Freeze):
                self.frozen.set()
            self._changed.wait_for(lambda: self._closing or not isinstance(self._behaviour, Freeze))


class _Policy:
    def __init__(self, station: StationReceiver) -> None:
        self._station = station

    def judge(self, _: AssociationProposal) -> pdu.Rejection | None:
        behaviour = self._station.behaviour
        if isinstance(behaviour, RejectAssociations):
            return pdu.Rejection(behaviour.result, behaviour.source, behaviour.reason)
        return None

    def forbidden(self, _: AssociationProposal) -> frozenset[int]:
        return frozenset()

    def accepts(self, _: AssociationProposal, abstract_syntax: str) -> Sequence[str]:
        self._station.proposed.append(abstract_syntax)
        known = abstract_syntax in self._station.classes or abstract_syntax == VERIFICATION
        return self._station.syntaxes if known else ()
