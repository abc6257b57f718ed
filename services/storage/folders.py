"""What the sweep remembers of an open folder, and when a folder may be closed. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.runtime.objects import ObjectStat

SETTLE_SECONDS = 1.0


@dataclass
class OpenFolder:
    """``known``: keys that need no question; ``newest``: the store's time of the last object."""

    known: set[str] = field(default_factory=set)
    objects: int = 0
    unreadable: int = 0
    newest: datetime | None = None
    _listed: datetime | None = None
    _listed_at: float = 0.0
    _settled: datetime | None = None

    def settled(self, modified: datetime | None) -> bool:
        """Nothing has changed since two listings a second apart: no need to list. Never on S3, which tells no time."""
        return modified is not None and modified == self._settled

    def saw(self, listed: list[ObjectStat], unreadable: set[str], modified: datetime | None, at: float) -> None:
        """After a listing at monotonic time ``at`` of the folder that had changed at ``modified`` before.

        A change within one tick of the file system's clock leaves the time as it was; the second listing sees it.
        """
        self.known = {found.key for found in listed}
        self.objects = len(listed)
        self.unreadable = len(unreadable & self.known) if unreadable else self.unreadable
        self.newest = max((found.modified for found in listed), default=self.newest)
        if modified != self._listed:
            self._listed, self._listed_at = modified, at
        elif at - self._listed_at >= SETTLE_SECONDS:
            self._settled = modified


def closable(changed: datetime | None, at: datetime, open_seconds: float) -> bool:
    """Whether a folder that changed last at ``changed`` may be closed at ``at``."""
    return changed is not None and at - changed > timedelta(seconds=open_seconds)


def day_prefixes(at: datetime) -> Iterable[str]:
    """The day folders that objects may appear in: ingest's clock is at most a minute wrong."""
    hours = (at - timedelta(hours=1), at + timedelta(hours=1))
    return sorted({f"objects/{moment:%Y/%m/%d}" for moment in hours})
