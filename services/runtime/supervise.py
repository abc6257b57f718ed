"""Supervised tasks: the only place that starts asyncio tasks, keeps them, and starts them again when they fail."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import structlog

from services.runtime.metrics import TASK_RESTARTS

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0

log = structlog.get_logger(__name__)


def restart_delay(failures: int) -> float:
    """Seconds to wait before the start after the ``failures``-th failure in a row: doubling, at most 30 (pure)."""
    return float(min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** min(failures - 1, 10)))


class Supervisor:
    """Owner of a process's tasks. Create and use it inside the running loop."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()  # the process drains: loops end at their next pause
        self.crashed = False  # a task that is not restarted failed: the process ends
        self._tasks: set[asyncio.Task[None]] = set()
        self._on_stop: list[Callable[[], None]] = []
        self._pools: list[ThreadPoolExecutor] = []

    def spawn(self, name: str, work: Callable[[], Awaitable[None]], *, restart: bool = True) -> None:
        """Run ``work``. With ``restart`` it may end only while stopping; otherwise it is started again after a delay.

        Without ``restart`` it runs once and may return; an exception sets ``crashed`` and stops the process.
        """
        task = asyncio.create_task(self._restarting(name, work) if restart else self._once(name, work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def pause(self, seconds: float) -> bool:
        """Wait ``seconds`` or until the process stops; True = it stops."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return self.stopping.is_set()
        return True

    @contextmanager
    def calling_on_stop(self, callback: Callable[[], None]) -> Iterator[None]:
        """Within the block, call back when the process begins to stop; at once if it already does."""
        if self.stopping.is_set():
            callback()
        self._on_stop.append(callback)
        try:
            yield
        finally:
            self._on_stop.remove(callback)

    def threads(self, most: int, name: str) -> ThreadPoolExecutor:
        """Threads for the tasks, ``most`` at a time. They end after the tasks, so that no task finds them gone."""
        pool = ThreadPoolExecutor(most, thread_name_prefix=name)
        self._pools.append(pool)
        return pool

    def stop(self) -> None:
        """Begin to stop: loops end at their next pause. Idempotent."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        for callback in self._on_stop:
            callback()

    async def drain(self, seconds: float) -> list[str]:
        """Stop, wait for the tasks, cancel those that need longer; returns the names of the cancelled.

        Then their threads are waited for, without a limit.
        """
        self.stop()
        late = await self._end_tasks(seconds) if self._tasks else set()
        for pool in self._pools:
            pool.shutdown(cancel_futures=True)
        return sorted(task.get_name() for task in late)

    async def _end_tasks(self, seconds: float) -> set[asyncio.Task[None]]:
        """Those that had to be cancelled."""
        _, late = await asyncio.wait(set(self._tasks), timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return late

    async def _restarting(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        restarts = TASK_RESTARTS.labels(name)
        while not self.stopping.is_set():
            started = loop.time()
            try:
                await work()
                reason = "returned"
            except (Exception, asyncio.CancelledError) as error:
                if _is_canceled():
                    raise
                reason = "failed"
                log.warning("task_failed", task=name, exc_info=error)
            if self.stopping.is_set():
                return
            failures = 1 if loop.time() - started > LONGEST_DELAY_SECONDS else failures + 1
            restarts.inc()
            log.warning("task_restarts", task=name, reason=reason, delay_seconds=restart_delay(failures))
            await self.pause(restart_delay(failures))

    async def _once(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (Exception, asyncio.CancelledError) as error:
            if _is_canceled():
                raise
            log.error("task_crashed", task=name, exc_info=error)
            self.crashed = True
            self.stop()


def _is_canceled() -> bool:
    """True if this task itself was canceled; a canceled future of a library that it awaited is only a failure."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
