"""Steps that a service does again and again: each so many seconds, or when something was notified."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from services.runtime.db import Database
from services.runtime.errors import GatewayError
from services.runtime.supervise import Supervisor
from services.runtime.wake import Bell

Step = Callable[[], Awaitable[object]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Loops:
    """What the loops of a service stand on. While the database is away no step is done."""

    database: Database
    supervisor: Supervisor

    def spawn_every(self, name: str, seconds: float, step: Step) -> None:
        """A supervised task: ``step`` every ``seconds`` until the process stops."""
        self.supervisor.spawn(name, lambda: self._every(seconds, step))

    def spawn_on_wake(self, name: str, wake: Bell, seconds: float, step: Step) -> None:
        """A supervised task: ``step`` when woken, and at least every ``seconds``, until the process stops."""
        self.supervisor.spawn(name, lambda: self._on_wake(wake, seconds, step))

    async def _every(self, seconds: float, step: Step) -> None:
        while True:
            await self._attempt(step)
            if await self.supervisor.pause(seconds):
                return

    async def _on_wake(self, wake: Bell, seconds: float, step: Step) -> None:
        with self.supervisor.calling_on_stop(wake.ring):
            while not self.supervisor.stopping.is_set():
                await self._attempt(step)
                await wake.wait(seconds)

    async def _attempt(self, step: Step) -> None:
        if not self.database.available:
            return
        try:
            await step()
        except GatewayError as error:
            log.warning("step_failed", step=getattr(step, "__qualname__", ""), error=str(error))
