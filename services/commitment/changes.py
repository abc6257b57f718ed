"""What is told of every change of a commitment: message, metric, line of the log (R73, R112), whom it wakes."""

from collections.abc import Sequence
from uuid import UUID

import structlog
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from schemas.messages import CommitmentChanged, Envelope
from services.commitment import metrics
from services.commitment.states import State
from services.runtime.db import load_queries
from services.runtime.outbox import enqueue_many

QUERIES = load_queries(__package__, "changes.sql")
UNTOLD = frozenset({State.COLLECTING, State.ASKING})
"""Steps that nobody outside acts upon: ``commitment.changed`` has no word for them."""

log = structlog.get_logger(__name__)


async def announce(connection: AsyncConnection[DictRow], commitments: Sequence[UUID]) -> None:
    """Tell of the commitments as they are now, in the transaction that changed them.

    Call it once for each change, after the rows and their instances were written. FAILURE goes to the error log with
    its reason (R73, R76, R77, R80, R112): UIDs, titles and words of our own, never patient data.
    """
    if not commitments:
        return
    parameters = {"commitments": list(commitments)}
    rows = await (await connection.execute(QUERIES.select_changed, parameters)).fetchall()
    told = [row for row in rows if row["state"] not in UNTOLD]
    await enqueue_many(connection, [_event(row) for row in told])
    await connection.execute(QUERIES.wake_waiting, parameters)
    for row in told:
        metrics.CHANGES.labels(row["server"], row["state"]).inc()
        _log(row)


def _event(row: DictRow) -> Envelope:
    body = CommitmentChanged(
        commitment=row["id"],
        study_instance_uid=row["study_instance_uid"],
        destination=row["destination"],
        server=row["server"],
        state=row["state"],
        committed=row["committed"],
        failed=row["failed"],
        pending=row["pending"],
    )
    return Envelope.wrap(body, "commitment", correlation=str(row["id"]))


def _log(row: DictRow) -> None:
    write = log.error if row["state"] == State.FAILURE else log.info
    write(
        "commitment_failed" if row["state"] == State.FAILURE else "commitment_changed",
        commitment=str(row["id"]),
        transaction_uid=row["transaction_uid"],
        study_instance_uid=row["study_instance_uid"],
        destination=row["destination"],
        server=row["server"],
        state=row["state"],
        reason=row["reason"],
        committed=row["committed"],
        failed=row["failed"],
        pending=row["pending"],
    )
