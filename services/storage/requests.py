"""What people ask storage for: delete, correct, erase, and what retention would do."""

import asyncio
import json
from typing import Any, Final
from uuid import UUID

from psycopg.rows import DictRow

from schemas.messages import InstanceReceived
from services.runtime.db import Connection, Database
from services.runtime.requests import CarryOut, Refused
from services.storage import records, retention
from services.storage.corrections import Corrector, NotCorrectable, correction
from services.storage.deletion import Needed, delete_instances
from services.storage.erasure import erase
from services.storage.records import QUERIES
from services.storage.retention_policy import Policy
from services.storage.settings import StorageSettings

MOST_PREVIEWED: Final = 1000


class Requests(CarryOut):
    """The use cases *delete*, *correct*, *erase*, *retention* (a preview). ``commitment``: whether the profile asks for
    it."""

    def __init__(
        self, database: Database, settings: StorageSettings, corrector: Corrector, *, commitment: bool
    ) -> None:
        carried_out = {
            "delete": self._delete, "correct": self._correct, "retention": self._retention, "erase": erase,
        }  # fmt: skip
        super().__init__(database, QUERIES, carried_out)
        self._settings, self._commitment, self._corrector = settings, commitment, corrector
        self._written: dict[UUID, list[InstanceReceived] | NotCorrectable] = {}

    async def carry_out(self, request: UUID) -> None:
        """As every request; the objects of a correction are written before its transaction begins."""
        await self._write(request)
        try:
            await super().carry_out(request)
        finally:
            self._written.pop(request, None)

    async def _delete(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        found = await connection.execute(QUERIES.select_deletable_uids, {"uids": row["body"]["uids"]})
        uids = [each["sop_instance_uid"] for each in await found.fetchall()]
        override = {name: bool(row["body"].get(name)) for name in ("even_uncommitted", "force")}
        try:
            deleted = await delete_instances(connection, uids, commitment=self._commitment, **override)
        except Needed as refused:
            raise Refused(str(refused)) from refused
        after: dict[str, Any] = {"instances": deleted.hidden, "uids": row["body"]["uids"]} | override
        given_up = {"given_up": deleted.given_up()} if override["force"] else {}
        if override["force"]:
            after |= {"why": row["body"].get("why", "")} | given_up
        entry = {"actor": row["requested_by"], "request": str(row["id"]), "after": json.dumps(after)}
        await connection.execute(QUERIES.record_deletion, entry)
        return {"instances": deleted.hidden} | given_up

    async def _retention(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        """The oldest studies and what would become of each, by the policy in force or for other days."""
        days, most = row["body"].get("days"), min(int(row["body"]["limit"]), MOST_PREVIEWED)
        policy = await retention.policy(connection, self._settings, commitment=self._commitment)
        if days is not None:
            policy = Policy(int(days), policy.sources, policy.unmatched, policy.commitment)
        if policy.least_days is None:
            raise Refused(
                "retention is off: --days N shows what it would do, GATEWAY_STORAGE_RETENTION_DAYS or 'gateway station "
                "set TITLE --retention-days N' switches it on"
            )
        return {"policy": policy.document(), "studies": await retention.preview(connection, policy, most)}

    async def _write(self, request: UUID) -> None:
        """New objects for what a correction concerns; nothing for other requests, and those carried out."""
        async with self._database.transaction() as connection:
            parameters = {"request": request, "kinds": ["correct"]}
            row = await (await connection.execute(QUERIES.select_request, parameters)).fetchone()
            if row is None:
                return
            uids = {"uids": row["body"]["uids"]}
            found = await (await connection.execute(QUERIES.select_correctable, uids)).fetchall()
            live = await (await connection.execute(QUERIES.select_generation)).fetchone()
        if live is None:
            raise LookupError("config.generation has no row: the database was not migrated")
        wanted = correction(request, row["body"], row["requested_at"], live["number"], live["rule_set"])
        try:
            self._written[request] = await asyncio.to_thread(self._corrector.write, found, wanted)
        except NotCorrectable as error:
            self._written[request] = error

    async def _correct(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        written = self._written.get(row["id"])
        if isinstance(written, NotCorrectable):
            raise Refused(f"{written}; nothing was changed")
        await records.record(connection, self._corrector.objects, written or [])
        parameters = {"requested_at": row["requested_at"], "request": row["id"].hex}
        counted = await (await connection.execute(QUERIES.count_corrected, parameters)).fetchone()
        if counted is None or not counted["instances"]:
            raise Refused("nothing stored under these UIDs has to be corrected: it says so already, or is gone")
        return {"instances": counted["instances"]}
