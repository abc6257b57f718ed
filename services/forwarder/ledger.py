"""The ledger of deliveries in PostgreSQL: claims, results, leases. Every function runs in its caller's
transaction, and those that name a destination after ``lock_destination``."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from schemas.messages import Envelope, InstanceDelivered, InstanceUnusable
from services.dicom.rules import UNSENDABLE
from services.dicom.transforming.transformation import Transformation
from services.forwarder import jobs, transformations
from services.forwarder.delivery import GONE, Delivery, Result, Sent
from services.forwarder.states import State
from services.runtime import traces
from services.runtime.db import load_queries
from services.runtime.outbox import enqueue_many

Connection = AsyncConnection[DictRow]
QUERIES = load_queries(__package__, "ledger.sql")
_COLUMNS = [field.name for field in fields(Delivery)]
MOST_GIVEN_UP = 5000  # in one transaction; the rest at the next attempt
MOST_PASSED_OVER = 100  # claims of what ends without being sent, in one transaction; the rest at the next look
_OUTCOMES = {State.PENDING: "RETRY", State.CANCELED: "RETRY"}


async def lock_destination(connection: Connection, destination: str) -> None:
    """Wait for whoever claims or records for the destination; held to the end of the transaction."""
    await connection.execute(QUERIES.lock_destination, {"destination": destination})


async def due(connection: Connection, destinations: Collection[str], *, echoes: bool) -> set[str]:
    """Those of the destinations that something may be sent to at once; ``echoes``: while a circuit is open only
    C-ECHOs are."""
    parameters = {"titles": list(destinations), "echoes": echoes}
    return {row["title"] for row in await (await connection.execute(QUERIES.due_destinations, parameters)).fetchall()}


async def claim(
    connection: Connection,
    destination: str,
    most: int,
    holder: str,
    lease_seconds: float,
    unsendable: Collection[str] = (),
    *,
    newest: bool = False,
) -> list[Delivery]:
    """The next deliveries, SENDING with a lease of ``holder``: by priority, then by the time they were due, those
    due first or (``newest``) those due last.

    Those of classes that are ``unsendable``, and those whose instance was deleted or erased, end FAILED instead; that
    takes nobody's turn.
    """
    if most <= 0:
        return []
    parameters = {
        "destination": destination,
        "most": most,
        "holder": holder,
        "lease": lease_seconds,
        "unsendable": list(unsendable),
        "unsendable_reason": UNSENDABLE,
        "gone_reason": GONE,
        "newest": newest,
    }
    rows: list[DictRow] = []
    for _ in range(MOST_PASSED_OVER):
        found = await (await connection.execute(QUERIES.claim, parameters)).fetchall()
        rows += found
        if not found or any(row["state"] == State.SENDING for row in found):
            break
    rows.sort(key=lambda row: (row["next_attempt_at"], row["id"]), reverse=newest)
    rows.sort(key=lambda row: -row["priority"])
    taken = [row for row in rows if row["state"] == State.SENDING]
    changes = await transformations.load(connection, {row["transformation"] for row in taken} - {None})
    claimed = [_delivery(row, changes) for row in taken]
    if claimed:
        await jobs.activate(connection, {delivery.job for delivery in claimed})
    await jobs.recompute(connection, {row["job"] for row in rows if row["state"] != State.SENDING})
    return claimed


async def renew(
    connection: Connection, destination: str, deliveries: Collection[int], holder: str, lease_seconds: float
) -> None:
    """Push the leases of these deliveries out, as far as the holder has them.

    What was claimed in a COMMIT whose answer was lost is not among them: its lease runs out, and it is claimed again.
    """
    parameters = {"destination": destination, "ids": list(deliveries), "holder": holder, "lease": lease_seconds}
    await connection.execute(QUERIES.renew_leases, parameters)


async def withdrawn(connection: Connection, deliveries: Collection[Delivery]) -> set[int]:
    """Those of the deliveries that a person cancelled while they are being sent."""
    parameters = {
        "received_at": [delivery.received_at for delivery in deliveries],
        "id": [delivery.id for delivery in deliveries],
    }
    return {row["id"] for row in await (await connection.execute(QUERIES.select_withdrawn, parameters)).fetchall()}


async def record(connection: Connection, results: Sequence[Result], holder: str, *, commitment: bool) -> None:
    """Write what became of deliveries: rows, attempts, events for those to be committed, states of their jobs.

    ``commitment``: the profile asks for storage commitment; the row says whom then (R71; a warning counts where the
    profile does not take it for a failure). Results of deliveries whose lease went to someone else change nothing but
    leave their attempt.
    """
    if not results:
        return
    concerned = {result.delivery.job for result in results}
    await jobs.lock(connection, concerned)
    parameters = _parameters(results, holder) | {"commitment": commitment}
    written = await (await connection.execute(QUERIES.record_results, parameters)).fetchall()
    await _insert_attempts(connection, [result for result in results if result.tried])
    keys = {result.delivery.id: result.delivery.receipt_key for result in results}
    events = [_delivered(row, keys[row["id"]]) for row in written if row["commit_on"] is not None]
    events += [_unusable(result.delivery) for result in results if result.unusable]
    await enqueue_many(connection, events)
    reasons = {result.delivery.job: result.reason for result in results if result.reason and not _present(result)}
    await jobs.recompute(connection, concerned, reasons)


async def expire_leases(connection: Connection, held: Collection[str], lease_seconds: float) -> dict[str, int]:
    """SENDING deliveries whose worker is gone become UNKNOWN; their number by destination."""
    parameters = {
        "held": list(held),
        "lease": lease_seconds,
        "reason": "the answer was lost: the worker that sent it ended",
    }
    rows = await (await connection.execute(QUERIES.expire_leases, parameters)).fetchall()
    await jobs.recompute(connection, {job for row in rows for job in row["canceled"]})
    return {row["destination"]: row["deliveries"] for row in rows}


async def give_up(connection: Connection, destination: str, retry_hours: int) -> int:
    """Deliveries that waited too long without being tried at the end have FAILED; returns how many."""
    parameters = {"destination": destination, "retry_hours": retry_hours}
    rows = await (await connection.execute(QUERIES.give_up, parameters)).fetchall()
    await jobs.recompute(connection, {row["job"] for row in rows})
    return len(rows)


async def give_up_due(connection: Connection, destination: str, reason: str) -> int:
    """What is due has FAILED, because the station's failures of this kind are not tried again; returns how many."""
    parameters = {"destination": destination, "reason": reason[:500], "most": MOST_GIVEN_UP}
    rows = await (await connection.execute(QUERIES.give_up_due, parameters)).fetchall()
    await jobs.recompute(connection, {row["job"] for row in rows})
    return len(rows)


