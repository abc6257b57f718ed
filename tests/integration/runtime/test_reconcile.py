"""Reconcilers: at their time, at once and each second while the broker is away, only while the database answers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.runtime import reconcile
from services.runtime.app import Runtime
from services.runtime.bus import Bus
from services.runtime.db import Database
from services.runtime.errors import Conflict, StoreFailed, StoreFull, Unavailable
from services.runtime.health import Health
from services.runtime.objects import open_store
from services.runtime.outbox import Outbox
from services.runtime.settings import RuntimeSettings
from services.runtime.supervise import Supervisor
from tests.waiting import until_async


class SwitchedDatabase(Database):
    """A database whose answer to ``available`` the test decides."""

    switched_off = False

    @property
    def available(self) -> bool:
        return not self.switched_off and super().available


@dataclass
class Work:
    """Remembers when it was done (seconds of the loop's clock); raises what ``answers`` holds, each once."""

    at: list[float] = field(default_factory=list)
    answers: list[Exception] = field(default_factory=list)

    async def __call__(self) -> int:
        """One effect."""
        self.at.append(asyncio.get_running_loop().time())
        if self.answers:
            raise self.answers.pop(0)
        return 1

    def gaps(self) -> list[float]:
        """Seconds from each to the next."""
        return [after - before for before, after in zip(self.at, self.at[1:], strict=False)]


@pytest_asyncio.fixture
async def runtime(database_url: str, tmp_path: Path) -> AsyncIterator[Runtime]:
    """A process's runtime whose database answers."""
    settings = RuntimeSettings(home=tmp_path, database_url=database_url, amqp_url="amqp://127.0.0.1:9/")
    supervisor = Supervisor()
    database, bus = SwitchedDatabase(database_url, application="test"), Bus(settings.amqp_url, supervisor)
    await database.open()
    await asyncio.wait_for(database.wait_available(), 10)
    yield Runtime(
        settings, database, bus, Outbox(database, bus, supervisor), open_store(settings), Health(supervisor),
        supervisor, "test", asyncio.get_running_loop(),
    )  # fmt: skip
    assert await supervisor.drain(10) == []
    await database.close()


def never() -> bool:
    return False


def count_times(work: Work, times: int) -> Callable[[], bool]:
    return lambda: len(work.at) >= times


async def test_it_runs_soon_and_then_at_its_time(runtime: Runtime) -> None:
    work, begun = Work(), runtime.loop.time()
    reconcile.every(runtime, "timed", 1.6, work, never)
    await until_async(count_times(work, 3), limit=10)
    assert work.at[0] - begun < 1.6
    assert all(1.6 <= gap < 4 for gap in work.gaps())
    await until_async(lambda: REGISTRY.get_sample_value("gateway_runtime_reconciled_total", {"name": "timed"}) == 3)


async def test_while_the_broker_is_away_it_runs_each_second(runtime: Runtime) -> None:
    work, away = Work(), asyncio.Event()
    reconcile.every(runtime, "hurried", 3600, work, away.is_set)
    await until_async(count_times(work, 1), limit=10)
    away.set()
    await until_async(count_times(work, 4), limit=10)
    assert all(0.9 <= gap < 3 for gap in work.gaps()[1:])


async def test_what_fails_for_a_while_is_done_at_the_next_time(runtime: Runtime) -> None:
    work = Work(answers=[Unavailable("database: away"), Conflict("deadlock"), RuntimeError("bug")])
    reconcile.every(runtime, "failing", 0.05, work, never)
    await until_async(count_times(work, 5), limit=10)


async def test_a_store_that_fails_is_told_once_and_ends_no_task(runtime: Runtime) -> None:
    work = Work(answers=[*[StoreFull("1 GiB free")] * 3, *[StoreFailed("I/O error")] * 3])
    with capture_logs() as logged:
        reconcile.every(runtime, "storing", 0.05, work, never)
        await until_async(count_times(work, 8), limit=10)
    assert [line["reason"] for line in logged if line["event"] == "reconcile_postponed"] == ["1 GiB free", "I/O error"]
    assert REGISTRY.get_sample_value("gateway_runtime_task_restarts_total", {"task": "reconcile storing"}) == 0


@pytest.mark.parametrize("hurried", [False, True])
async def test_without_the_database_nothing_is_tried(runtime: Runtime, hurried: bool) -> None:
    work, other = Work(), Work()
    assert isinstance(runtime.db, SwitchedDatabase)
    runtime.db.switched_off = True
    reconcile.every(runtime, "without", 0.05, work, lambda: hurried)
    runtime.supervisor.spawn("beside", lambda: count_pauses(runtime, other))
    await until_async(count_times(other, 20), limit=10)
    assert work.at == []
    runtime.db.switched_off = False
    await until_async(count_times(work, 2), limit=10)


async def count_pauses(runtime: Runtime, other: Work) -> None:
    """Turns of the loop that a reconciler of 0.05 s would have used."""
    while not await runtime.supervisor.pause(0.05):
        await other()
