"""Test cases of rules, which every rule set to come has to pass. Use cases: add, list, show, remove, run."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from psycopg.types.json import Jsonb

from services.admin.changes import audit
from services.admin.errors import NotFound
from services.admin.rules.by_class import with_stations
from services.admin.rules.rule_drafts import Seen, valid_name, whatever
from services.admin.sql import SQL
from services.admin.station import valid_title
from services.dicom.rules import (
    ByClass,
    Case,
    CaseOutcome,
    RuleDocument,
    Subject,
    run_cases,
    subject_from_stored,
    subject_to_stored,
)
from services.runtime.db import Connection, Database
from services.runtime.errors import GatewayError, UsageError

MOST_TESTS: Final = 1000


class FailedTests(GatewayError):
    """Test cases that a rule set does not pass; ``outcomes`` holds those that failed."""

    def __init__(self, outcomes: Sequence[CaseOutcome]) -> None:
        super().__init__("\n".join(map(str, outcomes)))
        self.outcomes = [outcome.document() for outcome in outcomes]


async def add(
    database: Database, actor: str, name: str, subject: Subject, expected: Sequence[str], comment: str,
    seen: Seen = whatever,
) -> bool:  # fmt: skip
    """Store a test case, or put it in the place of the one of that name: then True. ``seen`` is shown that one, None if
    there is none. Raises ``UsageError``, and what ``seen`` raises.

    It need not pass today: write the test, then the rules.
    """
    valid_name("test", name)
    titles = sorted({_title(name, title) for title in expected})
    values = {"name": name, "subject": Jsonb(subject_to_stored(subject)), "expected": titles, "comment": comment}

    async def work(conn: Connection) -> bool:
        rows = {row["name"]: row for row in await _rows(conn)}
        seen(listed(rows[name]) if name in rows else None)
        if name not in rows and len(rows) >= MOST_TESTS:
            raise UsageError(f"test {name}: there are {MOST_TESTS} tests already; remove one first")
        await conn.execute(SQL.put_rule_test, values | {"actor": actor})
        after = {"expected": titles, "comment": comment}
        await audit(conn, actor, "rules.test.add", name, _brief(rows.get(name)), after)
        return name in rows

    return await database.retry(work)


async def list_all(database: Database) -> list[dict[str, Any]]:
    """Every test case, by name, without its header."""
    async with database.transaction() as conn:
        return [listed(row) for row in await _rows(conn)]


def listed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A test case without its header (pure)."""
    return {key: value for key, value in row.items() if key != "subject"}


async def show(database: Database, name: str) -> dict[str, Any]:
    """One test case with its header. Raises ``NotFound``."""
    async with database.transaction() as conn:
        return await _found(conn, name)


async def remove(database: Database, actor: str, name: str, seen: Seen = whatever) -> None:
    """Forget a test case. Raises ``NotFound``, and what ``seen`` raises."""

    async def work(conn: Connection) -> None:
        before = await _found(conn, name)
        seen(listed(before))
        await conn.execute(SQL.delete_rule_test, {"name": name})
        await audit(conn, actor, "rules.test.remove", name, _brief(before), None)

    await database.retry(work)


async def run(database: Database, document: RuleDocument, by_class: ByClass) -> list[dict[str, Any]]:
    """How every test case goes with a document; ``by_class``: the classes that the profile tells apart."""
    async with database.transaction() as conn:
        return [outcome.document() for outcome in await _outcomes(conn, document, by_class)]


async def require(conn: Connection, document: RuleDocument, by_class: ByClass) -> None:
    """Run every test case. Raises ``FailedTests``."""
    failed = [outcome for outcome in await _outcomes(conn, document, by_class) if not outcome.passed]
    if failed:
        raise FailedTests(failed)


async def _outcomes(conn: Connection, document: RuleDocument, by_class: ByClass) -> list[CaseOutcome]:
    return run_cases(document, map(_case, await _rows(conn)), await with_stations(conn, by_class))


async def _rows(conn: Connection) -> list[dict[str, Any]]:
    return await (await conn.execute(SQL.list_rule_tests)).fetchall()


async def _found(conn: Connection, name: str) -> dict[str, Any]:
    row = await (await conn.execute(SQL.get_rule_test, {"name": name})).fetchone()
    if row is None:
        raise NotFound(f"test {name} does not exist; 'gateway rules tests list' shows those there are")
    return row


def _case(row: dict[str, Any]) -> Case:
    return Case(row["name"], subject_from_stored(row["subject"]), frozenset(row["expected"]))


def _brief(row: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if row is None else {"expected": row["expected"], "comment": row["comment"]}


def _title(name: str, text: str) -> str:
    try:
        return valid_title(text)
    except ValueError as fault:
        raise UsageError(f"test {name}: AE title {text!r}: {fault}") from None