async def end_deleted(connection: Connection, age_seconds: float) -> list[str]:
    """What waits for an instance that was deleted so long ago has FAILED; the destination of each."""
    parameters = {"age": age_seconds, "reason": GONE, "most": MOST_GIVEN_UP}
    rows = await (await connection.execute(QUERIES.end_deleted, parameters)).fetchall()
    await jobs.recompute(connection, {row["job"] for row in rows})
    return [row["destination"] for row in rows]


async def waiting_destinations(connection: Connection) -> list[str]:
    """Titles something waits for, known to the configuration or not."""
    return [row["title"] for row in await (await connection.execute(QUERIES.waiting_destinations)).fetchall()]


async def backlog(connection: Connection, destination: str) -> tuple[float, int]:
    """(age in seconds of the oldest, number) of deliveries that may go to the destination."""
    found = await (await connection.execute(QUERIES.oldest_pending, {"destination": destination})).fetchone()
    return (found["age"], found["deliveries"]) if found else (0.0, 0)


def _delivery(row: DictRow, changes: Mapping[str, Transformation]) -> Delivery:
    values: dict[str, Any] = {name: row[name] for name in _COLUMNS}
    values |= {"state_before": State(row["state_before"]), "transformation": changes.get(row["transformation"])}
    return Delivery(**values)


def _parameters(results: Sequence[Result], holder: str) -> dict[str, Any]:
    return {
        "holder": holder,
        "received_at": [result.delivery.received_at for result in results],
        "id": [result.delivery.id for result in results],
        "state": [result.state.value for result in results],
        "status": [result.status for result in results],
        "reason": [result.reason for result in results],
        "tried": [result.tried for result in results],
        "keep": [result.keep for result in results],
        "delay": [result.delay for result in results],
        "sent": [result.sent and _plain(result.sent) for result in results],
    }


def _plain(sent: Sent) -> str:
    return json.dumps({name: value for name, value in asdict(sent).items() if value is not None})


async def _insert_attempts(connection: Connection, results: Sequence[Result]) -> None:
    if not results:
        return
    parameters = {
        "delivery": [result.delivery.id for result in results],
        "association": [result.association for result in results],
        "status": [result.status for result in results],
        "outcome": [_outcome(result) for result in results],
        "reason": ["; ".join(filter(None, (result.note, result.reason))) for result in results],
        "milliseconds": [result.milliseconds for result in results],
        "sent_sha256": [result.sent and result.sent.sha256 for result in results],
        "claimed_at": [result.delivery.claimed_at for result in results],
    }
    await connection.execute(QUERIES.insert_attempts, parameters)


def _outcome(result: Result) -> str:
    return "PRESENT" if _present(result) else _OUTCOMES.get(result.state, result.state.value)


def _present(result: Result) -> bool:
    """It was not sent, because the station has it."""
    return result.state is State.DELIVERED and result.status is None


def _delivered(row: DictRow, receipt_key: str) -> Envelope:
    job: UUID = row["job"]
    body = InstanceDelivered(
        delivery=row["id"],
        job=job,
        destination=row["destination"],
        sop_instance_uid=row["sop_instance_uid"],
        revision=row["revision"],
        study_instance_uid=row["study_instance_uid"],
        outcome=row["state"],
        commit_on=row["commit_on"],
    )
    trace = traces.traceparent(traces.SENT, receipt_key, str(row["id"]))
    return Envelope.wrap(body, "forwarder", correlation=str(job), trace=trace)


def _unusable(delivery: Delivery) -> Envelope:
    body = InstanceUnusable(
        object_key=delivery.object_key, sop_instance_uid=delivery.sop_instance_uid, revision=delivery.revision
    )
    return Envelope.wrap(body, "forwarder", correlation=str(delivery.job))
