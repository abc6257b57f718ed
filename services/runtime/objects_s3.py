"""Objects in an S3 bucket, through obstore. An object exists once its PUT or its multipart upload has been answered.

A write is spooled to a local file without a name, so that nothing is left behind when the process dies, and uploaded
at commit with bounded memory. Every request has a time limit. Errors carry S3's code, never addresses or credentials.
Unfinished multipart uploads of a killed process cost room until the bucket's lifecycle rule ends them.
"""

import io
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, cast

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store as Bucket

from services.runtime.errors import ObjectMissing, StoreFailed, Unavailable
from services.runtime.metrics import OBJECT_COMMIT
from services.runtime.objects import (
    FOLDER_DEPTH,
    SMALL_OBJECT_BYTES,
    DiscardsUnlessCommitted,
    Folder,
    FreeSpace,
    ObjectStat,
    checked_folder,
    checked_key,
    is_key,
    measured_skew,
    store_error,
)
from services.runtime.settings import RuntimeSettings

PART_BYTES = 8 << 20
PARTS_AT_ONCE = 2
READ_AHEAD_BYTES = 1 << 20
CONNECT_LIMIT = timedelta(seconds=5)
LIST_CHUNK = 1000
SKEW_EVERY_SECONDS = 60.0
UNREADY_SECONDS = 10.0  # after a failed write; then the next write decides, for nothing else would find it recovered


