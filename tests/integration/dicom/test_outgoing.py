"""Slots of outgoing associations: limits over all processes, leases, and who waits gets the next one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import psycopg
import pytest

from services.dicom import outgoing
from services.dicom.outgoing import NoSlot, Wanted, slot
from services.runtime.db import Database
from services.runtime.errors import GatewayError
from tests.waiting import until_async


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """As a process has it."""
    opened = Database(database_url, application="test")
    await opened.open()
    await opened.wait_available()
    yield opened
    await opened.close()


def wanted(station: str = "A", *, own: int = 2, all_together: int = 4, lease: float = 60.0) -> Wanted:
    return Wanted(station, outgoing.holder("test"), own, all_together, lease)


def slots(database_url: str) -> list[str]:
    with psycopg.connect(database_url) as connection:
        return [name for (name,) in connection.execute("select name from runtime.lease order by name")]


async def took(database: Database, *asked: Wanted) -> list[bool]:
    """Which of them found slots, one after the other."""
    found = []
    for each in asked:
        try:
            async with database.transaction() as connection:
                await outgoing.take(connection, each)
            found.append(True)
        except NoSlot:
            found.append(False)
    return found


async def test_a_station_and_all_together_have_limits(database: Database, database_url: str) -> None:
    asked = [wanted("A"), wanted("A"), wanted("A"), wanted("A/1"), wanted("B"), wanted("C")]
    assert await took(database, *asked) == [True, True, False, True, True, False]
    assert len([name for name in slots(database_url) if name.startswith("association//")]) == 4
    async with database.transaction() as connection:
        await outgoing.give_back(connection, asked[0].holder)
    assert await took(database, wanted("C"), wanted("C")) == [True, False]


async def test_which_stations_are_full(database: Database, database_url: str) -> None:
    asked = [wanted("A"), wanted("A/1"), wanted("A/1"), wanted("B")]
    assert await took(database, *asked) == [True] * 4
    async with database.transaction() as connection:
        assert await outgoing.full(connection, {"A": 2, "A/1": 2, "B": 1, "C": 1}) == {"A/1", "B"}
    long_ago(database_url)
    async with database.transaction() as connection:
        assert await outgoing.full(connection, {"A/1": 2, "B": 1}) == set()


async def test_what_was_taken_and_not_known_is_taken_again(database: Database, database_url: str) -> None:
    """The answer to a COMMIT may be lost: the slots are the holder's own then, and it needs no others."""
    for asked in (wanted("A", own=1, all_together=1), wanted("B")):
        assert await took(database, asked, asked) == [True, True]
        async with database.transaction() as connection:
            assert await outgoing.renew(connection, asked.holder)
            await outgoing.give_back(connection, asked.holder)
        assert slots(database_url) == []
    others, asked = wanted("B"), wanted("B")
    assert await took(database, others, asked) == [True, True]
    async with database.transaction() as connection:
        await outgoing.give_back(connection, others.holder)
    assert await took(database, asked) == [True]
    assert slots(database_url) == ["association//2", "association/B/2"]


async def test_who_finds_none_takes_none(database: Database, database_url: str) -> None:
    assert await took(database, wanted("A", all_together=1), wanted("B", all_together=1)) == [True, False]
    assert slots(database_url) == ["association//1", "association/A/1"]


async def test_many_at_once_never_pass_the_limit(database: Database, database_url: str) -> None:
    open_at_once: list[int] = []
    count = 0

    async def work(number: int) -> None:
        nonlocal count
        async with slot(database, wanted(f"STATION{number % 5}"), wait_seconds=30):
            count += 1
            open_at_once.append(count)
            async with database.transaction() as connection:
                await connection.execute("select pg_sleep(0.05)")
            count -= 1

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(work(number))
    assert len(open_at_once) == 20
    assert max(open_at_once) == 4
    assert slots(database_url) == []


async def test_the_wait_has_a_limit_and_is_told_meanwhile(database: Database, database_url: str) -> None:
    told: list[int] = []

    async def pending() -> None:
        told.append(1)

    async with slot(database, wanted("A", all_together=1)):
        with pytest.raises(NoSlot, match="1 in all at a time"):
            async with slot(database, wanted("B", all_together=1), wait_seconds=0.6, on_wait=pending):
                pytest.fail("there was none")
        with pytest.raises(NoSlot, match="1 to A at a time"):
            async with slot(database, wanted("A", own=1)):
                pytest.fail("there was none")
        assert len(told) >= 2
        assert [name for name in slots(database_url) if name.startswith("wanted")] == []
    assert slots(database_url) == []


