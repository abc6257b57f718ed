"""Commitments that are asked for, in PostgreSQL: claims, what became of them, leases and limits.

Every function runs in its caller's transaction; all times are the database's. Rows move only along the edges of
``states.TRANSITIONS``: each statement names the states it leaves.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from services.commitment import changes
from services.commitment.outcomes import ATTEMPT_OUTCOMES, Outcome
from services.commitment.states import Event, State
from services.runtime import traces
from services.runtime.db import Connection, load_queries

QUERIES = load_queries(__package__, "ledger.sql")
MOST = 1000  # rows that a clock moves in one transaction
WORKER_ENDED = "the answer to the N-ACTION was lost: the worker that sent it ended"


@dataclass(frozen=True)
class Limits:
    """Times in seconds: from the acceptance to a FAILURE, of a lease, of waiting after a lost answer; how many answers
    may get lost; how long an association may take to open."""

    commit: float
    lease: float
    answer: float
    most_unanswered: int
    connecting: float


@dataclass(frozen=True)
class Inquiry:
    """One request that is about to be sent. ``references`` are SOP class and instance UIDs (R74); ``sent`` are keys of
    receipts and numbers of deliveries behind them, empty while traces are off."""

    commitment: UUID
    study_instance_uid: str
    server: str
    attempts: int
    state_before: State
    transaction_uid: str
    holder: str
    references: tuple[tuple[str, str], ...]
    sent: tuple[tuple[str, int], ...] = ()


async def due(connection: Connection, servers: Collection[str]) -> list[str]:
    """Those of the servers that may be asked something at once, the one that waits longest first."""
    found = await connection.execute(QUERIES.due_servers, {"servers": list(servers)})
    return [row["server"] for row in await found.fetchall()]


async def claim(
    connection: Connection, server: str, transaction_uid: str, holder: str, limits: Limits
) -> Inquiry | None:
    """The next commitment of a server, ASKING with a lease, an attempt and a deadline; None if nothing is due.

    To be committed before anything is sent: whatever happens then, a report for ``transaction_uid`` finds its row.
    """
    await connection.execute(QUERIES.lock_server, {"server": server})
    parameters = {
        "server": server,
        "holder": holder,
        "lease": limits.lease,
        "limit": limits.commit,
        "connecting": limits.connecting,
    }
    row = await (await connection.execute(QUERIES.claim, parameters)).fetchone()
    if row is None:
        return None
    await connection.execute(QUERIES.insert_attempt, {"transaction_uid": transaction_uid, "commitment": row["id"]})
    rows = await (await connection.execute(QUERIES.select_references, {"commitment": row["id"]})).fetchall()
    return Inquiry(
        commitment=row["id"],
        study_instance_uid=row["study_instance_uid"],
        server=server,
        attempts=row["attempts"],
        state_before=State(row["state_before"]),
        transaction_uid=transaction_uid,
        holder=holder,
        references=tuple((each["sop_class_uid"], each["sop_instance_uid"]) for each in rows),
        sent=await _sent(connection, row["id"]) if traces.on() else (),
    )


async def renew(connection: Connection, inquiry: Inquiry, lease_seconds: float) -> None:
    """Push the lease out; nothing if it is not ours any more."""
    parameters = {"commitment": inquiry.commitment, "holder": inquiry.holder, "lease": lease_seconds}
    await connection.execute(QUERIES.renew, parameters)


async def holds(connection: Connection, inquiry: Inquiry) -> bool:
    """Whether it is still being asked by its holder: not cancelled, not decided by a report, not expired."""
    parameters = {"commitment": inquiry.commitment, "holder": inquiry.holder}
    row = await (await connection.execute(QUERIES.holds, parameters)).fetchone()
    return bool(row and row["holds"])


async def record(
    connection: Connection,
    inquiry: Inquiry,
    outcome: Outcome,
    limits: Limits,
    *,
    delay: float,
    association: str,
    milliseconds: int,
) -> None:
    """Write what became of a request. A commitment that is no longer the holder's stays as it is (states: a report
    that came before the answer decided it), but the attempt is recorded in any case."""
    attempt = {
        "transaction_uid": inquiry.transaction_uid,
        "outcome": ATTEMPT_OUTCOMES[outcome.event],
        "association": association,
        "status": outcome.status,
        "detail": outcome.detail,
        "milliseconds": milliseconds,
    }
    await connection.execute(QUERIES.finish_attempt, attempt)
    parameters = {
        "commitment": inquiry.commitment,
        "holder": inquiry.holder,
        "status": outcome.status,
        "reason": outcome.reason,
        "delay": delay,
        "limit": limits.commit,
        "answer": limits.answer,
        "most": limits.most_unanswered,
    }
    statement = {
        Event.ACCEPT: QUERIES.accept,
        Event.REFUSE: QUERIES.refuse,
        Event.MISS: QUERIES.miss,
        Event.LOSE_ANSWER: QUERIES.lose_answer,
    }[outcome.event]
    moved = await (await connection.execute(statement, parameters)).fetchone()
    if outcome.unreachable:
        await connection.execute(QUERIES.postpone_server, {"server": inquiry.server} | parameters)
    elif outcome.answered:
        await connection.execute(QUERIES.resume_server, {"server": inquiry.server})
    seen_from_outside = outcome.event is not Event.MISS or inquiry.state_before is not State.QUEUED
    if moved is not None and seen_from_outside:
        await changes.announce(connection, [inquiry.commitment])


async def expire_leases(connection: Connection, limits: Limits) -> list[UUID]:
    """Requests of workers that are gone become UNANSWERED."""
    parameters = {
        "lease": limits.lease, "answer": limits.answer, "most": limits.most_unanswered, "reason": WORKER_ENDED,
    }  # fmt: skip
    return await _moved(connection, QUERIES.expire_leases, parameters)


async def expire_deadlines(connection: Connection) -> list[UUID]:
    """R80: what was not reported in time is FAILURE. Each one once, whoever else looks at the same time."""
    return await _moved(connection, QUERIES.expire_deadlines, {"most": MOST})


async def close_failures(connection: Connection) -> int:
    """Close FAILUREs whose other instances no report named until the deadline; returns how many."""
    return len(await (await connection.execute(QUERIES.close_failures, {"most": MOST})).fetchall())


async def give_up(connection: Connection, hours: Mapping[str, int], default_hours: int) -> list[UUID]:
    """What could not be asked within the hours of its server is FAILURE."""
    parameters = {
        "servers": list(hours), "hours": list(hours.values()), "default_hours": default_hours, "most": MOST,
    }  # fmt: skip
    return await _moved(connection, QUERIES.give_up, parameters)


async def queued_servers(connection: Connection) -> list[str]:
    """Whom something is to be asked of, configured or not."""
    return [row["server"] for row in await (await connection.execute(QUERIES.queued_servers)).fetchall()]


async def give_up_server(connection: Connection, server: str, reason: str) -> list[UUID]:
    """A server that cannot be asked at all: what is queued for it is FAILURE."""
    return await _moved(connection, QUERIES.give_up_server, {"server": server, "reason": reason[:500], "most": MOST})


async def pending(connection: Connection) -> dict[str, tuple[int, float]]:
    """By server: how many commitments have not ended, and the age of the oldest in seconds."""
    rows = await (await connection.execute(QUERIES.pending)).fetchall()
    return {row["server"]: (row["commitments"], row["age"]) for row in rows}


async def notify(connection: Connection) -> None:
    """Something may be due: wake who asks."""
    await connection.execute(QUERIES.notify)


async def _sent(connection: Connection, commitment: UUID) -> tuple[tuple[str, int], ...]:
    rows = await (await connection.execute(QUERIES.select_sent, {"commitment": commitment})).fetchall()
    return tuple((row["object_key"], row["delivery"]) for row in rows)


async def _moved(connection: Connection, statement: LiteralString, parameters: Mapping[str, object]) -> list[UUID]:
    """Run a statement that moves commitments, and tell of them."""
    rows = await (await connection.execute(statement, parameters)).fetchall()
    moved = [row["id"] for row in rows]
    await changes.announce(connection, moved)
    return moved
