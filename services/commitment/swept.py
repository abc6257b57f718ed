"""What the sweep remembers of a folder, and when it has to look into it again. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.runtime.objects import Folder, ObjectStat

OPEN = timedelta(hours=2)
"""So long after its last change a folder is listed at every look: times of files are coarse, some stores cache them."""
WITHOUT_TIME = timedelta(hours=1)
"""So often a quiet folder is listed where the store tells no time of folders (S3)."""


@dataclass
class Remembered:
    """``known``: keys that have a row, while it is open; ``left``: how many could not be handled at the last look."""

    known: set[str] = field(default_factory=set)
    left: int = 0
    open: bool = True
    _modified: datetime | None = None
    _again: datetime | None = None

    def quiet(self, folder: Folder, at: datetime) -> bool:
        """Whether nothing can be new in it and nothing is due to be deleted at the database's time ``at``."""
        return not self.open and folder.modified == self._modified and (self._again is None or at < self._again)

    def saw(self, folder: Folder, listed: Sequence[ObjectStat], left: set[str], at: datetime, kept: timedelta) -> None:
        """After a listing: ``left`` has no row yet, ``kept`` is the life of an object that has one."""
        changed = folder.modified or max((found.modified for found in listed), default=at - 2 * OPEN)
        self.open = bool(left) or at - changed <= OPEN
        self.left = len(left)
        self._modified = folder.modified
        due = [found.modified + kept for found in listed]
        if folder.modified is None:
            due.append(at + WITHOUT_TIME)
        self._again = min(due, default=None)
        self.known = {found.key for found in listed} - left if self.open else set()


def day_folders(top: str, at: datetime) -> Iterable[str]:
    """The day folders in which objects appear when all clocks are nearly right."""
    hours = (at - timedelta(hours=1), at + timedelta(hours=1))
    return sorted({f"{top}/{moment:%Y/%m/%d}" for moment in hours})


def outlived(listed: Iterable[ObjectStat], at: datetime, kept: timedelta) -> list[str]:
    """Keys of objects that are older than ``kept`` by the store's own time, never by their key."""
    return [found.key for found in listed if at - found.modified > kept]
