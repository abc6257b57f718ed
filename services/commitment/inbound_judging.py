"""Deciding on what peers ask us to commit: storage's record, the archives downstream, a look at the object."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final
from uuid import uuid4

import structlog
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from services.commitment import inbound_verdict as verdicts
from services.commitment.ground import Ground
from services.commitment.inbound_verdict import Archive, Circumstances, Named, Stored, Verdict
from services.runtime.db import load_queries
from services.runtime.errors import GatewayError, ObjectMissing
from services.runtime.objects import ObjectStore

QUERIES = load_queries(__package__, "inbound_judging.sql")
MARGIN_SECONDS: Final = 5.0
"""Between the end of ingest's time to report on the association of the request and a new association."""
LONGEST_SECONDS: Final = 30.0

log = structlog.get_logger(__name__)


class LeaseLost(GatewayError):
    """Another worker has the request: what this one found is not recorded."""


@dataclass(frozen=True)
class Look:
    """One look at one request."""

    row: DictRow
    holder: str
    circumstances: Circumstances
    archives: tuple[str, ...]

    @property
    def key(self) -> dict[str, Any]:
        """What its rows are found by."""
        return {"received_at": self.row["received_at"], "id": self.row["id"], "holder": self.holder}


@dataclass(frozen=True)
class Finding:
    """A verdict on one instance; ``stored`` where it depends on the object."""

    position: int
    verdict: Verdict
    stored: Stored | None = None


