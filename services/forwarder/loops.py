"""The supervised loops of the forwarder: configuration, waking lanes, clocks."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from services.dicom.outgoing import WANTED_CHANNEL
from services.forwarder.configuration import Configuration
from services.forwarder.handlers import Clocks
from services.forwarder.lanes import Lanes
from services.forwarder.settings import ForwarderSettings
from services.runtime.db import Database
from services.runtime.errors import GatewayError
from services.runtime.supervise import Supervisor
from services.runtime.wake import Wake

RELEASE_SECONDS = 1.0
EXPIRE_SECONDS = 5.0
MEASURE_SECONDS = 15.0
GIVE_UP_SECONDS = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Ground:
    """What the loops stand on."""

    database: Database
    supervisor: Supervisor


async def spawn_loops(
    ground: Ground, configuration: Configuration, lanes: Lanes, clocks: Clocks, settings: ForwarderSettings
) -> None:
    """Start all loops as supervised tasks."""
    changed = await ground.database.listen("config_changed")
    work = await ground.database.listen("routing_work")
    wanted = await ground.database.listen(WANTED_CHANNEL)

    async def refresh() -> None:
        await configuration.refresh()
        lanes.adjust()

    async def attend() -> None:
        await lanes.give_way()
        await lanes.ring_due()

    spawn = ground.supervisor.spawn
    spawn("forwarder configuration", lambda: on_wake(ground, changed, settings.poll_seconds, refresh))
    spawn("forwarder wake", lambda: on_wake(ground, work, settings.poll_seconds, lanes.ring_due))
    spawn("forwarder associations", lambda: on_wake(ground, wanted, settings.poll_seconds, attend))
    for name, seconds, step in (
        ("release", RELEASE_SECONDS, clocks.release),
        ("expire leases", EXPIRE_SECONDS, clocks.expire),
        ("measure", MEASURE_SECONDS, clocks.measure),
        ("give up", GIVE_UP_SECONDS, clocks.give_up),
    ):
        spawn(f"forwarder {name}", _every(ground, seconds, step))


def _every(ground: Ground, seconds: float, step: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    return lambda: every(ground, seconds, step)


async def every(ground: Ground, seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    """Do ``step`` every ``seconds`` until the process stops."""
    while True:
        await attempt(ground, step)
        if await ground.supervisor.pause(seconds):
            return


async def on_wake(ground: Ground, wake: Wake, seconds: float, step: Callable[[], Awaitable[None]]) -> None:
    """Do ``step`` when notified, and at least every ``seconds``, until the process stops."""
    with ground.supervisor.calling_on_stop(wake.ring):
        while not ground.supervisor.stopping.is_set():
            await attempt(ground, step)
            await wake.wait(seconds)


async def attempt(ground: Ground, step: Callable[[], Awaitable[None]]) -> None:
    """Do ``step``; while the database is away, nothing."""
    if not ground.database.available:
        return
    try:
        await step()
    except GatewayError as error:
        log.warning("step_failed", step=getattr(step, "__qualname__", ""), error=str(error))
