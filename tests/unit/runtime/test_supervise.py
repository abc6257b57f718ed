"""Supervised tasks: started again with growing delays, ended in time, and their crash told."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from services.runtime import supervise
from services.runtime.supervise import Supervisor, restart_delay
from tests.waiting import until_async


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "FIRST_DELAY_SECONDS", 0.01)


def test_delays_double_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "FIRST_DELAY_SECONDS", 0.5)
    assert [restart_delay(n) for n in (1, 2, 3, 6, 7, 8, 10_000)] == [0.5, 1, 2, 16, 30, 30, 30]


@pytest.mark.parametrize("ending", ["raises", "returns", "awaits a canceled future"])
async def test_a_task_that_ends_is_started_again_and_counted(ending: str) -> None:
    supervisor, starts = Supervisor(), 0

    async def work() -> None:
        nonlocal starts
        starts += 1
        if starts < 4 and ending == "raises":
            raise ValueError("not yet")
        if starts < 4 and ending == "awaits a canceled future":
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future
        if starts >= 4:
            await supervisor.stopping.wait()

    supervisor.spawn(f"test {ending}", work)
    await until_async(lambda: starts == 4)
    assert await supervisor.drain(1) == []
    assert REGISTRY.get_sample_value("gateway_runtime_task_restarts_total", {"task": f"test {ending}"}) == 3
    assert not supervisor.crashed


async def test_a_task_that_runs_once_may_return() -> None:
    supervisor, ran = Supervisor(), asyncio.Event()

    async def work() -> None:
        ran.set()

    supervisor.spawn("once", work, restart=False)
    await asyncio.wait_for(ran.wait(), 5)
    assert not supervisor.stopping.is_set()
    assert await supervisor.drain(1) == []


async def test_the_crash_of_a_task_that_runs_once_stops_the_process() -> None:
    supervisor = Supervisor()

    async def work() -> None:
        raise ValueError("broken")

    supervisor.spawn("once", work, restart=False)
    await asyncio.wait_for(supervisor.stopping.wait(), 5)
    assert supervisor.crashed


async def test_pause_ends_with_the_time_or_with_the_process() -> None:
    supervisor = Supervisor()
    assert await supervisor.pause(0.01) is False
    pause = asyncio.gather(supervisor.pause(3600))
    supervisor.stop()
    assert await asyncio.wait_for(pause, 5) == [True]
    assert await supervisor.pause(3600) is True


async def test_draining_cancels_only_who_needs_too_long() -> None:
    supervisor = Supervisor()
    started, canceled = asyncio.Event(), asyncio.Event()

    async def polite() -> None:
        await supervisor.stopping.wait()

    async def stubborn() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            canceled.set()

    supervisor.spawn("polite", polite)
    supervisor.spawn("stubborn", stubborn)
    await asyncio.wait_for(started.wait(), 5)
    assert await supervisor.drain(0.05) == ["stubborn"]
    assert canceled.is_set()


async def test_what_a_task_does_last_may_need_its_threads() -> None:
    supervisor, done = Supervisor(), []
    threads = supervisor.threads(1, "test")

    async def work() -> None:
        await supervisor.stopping.wait()
        await asyncio.sleep(0.01)
        await asyncio.get_running_loop().run_in_executor(threads, done.append, "done")

    supervisor.spawn("test", work, restart=False)
    assert await supervisor.drain(5) == []
    assert (done, supervisor.crashed) == (["done"], False)
    with pytest.raises(RuntimeError):
        threads.submit(done.append, "later")


async def test_a_task_waiting_for_its_next_start_ends_at_once() -> None:
    supervisor = Supervisor()

    async def work() -> None:
        raise ValueError("always")

    supervisor.spawn("failing", work)
    assert await asyncio.wait_for(supervisor.drain(3600), 5) == []


async def test_who_asks_is_called_once_when_the_process_stops() -> None:
    supervisor, calls = Supervisor(), list[str]()
    with supervisor.calling_on_stop(lambda: calls.append("early")):
        supervisor.stop()
        supervisor.stop()
    with supervisor.calling_on_stop(lambda: calls.append("late")):
        assert calls == ["early", "late"]