async def test_what_is_raised_while_waiting_ends_the_wait(database: Database, database_url: str) -> None:
    async def canceled() -> None:
        raise GatewayError("C-CANCEL")

    async with slot(database, wanted("A", own=1)):
        with pytest.raises(GatewayError, match="C-CANCEL"):
            async with slot(database, wanted("A", own=1), wait_seconds=30, on_wait=canceled):
                pytest.fail("there was none")
        assert len(slots(database_url)) == 2


async def test_newcomers_leave_a_slot_to_who_waits(database: Database) -> None:
    first, waits, newcomer = (wanted(title, all_together=1) for title in "ABC")
    assert await took(database, first, waits) == [True, False]
    async with database.transaction() as connection:
        await outgoing.stand_in_line(connection, waits, "")
        assert await outgoing.lacking(connection) == {""}
        await outgoing.give_back(connection, first.holder)
    assert await took(database, newcomer, waits) == [False, True]
    async with database.transaction() as connection:
        assert await outgoing.lacking(connection) == set()


async def test_who_waits_longest_is_next_however_often_others_ask(database: Database) -> None:
    first, second, third = (wanted(title, all_together=1) for title in "ABC")
    await took(database, first)
    for each in (second, third, third, second, third):
        async with database.transaction() as connection:
            await outgoing.stand_in_line(connection, each, "")
    async with database.transaction() as connection:
        await outgoing.give_back(connection, first.holder)
    assert await took(database, first, third, second, third) == [False, False, True, False]
    async with database.transaction() as connection:
        await outgoing.give_back(connection, second.holder)
    assert await took(database, first, third) == [False, True]


async def test_a_place_in_line_is_forgotten_when_nobody_asks_again(database: Database, database_url: str) -> None:
    first, gone = wanted("A", own=1), wanted("A", own=1)
    await took(database, first)
    async with database.transaction() as connection:
        await outgoing.stand_in_line(connection, gone, "A")
        assert await outgoing.lacking(connection) == {"A"}
    long_ago(database_url)
    async with database.transaction() as connection:
        assert await outgoing.lacking(connection) == set()
        await outgoing.stand_in_line(connection, first, "A")
    assert len([name for name in slots(database_url) if name.startswith("wanted")]) == 1


async def test_the_slot_of_a_dead_process_is_taken_over(database: Database, database_url: str) -> None:
    assert await took(database, wanted("A", own=1), wanted("A", own=1)) == [True, False]
    long_ago(database_url)
    assert await took(database, wanted("A", own=1, lease=0.1)) == [True]


async def test_it_is_renewed_while_it_is_held(database: Database) -> None:
    async with slot(database, wanted("A", own=1, lease=0.6)):
        async with database.transaction() as connection:
            await connection.execute("select pg_sleep(1.5)")
        assert await took(database, wanted("A", own=1, lease=0.6)) == [False]


async def test_who_cannot_renew_is_told_before_the_lease_ends(database: Database, database_url: str) -> None:
    lost = asyncio.Event()
    async with slot(database, wanted("A", lease=3.0), on_lost=lost.set):
        with psycopg.connect(database_url) as other:
            other.execute("lock table runtime.lease in access exclusive mode")
            async with asyncio.timeout(2.7):
                await lost.wait()


async def test_who_waits_rings(database: Database) -> None:
    async with AsyncExitStack() as stack:
        wake = await database.listen(outgoing.WANTED_CHANNEL)
        await wake.wait(5)  # it listens
        await stack.enter_async_context(slot(database, wanted("A", own=1)))

        async def wait() -> None:
            async with slot(database, wanted("A", own=1), wait_seconds=10):
                pass

        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(wait())
            assert await wake.wait(5)
            await stack.aclose()
            await until_async(waiting.done, limit=2)


def long_ago(database_url: str) -> None:
    """As if the leases had run out; the database was up long enough to say so."""
    with psycopg.connect(database_url) as connection:
        connection.execute("update runtime.lease set lease_until = now() - interval '1 hour'")
        connection.execute(
            "create or replace function runtime.lease_expired(lease_until timestamptz, lease interval) returns boolean "
            "language sql stable as 'select now() > lease_until'"
        )
