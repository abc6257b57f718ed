"""Where admin, audit and runtime keep something of patients: finding it, and erasing it.

Finding is the same before and after: a place is erased when it finds nothing any more. What an audit has to keep (who
did what when to which UID) stays; texts that name the patient are blanked.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from psycopg.types.json import Jsonb

from services.admin.changes import audit
from services.admin.erasing import spellings
from services.admin.erasing.sought import ERASED, Sought
from services.admin.looks import Look
from services.runtime.db import Connection, load_queries

QUERIES: Final = load_queries(__package__, "erasing.sql")
ACTOR: Final = "gateway"
LOOKS: Final = list(get_args(Look))
"""Their entries have UIDs alone (services.admin.looks), and there are more of them than of all others."""
_GONE: Final = {
    "type": "about:blank", "title": "Gone", "status": 410,
    "detail": "this was carried out; what was answered may have spoken of a patient who was erased since",
}  # fmt: skip
_PROBLEM: Final = {"content-type": "application/problem+json"}


@dataclass(frozen=True)
class Change:
    """What erases one thing that was found."""

    query: Any
    values: Mapping[str, Any]


class Place(ABC):
    """A table. ``name`` stands in the proof."""

    name: str
    what: str

    @abstractmethod
    def find(self, conn: Connection, sought: Sought) -> AsyncIterator[Change]:
        """What is the patient's there, each with what erases it."""

    async def count(self, conn: Connection, sought: Sought) -> int:
        """How much there is."""
        return len([each async for each in self.find(conn, sought)])

    async def erase(self, conn: Connection, sought: Sought) -> int:
        """Erase it; how much it was."""
        changes = [each async for each in self.find(conn, sought)]
        for each in changes:
            await conn.execute(each.query, each.values)
        return len(changes)


class Requests(Place):
    """What people asked for: corrections of the patient's instances name the patient in their steps."""

    name, what = "config.request", "texts blanked in what people asked for"

    async def find(self, conn: Connection, sought: Sought) -> AsyncIterator[Change]:
        """Requests."""
        values = {"uids": sorted(sought.uids), "patterns": _patterns(sought)}
        for row in await (await conn.execute(QUERIES.requests, values)).fetchall():
            body = row["body"]
            about = row["kind"] == "correct" and not sought.uids.isdisjoint(body.get("uids", ()))
            blanked = _blanked_correction(body) if about else sought.blanked(body)
            if blanked != body:
                yield Change(QUERIES.blank_request, {"id": row["id"], "body": Jsonb(blanked)})


class AuditEntries(Place):
    """Who asked for it stays, and for which UIDs."""

    name, what = "audit.entry", "texts blanked in audit entries"

    async def find(self, conn: Connection, sought: Sought) -> AsyncIterator[Change]:
        """Entries, a day after the other: of years they are too many for one statement."""
        values = {"patterns": _patterns(sought), "looks": LOOKS, "corrections": await _corrections(conn, sought)}
        for day in await (await conn.execute(QUERIES.audit_days)).fetchall():
            for row in await (await conn.execute(QUERIES.audit_entries, values | day)).fetchall():
                before, after = (_blanked(row, row[name], values, sought) for name in ("before", "after"))
                if (before, after) != (row["before"], row["after"]):
                    blanked = {"before": before and Jsonb(before), "after": after and Jsonb(after)}
                    yield Change(QUERIES.blank_audit_entry, {"at": row["at"], "id": row["id"]} | blanked)


class AuditOutbox(Place):
    """Entries whose DICOM audit message was not sent yet."""

    name, what = "audit.outbox", "texts blanked in audit entries that wait to be sent"

    async def find(self, conn: Connection, sought: Sought) -> AsyncIterator[Change]:
        """Entries."""
        values = {"patterns": _patterns(sought), "corrections": await _corrections(conn, sought)}
        for row in await (await conn.execute(QUERIES.audit_outbox, values)).fetchall():
            after = _blanked(row, row["after"], values, sought)
            if after != row["after"]:
                yield Change(QUERIES.blank_audit_outbox, {"id": row["id"], "after": after and Jsonb(after)})


class Answers(Place):
    """What programs were answered, kept for a day so that they may ask again."""

    name, what = "config.action", "kept answers replaced"

    async def find(self, conn: Connection, sought: Sought) -> AsyncIterator[Change]:
        """Answers."""
        patterns = spellings.in_bytes(sought.words, sought.wholes)
        rows = await conn.execute(QUERIES.answers, {"patterns": patterns} | _gone())
        for row in await rows.fetchall():
            yield Change(QUERIES.blank_answer, row | _gone())

    async def erase(self, conn: Connection, sought: Sought) -> int:
        """All of them where a text is too short to be looked for within others: they are kept for a day anyway."""
        if sought.wholes:
            return (await conn.execute(QUERIES.blank_answers, _gone())).rowcount
        return await super().erase(conn, sought)


