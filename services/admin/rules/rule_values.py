"""What conditions may name, and which values were seen of it lately."""

from dataclasses import dataclass
from functools import cache
from typing import Final

from services.admin.looks import looked
from services.dicom.dictionary import keywords, standard_vr, stated_private_elements, tag_of
from services.dicom.rules.names import FACTS, UnknownName, resolve_fact, resolve_tag
from services.runtime.db import Database, load_queries
from services.runtime.errors import UsageError

QUERIES: Final = load_queries(__package__, "rule_values.sql")
RECEIPTS: Final = 2000
DAYS: Final = 30
MOST: Final = 20


@dataclass(frozen=True)
class Named:
    """``written``: as a condition names it; ``told``: number and VR, or what it is."""

    written: str
    told: str


@dataclass(frozen=True)
class Value:
    """A value and how many of the newest instances had it."""

    value: str
    instances: int


def names_like(text: str, most: int = MOST) -> list[Named]:
    """The elements and facts whose name or number holds a text, those that begin with it first (pure)."""
    wanted = "".join(text.split()).casefold()
    if not wanted:
        return []
    found = [each for each in _all_names() if wanted in each.written.casefold() or wanted in each.told.casefold()]
    return sorted(found, key=lambda each: (not each.written.casefold().startswith(wanted), len(each.written)))[:most]


async def values_seen(database: Database, actor: str, name: str, *, fact: bool) -> list[Value]:
    """The values that an element, or a fact of the association, had lately. Raises ``UsageError``."""
    try:
        key = (resolve_fact(name) if fact else resolve_tag(name)).key.removeprefix("@")
    except UnknownName as fault:
        raise UsageError(f"{'fact' if fact else 'tag'} {name[:100]!r}: {fault}") from fault
    query = QUERIES.values_of_association if fact else QUERIES.values_of_element
    values = {"key": key, "days": DAYS, "receipts": RECEIPTS, "limit": MOST}
    async with database.transaction() as conn:
        rows = await (await conn.execute(query, values)).fetchall()
    await looked(database, actor, "rules.values", [key])
    return [Value(row["value"], row["instances"]) for row in rows if row["value"] is not None]


@cache
def _all_names() -> tuple[Named, ...]:
    facts = [Named(name, f"how it came: {kind}") for name, kind in FACTS.items()]
    standard = [(word, tag_of(word) or 0) for word in sorted(keywords()) if word]
    private = [
        Named(f'({group},"{creator}",{element})', f"{name} {vr}")
        for creator, group, element, vr, _, name in stated_private_elements()
    ]
    named = [Named(word, f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {standard_vr(tag)}") for word, tag in standard]
    return (*facts, *named, *private)
