"""The outbox's relay: woken by NOTIFY, safe without it, cheap beside a month of rows that are published already."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from services.runtime import outbox
from services.runtime.errors import Unavailable
from services.runtime.outbox import IN_FLIGHT, QUERIES, enqueue, enqueue_many
from tests.integration.runtime.test_broker import QUEUE, Process, process, request, uid
from tests.waiting import until_async

PUBLISHED = """
insert into runtime.outbox (created_at, event_id, exchange, routing_key, headers, body, published_at)
select now() - n * interval '10 seconds', gen_random_uuid(), 'gateway', 'k', '{}', 'b', now()
from generate_series(1, 200000) n;
"""
WAITING = """
insert into runtime.outbox (event_id, exchange, routing_key, headers, body)
select gen_random_uuid(), 'gateway', 'k', '{}', 'b' from generate_series(1, 2000);
analyze runtime.outbox;
"""


@pytest_asyncio.fixture
async def consuming(database_url: str, amqp_url: str) -> AsyncIterator[Process]:
    """A process that remembers what it consumes, with its relay at rest."""
    async with process(database_url, amqp_url) as found:
        await until_async(lambda: found.bus.available and found.db.available, limit=20)
        consumer = await found.bus.consume(QUEUE, found.handle, while_available=found.db)
        found.supervisor.spawn("relay", found.outbox.relay)
        await until_async(lambda: consumer.consuming)
        yield found


async def test_a_commit_wakes_the_relay(consuming: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "POLL_SECONDS", 3600.0)
    sent = [request() for _ in range(3)]
    for envelope in sent:  # the relay's look of before may take the first ones; the last must be told to it
        async with consuming.db.transaction() as connection:
            await enqueue(connection, envelope)
        await until_async(partial(has, consuming, uid(envelope)), limit=5)


def has(found: Process, sent: UUID) -> bool:
    return sent in found.seen


async def test_without_a_notification_the_relay_looks_each_second(consuming: Process) -> None:
    envelope = request()
    async with consuming.db.transaction() as connection:
        await enqueue(connection, envelope)
    await until_async(lambda: uid(envelope) in consuming.seen)
    unheard = [request() for _ in range(IN_FLIGHT)]
    with psycopg.connect(
        consuming.db._url
    ) as connection:  # as a relay that was killed after the notification leaves it
        for each in unheard:
            connection.execute(
                "insert into runtime.outbox (event_id, exchange, routing_key, headers, body) "
                "values (%s, 'gateway', %s, '{}', %s)",
                (each.id, each.routing_key, each.encode().decode()),
            )
    await until_async(lambda: {uid(each) for each in unheard} <= set(consuming.seen), limit=10)


async def test_what_the_broker_does_not_take_stays(consuming: Process) -> None:
    await consuming.supervisor.drain(10)
    rows = [request() for _ in range(2)]
    async with consuming.db.transaction() as connection:
        await enqueue_many(connection, rows)
        await connection.execute("update runtime.outbox set routing_key = 'no.such.queue', exchange = ''")
    with pytest.raises(Unavailable, match="no queue takes"):
        await consuming.outbox.relay_batch()
    assert await consuming.unpublished() == 2


async def test_a_relay_passes_over_what_another_one_holds(database_url: str, amqp_url: str) -> None:
    async with process(database_url, amqp_url) as found:
        await until_async(lambda: found.bus.available and found.db.available, limit=20)
        async with found.db.transaction() as connection:
            await enqueue_many(connection, [request() for _ in range(2 * IN_FLIGHT)])
        async with found.db.transaction() as holding:
            held = await (await holding.execute(QUERIES.claim, {"limit": IN_FLIGHT, "replays": True})).fetchall()
            assert len(held) == IN_FLIGHT
            async with asyncio.timeout(4):  # before the lock's own limit
                assert await found.outbox.relay_batch() == IN_FLIGHT
                assert await found.outbox.relay_batch() == 0
        assert await found.outbox.relay_batch() == IN_FLIGHT


def test_a_claim_reads_only_what_waits(database_url: str) -> None:
    """200,000 published rows cost nothing: the claim walks the index of what is unpublished."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(PUBLISHED)
        connection.execute(WAITING)
        with connection.transaction(force_rollback=True):
            explain = "explain (analyze, buffers, format json) " + QUERIES.claim
            found = connection.execute(explain.encode(), {"limit": IN_FLIGHT, "replays": True}).fetchone()
    assert found is not None
    (plan,) = found[0]
    nodes = list(_nodes(plan["Plan"]))
    assert "Seq Scan" not in {node["Node Type"] for node in nodes if node["Actual Rows"]}, plan
    assert "Sort" not in {node["Node Type"] for node in nodes}, plan
    assert sum(node.get("Rows Removed by Filter", 0) for node in nodes) == 0, plan
    touched = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    assert touched < 500, plan


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)
