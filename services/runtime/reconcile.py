"""Reconcilers: the database is asked regularly what has no effect yet, so that a lost message costs only time."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from services.runtime.bus_metrics import RECONCILED
from services.runtime.errors import Conflict, GatewayError, StoreFailed, StoreFull, Unavailable

if TYPE_CHECKING:
    from services.runtime.app import Runtime

HURRY_SECONDS = 1.0
PASSING = (Unavailable, Conflict, StoreFailed, StoreFull)

log = structlog.get_logger(__name__)


def every(
    runtime: "Runtime", name: str, seconds: float, work: Callable[[], Awaitable[int]], hurry: Callable[[], bool]
) -> None:
    """Run ``work`` each ``seconds``, and at once and then each second while ``hurry`` says so (the broker is away).

    ``work`` returns how many effects it made. It is run only while the database answers. ``Unavailable``, ``Conflict``,
    ``StoreFailed`` and ``StoreFull`` are logged once and it is tried again; anything else restarts the task with
    back-off.
    """
    RECONCILED.labels(name)  # counts from 0
    runtime.supervisor.spawn(f"reconcile {name}", lambda: _loop(runtime, name, seconds, work, hurry))


async def _loop(
    runtime: "Runtime", name: str, seconds: float, work: Callable[[], Awaitable[int]], hurry: Callable[[], bool]
) -> None:
    clock = runtime.loop.time
    due = clock()
    failing = ""
    while not await runtime.supervisor.pause(min(HURRY_SECONDS, seconds)):
        if not runtime.db.available or (clock() < due and not hurry()):
            continue
        due = clock() + seconds
        failure = await _run(name, work)
        if failure is not None and type(failure).__name__ != failing:
            log.warning("reconcile_postponed", name=name, reason=str(failure))
        failing = "" if failure is None else type(failure).__name__


async def _run(name: str, work: Callable[[], Awaitable[int]]) -> GatewayError | None:
    """Once; why it could not, if the reason may pass."""
    try:
        made = await work()
    except PASSING as error:
        return error
    if made:
        RECONCILED.labels(name).inc(made)
        log.info("reconciled", name=name, count=made)
    return None
