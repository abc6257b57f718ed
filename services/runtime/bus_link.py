"""A connection to RabbitMQ that is made again whenever it is lost."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aio_pika
import structlog
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS

CONNECT_SECONDS = 8.0
RECONNECT_SECONDS = 1.0
HEARTBEAT_SECONDS = 10

log = structlog.get_logger(__name__)


class Link:
    """One connection, tried each second with jitter while there is none; ``use`` names it at the broker and in logs."""

    def __init__(
        self, url: str, use: str, opened: Callable[[AbstractConnection, asyncio.Event], Awaitable[None]] | None
    ) -> None:
        """``opened`` is run with each new connection and what is set when that is lost; when it ends, so does that."""
        self._url = url + ("&" if "?" in url else "?") + f"heartbeat={HEARTBEAT_SECONDS}"
        self._use = use
        self._opened = opened
        self._connection: AbstractConnection | None = None
        self._ready = asyncio.Event()
        self._lost = asyncio.Event()
        self._reported = ""

    async def connected(self) -> AbstractConnection:
        """The connection, as soon as there is one."""
        while self._connection is None:
            await self._ready.wait()
        return self._connection

    def drop(self) -> None:
        """Give the connection up; ``keep`` makes another."""
        self._connection = None
        self._ready.clear()
        self._lost.set()

    async def keep(self) -> None:
        """Connect and connect again; a supervised task that only cancellation ends."""
        while True:
            try:
                await self._session()
                self._report("connection lost")
            except (TimeoutError, *CONNECTION_EXCEPTIONS) as error:
                self._report(type(error).__name__)
            except asyncio.CancelledError:
                if (task := asyncio.current_task()) is None or task.cancelling():
                    raise
                self._report("closed")
            await asyncio.sleep(RECONNECT_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 - spreads reconnects

    async def _session(self) -> None:
        self._lost = lost = asyncio.Event()
        async with asyncio.timeout(CONNECT_SECONDS):
            connection = await aio_pika.connect(
                self._url, client_properties={"connection_name": f"gateway {self._use}"}
            )
        connection.close_callbacks.add(lambda *_: lost.set())
        try:
            log.info("bus_connected", use=self._use)
            self._reported = ""
            self._connection = connection
            self._ready.set()
            await (self._opened(connection, lost) if self._opened else lost.wait())
        finally:
            self._connection = None
            self._ready.clear()
            with suppress(TimeoutError, *CONNECTION_EXCEPTIONS):
                async with asyncio.timeout(2.0):
                    await connection.close()

    def _report(self, reason: str) -> None:
        if reason != self._reported:
            log.warning("bus_disconnected", use=self._use, reason=reason)
        self._reported = reason
