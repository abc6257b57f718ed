"""Studies as the index knows them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from services.admin.changes import audit
from services.admin.dead_letters import MOST_REASON
from services.admin.errors import NotFound
from services.admin.sql import SQL
from services.admin.uids import uid_of
from services.admin.when import When
from services.runtime.db import Connection, Database
from services.runtime.errors import UsageError

BEGINNING: Final[Mapping[str, Any]] = {"after_at": None, "after_key": None}


@dataclass(frozen=True)
class Filter:
    """Which studies; None takes all. Dates are DICOM dates (yyyymmdd), both included. ``after_at`` and ``after_key``:
    changed before that study, which is listed already."""

    study: str | None = None
    patient_id: str | None = None
    accession: str | None = None
    modality: str | None = None
    date_from: str | None = None
    date_to: str | None = None
    after_at: datetime | None = None
    after_key: str | None = None


async def list_studies(database: Database, wanted: Filter, limit: int) -> list[dict[str, Any]]:
    """The studies that changed last."""
    async with database.transaction() as conn:
        return await _studies(conn, wanted, limit)


async def unmatched(
    database: Database, since: When, limit: int, after: Mapping[str, Any] = BEGINNING, *,
    discarded: bool | None = False,
) -> list[dict[str, Any]]:  # fmt: skip
    """What is stored and was never to be sent anywhere: by study, from whom and why, the newest first.
    ``discarded``: what a person gave up, instead of what nobody did; None: both."""
    values = since.parameters("since") | {"limit": limit, "discarded": discarded, **after}
    async with database.transaction() as conn:
        cursor = await conn.execute(SQL.list_unmatched, values)
        return await cursor.fetchall()


async def discard_unmatched(database: Database, actor: str, text: str, reason: str) -> int:
    """List a study no more among those sent nowhere, until something new of it is; of how many instances. Nothing is
    deleted, and the audit keeps why. Raises ``NotFound``, and ``UsageError`` for what is no UID or no reason."""
    study, why = uid_of(text), reason.strip()[:MOST_REASON]
    if not why:
        raise UsageError("reason: say why it is given up; the audit keeps it")

    async def work(conn: Connection) -> int:
        cursor = await conn.execute(SQL.discard_unmatched, {"study": study, "why": why, "actor": actor})
        (row,) = await cursor.fetchall()
        if not row["instances"]:
            raise NotFound(f"study {study} has nothing that was sent nowhere; 'gateway studies unmatched' lists all")
        await audit(conn, actor, "studies.discard", study, None, {"reason": why, "instances": row["instances"]})
        return int(row["instances"])

    return await database.retry(work)


def unmatched_key(row: Mapping[str, Any]) -> str:
    """What tells a row of ``unmatched`` from others of the same time, as its query orders them (pure)."""
    parts = (row["study_instance_uid"], row["source"], row["rule_set"], row["why"])
    return " ".join(str(part) for part in parts if part is not None)


async def show(database: Database, text: str) -> dict[str, Any]:
    """A study with its series. Raises ``NotFound``, and ``UsageError`` for what is no UID."""
    study = uid_of(text)
    async with database.transaction() as conn:
        found = await _studies(conn, Filter(study=study), 1)
        if not found:
            raise NotFound(f"study {study} is not in the index; 'gateway studies list' shows those that are")
        cursor = await conn.execute(SQL.series_of_study, {"study": study})
        return found[0] | {"series": await cursor.fetchall()}


async def _studies(conn: Connection, wanted: Filter, limit: int) -> list[dict[str, Any]]:
    cursor = await conn.execute(SQL.list_studies, asdict(wanted) | {"limit": limit})
    return await cursor.fetchall()
