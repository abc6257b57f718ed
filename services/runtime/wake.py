"""NOTIFY as a hint: something to do may be there. Whoever waits also looks from time to time without it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection, sql

from services.runtime.supervise import Supervisor

RECONNECT_SECONDS = 1.0
SILENCE_SECONDS = 30.0  # then the connection is tried, so that a frozen server is noticed

log = structlog.get_logger(__name__)


class Bell:
    """Rung within the process, for one waiter. Several rings that come meanwhile count as one."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    async def wait(self, timeout: float) -> bool:
        """True when rung since the last call, False after ``timeout`` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True

    def ring(self) -> None:
        """Wake the waiter."""
        self._rung.set()


class Wake(Bell):
    """Rung by the notifications of its channels, and when listening began anew."""

    def __init__(
        self, channels: Sequence[str], connect: Callable[[], Awaitable[AsyncConnection[Any]]], supervisor: Supervisor
    ) -> None:
        super().__init__()
        self.channels = channels
        self._connect = connect
        self._supervisor = supervisor

    async def listening(self) -> None:
        """Listen until the process stops; connects again each second while the database is away."""
        while not self._supervisor.stopping.is_set():
            try:
                await self._listen()
            except psycopg.Error as error:
                log.debug("listen_interrupted", channels=self.channels, reason=type(error).__name__)
                await self._supervisor.pause(RECONNECT_SECONDS)

    async def _listen(self) -> None:
        connection = await self._connect()
        async with connection:
            for channel in self.channels:
                await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
            self.ring()  # what was notified before is lost: look
            while not self._supervisor.stopping.is_set():
                async for _ in connection.notifies(timeout=SILENCE_SECONDS):
                    self.ring()
                await connection.execute("")