class Holds(Place):
    """Why something is or was held: nothing reads that but people, so what is held stays held."""

    name, what = "config.hold", "reasons of holds blanked, of those in force too"

    async def find(self, conn: Connection, sought: Sought) -> AsyncIterator[Change]:
        """Holds."""
        for row in await (await conn.execute(QUERIES.holds)).fetchall():
            if sought.named_in(row["why"]):
                yield Change(QUERIES.blank_hold, {"id": row["id"], "why": ERASED})


class DiscardedStudies(Place):
    """Why a study that was sent nowhere was given up."""

    name, what = "config.discarded_study", "reasons why studies were given up deleted or blanked"

    async def find(self, conn: Connection, sought: Sought) -> AsyncIterator[Change]:
        """Of the patient's studies, and those that name the patient."""
        for row in await (await conn.execute(QUERIES.discarded_studies)).fetchall():
            study = {"study": row["study_instance_uid"]}
            if row["study_instance_uid"] in sought.studies:
                yield Change(QUERIES.delete_discarded_study, study)
            elif sought.named_in(row["why"]):
                yield Change(QUERIES.blank_discarded_study, study | {"why": ERASED})


class RuleTests(Place):
    """Tests of rules have a whole header; without its patient it would be another test."""

    name, what = "config.rule_test", "tests of rules deleted"

    async def find(self, conn: Connection, sought: Sought) -> AsyncIterator[Change]:
        """Tests."""
        for row in await (await conn.execute(QUERIES.rule_tests)).fetchall():
            if sought.named_within([row["subject"], row["comment"]]):
                yield Change(QUERIES.delete_rule_test, {"name": row["name"]})

    async def erase(self, conn: Connection, sought: Sought) -> int:
        """That a test is gone is what whoever publishes rules has to know."""
        gone = [each.values["name"] async for each in self.find(conn, sought)]
        for name in gone:
            await audit(conn, ACTOR, "rules.test.remove", ERASED if sought.named_in(name) else name, None, None)
        return await super().erase(conn, sought)


class DeadLetters(Place):
    """Messages that nobody could take, whatever became of them: those of received instances have the header."""

    name, what = "runtime.dead_letter", "dead letters deleted"

    async def find(self, conn: Connection, sought: Sought) -> AsyncIterator[Change]:
        """Letters."""
        uids = [each.encode() for each in sorted(sought.studies)]
        in_bytes = spellings.in_bytes(sought.words, sought.wholes)
        values = {"uids": uids, "patterns": _patterns(sought), "in_bytes": in_bytes}
        for row in await (await conn.execute(QUERIES.dead_letters, values)).fetchall():
            if _in_message(bytes(row["body"]), sought) or sought.named_within([row["reason"], row["headers"]]):
                yield Change(QUERIES.delete_dead_letter, {"id": row["id"]})


class Replayed(Place):
    """Dead letters that were sent again; all other messages in the outbox have ids alone."""

    name, what = "runtime.outbox", "messages that were sent again deleted"

    async def find(self, conn: Connection, sought: Sought) -> AsyncIterator[Change]:
        """Messages."""
        for row in await (await conn.execute(QUERIES.replayed)).fetchall():
            if _in_message(row["body"].encode(), sought):
                yield Change(QUERIES.delete_replayed, {"created_at": row["created_at"], "id": row["id"]})


PLACES: Final[Sequence[Place]] = (
    AuditEntries(), AuditOutbox(), Requests(), Answers(), Holds(), DiscardedStudies(), RuleTests(), DeadLetters(),
    Replayed(),
)  # fmt: skip


def _gone() -> dict[str, Any]:
    """What is answered instead."""
    return {"headers": Jsonb(_PROBLEM), "body": json.dumps(_GONE).encode()}


async def _corrections(conn: Connection, sought: Sought) -> list[str]:
    """Requests that corrected the patient's instances: their audit entries say what they say."""
    rows = await conn.execute(QUERIES.corrections, {"uids": sorted(sought.uids)})
    return [row["id"] for row in await rows.fetchall()]


def _blanked(row: Mapping[str, Any], document: Any, values: Mapping[str, Any], sought: Sought) -> Any:
    if row["object"] in values["corrections"] and isinstance(document, Mapping):
        return _blanked_correction(document)
    return sought.blanked(document)


def _blanked_correction(body: Mapping[str, Any]) -> dict[str, Any]:
    """What was corrected, by whom and where it went stays; from what, to what, and why, does not."""
    blank: dict[str, Any] = {"steps": [], "why": ERASED, "values": {}}
    return {**body, **{name: blank[name] for name in blank.keys() & body.keys()}}


def _in_message(body: bytes, sought: Sought) -> bool:
    """Whether a message names the patient, be it one or not."""
    text = body.decode(errors="replace")
    try:
        return sought.named_within(json.loads(text))
    except (ValueError, RecursionError):
        return sought.named_in(text)


def _patterns(sought: Sought) -> list[str]:
    """For JSON as text: what has one is looked at closely."""
    return spellings.in_json(sought.words, sought.wholes)
