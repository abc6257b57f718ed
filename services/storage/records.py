"""Recording receipts: one transaction for a batch, whoever brings it, the consumer or the sweep."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from schemas.messages import Envelope, InstanceReceived, InstanceStored, Receipt
from services.runtime import outbox, traces
from services.runtime.db import load_queries
from services.runtime.objects import ObjectStore
from services.storage.dispositions import (
    TOO_OFTEN_FLAG,
    Arrival,
    Content,
    Decision,
    Known,
    Policy,
    decide,
    look_alikes,
)
from services.storage.pixels import differ

Connection = AsyncConnection[DictRow]
QUERIES = load_queries(__package__)
IDENTITY_COLUMNS = (
    *("sop_instance_uid", "sha256", "received_at", "object_key", "size", "sop_class_uid"),
    *("study_instance_uid", "series_instance_uid", "transfer_syntax_uid"),
)
RECEIPT_COLUMNS = (
    *IDENTITY_COLUMNS,
    *("peer_address", "calling_aet", "called_aet", "association", "configuration", "rule_set", "status"),
)


@dataclass(frozen=True)
class Entry:
    """A receipt with its decision. ``causation`` is the message that brought it; None: the sweep found it."""

    arrived: InstanceReceived
    decision: Decision
    causation: Envelope | None = None

    @property
    def receipt(self) -> Receipt:
        """The receipt."""
        return self.arrived.receipt


@dataclass(frozen=True)
class Often:
    """More than ``most`` receipts of one SOP Instance UID within ``seconds`` are too many."""

    most: int = 3
    seconds: float = 3600


USUAL: Final = Often()


@dataclass
class Surroundings:
    """What the database knows that decides about a batch."""

    objects: ObjectStore
    known: dict[str, list[Known]] = field(default_factory=lambda: defaultdict(list))
    delivered: frozenset[tuple[str, str]] = frozenset()
    policies: Mapping[str, Policy] = field(default_factory=dict)
    recovered_before: datetime | None = None
    often: Often = USUAL
    receipts: Counter[str] = field(default_factory=Counter)

    def too_often(self, sop_instance_uid: str) -> tuple[str, ...]:
        """The flag of one more receipt of this UID, if it is one too many."""
        self.receipts[sop_instance_uid] += 1
        return (TOO_OFTEN_FLAG,) if self.receipts[sop_instance_uid] > self.often.most else ()

    async def decide(self, arrived: InstanceReceived) -> Decision:
        """Decide about one, and remember it for the next of the same UID."""
        receipt = arrived.receipt
        arrival = Arrival(
            sha256=receipt.sha256,
            transfer_syntax_uid=receipt.transfer_syntax_uid,
            facts=arrived.facts,
            policy=self.policies.get(receipt.calling_aet, "route"),
            delivered_to_sender=(receipt.sop_instance_uid, receipt.calling_aet) in self.delivered,
            corrected=receipt.corrects is not None,
            recovered=self.recovered_before is not None and receipt.received_at < self.recovered_before,
        )
        rows = self.known[receipt.sop_instance_uid]
        content = Content(receipt.object_key, receipt.offset, receipt.size, receipt.transfer_syntax_uid)
        others = [
            row.sha256
            for row in look_alikes(arrival, rows)
            if await asyncio.to_thread(differ, self.objects, content, row.content)
        ]
        decision = decide(replace(arrival, other_pixels=frozenset(others)), rows)
        if not decision.redundant:
            rows[:] = [row for row in rows if row.sha256 != receipt.sha256]
            rows.append(
                Known(
                    decision.revision, receipt.sha256, "STORED", receipt.transfer_syntax_uid, arrived.facts,
                    receipt.object_key, receipt.offset, receipt.size,
                )
            )  # fmt: skip
        return decision


async def record(
    connection: Connection,
    objects: ObjectStore,
    arrivals: Sequence[InstanceReceived],
    *,
    recovered_before: datetime | None = None,
    flags: tuple[str, ...] = (),
    causations: Mapping[str, Envelope] | None = None,
    often: Often = USUAL,
) -> list[Entry]:
    """Record what has no row yet; again changes nothing. Returns what was recorded. Runs in the caller's transaction.

    A race with another process for the same UID ends in ``Conflict`` by the unique constraints: run it again.
    """
    fresh = await unrecorded(connection, arrivals)
    if not fresh:
        return []
    around = await _surroundings(connection, objects, fresh, recovered_before, often)
    entries = []
    for arrived in sorted(fresh, key=lambda one: (one.receipt.received_at, one.receipt.object_key)):
        decision = await around.decide(arrived)
        more = flags + around.too_often(arrived.receipt.sop_instance_uid)
        decision = replace(decision, flags=decision.flags + more)
        entries.append(Entry(arrived, decision, (causations or {}).get(arrived.receipt.object_key)))
    await _write_identities(connection, entries)
    await _write_receipts(connection, entries)
    await outbox.enqueue_many(connection, [_stored(entry) for entry in entries])
    return entries


async def unrecorded(connection: Connection, arrivals: Sequence[InstanceReceived]) -> list[InstanceReceived]:
    """Those without a row, each object once."""
    by_key = {arrived.receipt.object_key: arrived for arrived in arrivals}
    known = await recorded_keys(connection, list(by_key))
    return [arrived for key, arrived in by_key.items() if key not in known]


async def recorded_keys(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Which of these objects have a row, tombstones included."""
    found = await connection.execute(QUERIES.select_recorded, {"object_key": list(keys)})
    return {row["object_key"] for row in await found.fetchall()}


