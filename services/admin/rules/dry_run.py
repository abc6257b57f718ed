"""The use case *dry-run*: what a draft would do with what was received, compared with the live rules.

Pages of receipts are read backwards in time, each in a short transaction of its own, while the page before is being
evaluated: running traffic is not held up, and memory does not grow with the number of instances.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg.rows import args_row

from schemas.rules import RuleDocument, from_stored
from services.admin.rules import rule_sets, rule_words
from services.admin.rules.by_class import with_stations
from services.admin.rules.dry_run_outcomes import Outcome, Outcomes, Received, Send
from services.admin.rules.dry_run_report import StudyNumbers, Tally
from services.admin.sql import SQL
from services.dicom.beyond_facts import completed
from services.dicom.rules import PET_RAW_RULE, ByClass, compile_rules
from services.runtime.db import Database, load_queries
from services.runtime.errors import GatewayError
from services.runtime.objects import ObjectStore

QUERIES = load_queries("services.admin.rules", "dry_run.sql")
PAGE: Final = 5000
MOST_OBJECTS: Final = 1000
NOTHING_LIVE: Final = RuleDocument(version=1, rules=[])


async def dry_run(
    database: Database,
    open_objects: Callable[[], ObjectStore],
    text: str,
    since: timedelta,
    *,
    most_objects: int = MOST_OBJECTS,
    commitment: bool = True,
    transforming: bool = True,
    by_class: ByClass = rule_sets.NO_CLASSES,
    progress: Callable[["Progress"], None] = lambda _: None,
) -> dict[str, Any]:
    """Evaluate a draft against the stored facts of what was received within ``since``, as docs/rules.md documents it.

    ``open_objects`` is asked only where rules need elements that the facts do not hold; these instances are reported
    apart, at most ``most_objects`` of them. ``commitment``: whether the profile asks for storage commitment,
    ``transforming``: whether it lets rules change what they send, ``by_class``: the classes that it tells apart.
    ``progress`` is told after each page.

    Raises:
        FaultyRules: the draft has faults.
    """
    draft = await rule_sets.accepted(database, text, commitment=commitment, transforming=transforming)
    async with database.transaction() as conn:
        row = await (await conn.execute(SQL.live_rule_set)).fetchone()
        cursor = await conn.execute(QUERIES.window_of_time, {"seconds": since.total_seconds()})
        (window,) = await cursor.fetchall()
        by_class = await with_stations(conn, by_class)
    live = NOTHING_LIVE if row is None else from_stored(row["document"])
    outcomes = Outcomes(compile_rules(draft), compile_rules(live), by_class)
    looking = Looking(outcomes, Objects(open_objects, most_objects))
    started = time.monotonic()
    await _look_through(database, looking, window, progress)
    document = looking.document(list(_sends(draft, by_class)), list(_sends(live, by_class)))
    how = _how(draft)
    for sending in (*document["rules"], *document["from_objects"]["rules"]):
        sending |= how.get((sending["rule"], sending["to"]), {"schedule": [], "changes": []})
    return {
        **window,
        "compared_with": None if row is None else row["number"],
        "seconds": round(time.monotonic() - started, 3),
        **document,
    }


def _sends(document: RuleDocument, by_class: ByClass) -> Iterator[Send]:
    yield from ((rule.name, target.to) for rule in document.rules if rule.enabled for target in rule.send)
    if by_class.pet_raw and by_class.pet_raw_station:
        yield PET_RAW_RULE, by_class.pet_raw_station


def _how(document: RuleDocument) -> dict[Send, dict[str, list[str]]]:
    """When each rule sends to its destinations, and what it changes of it."""
    return {
        (rule.name, target.to): {
            "schedule": list(rule.schedule or ()),
            "changes": rule_words.changes([*(rule.transform or ()), *(target.transform or ())]),
        }
        for rule in document.rules
        for target in rule.send
    }


@dataclass(frozen=True)
class Progress:
    """How far a dry-run is. ``share``: of the time that it looks back on, from 0 to 1."""

    instances: int
    share: float


async def _look_through(
    database: Database, looking: "Looking", window: Mapping[str, datetime], progress: Callable[[Progress], None]
) -> None:
    """Take in page after page; the next one is read meanwhile."""
    keys = looking.outcomes.keys
    place = {"since": window["since"], "received_at": window["until"], "object_key": ""}
    page = await _page(database, place | {"keys": keys})
    while len(page) == PAGE:
        last = page[-1]
        place |= {"received_at": last.received_at, "object_key": last.object_key}
        page, _ = await asyncio.gather(_page(database, place | {"keys": keys}), asyncio.to_thread(looking.take, page))
        back = (window["until"] - last.received_at) / (window["until"] - window["since"])
        progress(Progress(looking.instances, min(1.0, max(0.0, back))))
    await asyncio.to_thread(looking.take, page)


async def _page(database: Database, place: Mapping[str, Any]) -> list[Received]:
    async with database.transaction() as conn:
        await conn.execute(QUERIES.begin_page)
        cursor = conn.cursor(row_factory=args_row(Received))
        # Not prepared: a plan for any limit would not go by the keys.
        await cursor.execute(QUERIES.page_of_receipts, {**place, "limit": PAGE}, prepare=False)
        return await cursor.fetchall()


@dataclass
class Objects:
    """The objects that are read: how many, how fast, and when it is enough."""

    open_store: Callable[[], ObjectStore]
    most: int
    store: ObjectStore | None = None
    read: int = 0
    unreadable: int = 0
    left_out: int = 0
    seconds: float = 0.0

    def outcome(self, outcomes: Outcomes, received: Received) -> Outcome | None:
        """The outcome of an instance by what its object holds; None: as many as were allowed are read already."""
        if self.read == self.most:
            self.left_out += 1
            return None
        started = time.monotonic()
        subject, asked = outcomes.subject(received)
        try:
            self.store = self.store or self.open_store()
            subject, fault = completed(subject, asked, self.store, received._asdict())
        except (GatewayError, OSError) as error:
            fault = str(error)
        self.read += 1
        self.unreadable += bool(fault)
        self.seconds += time.monotonic() - started
        return outcomes.of_subject(subject)

    def document(self) -> dict[str, Any]:
        """As plain data; ``rate`` is in objects a second."""
        rate = round(self.read / self.seconds, 1) if self.seconds else None
        counts = {name: getattr(self, name) for name in ("read", "unreadable", "left_out")}
        return {**counts, "limit": self.most, "seconds": round(self.seconds, 3), "rate": rate}


@dataclass
class Looking:
    """What was found so far."""

    outcomes: Outcomes
    objects: Objects
    deleted: int = 0
    studies: StudyNumbers = field(default_factory=StudyNumbers)
    by_facts: Tally = field(init=False)
    by_objects: Tally = field(init=False)

    def __post_init__(self) -> None:
        self.by_facts, self.by_objects = Tally(self.studies), Tally(self.studies)

    @property
    def instances(self) -> int:
        """How many were evaluated."""
        return self.by_facts.all.instances + self.by_objects.all.instances

    def take(self, page: Sequence[Received]) -> None:
        """Take in receipts; blocks where objects are read."""
        known: list[tuple[Received, Outcome]] = []
        read: list[tuple[Received, Outcome]] = []
        for received in page:
            if received.seen is None:
                self.deleted += 1
                continue
            outcome = self.outcomes.of(received)
            if not outcome.unread:
                known.append((received, outcome))
            elif (told := self.objects.outcome(self.outcomes, received)) is not None:
                read.append((received, told))
        self.by_facts.take(known)
        self.by_objects.take(read)

    def document(self, draft: Sequence[Send], live: Sequence[Send]) -> dict[str, Any]:
        """As plain data."""
        return {
            **self.by_facts.document(draft, live),
            "deleted": self.deleted,
            "from_objects": self.objects.document() | self.by_objects.document(draft, live),
        }
