"""The ledger of deliveries in PostgreSQL: claims, results, leases, circuits. Every function runs in its caller's
transaction, and those that name a destination after ``lock_destination``."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from schemas.messages import Envelope, InstanceDelivered
from services.forwarder import jobs
from services.forwarder.circuit import Circuit, Setback
from services.forwarder.classify import UNSENDABLE
from services.forwarder.delivery import Delivery, Result
from services.forwarder.states import State
from services.runtime.db import load_queries
from services.runtime.outbox import enqueue_many

Connection = AsyncConnection[DictRow]
QUERIES = load_queries(__package__, "ledger.sql")
_COLUMNS = [field.name for field in fields(Delivery)]
_OUTCOMES = {State.PENDING: "RETRY", State.CANCELED: "RETRY"}


async def lock_destination(connection: Connection, destination: str) -> None:
    """Wait for whoever claims or records for the destination; held to the end of the transaction."""
    await connection.execute(QUERIES.lock_destination, {"destination": destination})


async def circuit(connection: Connection, destination: str) -> Circuit:
    """The circuit of a destination; closed if nothing ever went wrong there."""
    found = await (await connection.execute(QUERIES.select_circuit, {"destination": destination})).fetchone()
    if found is None:
        return Circuit()
    return Circuit(found["circuit"] == "OPEN", found["consecutive_failures"], found["may_probe"])


async def close_circuit(connection: Connection, destination: str, *, succeeded: bool, refusal: str | None) -> None:
    """The destination answered: whether it took anything, and why it refused what it did not take."""
    parameters = {"destination": destination, "succeeded": succeeded, "refusal": refusal and refusal[:500]}
    await connection.execute(QUERIES.close_circuit, parameters)


async def set_back(connection: Connection, destination: str, setback: Setback, reason: str) -> None:
    """The destination failed."""
    parameters = {
        "destination": destination,
        "circuit": "OPEN" if setback.circuit.open else "CLOSED",
        "failures": setback.circuit.failures,
        "delay": setback.delay,
        "reason": reason[:500],
    }
    await connection.execute(QUERIES.fail_destination, parameters)


async def hold_probe(connection: Connection, destination: str, lease: float) -> None:
    """One association probes; nobody else does meanwhile."""
    await connection.execute(QUERIES.hold_probe, {"destination": destination, "lease": lease})


async def end_probe(connection: Connection, destination: str) -> None:
    """The probe ended without a word from the destination."""
    await connection.execute(QUERIES.end_probe, {"destination": destination})


async def due(connection: Connection, destinations: Collection[str]) -> set[str]:
    """Those of the destinations that something may be sent to at once."""
    found = await connection.execute(QUERIES.due_destinations, {"titles": list(destinations)})
    return {row["title"] for row in await found.fetchall()}


async def claim(
    connection: Connection,
    destination: str,
    most: int,
    holder: str,
    lease_seconds: float,
    unsendable: Collection[str] = (),
) -> list[Delivery]:
    """The next deliveries, SENDING with a lease of ``holder``: by priority, then by the time they were due.

    Those of classes that are ``unsendable`` end FAILED instead.
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
    }
    rows = await (await connection.execute(QUERIES.claim, parameters)).fetchall()
    rows.sort(key=lambda row: (-row["priority"], row["next_attempt_at"], row["id"]))
    claimed = [_delivery(row) for row in rows if row["state"] == State.SENDING]
    if claimed:
        await jobs.activate(connection, {delivery.job for delivery in claimed})
    await jobs.recompute(connection, {row["job"] for row in rows if row["state"] != State.SENDING})
    return claimed


async def renew(connection: Connection, destination: str, holder: str, lease_seconds: float) -> None:
    """Push the leases of the holder's deliveries out."""
    parameters = {"destination": destination, "holder": holder, "lease": lease_seconds}
    await connection.execute(QUERIES.renew_leases, parameters)


async def record(connection: Connection, results: Sequence[Result], holder: str, *, commitment: bool) -> None:
    """Write what became of deliveries: rows, attempts, events for those that arrived, states of their jobs.

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
    await enqueue_many(connection, [_event(row) for row in written if row["state"] in ("DELIVERED", "WARNED")])
    reasons = {result.delivery.job: result.reason for result in results if result.reason}
    await jobs.recompute(connection, concerned, reasons)


async def expire_leases(connection: Connection, held: Collection[str], lease_seconds: float) -> dict[str, int]:
    """SENDING deliveries whose worker is gone become UNKNOWN; their number by destination."""
    parameters = {
        "held": list(held),
        "lease": lease_seconds,
        "reason": "the answer was lost: the worker that sent it ended",
    }
    rows = await (await connection.execute(QUERIES.expire_leases, parameters)).fetchall()
    return {row["destination"]: row["deliveries"] for row in rows}


async def give_up(connection: Connection, destination: str, retry_hours: int) -> int:
    """Deliveries that waited too long without being tried at the end have FAILED; returns how many."""
    parameters = {"destination": destination, "retry_hours": retry_hours}
    rows = await (await connection.execute(QUERIES.give_up, parameters)).fetchall()
    await jobs.recompute(connection, {row["job"] for row in rows})
    return len(rows)


async def waiting_destinations(connection: Connection) -> list[str]:
    """Titles something waits for, known to the configuration or not."""
    return [row["title"] for row in await (await connection.execute(QUERIES.waiting_destinations)).fetchall()]


async def backlog(connection: Connection, destination: str) -> tuple[float, int]:
    """(age in seconds of the oldest, number) of deliveries that may go to the destination."""
    found = await (await connection.execute(QUERIES.oldest_pending, {"destination": destination})).fetchone()
    return (found["age"], found["deliveries"]) if found else (0.0, 0)


def _delivery(row: DictRow) -> Delivery:
    values: dict[str, Any] = {name: row[name] for name in _COLUMNS}
    return Delivery(**values | {"state_before": State(row["state_before"])})


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
    }


async def _insert_attempts(connection: Connection, results: Sequence[Result]) -> None:
    if not results:
        return
    parameters = {
        "delivery": [result.delivery.id for result in results],
        "association": [result.association for result in results],
        "status": [result.status for result in results],
        "outcome": [_OUTCOMES.get(result.state, result.state.value) for result in results],
        "reason": ["; ".join(filter(None, (result.note, result.reason))) for result in results],
        "milliseconds": [result.milliseconds for result in results],
    }
    await connection.execute(QUERIES.insert_attempts, parameters)


def _event(row: DictRow) -> Envelope:
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
    return Envelope.wrap(body, "forwarder", correlation=str(job))
