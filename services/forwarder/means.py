"""What associations stand on, and what those to one destination share in a process."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from services.dicom.profile import Profile
from services.forwarder.configuration import Station
from services.forwarder.preparation import Preparation
from services.forwarder.present import Presence
from services.forwarder.settings import ForwarderSettings
from services.runtime.db import Database
from services.runtime.supervise import Supervisor


@dataclass
class Destination:
    """What the associations to one destination share in this process.

    Its lock keeps them from queueing for connections of the pool while they wait for one another in the database.
    """

    title: str
    station: Callable[[], Station | None]  # as configured at the moment
    holds: Callable[[], frozenset[tuple[str, str]]]  # in force at the moment, and schedules that are closed
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    sessions: list[asyncio.Event] = field(default_factory=list)
    lanes: list[asyncio.Event] = field(default_factory=list)
    presence: Presence = field(init=False)
    _timer: asyncio.TimerHandle | None = None

    def __post_init__(self) -> None:
        self.presence = Presence(self.title)

    def ring_in(self, seconds: float) -> None:
        """Something may be due after ``seconds``, where that is not now and no such time is set yet."""
        if seconds > 0 and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._ring_in_time)

    def _ring_in_time(self) -> None:
        self._timer = None
        self.ring()

    def ring(self, *, room: bool = True) -> None:
        """Something may be due, and there may be ``room`` for another association."""
        for listener in [*self.sessions, *(self.lanes if room else ())]:
            listener.set()


@dataclass(frozen=True)
class Means:
    """What sending stands on."""

    database: Database
    preparation: Preparation
    settings: ForwarderSettings
    profile: Profile
    supervisor: Supervisor
    threads: ThreadPoolExecutor
