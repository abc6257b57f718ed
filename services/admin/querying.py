"""Querying a station as a person does: verified first, then the level that was asked for (R51 to R62)."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from schemas.dicom.query_keys import Level, Root
from services.admin import echo, stations
from services.admin.errors import Refused
from services.admin.station import Station
from services.dicom.asked_keys import Asked, asked
from services.dicom.calling import peer_of
from services.dicom.dictionary import keyword_of
from services.dicom.errors import AssociationError
from services.dicom.identifiers import Identifier
from services.dicom.outgoing import Wanted, holder, slot
from services.dicom.pending import MATCH_LIMITS, MatchLimits
from services.dicom.profile import Profile
from services.dicom.querying import Answered, NotAccepted, query
from services.dicom.requestor import Requestor
from services.runtime.db import Database

SLOT_SECONDS: Final = 30.0
CONNECT_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Queried:
    """What came of it. ``verified`` is what the verification before a first-level query found, "" at other levels;
    ``text`` says to people how the query ended, ``cut`` that there were more matches than were wanted."""

    station: str
    level: Level
    ok: bool
    text: str
    verified: str = ""
    status: str | None = None
    cut: bool = False
    matches: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Question:
    """What to ask at which level: ``given`` are criteria by tag."""

    level: Level
    given: Mapping[int, str]
    root: Root = "STUDY"
    most: int = MATCH_LIMITS.count


async def ask(database: Database, profile: Profile, calling_aet: str, title: str, question: Question) -> Queried:
    """Query a station on an association of its own (R59), after a verification on another one at the first level (R53).

    Raises ``NotFound``; ``Refused`` if it is no query source (R52), or has to be given a filter, or may not (R54, R55);
    ``KeyFault`` for what cannot be asked; ``NoSlot`` when no association became free (R26). A station that does not
    answer, or answers with a failure, is an outcome.
    """
    station = await stations.show(database, title)
    refuse_source(station)
    _check_filter(station, profile, question)
    wanted = asked(profile, question.level, question.given, question.root)
    verified = ""
    if question.level in ("PATIENT", "STUDY"):
        echoed = await echo.echo(database, profile, calling_aet, station.title)
        verified = echoed.text
        if not echoed.ok:
            return Queried(station.title, question.level, False, f"not queried, because it is not online: {verified}")
    limits = MatchLimits(question.most, MATCH_LIMITS.size)
    line = Wanted(station.title, holder("query"), station.associations, profile.outgoing)
    running = _Running(station, profile, calling_aet)
    async with slot(database, line, wait_seconds=SLOT_SECONDS, on_lost=running.abort):
        try:
            answered = await asyncio.to_thread(running.query, wanted, limits)
        except asyncio.CancelledError:
            running.abort()
            raise
        except (AssociationError, NotAccepted) as error:
            text = echo.reason(error, calling_aet) if isinstance(error, AssociationError) else str(error)
            return Queried(station.title, question.level, False, f"{station.title}: {text}", verified)
    return outcome(station.title, wanted, answered, verified)


def refuse_source(station: Station) -> None:
    """Raises ``Refused`` for a station that may not be asked (R52)."""
    if not station.query_retrieve:
        raise Refused(
            f"station {station.title} is no query source; 'gateway station set {station.title} --query-retrieve' "
            "makes it one"
        )
    if not station.enabled:
        raise Refused(
            f"station {station.title} is disabled; 'gateway station set {station.title} --enabled' enables it"
        )


def _check_filter(station: Station, profile: Profile, question: Question) -> None:
    """R54, R55: at the first level only. Profile gateway takes criteria without the flag as well."""
    if question.level not in ("PATIENT", "STUDY"):
        return
    given = any(text.strip() for text in question.given.values())
    if station.prefilter and not given:
        raise Refused(
            f"station {station.title} is queried with a filter (R54): give at least one of --patient-name, "
            "--patient-id, --study-id, --study-description, --accession, --study-date, --modalities; or "
            f"'gateway station set {station.title} --no-prefilter'"
        )
    if profile.xeleris and given and not station.prefilter:
        raise Refused(
            f"station {station.title} is queried without criteria in profile xeleris (R55): leave them out, or "
            f"'gateway station set {station.title} --prefilter'"
        )


class _Running:
    """A query in its thread, that others may abort."""

    def __init__(self, station: Station, profile: Profile, calling_aet: str) -> None:
        self._station, self._profile = station, profile
        self._peer = peer_of(station, calling_aet, profile)
        self._requestor: Requestor | None = None
        self._aborted = False

    def query(self, wanted: Asked, limits: MatchLimits) -> Answered:
        """Blocking."""
        seconds = self._profile.response_seconds("find", self._station.find_seconds)
        guards = self._profile.guards(connect_seconds=CONNECT_SECONDS, response_seconds=seconds)
        return query(self._peer, self._profile, guards, wanted, limits=limits, opened=self._opened)

    def abort(self) -> None:
        """From the loop: the lease of the association was lost, or nobody waits for the answer any more."""
        self._aborted = True
        if self._requestor is not None:
            self._requestor.association.abort()

    def _opened(self, requestor: Requestor) -> None:
        self._requestor = requestor
        if self._aborted:
            requestor.association.abort()


def outcome(title: str, wanted: Asked, answered: Answered, verified: str) -> Queried:
    """An answer for people (pure); failures show no results (R62)."""
    text = f"{title}: {answered.text}"
    if answered.cut and answered.ok:
        text = f"{title}: more than {len(answered.matches)} matches; narrow the query, or raise --limit"
    if answered.unreadable:
        text += f"; {answered.unreadable} matches could not be read"
    matches = [shown(wanted, match, structured_reports=answered.structured_reports) for match in answered.matches]
    return Queried(title, wanted.level, answered.ok, text, verified, f"{answered.status:04X}", answered.cut, matches)


def shown(wanted: Asked, match: Identifier, *, structured_reports: bool) -> dict[str, Any]:
    """A match by keywords: every key that was asked, "" where the station told nothing (pure).

    What was not asked is ignored, Retrieve AE Title for one (column scu_use). Several values are separated by
    backslash. A sequence is told by its first item.
    """
    found: dict[str, Any] = {keyword_of(tag): match.keys.get(tag, "") for tag in wanted.keys}
    for tag, elements in wanted.structured_reports.items() if structured_reports else ():
        if tag in match.keys:
            found[keyword_of(tag)] = match.keys[tag]
        elif tag in match.others:
            found[keyword_of(tag)] = {keyword_of(each): match.items.get((tag, each), "") for each in elements}
    return found
