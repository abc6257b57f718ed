"""The messages of an audit entry: who, whence, on what (PS3.15 A.5.2, A.5.3; pure)."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from services.admin.audit_messages import events
from services.admin.audit_messages.events import Code, Event

MOST_STUDIES: Final = 50
"""In one message, of which a server takes 32,768 octets at least (PS3.15 A.6); more make further messages."""
UNKNOWN_PATIENT: Final = "<none>"
"""Where the index does not know whose study it is; a message of a study has to name its patient (A.5.3)."""
STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
_UID: Final = re.compile(r"[0-9.]{1,64}")
_LEVEL_ALONE: Final = b"\x08\x00\x52\x00CS\x06\x00STUDY "
"""All that is kept of what was searched for: Query/Retrieve Level, Explicit VR Little Endian."""


@dataclass(frozen=True)
class Entry:
    """What the outbox has of an audit entry."""

    at: datetime
    actor: str
    action: str
    object: str
    address: str | None
    after: Mapping[str, Any]


@dataclass(frozen=True)
class Study:
    """``patient``: its ID; "" where that is not known."""

    uid: str
    patient: str


@dataclass(frozen=True)
class Source:
    """The gateway itself. ``site``: AuditEnterpriseSiteID, "" for none."""

    aet: str
    host: str
    site: str = ""


@dataclass(frozen=True)
class Participant:
    """``address``: of its network access point, with the code of what that is: 1 machine name, 2 IP address."""

    user: str
    requestor: bool = False
    alternative: str = ""
    role: Code | None = None
    address: str = ""
    address_type: str = ""
    media: Code | None = None


@dataclass(frozen=True)
class Object:
    """``type`` and ``role`` are codes of A.5.1; one of ``name``, ``query`` and ``detail`` at most is given."""

    id: str
    id_type: Code
    type: str
    role: str
    name: str = ""
    query: bytes = b""
    detail: tuple[str, bytes] | None = None


@dataclass(frozen=True)
class Message:
    """What the XML document says."""

    event: Event
    at: datetime
    source: Source
    participants: Sequence[Participant]
    objects: Sequence[Object] = field(default=())
    description: str = ""


def uids_of(entry: Entry) -> list[str]:
    """The UIDs of studies, series and instances that an entry names."""
    listed = entry.after.get("uids")
    named = listed if isinstance(listed, list) and listed else [entry.object]
    return [each for each in named if isinstance(each, str) and _UID.fullmatch(each)]


def messages_of(entry: Entry, studies: Sequence[Study], source: Source) -> Iterator[Message]:
    """Those that tell of an entry; none where no message tells of its kind. ``studies``: those that it is about."""
    event = events.event_of(entry.action)
    if event is None:
        return
    participants = list(_participants(entry, event, source))
    reason = entry.after.get("reason") if event.outcome != events.SUCCESS else None
    for about in _parts(studies, event):
        objects = [*_subjects(entry, event, source), *_studies(about), *_patients(about, event)]
        yield Message(event, entry.at, source, participants, objects, reason if isinstance(reason, str) else "")


def _parts(studies: Sequence[Study], event: Event) -> Iterator[Sequence[Study]]:
    """As many as a message may name, of one patient where it has to be."""
    if not studies:
        yield ()
    groups: dict[str, list[Study]] = {}
    for each in studies:
        groups.setdefault(each.patient if event.per_patient else "", []).append(each)
    for group in groups.values():
        yield from (group[at : at + MOST_STUDIES] for at in range(0, len(group), MOST_STUDIES))


def _studies(studies: Sequence[Study]) -> Iterator[Object]:
    return (Object(each.uid, events.STUDY, "2", "3") for each in studies)


def _patients(studies: Sequence[Study], event: Event) -> Iterator[Object]:
    """None in a query: what was found may be of everybody."""
    if event.code != events.QUERY:
        found = dict.fromkeys(each.patient or UNKNOWN_PATIENT for each in studies)
        yield from (Object(each, events.PATIENT_NUMBER, "1", "1") for each in found)


def _participants(entry: Entry, event: Event, source: Source) -> Iterator[Participant]:
    yield _person(entry, event)
    gateway = Participant(
        source.aet, alternative=f"AETITLES={source.aet}", role=_ROLES.get(event.code, events.APPLICATION),
        address=source.host, address_type="1",
    )  # fmt: skip
    if entry.action == "station.query":
        yield Participant(**vars(gateway) | {"role": events.SOURCE})
    elif event.code == events.BEGIN_TRANSFERRING:
        yield from _ends(entry, gateway)
    elif entry.action != "gateway.start" and entry.action != "gateway.stop":
        yield gateway
    if event.code in _MEDIA:
        yield Participant("files", role=_MEDIA[event.code], media=events.URI_MEDIA)


_ROLES: Final = {
    events.QUERY: events.DESTINATION,
    events.EXPORT: events.SOURCE,
    events.IMPORT: events.DESTINATION,
}
_MEDIA: Final = {events.EXPORT: events.DESTINATION_MEDIA, events.IMPORT: events.SOURCE_MEDIA}


def _person(entry: Entry, event: Event) -> Participant:
    """Who did it: a user, a program with a key, the account of a command, or the gateway itself."""
    name = entry.actor.partition(":")[2] or entry.actor.rstrip(":")
    role = events.APPLICATION if event.code == events.APPLICATION_ACTIVITY else None
    return Participant(
        name, requestor=True, alternative=entry.actor, role=role,
        address=entry.address or "", address_type="2" if entry.address else "",
    )  # fmt: skip


def _ends(entry: Entry, gateway: Participant) -> Iterator[Participant]:
    """From whom to whom: a station is named by its title."""
    for name, role in (("from", events.SOURCE), ("to", events.DESTINATION)):
        title = entry.after.get(name)
        if isinstance(title, str) and title and title != gateway.user:
            yield Participant(title, alternative=f"AETITLES={title}", role=role)
        elif name == "from" or title:
            yield Participant(**vars(gateway) | {"role": role})


def _subjects(entry: Entry, event: Event, source: Source) -> Iterator[Object]:
    if event.code == events.QUERY:
        yield Object(STUDY_ROOT_FIND, events.SOP_CLASS, "2", "3", query=_LEVEL_ALONE)
    elif event.code == events.AUDIT_LOG_USED:
        yield Object(f"audit of {source.aet}", events.URI, "2", "13", name="Security Audit Log")
    elif event.code == events.SECURITY_ALERT:
        detail = ("Alert Description", f"{entry.action} {entry.object}".strip().encode())
        yield Object(entry.object or source.aet, _subject_type(event), "2", "13", detail=detail)


def _subject_type(event: Event) -> Code:
    return events.NODE if event.type == events.NETWORK_CONFIGURATION else events.URI


def encoded(content: bytes) -> str:
    """As the schema's base64Binary."""
    return base64.b64encode(content).decode()
