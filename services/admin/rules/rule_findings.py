"""What is worth knowing of rules before and after they are published: warnings, no faults."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from psycopg.types.json import Jsonb

from schemas.rules import Rule
from services.admin.rules.rule_commitments import uncommitted
from services.admin.rules.rule_sets import committing
from services.admin.sql import SQL
from services.admin.station_rows import all_stations
from services.dicom.rules import Finding, RuleDocument, find
from services.runtime.db import Database
from services.runtime.errors import GatewayError


async def of(database: Database, document: RuleDocument, days: int) -> list[dict[str, Any]]:
    """The findings of a document without faults; ``days``: how far back rules that matched nothing are looked for,
    0: not at all."""
    async with database.transaction() as conn:
        stations = await all_stations(conn)
    callers = [title for title, station in stations.items() if station.enabled]
    schedules = {title: station.schedule for title, station in stations.items()}
    found = await asyncio.to_thread(find, document, callers, schedules, datetime.now(UTC))
    found += uncommitted(document, stations, committing(stations, possible=True))
    dead = {finding.rules[0] for finding in found if finding.kind in ("never", "conflict", "shadowed")}
    rules = [rule for rule in document.rules if rule.enabled and rule.name not in dead]
    if days and rules:
        found += await _unmatched(database, rules, days)
    return [finding.document() for finding in found]


async def _unmatched(database: Database, rules: list[Rule], days: int) -> list[Finding]:
    asked = {
        "days": days,
        "names": [rule.name for rule in rules],
        "conditions": [Jsonb(rule.when.model_dump(mode="json", exclude_none=True)) for rule in rules],
    }
    try:
        async with database.transaction() as conn:
            rows = await (await conn.execute(SQL.unmatched_rules, asked)).fetchall()
    except GatewayError as error:  # so much came in that it takes too long; what is published is not held up by that
        return [Finding("unfinished", (), f"what matched in {days} days could not be looked at: {error}")]
    return [
        Finding("unmatched", (row["name"],), f"it matched none of {row['instances']} instances in {days} days")
        for row in rows
    ]
