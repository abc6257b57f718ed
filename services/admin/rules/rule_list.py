"""The use case *list the live rules*: in their order, each in words, with how often it matched lately and its hold."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from schemas.rules import Rule, from_stored
from services.admin import holds
from services.admin.errors import NotFound
from services.admin.notices import contacts
from services.admin.rules import rule_words
from services.admin.rules.rule_hiding import document_without_names
from services.admin.rules.rule_hits import Hit, Hits
from services.admin.rules.rule_sets import show
from services.runtime.db import Database

_MOST_HOLDS: Final = 1000


@dataclass(frozen=True)
class ListedRule:
    """``when`` and ``how`` are words; ``hold``: why it waits, by whom and until when."""

    name: str
    description: str
    enabled: bool
    when: str
    to: list[str]
    level: str
    how: list[str]
    hits: int
    last_hit_at: datetime | None
    hold: dict[str, Any] | None


@dataclass(frozen=True)
class LiveRules:
    """``number`` None: no rule set is live."""

    number: int | None
    comment: str
    created_by: str
    created_at: datetime | None
    copied_from: int | None
    rules: list[ListedRule]


async def live_rules(database: Database, hits: Hits, *, hide_names: bool = False) -> LiveRules:
    """The rules that are live; ``hide_names``: without what their conditions on names compare with."""
    try:
        row = await show(database, None)
    except NotFound:
        return LiveRules(None, "", "", None, None, [])
    held = {each["name"]: each for each in await _held(database)}
    document = from_stored(document_without_names(row["document"]) if hide_names else row["document"])
    silent = {each.name for each in await contacts.list_all(database) if not each.enabled}
    rules = [listed(rule, hits.rules.get(rule.name), held.get(rule.name), silent) for rule in document.rules]
    told = ("number", "comment", "created_by", "created_at", "copied_from")
    return LiveRules(**{name: row[name] for name in told}, rules=rules)


def listed(rule: Rule, hit: Hit | None, hold: dict[str, Any] | None, silent: Collection[str]) -> ListedRule:
    """One of them; ``silent``: contacts that are disabled (pure)."""
    return ListedRule(
        name=rule.name,
        description=rule.description,
        enabled=rule.enabled,
        when=rule_words.when(rule.when),
        to=[target.to for target in rule.send],
        level=rule.level,
        how=rule_words.how(rule, silent),
        hits=hit.instances if hit else 0,
        last_hit_at=hit.last_at if hit else None,
        hold=hold,
    )


async def _held(database: Database) -> list[dict[str, Any]]:
    found = await holds.list_all(database, ended=False, limit=_MOST_HOLDS)
    return [each for each in found if each["kind"] == "rule"]
