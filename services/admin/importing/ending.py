"""How imports end: with an entry in the audit, and before the process does."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial

from services.admin.changes import audit
from services.admin.importing.sending import Stopped
from services.admin.importing.tally import Tally
from services.runtime.db import Connection, Database
from services.runtime.supervise import Supervisor


class UnderWay:
    """The imports of this process. Who stops it waits for them: each ends between two files."""

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    @contextmanager
    def one(self) -> Iterator[None]:
        """An import goes on within the block."""
        self._count += 1
        self._none.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._none.set()

    async def ended(self) -> None:
        """Wait until there is none; the process's drain limits it."""
        await self._none.wait()


async def until_stopped(parts: AsyncIterator[bytes], supervisor: Supervisor) -> AsyncIterator[bytes]:
    """The same, as long as the process does not stop. Raises ``Stopped``."""
    while True:
        try:
            async with asyncio.timeout(None) as waiting:
                with supervisor.calling_on_stop(partial(waiting.reschedule, 0)):
                    part = await anext(parts, None)
        except TimeoutError:
            raise Stopped(Tally()) from None
        if part is None:
            return
        yield part


async def end(database: Database, actor: str, title: str, tally: Tally, *, whole: bool) -> None:
    """Write into the audit how an import ended; ``whole``: everything was looked at."""
    after = {"taken": tally.taken, "not_taken": tally.faulty, "bytes": tally.sent_bytes, "whole": whole}

    async def work(conn: Connection) -> None:
        await audit(conn, actor, "files.imported", title, None, after)

    await database.retry(work)