async def _surroundings(
    connection: Connection,
    objects: ObjectStore,
    arrivals: Sequence[InstanceReceived],
    recovered_before: datetime | None,
    often: Often,
) -> Surroundings:
    receipts = [arrived.receipt for arrived in arrivals]
    uids = [receipt.sop_instance_uid for receipt in receipts]
    titles = [receipt.calling_aet for receipt in receipts]
    identities = await connection.execute(QUERIES.select_identities, {"sop_instance_uid": sorted(set(uids))})
    around = Surroundings(objects, recovered_before=recovered_before, often=often)
    for row in await identities.fetchall():
        uid = row.pop("sop_instance_uid")
        around.known[uid].append(Known(**row))
    delivered = await connection.execute(QUERIES.select_delivered, {"sop_instance_uid": uids, "calling_aet": titles})
    around.delivered = frozenset((row["sop_instance_uid"], row["destination"]) for row in await delivered.fetchall())
    if around.known:
        asked = {"sop_instance_uid": sorted(around.known), "seconds": often.seconds}
        counted = await connection.execute(QUERIES.count_receipts, asked)
        around.receipts.update({row["sop_instance_uid"]: row["receipts"] for row in await counted.fetchall()})
    policies = await connection.execute(QUERIES.select_policies, {"title": sorted(set(titles))})
    around.policies = {row["title"]: row["revision_policy"] for row in await policies.fetchall()}
    return around


async def _write_identities(connection: Connection, entries: Sequence[Entry]) -> None:
    """In order of UID, so that two batches wait for one another rather than deadlock."""
    ordered = sorted(entries, key=lambda entry: (entry.receipt.sop_instance_uid, entry.decision.revision))
    inserted = [entry for entry in ordered if entry.decision.identity == "insert"]
    if inserted:
        columns: dict[str, Any] = {name: [getattr(e.receipt, name) for e in inserted] for name in IDENTITY_COLUMNS}
        columns["revision"] = [entry.decision.revision for entry in inserted]
        columns["data_set_offset"] = [entry.receipt.offset for entry in inserted]
        await connection.execute(QUERIES.insert_identities, columns)
    for entry in ordered:
        if entry.decision.identity == "revive":
            row: dict[str, Any] = {name: getattr(entry.receipt, name) for name in IDENTITY_COLUMNS}
            row |= {"revision": entry.decision.revision, "data_set_offset": entry.receipt.offset}
            await connection.execute(QUERIES.revive_identity, row)


async def _write_receipts(connection: Connection, entries: Sequence[Entry]) -> None:
    columns: dict[str, Any] = {name: [getattr(e.receipt, name) for e in entries] for name in RECEIPT_COLUMNS}
    columns |= {
        "revision": [entry.decision.revision for entry in entries],
        "disposition": [entry.decision.disposition for entry in entries],
        "flags": [" ".join(entry.decision.flags) for entry in entries],
        "findings": [json.dumps(entry.receipt.findings) for entry in entries],
        "object_state": ["REDUNDANT" if entry.decision.redundant else "PRESENT" for entry in entries],
    }
    await connection.execute(QUERIES.insert_receipts, columns)
    facts: dict[str, Any] = {name: columns[name] for name in ("received_at", "object_key")}
    facts["facts"] = [json.dumps(entry.arrived.facts) for entry in entries]
    await connection.execute(QUERIES.insert_facts, facts)


def _stored(entry: Entry) -> Envelope:
    receipt = entry.receipt
    body = InstanceStored(
        received_at=receipt.received_at,
        object_key=receipt.object_key,
        sop_instance_uid=receipt.sop_instance_uid,
        revision=entry.decision.revision,
        study_instance_uid=receipt.study_instance_uid,
        disposition=entry.decision.disposition,
    )
    cause = entry.causation
    return Envelope.wrap(
        body,
        "storage",
        correlation=receipt.association,
        causation=cause.id if cause else None,
        trace=traces.traceparent(traces.RECORDED, receipt.object_key),
    )
