"""Reconcilers: the database is asked regularly what has no effect yet, so that a lost message costs only time."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from services.runtime.bus_metrics import RECONCILED
from services.runtime.errors import Conflict, Unavailable

if TYPE_CHECKING:
    from services.runtime.app import Runtime

HURRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


def every(
    runtime: "Runtime", name: str, seconds: float, work: Callable[[], Awaitable[int]], hurry: Callable[[], bool]
) -> None:
    """Run ``work`` each ``seconds``, and at once and then each second while ``hurry`` says so (the broker is away).

    ``work`` returns how many effects it made. It is run only while the database answers; what it raises besides
    ``Unavailable`` and ``Conflict`` restarts the task with back-off.
    """
    runtime.supervisor.spawn(f"reconcile {name}", lambda: _loop(runtime, name, seconds, work, hurry))


async def _loop(
    runtime: "Runtime", name: str, seconds: float, work: Callable[[], Awaitable[int]], hurry: Callable[[], bool]
) -> None:
    clock = runtime.loop.time
    due = clock()
    while not await runtime.supervisor.pause(min(HURRY_SECONDS, seconds)):
        if not runtime.db.available or (clock() < due and not hurry()):
            continue
        due = clock() + seconds
        await _run(name, work)


async def _run(name: str, work: Callable[[], Awaitable[int]]) -> None:
    try:
        made = await work()
    except (Unavailable, Conflict) as error:
        log.info("reconcile_postponed", name=name, reason=str(error))
        return
    if made:
        RECONCILED.labels(name).inc(made)
        log.info("reconciled", name=name, count=made)
