"""The object store: complete, durable, write-once files under keys of our own. Two back-ends, one behaviour.

The interface is synchronous and thread-safe, because association threads write through it; callers on the event loop
use ``asyncio.to_thread``. Keys never contain anything from the wire.
"""

import errno
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self
from urllib.parse import unquote, urlsplit

from services.runtime.errors import StoreFailed, StoreFull, UsageError

if TYPE_CHECKING:
    from services.runtime.settings import RuntimeSettings

PART_SUFFIX = ".part"
SMALL_OBJECT_BYTES = 16 << 20
EMERGENCY = 0.25  # of the watermark
WRITTEN_IN_AN_EMERGENCY = "config/"
FOLDER_DEPTH = 5  # objects/<yyyy>/<mm>/<dd>/<hh>: the folders that hold objects have this many segments
FULL_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT})
MEDIUM_ERRORS = FULL_ERRORS | {errno.EIO, errno.EROFS, errno.EFBIG, errno.ENODEV, errno.ENXIO, errno.ESTALE}

_SEGMENT = r"[a-z0-9][a-z0-9._-]*"
_KEY = re.compile(rf"{_SEGMENT}(/{_SEGMENT})+")
_FOLDER = re.compile(rf"{_SEGMENT}(/{_SEGMENT})*")


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """A complete object: its key, size in bytes and the store's own time of its last change."""

    key: str
    size: int
    modified: datetime


@dataclass(frozen=True)
class Folder:
    """A folder that holds objects: ``name`` is what ``list`` takes; ``modified`` is None on S3."""

    name: str
    modified: datetime | None


@dataclass(frozen=True)
class FreeSpace:
    """Bytes free for the gateway and in all; None where the store cannot tell (S3)."""

    free: int | None
    total: int | None


@dataclass(frozen=True)
class Watermark:
    """How much has to stay free: the larger of a number of bytes and a fraction of the whole.

    In order, as room goes: below twice as much an alarm says so, below it instances are refused, below a quarter of it
    everything but the configuration. What is left then is for PostgreSQL and RabbitMQ where they share the disk.
    """

    minimum_free_bytes: int
    minimum_free_fraction: float

    def refuses(self, space: FreeSpace) -> bool:
        """True when less than the watermark is free (pure)."""
        return space.free is not None and space.total is not None and space.free < self.of(space.total)

    def spent(self, space: FreeSpace) -> bool:
        """True when less than the emergency's share of the watermark is free (pure)."""
        return space.free is not None and space.total is not None and space.free < self.of(space.total) * EMERGENCY

    def of(self, total: int) -> int:
        """How many bytes of so many have to stay free (pure)."""
        return max(self.minimum_free_bytes, int(self.minimum_free_fraction * total))


class ObjectWriter(Protocol):
    """One object being written. Leaving its ``with`` block discards it unless it was committed."""

    @property
    def fd(self) -> int:
        """The open file descriptor to write to (``os.write``, ``os.writev``, ``os.pwrite``)."""
        ...

    def commit(self) -> None:
        """Return only when the object is durable under its key. Raises ``StoreFull`` or ``StoreFailed``."""
        ...

    def discard(self) -> None:
        """Leave nothing behind. Idempotent; does nothing after a commit."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class DiscardsUnlessCommitted:
    """The ``with`` block of a writer: discards, and gives an error of the medium inside it the store's name."""

    key: str

    def discard(self) -> None:
        """Leave nothing behind."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Discard. Raises ``StoreFull`` or ``StoreFailed`` for a full or broken disk; sockets' errors pass."""
        self.discard()
        if isinstance(error, OSError) and error.errno in MEDIUM_ERRORS:
            raise store_error("write", self.key, error) from error


