"""What changed, as server-sent events: one look a second at how much was written, for all browsers together."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import structlog

from services.admin.sql import SQL
from services.runtime.db import Database
from services.runtime.errors import GatewayError
from services.runtime.supervise import Supervisor

LOOK_SECONDS: Final = 1.0
TICK_SECONDS: Final = 5.0
"""Ages grow while nothing changes; and whoever went away is noticed."""
TICK: Final = "tick"
MOST_LISTENERS: Final = 500
log = structlog.get_logger(__name__)


class Live:
    """Tells listeners the schemas that were written to: routing, storage, commitment, config and so on; and
    dead_letter."""

    def __init__(self, database: Database, supervisor: Supervisor) -> None:
        self._database = database
        self._supervisor = supervisor
        self._listeners: set[asyncio.Queue[str]] = set()

    async def watching(self) -> None:
        """Look until the process stops, as long as somebody listens; a supervised task."""
        before: Mapping[str, int] = {}
        while not await self._supervisor.pause(LOOK_SECONDS):
            if not self._listeners:
                continue
            try:
                now = await self._written()
            except GatewayError as error:
                log.debug("changes_not_seen", reason=str(error))
                continue
            for topic in sorted(topic for topic, count in now.items() if before.get(topic) != count):
                self._tell(topic)
            before = now

    async def events(self) -> AsyncGenerator[str, None]:
        """Topics, as they change, and ``tick`` from time to time, until the process stops."""
        with self._listening() as queue:
            while not self._supervisor.stopping.is_set():
                try:
                    async with asyncio.timeout(TICK_SECONDS):
                        yield await queue.get()
                except TimeoutError:
                    yield TICK

    @property
    def full(self) -> bool:
        """Whether nobody else may listen."""
        return len(self._listeners) >= MOST_LISTENERS

    async def _written(self) -> dict[str, int]:
        async with self._database.transaction() as conn:
            rows = await (await conn.execute(SQL.written)).fetchall()
        return {row["topic"]: row["count"] for row in rows}

    def _tell(self, topic: str) -> None:
        for queue in self._listeners:
            if not queue.full():  # who is slow looks at everything again when it has caught up
                queue.put_nowait(topic)

    @contextmanager
    def _listening(self) -> Iterator[asyncio.Queue[str]]:
        queue: asyncio.Queue[str] = asyncio.Queue(100)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)
