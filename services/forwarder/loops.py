"""The supervised loops of the forwarder: configuration, waking lanes, clocks, partitions."""

from collections.abc import Awaitable, Callable

import structlog

from services.forwarder.configuration import Configuration
from services.forwarder.handlers import Clocks
from services.forwarder.lanes import Lanes
from services.forwarder.settings import ForwarderSettings
from services.runtime import partitions
from services.runtime.app import Runtime
from services.runtime.errors import GatewayError
from services.runtime.wake import Wake

RELEASE_SECONDS = 1.0
EXPIRE_SECONDS = 5.0
MEASURE_SECONDS = 15.0
GIVE_UP_SECONDS = 60.0

log = structlog.get_logger(__name__)


async def spawn_loops(
    runtime: Runtime, configuration: Configuration, lanes: Lanes, clocks: Clocks, settings: ForwarderSettings
) -> None:
    """Start all loops as supervised tasks."""
    changed = await runtime.db.listen("config_changed")
    work = await runtime.db.listen("routing_work")

    async def refresh() -> None:
        if await configuration.refresh():
            lanes.adjust()

    spawn = runtime.supervisor.spawn
    spawn("forwarder configuration", lambda: on_wake(runtime, changed, settings.poll_seconds, refresh))
    spawn("forwarder wake", lambda: on_wake(runtime, work, settings.poll_seconds, lanes.ring_due))
    for name, seconds, step in (
        ("release", RELEASE_SECONDS, clocks.release),
        ("expire leases", EXPIRE_SECONDS, clocks.expire),
        ("measure", MEASURE_SECONDS, clocks.measure),
        ("give up", GIVE_UP_SECONDS, clocks.give_up),
    ):
        spawn(f"forwarder {name}", _every(runtime, seconds, step))
    kept = {
        "attempt": settings.attempt_months,
        "evaluation": settings.delivery_months,
        "delivery": settings.delivery_months,
    }
    spawn("routing partitions", lambda: partitions.maintain(runtime, "routing", kept))


def _every(runtime: Runtime, seconds: float, step: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    return lambda: every(runtime, seconds, step)


async def every(runtime: Runtime, seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    """Do ``step`` every ``seconds`` until the process stops."""
    while True:
        await attempt(runtime, step)
        if await runtime.supervisor.pause(seconds):
            return


async def on_wake(runtime: Runtime, wake: Wake, seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    """Do ``step`` when notified, and at least every ``seconds``, until the process stops."""
    with runtime.supervisor.calling_on_stop(wake.ring):
        while not runtime.supervisor.stopping.is_set():
            await attempt(runtime, step)
            await wake.wait(seconds)


async def attempt(runtime: Runtime, step: Callable[[], Awaitable[None]]) -> None:
    """Do ``step``; while the database is away, nothing."""
    if not runtime.db.available:
        return
    try:
        await step()
    except GatewayError as error:
        log.warning("step_failed", step=getattr(step, "__qualname__", ""), error=str(error))
