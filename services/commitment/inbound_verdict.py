"""Whether we commit to an instance that a peer names, and why not (pure; PS3.4 J.3.3, failure reasons of R136).

Success says: the bytes are here, durable and whole, and where the station asks for that, the archives it names have
committed the very same revision. A failure that later news could turn into a success is given only once that news
cannot come any more: everything received before the request is recorded, and nothing is on its way to the archives.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

PROCESSING_FAILURE: Final = 0x0110
NO_SUCH_INSTANCE: Final = 0x0112
CLASS_INSTANCE_CONFLICT: Final = 0x0119
CLASS_NOT_SUPPORTED: Final = 0x0122
DUPLICATE_TRANSACTION: Final = 0x0131
RESOURCE_LIMITATION: Final = 0x0213


@dataclass(frozen=True)
class Circumstances:
    """What holds for a whole request.

    ``duplicate``: its Transaction UID is in use for other instances. ``too_many``: it names more than the settings
    take. ``complete``: storage has recorded everything received before it. ``expired``: its time for the archives
    downstream is over.
    """

    duplicate: bool = False
    too_many: bool = False
    complete: bool = True
    expired: bool = False


@dataclass(frozen=True)
class Stored:
    """The newest revision of the instance that is not deleted."""

    revision: int
    sop_class_uid: str
    damaged: bool
    object_key: str
    object_bytes: int


@dataclass(frozen=True)
class Named:
    """An instance of the request. ``supported``: the profile stores its class. ``stored`` None: it is not known."""

    sop_class_uid: str
    supported: bool
    stored: Stored | None


@dataclass(frozen=True)
class Archive:
    """An archive downstream and the stored revision.

    ``under_way``: the instance is not evaluated yet, is on its way there, or the archive is still being asked.
    ``failure_reason``: what the archive gave when it refused, None if it did not.
    """

    archived: bool
    under_way: bool
    failure_reason: int | None = None


@dataclass(frozen=True)
class Verdict:
    """Committed where ``failure_reason`` is None."""

    failure_reason: int | None = None


COMMITTED: Final = Verdict()


def of_request(circumstances: Circumstances) -> Verdict | None:
    """What is decided for every instance alike."""
    if circumstances.duplicate:
        return Verdict(DUPLICATE_TRANSACTION)
    return Verdict(RESOURCE_LIMITATION) if circumstances.too_many else None


def of_record(named: Named, circumstances: Circumstances) -> Verdict | None:
    """What storage's record decides. None: nothing speaks against it, or it is too early to say."""
    if not named.supported:
        return Verdict(CLASS_NOT_SUPPORTED)
    if not circumstances.complete:
        return None
    if named.stored is None:
        return Verdict(NO_SUCH_INSTANCE)
    if named.stored.sop_class_uid != named.sop_class_uid:
        return Verdict(CLASS_INSTANCE_CONFLICT)
    return Verdict(PROCESSING_FAILURE) if named.stored.damaged else None


def to_be_looked_at(named: Named, circumstances: Circumstances, *, downstream: bool) -> bool:
    """Whether it would be committed if its object is there: without archives downstream also before everything that
    came earlier is recorded, because what is durable here is durable whatever else came."""
    stored = named.stored
    fits = stored is not None and not stored.damaged and stored.sop_class_uid == named.sop_class_uid
    return named.supported and fits and (circumstances.complete or not downstream)


def of_archives(archives: Sequence[Archive], circumstances: Circumstances) -> Verdict | None:
    """What the archives downstream decide; ``COMMITTED`` also without any. None: to wait for them.

    Nothing is on its way and the archive has not committed: then nothing will come by itself, and the peer hears it
    now rather than after days of silence (it keeps its images, a person acts, it asks again).
    """
    missing = [archive for archive in archives if not archive.archived]
    if not missing:
        return COMMITTED
    for archive in missing:
        if not archive.under_way:
            return Verdict(archive.failure_reason or PROCESSING_FAILURE)
    return Verdict(PROCESSING_FAILURE) if circumstances.expired else None


def of_object(stored: Stored, found_bytes: int | None, circumstances: Circumstances) -> Verdict | None:
    """What a look at the object decides: it has to be there, complete. ``found_bytes`` None: it is not there."""
    if found_bytes == stored.object_bytes:
        return COMMITTED
    return Verdict(PROCESSING_FAILURE) if circumstances.complete else None
