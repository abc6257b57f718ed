"""Transformations in PostgreSQL: stored once under their number, found again by it. In the caller's transaction."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from schemas.rules.steps import AnyStep
from services.dicom.transforming.transformation import Transformation, number_of, plain, resolved, stored
from services.forwarder.planning import Planned
from services.runtime.db import load_queries

Connection = AsyncConnection[DictRow]
QUERIES = load_queries(__package__, "transformations.sql")


def for_sender(planned: Iterable[Planned], receipt: Mapping[str, Any]) -> Iterator[Planned]:
    """Deliveries with what their transformations say of whoever sent the instance (pure)."""
    for each in planned:
        yield replace(each, transform=resolved(each.transform, receipt)) if each.transform else each


async def store(connection: Connection, wanted: Sequence[Sequence[AnyStep]]) -> list[Transformation | None]:
    """Keep what is not kept yet; the transformation of each, None where nothing is changed."""
    if not any(wanted):
        return [None] * len(wanted)
    documents = [plain(steps) for steps in wanted]
    numbers = [number_of(steps) if steps else None for steps in documents]
    new = {number: steps for number, steps in zip(numbers, documents, strict=True) if number is not None}
    parameters = {"numbers": list(new), "steps": [Jsonb(steps) for steps in new.values()]}
    await connection.execute(QUERIES.insert_transformations, parameters)
    found = await load(connection, list(new))
    return [None if number is None else found[number] for number in numbers]


async def load(connection: Connection, numbers: Collection[str]) -> dict[str, Transformation]:
    """Transformations by their numbers."""
    if not numbers:
        return {}
    rows = await connection.execute(QUERIES.select_transformations, {"numbers": sorted(numbers)})
    return {row["number"]: stored(row["number"], row["steps"], row["key"]) for row in await rows.fetchall()}


def sent_uid(change: Transformation | None, uid: str) -> str | None:
    """The SOP Instance UID under which an instance is sent; None: its own (pure)."""
    sent = uid if change is None else change.sent_uid(uid)
    return None if sent == uid else sent
