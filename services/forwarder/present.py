"""Which instances a destination has already, asked by C-FIND before they are sent, where that is wanted.

The question goes over the association that sends, so that it takes no other one (R26): one for all instances of a
series. What the destination does not tell is sent as usual. A UID is all that it can tell: whether it has this very
content, nobody knows.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from services.dicom.archive import STUDY_ROOT, AskedArchive, NotTold
from services.dicom.errors import PeerTooSlow
from services.dicom.pending import MatchLimits
from services.dicom.requestor import Requestor
from services.forwarder import metrics
from services.forwarder.classify import Verdict
from services.forwarder.configuration import Station
from services.forwarder.delivery import Delivery, Sent
from services.forwarder.states import Event

PRESENT: Final = Verdict(Event.PRESENT, "not sent: asked by C-FIND, the station answered that it has it")
ASK_SECONDS: Final = 30.0
"""For one answer, unless the station's own limit is another one."""
FRESH_SECONDS: Final = 60.0
"""So long an answer is believed: what a station has it may delete."""
SILENT_SECONDS: Final = 300.0
"""So long a station is not asked that could not be: each question in vain holds up what is to be sent."""
MOST: Final = MatchLimits(100_000, 64 << 20)
MOST_SERIES: Final = 8

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Asking:
    """A station that may be asked. ``usual``: whether it is, unless a job says otherwise; ``seconds`` for an answer."""

    usual: bool
    seconds: float


def asking(station: Station, *, xeleris: bool) -> Asking | None:
    """How a station is asked (pure). None: never; it is no query source, or queries are for people alone (R53)."""
    if xeleris or not station.query_retrieve:
        return None
    return Asking(station.skip_present, station.find_seconds or ASK_SECONDS)


def wanted(how: Asking | None, delivery: Delivery) -> bool:
    """Whether to ask before a delivery is sent (pure). A later revision has a UID that is there with other content."""
    if how is None or delivery.revision > 1 or not delivery.series_instance_uid:
        return False
    return how.usual if delivery.skip_present is None else delivery.skip_present


def named(delivery: Delivery) -> tuple[str, str, str]:
    """UIDs of study, series and instance under which the station has it, if it does (pure)."""
    uids = delivery.study_instance_uid, delivery.series_instance_uid, delivery.sop_instance_uid
    change = delivery.transformation
    return uids if change is None else (change.sent_uid(uids[0]), change.sent_uid(uids[1]), change.sent_uid(uids[2]))


def known_as(delivery: Delivery) -> Sent | None:
    """What the ledger keeps of an instance that is there under other UIDs (pure)."""
    old = delivery.study_instance_uid, delivery.series_instance_uid, delivery.sop_instance_uid
    renamed = {before: after for before, after in zip(old, named(delivery), strict=True) if before != after}
    return Sent(renamed) if renamed else None


@dataclass
class Presence:
    """Whether one destination can be asked; its associations in this process share it."""

    title: str
    why_silent: str = ""
    """Why it is not asked at the moment; read together with ``silent``."""
    _silent_until: float = 0.0

    def __post_init__(self) -> None:
        for outcome in ("told", "not told"):
            metrics.PRESENCE_QUERIES.labels(self.title, outcome)  # counts from 0

    @property
    def silent(self) -> bool:
        """Whether it could not be asked just now."""
        return time.monotonic() < self._silent_until

    def silence(self, why: str) -> None:
        """It could not be asked."""
        self.why_silent, self._silent_until = why, time.monotonic() + SILENT_SECONDS
        metrics.PRESENCE_QUERIES.labels(self.title, "not told").inc()
        log.warning("presence_not_told", destination=self.title, reason=why)


@dataclass
class Answers:
    """What one destination has told the association that sends: the next one asks again."""

    title: str
    _told: OrderedDict[tuple[str, str], tuple[float, frozenset[str]]] = field(default_factory=OrderedDict)

    def has(self, requestor: Requestor, delivery: Delivery, seconds: float) -> bool:
        """Whether it has the instance. Blocks; raises ``NotTold``, and the errors of the association."""
        study, series, instance = named(delivery)
        at, uids = self._told.get((study, series), (-FRESH_SECONDS, frozenset[str]()))
        if time.monotonic() - at >= FRESH_SECONDS:
            at, uids = time.monotonic(), _asked(requestor, study, series, seconds)
            metrics.PRESENCE_QUERIES.labels(self.title, "told").inc()
            self._told[study, series] = at, uids
            self._told.move_to_end((study, series))
            while len(self._told) > MOST_SERIES:
                self._told.popitem(last=False)
        return instance in uids


def _asked(requestor: Requestor, study: str, series: str, seconds: float) -> frozenset[str]:
    context = requestor.first_context(STUDY_ROOT)
    if context is None:
        raise NotTold("it accepted no queries (Study Root C-FIND)")
    return AskedArchive(requestor, context, MOST, _within(seconds)).instances(study, series)


def _within(seconds: float) -> Callable[[], None]:
    """What is called while nothing comes, and raises when that has lasted too long."""
    limit = time.monotonic() + seconds

    def look() -> None:
        if time.monotonic() >= limit:
            raise PeerTooSlow(f"a C-FIND was not answered within {seconds:g} s")

    return look
