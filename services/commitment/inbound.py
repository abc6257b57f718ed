"""What peers ask us to commit, recorded once from its object (PS3.4 J.3.2): the row is the effect of the object."""

import asyncio
from collections.abc import Sequence
from uuid import NAMESPACE_URL, UUID, uuid5

import structlog
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from schemas.commitment import REQUESTS, CommitmentRequest, UnreadableObject
from schemas.messages import CommitmentRequested, Envelope, ReportSent
from services.commitment import metrics
from services.runtime.db import Database, load_queries
from services.runtime.errors import ObjectMissing, RefusedData, Reject
from services.runtime.objects import ObjectStore, is_key

Connection = AsyncConnection[DictRow]
QUERIES = load_queries(__package__, "inbound.sql")
LARGEST_BYTES = 64 << 20
"""An object is at most three times the data set it was read from, and that has at most 16 MiB."""
ITEMS_AT_ONCE = 20_000

log = structlog.get_logger(__name__)


class InboundRequests:
    """Records requests, and what ingest reported of them itself."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database, self._objects = database, objects

    async def requested(self, envelopes: Sequence[Envelope]) -> None:
        """Handler of ``commitment.requested``. Raises ``Reject`` for an object that is gone or lies elsewhere."""
        for envelope in envelopes:
            if isinstance(envelope.body, CommitmentRequested):
                key = envelope.body.object_key
                if not (is_key(key) and key.startswith(f"{REQUESTS}/")):
                    raise Reject("object_key is no key of a request")
                try:
                    await self.record(key)
                except ObjectMissing as error:
                    raise Reject(str(error)) from error

    async def record(self, object_key: str) -> bool:
        """Record the request that lies under the key; False if that was done before. Also what the sweep calls.

        An object that is no request gets a row that says so. Raises ``ObjectMissing``, ``Unavailable``,
        ``StoreFailed``.
        """
        try:
            size = (await asyncio.to_thread(self._objects.stat, object_key)).size
            if size > LARGEST_BYTES:
                raise UnreadableObject(f"{size} bytes are more than a request has")
            data = await asyncio.to_thread(self._objects.get_bytes, object_key, LARGEST_BYTES)
            request = CommitmentRequest.decode(data)
            state = await self._database.retry(lambda connection: _record(connection, object_key, request))
        except (UnreadableObject, RefusedData) as error:
            return await self._record_unreadable(object_key, str(error))
        if state == "JOINED":
            metrics.INBOUND.labels(state).inc()
        return state is not None

    async def _record_unreadable(self, object_key: str, reason: str) -> bool:
        """Nobody can be told of it: the peer is not known."""
        number = inbound_id(object_key)
        stat = await asyncio.to_thread(self._objects.stat, object_key)
        parameters = {
            "received_at": stat.modified,
            "id": number,
            "object_key": object_key,
            "reason": reason,
        }
        async with self._database.transaction() as connection:
            made = await (await connection.execute(QUERIES.insert_unreadable, parameters)).fetchone()
        if made is not None:
            metrics.INBOUND.labels("GIVEN UP").inc()
            log.error("commitment_request_unreadable", object_key=object_key, reason=reason)
        return made is not None

    async def report_sent(self, envelopes: Sequence[Envelope]) -> None:
        """Handler of ``commitment.report-sent``."""
        for envelope in envelopes:
            if isinstance(envelope.body, ReportSent):
                await self._report_sent(envelope.body)

    async def _report_sent(self, sent: ReportSent) -> None:
        parameters = {"inbound": sent.inbound, "status": sent.status}
        async with self._database.transaction() as connection:
            row = await (await connection.execute(QUERIES.record_report_sent, parameters)).fetchone()
        if row is not None and row["state"] == "REPORTED":
            metrics.INBOUND.labels("REPORTED").inc()
            log.info("commitment_reported_to_peer", inbound=str(sent.inbound), same_association=True)

    async def measure(self) -> None:
        """Metrics of what is open."""
        async with self._database.transaction() as connection:
            row = await (await connection.execute(QUERIES.count_open)).fetchone()
        metrics.INBOUND_OPEN.set(row["requests"] if row else 0)


def inbound_id(object_key: str) -> UUID:
    """The id of the request under a key: the digits of its name, so that recording it again makes no other (pure).

    A key that is none of ours has one that follows from the whole of it.
    """
    name, _, suffix = object_key.rpartition("/")[2].partition(".")
    try:
        return UUID(name) if suffix == "json" else uuid5(NAMESPACE_URL, object_key)
    except ValueError:
        return uuid5(NAMESPACE_URL, object_key)


async def _record(connection: Connection, object_key: str, request: CommitmentRequest) -> str | None:
    """The state it begins with; None if it is recorded."""
    named = list(dict.fromkeys((each.sop_class_uid, each.sop_instance_uid) for each in request.instances))
    parameters = request.model_dump(exclude={"instances"}) | {
        "object_key": object_key,
        "id": inbound_id(object_key),
        "total": len(named),
        "sop_class_uid": [sop_class for sop_class, _ in named],
        "sop_instance_uid": [instance for _, instance in named],
    }
    await connection.execute(QUERIES.lock_transaction, parameters)
    if await (await connection.execute(QUERIES.is_recorded, parameters)).fetchone() is not None:
        return None
    rivals = await (await connection.execute(QUERIES.select_open, parameters)).fetchall()
    parameters |= _beginning(rivals)
    await connection.execute(QUERIES.insert_inbound, parameters)
    if parameters["state"] == "CHECKING":
        await _insert_items(connection, request, parameters["id"], named)
        await connection.execute(QUERIES.notify_checking)
    _log(request, parameters)
    return str(parameters["state"])


def _beginning(rivals: Sequence[DictRow]) -> dict[str, object]:
    """How a request begins beside open ones of the same peer and Transaction UID (pure)."""
    twin = next((rival["id"] for rival in rivals if rival["same"]), None)
    if twin is not None:
        return {"state": "JOINED", "duplicate": False, "reason": f"repeats {twin}"}
    return {"state": "CHECKING", "duplicate": bool(rivals), "reason": ""}


async def _insert_items(
    connection: Connection, request: CommitmentRequest, inbound: UUID, named: Sequence[tuple[str, str]]
) -> None:
    for first in range(0, len(named), ITEMS_AT_ONCE):
        some = named[first : first + ITEMS_AT_ONCE]
        parameters = {
            "received_at": request.received_at,
            "inbound": inbound,
            "first": first,
            "sop_class_uid": [sop_class for sop_class, _ in some],
            "sop_instance_uid": [instance for _, instance in some],
        }
        await connection.execute(QUERIES.insert_items, parameters)


def _log(request: CommitmentRequest, parameters: dict[str, object]) -> None:
    write = log.warning if parameters["duplicate"] else log.info
    write(
        "commitment_request_recorded", inbound=str(parameters["id"]), calling=request.calling_aet,
        transaction=request.transaction_uid, instances=parameters["total"], state=parameters["state"],
        duplicate=parameters["duplicate"],
    )  # fmt: skip