class ObjectStore(Protocol):
    """What the services need of a store. Every method may raise ``StoreFailed`` (or ``Unavailable`` on S3)."""

    def create(self, key: str) -> ObjectWriter:
        """Begin an object. Raises ``StoreFull`` under the watermark, ``StoreFailed`` after a failed fsync."""
        ...

    def open(self, key: str) -> BinaryIO:
        """The object for reading with seek. Raises ``ObjectMissing``."""
        ...

    def stat(self, key: str) -> ObjectStat:
        """Size and time of a complete object. Raises ``ObjectMissing``."""
        ...

    def delete(self, key: str) -> None:
        """Remove durably; removing what is not there is no error."""
        ...

    def folders(self, prefix: str) -> Iterator[Folder]:
        """The hour folders below ``prefix`` (``objects`` or narrower, ``objects/2026/11``), in order of name."""
        ...

    def list(self, folder: str) -> Iterator[ObjectStat]:
        """The complete objects directly in a folder, in order of key; nothing if there is no such folder."""
        ...

    def names(self, folder: str) -> Iterator[tuple[str, datetime | None]]:
        """The names of what ``list`` tells of, in no order and without looking at each; with the time of the last
        change where the store tells it unasked (S3)."""
        ...

    def put_bytes(self, key: str, data: bytes) -> None:
        """Write a small object durably, replacing an older one at once. Raises ``StoreFull`` in an emergency."""
        ...

    def get_bytes(self, key: str, limit: int = SMALL_OBJECT_BYTES) -> bytes:
        """A small object. Raises ``ObjectMissing``, ``StoreFailed`` if it has more than ``limit`` bytes."""
        ...

    def sweep_abandoned(self, older_than_seconds: int) -> int:
        """Remove unfinished writes without a write for that long and without a living writer; returns how many."""
        ...

    def free(self) -> FreeSpace:
        """Space left."""
        ...

    def skew(self) -> float | None:
        """Seconds this host's clock is ahead of the store's, measured at the last write; None before the first."""
        ...

    def ready(self) -> str | None:
        """None, or why objects are refused at the moment, little room included (readiness of those who receive)."""
        ...

    def usable(self) -> str | None:
        """None, or why nothing at all can be written at the moment (readiness of everybody)."""
        ...


class _KeyClock:
    """Counts the keys made within one millisecond, so that keys of one process sort in the order they were made."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = (0, 0)

    def next(self, milliseconds: int) -> tuple[int, int]:
        """The pair for this instant, greater than the one before within the same millisecond."""
        with self._lock:
            before, count = self._last
            self._last = (milliseconds, count + 1 if milliseconds == before else 0)
            return self._last


_key_clock = _KeyClock()


def new_object_key(now: datetime) -> str:
    """``objects/<yyyy>/<mm>/<dd>/<hh>/<32 hex digits>.dcm`` in UTC: time-ordered as UUID version 7 (RFC 9562 5.7)."""
    return new_key("objects", now, "dcm")


def new_key(top: str, now: datetime, suffix: str) -> str:
    """A time-ordered key like those of objects in another top folder."""
    moment = now.astimezone(UTC)
    milliseconds, count = _key_clock.next(int(moment.timestamp() * 1000))
    random = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    number = (milliseconds & ((1 << 48) - 1)) << 80 | 7 << 76 | (count & 0xFFF) << 64 | 2 << 62 | random
    return f"{top}/{moment:%Y/%m/%d/%H}/{number:032x}.{suffix}"


def is_key(text: str) -> bool:
    """True for a key of a complete object (not absolute, no ``..``, no capitals, not ``.part``)."""
    return bool(_KEY.fullmatch(text)) and not text.endswith(PART_SUFFIX)


def checked_key(key: str) -> str:
    """The key itself. Raises ``ValueError`` for what is no key of ours."""
    if not is_key(key):
        raise ValueError(f"{key!r} is no object key: lower-case path segments joined by '/'")
    return key


def checked_folder(folder: str) -> str:
    """The folder without slashes at its ends. Raises ``ValueError`` for what cannot hold keys of ours."""
    name = folder.strip("/")
    if not _FOLDER.fullmatch(name):
        raise ValueError(f"{folder!r} is no folder of the object store: lower-case path segments joined by '/'")
    return name


def store_error(verb: str, key: str, error: OSError) -> StoreFull | StoreFailed:
    """The store's word for an error of the operating system (pure)."""
    text = f"{verb} {key}: {os.strerror(error.errno) if error.errno else error}"
    return StoreFull(text) if error.errno in FULL_ERRORS else StoreFailed(text)


def measured_skew(before: float, stored: float, after: float) -> float:
    """Seconds our clock is ahead of the store's, 0 while the store's time lies between our two readings (pure)."""
    if stored < before:
        return before - stored
    return after - stored if stored > after else 0.0


def open_store(settings: "RuntimeSettings") -> ObjectStore:
    """The back-end that ``objects_url`` names. Raises ``UsageError`` for another scheme."""
    # The back-ends implement what this module defines, so they can be imported only when one is opened.
    from services.runtime.objects_local import LocalStore
    from services.runtime.objects_s3 import S3Store

    url = urlsplit(settings.objects_url)
    watermark = Watermark(settings.minimum_free_bytes, settings.minimum_free_fraction)
    if url.scheme == "file" and url.path.startswith("/") and url.netloc in ("", "localhost"):
        return LocalStore(unquote(url.path), watermark)
    if url.scheme == "s3" and url.netloc:
        return S3Store.from_settings(settings, bucket=url.netloc, prefix=url.path.strip("/"))
    raise UsageError(f"GATEWAY_OBJECTS_URL={settings.objects_url}: use file:///folder or s3://bucket/prefix")
