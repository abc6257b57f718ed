"""Waiting in tests: for a condition, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
_POLL_SECONDS = 0.02


def until(condition: Callable[[], T], *, limit: float = 10, what: str = "the condition") -> T:
    """Poll ``condition`` until it is true and return its value; fail after ``limit`` seconds, naming ``what``."""
    deadline = time.monotonic() + limit
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {limit} s (last: {value!r})")
        time.sleep(_POLL_SECONDS)
    return value


async def until_async(
    condition: Callable[[], T | Awaitable[T]], *, limit: float = 10, what: str = "the condition"
) -> T:
    """Like until, on the event loop; ``condition`` may be a coroutine function."""
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        result: T = await value if isinstance(value, Awaitable) else value
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {limit} s (last: {result!r})")
        await asyncio.sleep(_POLL_SECONDS)
