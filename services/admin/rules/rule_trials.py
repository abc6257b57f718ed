"""The use case *try*: which rules match a DICOM file that is not stored, why others do not, and where it would go."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.rules import RuleDocument, from_stored
from schemas.schedule import all_open_at
from services.admin import stations
from services.admin.looks import looked
from services.admin.rules import rule_drafts, rule_sets, rule_words
from services.admin.rules.by_class import with_stations
from services.admin.rules.dry_run import Progress, dry_run
from services.admin.rules.dry_runs import Work
from services.admin.rules.rule_subjects import Uploaded
from services.dicom.rules import ByClass, CompiledRules, Match, compile_rules, sends
from services.runtime.db import Database
from services.runtime.objects import ObjectStore


@dataclass(frozen=True)
class Going:
    """``by``: the rule that sends it there. ``schedules``: the windows of the rule and of the station, of those that
    have some; ``waits_until``: when all of them are open next, if they are not open now. ``changes``: what is changed
    of it, in words."""

    to: str
    by: str
    level: str
    schedules: list[list[str]]
    waits_until: datetime | None
    changes: list[str]


@dataclass(frozen=True)
class Trial:
    """``rules``: each with its verdict and conditions, as *explain* tells them. ``not_sent``: why it goes nowhere,
    whatever the rules say; "": it may go."""

    sop_instance_uid: str
    sop_class: str
    goes: list[Going]
    not_sent: str
    rules: list[dict[str, Any]]


async def tried(
    database: Database, actor: str, upload: Uploaded, text: str | None, by_class: ByClass, allowed: dict[str, bool]
) -> Trial:
    """Try it on a rule file, or on the live rules (None). Raises ``FaultyRules``, ``NotFound``, ``UsageError``."""
    if text is None:
        document = from_stored((await rule_sets.show(database, None))["document"])
    else:
        document = await rule_sets.accepted(database, text, **allowed)
    async with database.transaction() as conn:
        by_class = await with_stations(conn, by_class)
    await looked(database, actor, "rules.try", [upload.uid[:64]])
    schedules = {station.title: station.schedule for station in await stations.list_all(database)}
    return await asyncio.to_thread(judged, document, upload, by_class, schedules, datetime.now(UTC))


def judged(
    document: RuleDocument, upload: Uploaded, by_class: ByClass, schedules: Mapping[str, Sequence[str]], at: datetime
) -> Trial:
    """What a document does with it at that time (pure, but for reading what was uploaded). ``schedules``: the windows
    of each station."""
    rules: CompiledRules = compile_rules(document)
    subject = upload.completed(rules.needs_object(upload.subject, completing=True))
    matches = [*rules.evaluate(subject), *by_class.matches(subject.sop_class)]
    refusal = by_class.refusal(subject.sop_class)
    goes = [_going(match, to, schedules, at) for match, to in sends(matches, subject.calling_aet)]
    return Trial(
        upload.uid, subject.sop_class, [] if refusal else goes, refusal,
        [explanation.document() for explanation in rules.explain(subject)],
    )  # fmt: skip


def _going(match: Match, to: str, schedules: Mapping[str, Sequence[str]], at: datetime) -> Going:
    windows = [list(each) for each in (match.schedule, schedules.get(to, ())) if each]
    opens = all_open_at(windows, at)
    waits_until = opens if opens is not None and opens > at else None
    return Going(to, match.rule, match.level, windows, waits_until, rule_words.changes(match.transform.get(to, ())))


async def text_of(database: Database, draft: str) -> str:
    """The text of a draft. Raises ``NotFound``."""
    text: str = (await rule_drafts.show(database, draft))["source"]
    return text


def dry_run_of(
    database: Database, open_objects: Callable[[], ObjectStore], text: str, since: timedelta, most_objects: int,
    judged: dict[str, Any],
) -> Work:  # fmt: skip
    """A dry-run that tells how far it is."""

    async def work(heard: Callable[[Progress], None]) -> dict[str, Any]:
        return await dry_run(
            database, open_objects, text, since, most_objects=most_objects, progress=heard, **judged
        )  # fmt: skip

    return work
