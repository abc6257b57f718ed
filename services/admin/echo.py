"""C-ECHO to a station: is it there, and does it take us?"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from services.admin import stations
from services.admin.changes import audit
from services.admin.station import Station
from services.dicom.calling import peer_of
from services.dicom.commands import C_ECHO
from services.dicom.contexts import UNCOMPRESSED, VERIFICATION
from services.dicom.errors import AssociationAborted, AssociationError, AssociationRejected, ConnectFailed
from services.dicom.guards import Guards
from services.dicom.outgoing import Wanted, holder, slot
from services.dicom.profile import Profile
from services.dicom.requestor import Peer, Requestor
from services.dicom.status import SUCCESS, classify, name
from services.runtime.db import Database

LIMITS: Final = Guards(connect_seconds=5, artim_seconds=5, pdu_seconds=5, response_seconds=5)
SLOT_SECONDS: Final = 10.0

REJECTIONS: Final[Mapping[tuple[int, int], tuple[str, str]]] = {
    (1, 1): ("no reason given", "ask its administrator"),
    (1, 2): ("application context name not supported", "it does not speak DICOM's application context"),
    (1, 3): ("calling AE title not recognised", "have {ours} added to the AEs it knows"),
    (1, 7): ("called AE title not recognised", "correct the station's AE title here, or its own"),
    (2, 1): ("no reason given by its provider", "ask its administrator"),
    (2, 2): ("protocol version not supported", "it does not speak version 1 of the Upper Layer"),
    (3, 1): ("temporary congestion", "try again later"),
    (3, 2): ("local limit exceeded", "it has too many associations; try again later"),
}
"""PS3.8 table 9-21 by source and reason: what it means and what to do."""


@dataclass(frozen=True)
class Echo:
    """What came of it; ``text`` says it to people, with the cure where there is one."""

    title: str
    ok: bool
    text: str
    milliseconds: int


async def echo(database: Database, profile: Profile, calling_aet: str, title: str) -> Echo:
    """Ask a station for a C-ECHO, on one of the outgoing associations that there may be (R26).

    Raises ``NotFound``, ``NoSlot`` when none became free; a station that does not answer is an outcome, no error.
    """
    station = await stations.show(database, title)
    wanted = Wanted(station.title, holder("echo"), station.associations, profile.outgoing)
    async with slot(database, wanted, wait_seconds=SLOT_SECONDS):
        return await asyncio.to_thread(_ask, station, profile, calling_aet)


async def by_hand(database: Database, actor: str, profile: Profile, calling_aet: str, title: str) -> Echo:
    """``echo`` for a person: what came of it is kept in the audit, and is what is known of the station until something
    newer is."""
    done = await echo(database, profile, calling_aet, title)
    told = {"ok": done.ok, "text": done.text}
    await database.retry(lambda conn: audit(conn, actor, "station.echo", done.title, None, told))
    return done


def _ask(station: Station, profile: Profile, calling_aet: str) -> Echo:
    started = time.monotonic()
    peer = peer_of(station, calling_aet, profile)
    try:
        ok, text = _exchange(peer, profile)
    except AssociationError as error:
        ok, text = False, reason(error, calling_aet)
    milliseconds = round((time.monotonic() - started) * 1000)
    place = f"{station.title} ({station.host}:{station.port})"
    return Echo(station.title, ok, f"{place}: {text} ({milliseconds} ms)", milliseconds)


def _exchange(peer: Peer, profile: Profile) -> tuple[bool, str]:
    proposals = profile.proposals([(VERIFICATION, syntax) for syntax in reversed(UNCOMPRESSED)])
    limits = replace(LIMITS, maximum_pdu=profile.maximum_pdu)
    with Requestor.connect(peer, proposals, limits, implementation=profile.implementation) as requestor:
        if all(each.abstract_syntax != VERIFICATION for each in requestor.association.contexts.values()):
            return False, "accepted the association but not the Verification SOP class"
        status = requestor.echo()
    if classify(status) is SUCCESS:
        return True, "C-ECHO answered with success"
    return False, f"C-ECHO answered with status {status:04X} ({name(status, C_ECHO)})"


def reason(error: AssociationError, calling_aet: str) -> str:
    """Why an association failed, in words, with the cure where there is one (pure)."""
    if isinstance(error, AssociationRejected):
        meaning, cure = REJECTIONS.get((error.source, error.reason), ("unknown reason", "ask its administrator"))
        length = "transient" if error.transient else "permanent"
        codes = f"result {error.result}, source {error.source}, reason {error.reason}"
        return f"rejected: {meaning} ({length}; {codes}); {cure.format(ours=calling_aet)}"
    if isinstance(error, ConnectFailed):
        return _no_connection(error.__cause__)
    if isinstance(error, AssociationAborted):
        return f"aborted by the peer (source {error.source}, reason {error.reason})"
    return str(error)


def _no_connection(cause: BaseException | None) -> str:
    if isinstance(cause, ConnectionRefusedError):
        return "refused the connection; check that it runs and that host and port are right"
    if isinstance(cause, TimeoutError):
        return f"no connection within {LIMITS.connect_seconds:g} s; check host, port and firewall"
    words = (cause.strerror if isinstance(cause, OSError) else None) or "no connection"
    return f"{words}; check host, port and network"
