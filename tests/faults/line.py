"""A TCP line between two processes that carries, delays, holds up, loses and cuts, as the test says.

It stands before a server: who is to be cut off is told the line's port instead of the server's.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

HOST = "127.0.0.1"
CHUNK_BYTES = 1 << 16
_ANSWER_SECONDS = 30.0
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Carry:
    """All passes; what was held up meanwhile, too."""


@dataclass(frozen=True)
class Delay:
    """Each piece arrives that many seconds later."""

    seconds: float


@dataclass(frozen=True)
class Hold:
    """A black hole: connections stay and are taken, nothing arrives."""


@dataclass(frozen=True)
class Sever:
    """What is open is reset, and each new connection too."""


@dataclass(frozen=True)
class SeverAfter:
    """Each connection is reset once so many bytes have passed, both directions together."""

    count: int


State = Carry | Delay | Hold | Sever | SeverAfter


class Line:
    """Context manager. ``to`` is asked for the server's port at each connection: it may have come back elsewhere."""

    def __init__(self, to: Callable[[], int], state: State | None = None) -> None:
        self._to = to
        self._state: State = state or Carry()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="line", daemon=True)
        self._open: set[_Connection] = set()
        self._changed = asyncio.Event()
        self.connections = 0
        """That came, whatever became of them."""
        self.port = 0

    def __enter__(self) -> "Line":
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._serve, HOST, 0))
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_ANSWER_SECONDS)
        self._loop.close()

    def behave(self, state: State) -> None:
        """From here on, for open connections too."""
        self._do(self._become(state))

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_ANSWER_SECONDS)

    async def _become(self, state: State) -> None:
        self._state = state
        changed, self._changed = self._changed, asyncio.Event()
        if isinstance(state, Sever):
            for each in self._open:
                each.reset()
        changed.set()

    async def _close(self) -> None:
        self._server.close()
        await self._become(Sever())
        served = asyncio.all_tasks() - {asyncio.current_task()}
        if served:
            await asyncio.wait(served, timeout=_ANSWER_SECONDS)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        near = _Connection([writer])
        self._open.add(near)
        try:
            if isinstance(self._state, Sever):
                return
            far_reader, far_writer = await asyncio.open_connection(HOST, self._to())
            near.writers.append(far_writer)
            await asyncio.gather(self._carry(near, reader, far_writer), self._carry(near, far_reader, writer))
            await near.close()
        except OSError:
            return  # one side has gone; so goes the other
        finally:
            self._open.discard(near)
            near.reset()

    async def _carry(self, on: "_Connection", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(CHUNK_BYTES):
                await self._pass(on, len(data))
                writer.write(data)
                await writer.drain()
            await self._pass(on, 0)
            with suppress(OSError):
                writer.write_eof()
        except OSError:
            on.reset()
            raise

    async def _pass(self, on: "_Connection", count: int) -> None:
        """Wait until it may go on. Raises ConnectionResetError where it may not."""
        on.passed += count
        if isinstance(self._state, Delay):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._state.seconds)
        while isinstance(self._state, Hold):
            await self._changed.wait()
        if on.gone or isinstance(self._state, Sever) or _spent(self._state, on.passed):
            raise ConnectionResetError("the line was cut")


class _Connection:
    """Both ends of what goes through."""

    def __init__(self, writers: list[asyncio.StreamWriter]) -> None:
        self.writers, self.passed, self.gone = writers, 0, False

    async def close(self) -> None:
        """Both sides have said all: let them have it."""
        for writer in self.writers:
            writer.close()
            await writer.wait_closed()

    def reset(self) -> None:
        """RST to both ends, unless they have ended."""
        self.gone = True
        for writer in self.writers:
            end = writer.transport.get_extra_info("socket")
            if not writer.transport.is_closing() and end is not None:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


def _spent(state: State, passed: int) -> bool:
    return isinstance(state, SeverAfter) and passed > state.count
