"""What the outbox of the audit holds is sent, in order, by whichever process holds the destination's row."""

import asyncio
import os
import random
import socket
from collections.abc import Sequence
from typing import Any, Final

import structlog

from services.admin import metrics
from services.admin.audit_messages.document import frame_of
from services.admin.audit_messages.messages import Source, messages_of
from services.admin.audit_messages.outbox import QUERIES, entry_of, studies_of, unsent
from services.admin.audit_messages.settings import SyslogSettings
from services.admin.audit_messages.syslog import Syslog
from services.admin.changes import audit
from services.runtime.app import Runtime
from services.runtime.backoff import Backoff, delay_seconds
from services.runtime.db import Connection, Database
from services.runtime.errors import GatewayError

ACTOR: Final = "gateway"
LOOK_SECONDS: Final = 1.0
AT_ONCE: Final = 20
"""Entries; each may be many messages."""
BACKOFF: Final = Backoff(most=60)
END_SECONDS: Final = 3.0
log = structlog.get_logger(__name__)


class Sender:
    """One for the process. ``settings`` without a host: nothing is sent, and no more messages are made."""

    def __init__(self, database: Database, settings: SyslogSettings, aet: str) -> None:
        self._database = database
        self._syslog = Syslog(settings.host, settings.port, settings.context()) if settings.host else None
        self._source = Source(aet, socket.gethostname(), settings.site)
        self._told = False
        self._failures = 0

    async def sending(self, runtime: Runtime) -> None:
        """Until the process stops; a supervised task."""
        pause = 0.0
        while not await runtime.supervisor.pause(pause):
            pause = await self.turn() if self._database.available else LOOK_SECONDS

    async def turn(self) -> float:
        """Send what waits; returns after how many seconds to look again."""
        try:
            await self.send_all()
        except GatewayError as error:
            self._failures += 1
            metrics.AUDIT_MESSAGE_FAILURES.inc()
            log.warning("audit_messages_wait", reason=str(error), failures=self._failures)
            pause = delay_seconds(self._failures, 0.5 + random.random() / 2, BACKOFF)  # noqa: S311 - no secret
        else:
            self._failures, pause = 0, LOOK_SECONDS
        await self._measure()
        return pause

    async def send_all(self) -> None:
        """Raises ``Unavailable`` while the syslog server or the database is away."""
        if not self._told:
            await self._database.retry(self._tell)
            self._told = True
        while self._syslog is not None and await self._waiting():
            await self._syslog.open()
            if not await self._send_some(self._syslog):
                return

    async def end(self) -> None:
        """Say that the process ends, as far as that can be said within three seconds."""
        if self._syslog is None:
            return
        try:
            async with asyncio.timeout(END_SECONDS):
                if self._told:
                    await self._database.retry(lambda conn: audit(conn, ACTOR, "gateway.stop", "admin", None, None))
                    await self.send_all()
        except (GatewayError, TimeoutError) as error:
            log.info("audit_messages_left", reason=str(error))
        finally:
            self._syslog.close()

    async def _tell(self, conn: Connection) -> None:
        """Have messages made from now on, beginning with the one of this process; or have none made any more."""
        if self._syslog is None:
            await conn.execute(QUERIES.delete_destination)
            return
        await conn.execute(QUERIES.set_destination, {"name": self._syslog.name})
        await audit(conn, ACTOR, "gateway.start", "admin", None, None)

    async def _waiting(self) -> bool:
        async with self._database.transaction() as conn:
            (row,) = await (await conn.execute(QUERIES.waiting)).fetchall()
        return bool(row["any"])

    async def _send_some(self, syslog: Syslog) -> bool:
        """Some that wait; False if another process sends."""
        async with self._database.transaction() as conn:
            if await (await conn.execute(QUERIES.hold_destination)).fetchone() is None:
                return False
            rows = await (await conn.execute(QUERIES.next_entries, {"limit": AT_ONCE})).fetchall()
            frames = await self._frames(conn, rows)
            await syslog.send(frames)
            await conn.execute(QUERIES.delete_entries, {"ids": [row["id"] for row in rows]})
        metrics.AUDIT_MESSAGES.inc(len(frames))
        return True

    async def _frames(self, conn: Connection, rows: Sequence[dict[str, Any]]) -> list[bytes]:
        entries = {row["id"]: entry_of(row) for row in rows}
        studies = await studies_of(conn, entries)
        return [
            frame_of(message, os.getpid())
            for number, entry in entries.items()
            for message in messages_of(entry, studies.get(number, ()), self._source)
        ]

    async def _measure(self) -> None:
        try:
            found = await unsent(self._database)
        except GatewayError:
            return
        metrics.AUDIT_MESSAGES_UNSENT.set(found["waiting"])
        metrics.AUDIT_MESSAGES_OLDEST.set(found["oldest_seconds"])
