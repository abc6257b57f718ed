"""What the sweep remembers of an open folder, and when a folder may be closed. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

SETTLE_SECONDS = 1.0
NAME_BYTES = 16
_SUFFIX = ".dcm"
_MILLISECONDS_BYTES = 6


class KnownNames:
    """Names of a folder's objects, those that ``new_object_key`` makes in 16 bytes each: an hour may have hundreds of
    thousands. They are kept by the seconds in which they were made."""

    def __init__(self) -> None:
        self._numbers: dict[int, bytes] = {}
        self._others: set[str] = set()

    def __len__(self) -> int:
        return sum(map(len, self._numbers.values())) // NAME_BYTES + len(self._others)

    def __contains__(self, name: str) -> bool:
        number = _number(name)
        if number is None:
            return name in self._others
        numbers = self._numbers.get(_seconds(number), b"")
        at = numbers.find(number)
        while at % NAME_BYTES and at > 0:  # the end of one and the beginning of the next
            at = numbers.find(number, at + 1)
        return at >= 0

    def add(self, names: Iterable[str]) -> None:
        """These too, none of which is there yet."""
        for name in names:
            if (number := _number(name)) is None:
                self._others.add(name)
            else:
                self._numbers[_seconds(number)] = self._numbers.get(_seconds(number), b"") + number

    def clear(self) -> None:
        """None of them any more."""
        self._numbers.clear()
        self._others.clear()


def _number(name: str) -> bytes | None:
    """The number that is the name of one of our objects; None for any other name."""
    try:
        number = bytes.fromhex(name.removesuffix(_SUFFIX))
    except ValueError:
        return None
    return number if len(number) == NAME_BYTES and name == number.hex() + _SUFFIX else None


def _seconds(number: bytes) -> int:
    return int.from_bytes(number[:_MILLISECONDS_BYTES]) >> 12  # of 4.096 s


@dataclass
class OpenFolder:
    """``known``: names that need no question; ``objects``: how many there were at the last listing; ``newest``: the
    store's time of the last one, where it tells that with the names."""

    known: KnownNames = field(default_factory=KnownNames)
    objects: int = 0
    unreadable: int = 0
    newest: datetime | None = None
    _listed: datetime | None = None
    _listed_at: float = 0.0
    _settled: datetime | None = None

    def settled(self, modified: datetime | None) -> bool:
        """Nothing has changed since two listings a second apart: no need to list. Never on S3, which tells no time."""
        return modified is not None and modified == self._settled

    def fresh(self, listed: Iterable[tuple[str, datetime | None]]) -> list[str]:
        """Those of all names of the folder that are not known, in order."""
        count, found = 0, []
        for name, modified in listed:
            count += 1
            self.newest = max(filter(None, (self.newest, modified)), default=None)
            if name not in self.known:
                found.append(name)
        self.objects = count
        return sorted(found)

    def saw(self, fresh: list[str], unreadable: int, modified: datetime | None, at: float) -> None:
        """After a listing at monotonic time ``at`` of the folder that had changed at ``modified`` before; what was not
        known has been recorded, but for ``unreadable``.

        A change within one tick of the file system's clock leaves the time as it was; the second listing sees it.
        """
        self.unreadable = unreadable + (self.unreadable if self.known else 0)
        self.known.add(fresh)
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
