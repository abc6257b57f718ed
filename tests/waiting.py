"""Waiting in tests: for a condition, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
_SHORTEST_SECONDS = 0.02
_LONGEST_SECONDS = 0.25
_ASKING_SHARE = 4  # what is waited for needs the processor more than who asks for it


def until(condition: Callable[[], T], *, limit: float = 10, what: str = "the condition") -> T:
    """Poll ``condition`` until it is true and return its value; fail after ``limit`` seconds, naming ``what``."""
    began = time.monotonic()
    asked = began
    while not (value := condition()):
        if time.monotonic() > began + limit:
            raise AssertionError(f"{what} did not come true within {limit} s (last: {value!r})")
        time.sleep(_pause(began, asked))
        asked = time.monotonic()
    return value


async def until_async(
    condition: Callable[[], T | Awaitable[T]], *, limit: float = 10, what: str = "the condition"
) -> T:
    """Like until, on the event loop; ``condition`` may be a coroutine function."""
    began = time.monotonic()
    while True:
        asked = time.monotonic()
        value = condition()
        result: T = await value if isinstance(value, Awaitable) else value
        if result:
            return result
        if time.monotonic() > began + limit:
            raise AssertionError(f"{what} did not come true within {limit} s (last: {result!r})")
        await asyncio.sleep(_pause(began, asked))


def _pause(began: float, asked: float) -> float:
    """How long to wait before asking again: a tenth of what it has taken so far, and more where asking is slow."""
    now = time.monotonic()
    wanted = max((now - began) / 10, (now - asked) * _ASKING_SHARE)
    return min(max(wanted, _SHORTEST_SECONDS), _LONGEST_SECONDS)