class S3Store:
    """Object store in one bucket under a prefix."""

    def __init__(self, bucket: Bucket, spool: Path) -> None:
        self.bucket = bucket
        self._spool = spool
        self._failure: tuple[float, str] | None = None
        self._skew: float | None = None
        self._skew_due = 0.0

    @classmethod
    def from_settings(cls, settings: RuntimeSettings, *, bucket: str, prefix: str) -> "S3Store":
        """With explicit keys if they are set, else with what the platform gives (role, web identity)."""
        keys = {"access_key_id": settings.s3_access_key_id, "secret_access_key": settings.s3_secret_access_key}
        place = {"endpoint": settings.s3_endpoint, "region": settings.s3_region}
        limit = timedelta(seconds=settings.s3_timeout_seconds)
        store = Bucket(
            bucket,
            prefix=prefix or None,
            virtual_hosted_style_request=False,
            client_options={
                "timeout": limit,
                "connect_timeout": min(limit, CONNECT_LIMIT),
                "allow_http": settings.s3_endpoint.startswith("http://"),
            },
            retry_config={"max_retries": 5, "retry_timeout": limit},
            **{name: value for name, value in (keys | place).items() if value},  # type: ignore[arg-type]
        )
        return cls(store, settings.home / "spool")

    def create(self, key: str) -> "S3Writer":
        """Begin an object in the spool folder. Raises ``StoreFull``, ``StoreFailed``."""
        checked_key(key)
        try:
            self._spool.mkdir(parents=True, exist_ok=True)
            return S3Writer(self, key, self._spool)
        except OSError as error:
            raise store_error("create", key, error) from error

    def open(self, key: str) -> BinaryIO:
        """The object, read by ranges of at least 1 MiB. Raises ``ObjectMissing``, ``StoreFailed``, ``Unavailable``."""
        return cast(BinaryIO, io.BufferedReader(RangedObject(self, self.stat(key)), READ_AHEAD_BYTES))

    def stat(self, key: str) -> ObjectStat:
        """Size and LastModified. Raises ``ObjectMissing``, ``StoreFailed``, ``Unavailable``."""
        with _reading(checked_key(key)):
            found = obstore.head(self.bucket, key)
        return ObjectStat(key, found["size"], found["last_modified"])

    def delete(self, key: str) -> None:
        """S3 answers alike whether the object was there or not."""
        with _reading(checked_key(key)):
            obstore.delete(self.bucket, key)

    def folders(self, prefix: str) -> Iterator[Folder]:
        """Hour folders below ``prefix``, one LIST with delimiter for each level and folder above them."""
        name = checked_folder(prefix)
        yield from self._folders(name, FOLDER_DEPTH - 1 - name.count("/"))

    def list(self, folder: str) -> Iterator[ObjectStat]:
        """The objects of a folder, 1,000 in memory at a time."""
        name = checked_folder(folder)
        with _reading(name):
            for chunk in obstore.list(self.bucket, name, chunk_size=LIST_CHUNK):
                for found in chunk:
                    if is_key(found["path"]) and found["path"].rpartition("/")[0] == name:
                        yield ObjectStat(found["path"], found["size"], found["last_modified"])

    def names(self, folder: str) -> Iterator[tuple[str, datetime | None]]:
        """As ``list``: S3 tells the rest with each name."""
        return ((found.key.rpartition("/")[2], found.modified) for found in self.list(folder))

    def put_bytes(self, key: str, data: bytes) -> None:
        """One PUT, which replaces at once. Raises ``StoreFailed``."""
        self._write(checked_key(key), data)

    def get_bytes(self, key: str, limit: int = SMALL_OBJECT_BYTES) -> bytes:
        """A small object. Raises ``ObjectMissing``, ``StoreFailed``, ``Unavailable``."""
        with _reading(checked_key(key)):
            found = obstore.get(self.bucket, key)
            if found.meta["size"] > limit:
                raise StoreFailed(f"object {key} has more than {limit} bytes")
            return bytes(found.bytes())

    def sweep_abandoned(self, older_than_seconds: int) -> int:
        """0: the spool files have no names."""
        return 0

    def free(self) -> FreeSpace:
        """S3 does not tell."""
        return FreeSpace(None, None)

    def skew(self) -> float | None:
        """Seconds this clock is ahead of the store's, from LastModified after a write, once a minute."""
        return self._skew

    def ready(self) -> str | None:
        """Why the last write failed, for some seconds after it."""
        if self._failure and time.monotonic() - self._failure[0] < UNREADY_SECONDS:
            return self._failure[1]
        return None

    def usable(self) -> str | None:
        """As ``ready``: S3 knows no watermark."""
        return self.ready()

    def upload(self, key: str, fd: int) -> None:
        """Upload a spooled file from its beginning; returns when the store has answered. Raises ``StoreFailed``."""
        with os.fdopen(os.dup(fd), "rb") as source:
            source.seek(0)
            self._write(key, source)

    def _write(self, key: str, data: BinaryIO | bytes) -> None:
        before = time.time()
        try:
            obstore.put(self.bucket, key, data, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
            self._measure_skew(key, before)
        except (BaseError, OSError) as error:
            failed = StoreFailed(f"S3 put {key}: {error_code(error)}")
            self._failure = (time.monotonic(), str(failed))
            raise failed from None
        self._failure = None

    def _measure_skew(self, key: str, before: float) -> None:
        if time.monotonic() < self._skew_due:
            return
        after = time.time()
        stored = obstore.head(self.bucket, key)["last_modified"].timestamp()
        self._skew = measured_skew(before - 1, stored, after)  # LastModified has whole seconds
        self._skew_due = time.monotonic() + SKEW_EVERY_SECONDS

    def _folders(self, name: str, depth: int) -> Iterator[Folder]:
        if depth == 0:
            yield Folder(name, None)
            return
        with _reading(name):
            below = obstore.list_with_delimiter(self.bucket, name)["common_prefixes"]
        for child in sorted(below):
            yield from self._folders(child, depth - 1)


class S3Writer(DiscardsUnlessCommitted):
    """One object being written: a spool file without a name."""

    def __init__(self, store: S3Store, key: str, spool: Path) -> None:
        self.key = key
        self._store = store
        fd, name = tempfile.mkstemp(dir=spool)
        os.unlink(name)
        self.fd = fd
        self._open = True

    def commit(self) -> None:
        """Upload; the object exists when this returns. Raises ``StoreFailed``."""
        with OBJECT_COMMIT.time():
            self._store.upload(self.key, self.fd)
        self.discard()

    def discard(self) -> None:
        """Close the spool file, which frees its room."""
        if self._open:
            self._open = False
            os.close(self.fd)


class RangedObject(io.RawIOBase):
    """Random access to an object by ranged GETs. Raises ``ObjectMissing``, ``StoreFailed``, ``Unavailable``."""

    def __init__(self, store: S3Store, stat: ObjectStat) -> None:
        self._store, self._stat = store, stat
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move without a request."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._stat.size}[whence]
        if origin + offset < 0:
            raise ValueError(f"seek to {origin + offset}: before the beginning")
        self._at = origin + offset
        return self._at

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """One ranged GET."""
        length = min(len(buffer), self._stat.size - self._at)
        if length <= 0:
            return 0
        with _reading(self._stat.key):
            data = obstore.get_range(self._store.bucket, self._stat.key, start=self._at, length=length)
        buffer[: len(data)] = memoryview(data)
        self._at += len(data)
        return len(data)


@contextmanager
def _reading(what: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ObjectMissing(what) from None
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise StoreFailed(f"S3 {what}: {error_code(error)}") from None
    except (BaseError, OSError) as error:
        raise Unavailable(f"object store (S3 {what}: {error_code(error)})") from None


def error_code(error: Exception) -> str:
    """What went wrong, without the addresses, headers and signatures that obstore's text may carry (pure)."""
    text = str(error)
    code = re.search(r"<Code>(\w{1,64})</Code>", text)
    status = re.search(r"\b([45]\d\d) (?:[A-Z][A-Za-z ]{2,30})", text)
    reason = re.search(r"(timed out|[Cc]onnection refused|dns error|connection closed|connect error)", text)
    found = [type(error).__name__] + [match.group(1) for match in (status, code, reason) if match]
    return " ".join(found)
