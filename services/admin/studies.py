"""Studies as the index knows them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from services.admin.errors import NotFound
from services.admin.sql import SQL
from services.admin.uids import uid_of
from services.admin.when import When
from services.runtime.db import Connection, Database

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
    database: Database, since: When, limit: int, after: Mapping[str, Any] = BEGINNING
) -> list[dict[str, Any]]:
    """What is stored and was never to be sent anywhere: by study, from whom and why, the newest first."""
    async with database.transaction() as conn:
        cursor = await conn.execute(SQL.list_unmatched, since.parameters("since") | {"limit": limit, **after})
        return await cursor.fetchall()


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
