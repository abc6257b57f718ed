"""Studies by every key of the index, their series and instances."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from psycopg import sql

from schemas.dicom.query_keys import QueryAttribute, query_keys
from services.admin.errors import NotFound
from services.admin.removals import removals_of, removed, told
from services.admin.sql import SQL
from services.admin.uids import uid_of
from services.dicom.identifiers import IdentifierFault
from services.dicom.matching import LONGEST_PATTERN, Condition, conditions
from services.dicom.statements import composed
from services.runtime.db import Connection, Database, load_queries
from services.runtime.errors import UsageError

QUERIES = load_queries(__package__, "search.sql")
SECONDS: Final = 10
"""After that a search is given up: what no index answers must not keep the database busy."""
KEYS: Final[Mapping[str, int]] = {
    "patient_name": 0x00100010,
    "patient_id": 0x00100020,
    "issuer": 0x00100021,
    "birth_date": 0x00100030,
    "sex": 0x00100040,
    "study_date": 0x00080020,
    "study_id": 0x00200010,
    "accession": 0x00080050,
    "description": 0x00081030,
    "referring_physician": 0x00080090,
    "modality": 0x00080061,
    "study": 0x0020000D,
}
"""What may be searched for, with its element."""
WITHOUT_CASE: Final = frozenset({"description", "referring_physician"})
"""Texts that people wrote: they are found in capitals or not."""


_PARTS: Final = re.compile(r"\\(.)|([%_])|([^\\%_]+)", re.DOTALL)
NEWEST: Final = 5000
"""Studies that are looked through for a text before the index of trigrams is asked: what many have is found there."""


@dataclass(frozen=True)
class Search:
    """Which studies. ``keys``: values by name of ``KEYS``, matched as C-FIND does, with * and ?, a date also as a range
    (20261101-20261130), several values with a backslash between them. ``after_at`` and ``after_key``: changed before
    that study, which is listed already."""

    keys: Mapping[str, str] = field(default_factory=dict)
    after_at: datetime | None = None
    after_key: str | None = None


async def search(database: Database, wanted: Search, limit: int) -> list[dict[str, Any]]:
    """The studies that changed last. Raises ``UsageError`` for a key that cannot be matched."""
    after = {"after_at": wanted.after_at, "after_key": wanted.after_key, "limit": limit, "since": None}
    async with database.transaction() as conn:
        await conn.execute(QUERIES.limit_statement, {"milliseconds": str(SECONDS * 1000)})
        if WITHOUT_CASE & wanted.keys.keys():
            after["since"] = await _newest(conn, wanted.after_at)
            found = await _found(conn, _statement(wanted.keys, by_trigrams=False), after)
            if len(found) >= limit or after["since"] is None:
                return found
            after["since"] = None
        return await _found(conn, _statement(wanted.keys, by_trigrams=True), after)


async def _newest(conn: Connection, after_at: datetime | None) -> datetime | None:
    """Since when so many studies changed that a text which many have is found among them; None: there are fewer."""
    cursor = await conn.execute(QUERIES.changed_before_most, {"after_at": after_at, "newest": NEWEST})
    row = await cursor.fetchone()
    return None if row is None else row["updated_at"]


async def _found(
    conn: Connection, asked: tuple[sql.Composed, Mapping[str, Any]], after: Mapping[str, Any]
) -> list[dict[str, Any]]:
    statement, values = asked
    # Planned for these very values: a plan for any values could use no index for the beginning of a text.
    rows = await (await conn.execute(statement, {**values, **after}, prepare=False)).fetchall()
    studies = {"studies": [row["study_instance_uid"] for row in rows]}
    held = {row["study_instance_uid"]: row for row in await (await conn.execute(QUERIES.contents, studies)).fetchall()}
    return [row | held[row["study_instance_uid"]] for row in rows]


async def show(database: Database, text: str) -> dict[str, Any]:
    """A study with its series. Raises ``NotFound``, ``UsageError`` for what is no UID."""
    study = uid_of(text)
    found = await search(database, Search({"study": study}), 1)
    async with database.transaction() as conn:
        if not found:
            raise NotFound(await _not_listed(conn, study))
        series = await (await conn.execute(SQL.series_of_study, {"study": study})).fetchall()
    return found[0] | {"series_list": series}


async def studies_of(database: Database, uids: Sequence[str]) -> list[dict[str, Any]]:
    """The studies in which studies, series or instances lie, with their patients; what is not there is left out."""
    async with database.transaction() as conn:
        return await (await conn.execute(QUERIES.studies_of, {"uids": list(uids)})).fetchall()


async def what_was_done(database: Database, studies: Iterable[str | None]) -> dict[str, dict[str, Any]]:
    """When, by which modalities and as what, by Study Instance UID; nothing of whose they are, so that it is no look at
    a patient. What is not in the index is left out."""
    uids = sorted({uid for uid in studies if uid})
    async with database.transaction() as conn:
        rows = await (await conn.execute(QUERIES.what_was_done, {"studies": uids})).fetchall()
    return {row["study_instance_uid"]: row for row in rows}


async def _not_listed(conn: Connection, study: str) -> str:
    rows = await (await conn.execute(SQL.gone_of_study, {"study": study})).fetchall()
    if not rows:
        return f"study {study} is not in the index: it was never received, or is recorded within seconds"
    gone = removed(rows[0], await removals_of(conn, rows))
    assert gone is not None  # noqa: S101 - it has a time
    return f"study {study} was {told(gone)} at {gone['at']:%Y-%m-%d %H:%M:%SZ}; 'gateway where {study}' tells more"


async def instances(
    database: Database, study: str, series: str | None, limit: int, after: tuple[str, int] | None = None,
    *, by_number: bool,
) -> list[dict[str, Any]]:  # fmt: skip
    """The instances of a study, or of one of its series: ``by_number`` for people, else by UID, after the one named.

    Raises ``UsageError`` for what is no UID.
    """
    asked = {
        "study": uid_of(study),
        "series": None if series is None else uid_of(series),
        "after_key": after and after[0],
        "after_revision": after and after[1],
        "by_number": by_number,
        "limit": limit,
    }
    async with database.transaction() as conn:
        return await (await conn.execute(QUERIES.list_instances, asked)).fetchall()


async def instance(database: Database, text: str, revision: int | None = None) -> dict[str, Any]:
    """One stored instance, its newest revision or the one named. Raises ``NotFound``, ``UsageError``."""
    uid = uid_of(text)
    async with database.transaction() as conn:
        found = await (await conn.execute(QUERIES.get_instance, {"uid": uid, "revision": revision})).fetchone()
    if found is None:
        which = "" if revision is None else f" in revision {revision}"
        raise NotFound(f"no instance {uid} is stored{which}: it was deleted, or never received")
    return found


def _statement(keys: Mapping[str, str], *, by_trigrams: bool) -> tuple[sql.Composed, dict[str, Any]]:
    """``by_trigrams``: texts are looked up in the index of their trigrams, which is quick for what few studies have."""
    exact = [each for name, text in keys.items() if name not in WITHOUT_CASE for each in _conditions(name, text)]
    clause, values = composed(exact)
    parts: list[sql.Composable] = [clause]
    for name in sorted(WITHOUT_CASE & keys.keys()):
        for place, each in enumerate(_conditions(name, keys[name])):
            bound = f"{name}_{place}"
            patterns = list(map(_ascii, [each.value] if isinstance(each.value, str) else each.value))
            values |= {f"{bound}_{number}": pattern for number, pattern in enumerate(patterns)}
            alternatives = [
                _on(each.column, QUERIES.like_without_case, f"{bound}_{number}") for number in range(len(patterns))
            ]
            parts.append(sql.SQL("({})").format(sql.SQL(" or ").join(alternatives)))
            if by_trigrams and len(patterns) == 1 and (looked_up := trigrams(patterns[0])):
                values |= {f"{bound}_trigrams": looked_up}
                parts.append(_on(each.column, QUERIES.with_trigrams, f"{bound}_trigrams"))
    whole: Any = QUERIES.search
    return sql.SQL(whole).format(conditions=sql.SQL(" and ").join(parts)), values


def _on(column: str, template: Any, bound: str) -> sql.Composed:
    return sql.SQL(template).format(column=sql.Identifier("v", column), value=sql.Placeholder(bound))


def trigrams(pattern: str) -> list[str]:
    """The trigrams that every text has which fits a LIKE pattern, in small letters (pure)."""
    texts = [""]
    for escaped, wildcard, plain in _PARTS.findall(pattern):
        if wildcard:
            texts.append("")
        else:
            texts[-1] += escaped or plain
    return sorted({text[at : at + 3].lower() for text in texts for at in range(len(text) - 2)})


def _ascii(pattern: str) -> str:
    """Any character stands for a letter that has no other case in ASCII."""
    return "".join(character if character.isascii() else "_" for character in pattern)


def _conditions(name: str, text: str) -> Iterator[Condition]:
    if name not in KEYS:
        raise UsageError(f"{name}: studies are not searched by that; these are the keys: {', '.join(KEYS)}")
    attribute = query_keys().by_tag[KEYS[name]]
    try:
        yield from conditions(attribute, text.strip(), attribute.matching)
    except IdentifierFault:
        raise UsageError(f"{name}: {_cure(attribute)}") from None


def _cure(attribute: QueryAttribute) -> str:
    if attribute.compare == "date":
        return "write a day of the calendar as 20261129, or a range as 20261101-20261130"
    return f"write at most {LONGEST_PATTERN} characters"


def days(first: str | None, last: str | None) -> str:
    """Two days, both included, as the range that a date key takes; "" for none (pure)."""
    return f"{first or ''}-{last or ''}" if first or last else ""