class Judge:
    """Looks at requests that are due. Several of them, in several processes, share the work."""

    def __init__(self, ground: Ground) -> None:
        self._ground, self._settings = ground, ground.settings
        self._database, self._objects = ground.runtime.db, ground.runtime.objects

    async def run_due(self) -> None:
        """Look at what is due until nothing is."""
        while not self._ground.runtime.supervisor.stopping.is_set() and (look := await self._claim()) is not None:
            try:
                await self._look(look)
            except LeaseLost as error:
                log.warning("commitment_request_left", inbound=str(look.row["id"]), reason=str(error))
            except GatewayError:  # the object store is away: what is decided stands, the others are looked at later
                await self._end(look)
                raise

    async def _claim(self) -> Look | None:
        settings, holder = self._settings, f"commitment {uuid4()}"
        parameters = {
            "holder": holder, "lease": settings.lease_seconds, "downstream_hours": settings.downstream_hours,
        }  # fmt: skip
        await self._ground.stations.refresh()
        async with self._database.transaction() as connection:
            row = await (await connection.execute(QUERIES.claim, parameters)).fetchone()
        if row is None:
            return None
        circumstances = Circumstances(
            row["duplicate"], row["total"] > settings.most_references, bool(row["complete"]), row["expired"]
        )
        return Look(row, holder, circumstances, self._downstream(row["calling_aet"]))

    def _downstream(self, calling_aet: str) -> tuple[str, ...]:
        """Who must have committed what the station asks for: the archives it names, or who commits for them."""
        station = self._ground.stations.get(calling_aet)
        named = station.commit_downstream if station else ()
        found = [self._ground.stations.get(title) for title in named]
        return tuple(each.server if each else title for title, each in zip(named, found, strict=True))

    async def _look(self, look: Look) -> None:
        whole = verdicts.of_request(look.circumstances)
        if whole is not None:
            async with self._database.transaction() as connection:
                await self._renew(connection, look)
                await connection.execute(QUERIES.fail_all, look.key | {"reason": whole.failure_reason})
        else:
            after = 0
            while (rows := await self._pending(look, after)) and not self._ground.runtime.supervisor.stopping.is_set():
                await self._judge(look, rows)
                after = rows[-1]["position"]
        await self._end(look)

    async def _pending(self, look: Look, after: int) -> list[DictRow]:
        parameters = look.key | {"after": after, "most": self._settings.batch}
        async with self._database.transaction() as connection:
            return await (await connection.execute(QUERIES.select_pending, parameters)).fetchall()

    async def _judge(self, look: Look, rows: Sequence[DictRow]) -> None:
        """A batch of instances."""
        storage = self._ground.profile.storage
        named = [(row, _named(row, supported=row["sop_class_uid"] in storage)) for row in rows]
        findings = []
        candidates: list[tuple[DictRow, Stored]] = []
        for row, one in named:
            verdict = verdicts.of_record(one, look.circumstances)
            if verdict is not None:
                findings.append(Finding(row["position"], verdict))
            elif one.stored and verdicts.to_be_looked_at(one, look.circumstances, downstream=bool(look.archives)):
                candidates.append((row, one.stored))
        findings += await self._of_candidates(look, candidates)
        await self._record(look, findings)

    async def _of_candidates(self, look: Look, candidates: Sequence[tuple[DictRow, Stored]]) -> list[Finding]:
        """Those that the archives do not keep waiting."""
        archives = await self._archives(look, candidates)
        findings: list[Finding] = []
        present: list[tuple[DictRow, Stored]] = []
        for place, (row, stored) in enumerate(candidates):
            verdict = verdicts.of_archives(archives.get(place, ()), look.circumstances)
            if verdict == verdicts.COMMITTED:
                present.append((row, stored))
            elif verdict is not None:
                findings.append(Finding(row["position"], verdict))
        sizes = await asyncio.to_thread(_sizes, self._objects, [stored.object_key for _, stored in present])
        for (row, stored), size in zip(present, sizes, strict=True):
            verdict = verdicts.of_object(stored, size, look.circumstances)
            if verdict is not None:
                findings.append(Finding(row["position"], verdict, stored))
        return findings

    async def _archives(
        self, look: Look, candidates: Sequence[tuple[DictRow, Stored]]
    ) -> Mapping[int, Sequence[Archive]]:
        """By place in ``candidates``, one for each archive that the station names."""
        if not look.archives or not candidates:
            return {}
        parameters = {
            "uid": [row["sop_instance_uid"] for row, _ in candidates],
            "revision": [stored.revision for _, stored in candidates],
            "archives": list(look.archives),
        }
        async with self._database.transaction() as connection:
            rows = await (await connection.execute(QUERIES.select_archives, parameters)).fetchall()
        return {
            place - 1: [Archive(row["archived"], row["under_way"], row["failure_reason"]) for row in group]
            for place, group in groupby(rows, lambda row: int(row["place"]))
        }

    async def _record(self, look: Look, findings: Sequence[Finding]) -> None:
        parameters = look.key | {
            "position": [each.position for each in findings],
            "failure_reason": [each.verdict.failure_reason for each in findings],
            "revision": [each.stored and each.stored.revision for each in findings],
            "object_key": [each.stored and each.stored.object_key for each in findings],
        }
        async with self._database.transaction() as connection:
            await self._renew(connection, look)
            await connection.execute(QUERIES.record_verdicts, parameters)

    async def _renew(self, connection: AsyncConnection[DictRow], look: Look) -> None:
        parameters = look.key | {"lease": self._settings.lease_seconds}
        if await (await connection.execute(QUERIES.renew, parameters)).fetchone() is None:
            raise LeaseLost("another worker looks at it")

    async def _end(self, look: Look) -> None:
        settings = self._settings
        parameters = look.key | {
            "report_hours": settings.report_hours,
            "margin": MARGIN_SECONDS,
            "shortest": settings.poll_seconds,
            "longest": LONGEST_SECONDS,
            "due_at": look.row["next_attempt_at"],
        }
        async with self._database.transaction() as connection:
            row = await (await connection.execute(QUERIES.end_look, parameters)).fetchone()
            if row is None:
                raise LeaseLost("another worker looked at it")
            if row["state"] == "READY":
                await connection.execute(QUERIES.notify_ready)
        if row["state"] == "READY":
            _log(look, row)


def _named(row: DictRow, *, supported: bool) -> Named:
    if row["revision"] is None:
        return Named(row["sop_class_uid"], supported, None)
    stored = Stored(row["revision"], row["stored_class"], row["damaged"], row["object_key"], row["object_bytes"])
    return Named(row["sop_class_uid"], supported, stored)


def _sizes(objects: ObjectStore, keys: Sequence[str]) -> list[int | None]:
    """Sizes of objects in bytes, None for those that are not there. Raises ``StoreFailed``, ``Unavailable``."""
    return [_size(objects, key) for key in keys]


def _size(objects: ObjectStore, key: str) -> int | None:
    try:
        return objects.stat(key).size
    except ObjectMissing:
        return None


def _log(look: Look, row: DictRow) -> None:
    write = log.error if row["failed"] else log.info
    write(
        "commitment_request_decided", inbound=str(look.row["id"]), calling=look.row["calling_aet"],
        transaction=look.row["transaction_uid"], committed=row["committed"], failed=row["failed"],
    )  # fmt: skip
