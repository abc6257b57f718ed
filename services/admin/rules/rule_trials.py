"""The use case *try*: which rules match a DICOM file that is not stored, why others do not, and where it would go."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from schemas.rules import RuleDocument, from_stored
from services.admin.looks import looked
from services.admin.rules import rule_drafts, rule_sets
from services.admin.rules.by_class import with_stations
from services.admin.rules.dry_run import Progress, dry_run
from services.admin.rules.dry_runs import Work
from services.admin.rules.rule_subjects import Uploaded
from services.dicom.rules import ByClass, CompiledRules, compile_rules, sends
from services.runtime.db import Database
from services.runtime.objects import ObjectStore


@dataclass(frozen=True)
class Going:
    """``by``: the rule that sends it there."""

    to: str
    by: str
    level: str


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
    return await asyncio.to_thread(judged, document, upload, by_class)


def judged(document: RuleDocument, upload: Uploaded, by_class: ByClass) -> Trial:
    """What a document does with it (pure, but for reading what was uploaded)."""
    rules: CompiledRules = compile_rules(document)
    subject = upload.completed(rules.needs_object(upload.subject, completing=True))
    matches = [*rules.evaluate(subject), *by_class.matches(subject.sop_class)]
    refusal = by_class.refusal(subject.sop_class)
    goes = [Going(to, match.rule, match.level) for match, to in sends(matches, subject.calling_aet)]
    return Trial(
        upload.uid, subject.sop_class, [] if refusal else goes, refusal,
        [explanation.document() for explanation in rules.explain(subject)],
    )  # fmt: skip


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
