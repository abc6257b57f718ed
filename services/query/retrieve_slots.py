"""An outgoing association's slots, held for a thread: the waiting and the renewing happen on the loop."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager, suppress
from typing import Final

from services.dicom import outgoing
from services.dicom.outgoing import Wanted
from services.runtime.db import Database
from services.runtime.errors import GatewayError

POLL_SECONDS: Final = 0.25
LEAVE_SECONDS: Final = 5.0


@contextmanager
def held(
    database: Database,
    loop: asyncio.AbstractEventLoop,
    wanted: Wanted,
    *,
    wait_seconds: float,
    on_wait: Callable[[], None],
    on_lost: Callable[[], None],
) -> Iterator[None]:
    """Hold the slots within the block. Call it in a thread.

    ``on_wait`` is called four times a second in this thread while none is free; what it raises ends the wait.
    ``on_lost`` is called in the loop's thread. Raises NoSlot after ``wait_seconds``, and Unavailable.
    """
    taken: Future[None] = Future()
    leave = asyncio.Event()

    async def hold() -> None:
        async with outgoing.slot(database, wanted, wait_seconds=wait_seconds, on_lost=on_lost):
            taken.set_result(None)
            await leave.wait()

    holding = asyncio.run_coroutine_threadsafe(hold(), loop)
    try:
        while not taken.done():
            wait((taken, holding), timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            if holding.done():
                holding.result()
            if not taken.done():
                on_wait()
        yield
    finally:
        if taken.done():
            loop.call_soon_threadsafe(leave.set)
        else:
            holding.cancel()
        with suppress(FutureTimeoutError, CancelledError, GatewayError):
            holding.result(LEAVE_SECONDS)
