"""What a running gateway holds: memory, descriptors, threads; rows and bytes of its tables; messages of its queues."""

import asyncio
from pathlib import Path

import aio_pika

from schemas.topology import QUEUES
from tests.running_gateway import RunningGateway

SIZES = """
select coalesce(pg_partition_root(c.oid), c.oid::regclass)::text as "table",
       sum(pg_total_relation_size(c.oid))::float8 as bytes
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname = any(array['audit', 'commitment', 'config', 'index', 'query', 'routing', 'runtime',
                                                'storage'])
group by 1
"""
WAITING = """
select (select count(*) from routing.job where finished_at is null)::float8 as "unfinished jobs",
       (select count(*) from routing.delivery where finished_at is null)::float8 as "unfinished deliveries",
       (select count(*) from commitment.commitment where finished_at is null)::float8 as "unfinished commitments",
       (select count(*) from runtime.outbox where published_at is null)::float8 as "unpublished events"
"""
_DESCRIBED = {"memory": "RssAnon", "threads": "Threads"}


def processes(gateway: RunningGateway) -> dict[str, float]:
    """``memory of NAME`` (kB of its own), ``descriptors of NAME`` and ``threads of NAME`` of each process."""
    found: dict[str, float] = {}
    for name, part in gateway.parts.items():
        at = Path(f"/proc/{part.process.pid}")
        lines = dict(line.split(":", 1) for line in (at / "status").read_text().splitlines())
        for what, key in _DESCRIBED.items():
            found[f"{what} of {name}"] = float(lines[key].split()[0])
        found[f"descriptors of {name}"] = float(len(list((at / "fd").iterdir())))
    return found


def waiting(gateway: RunningGateway) -> dict[str, float]:
    """What waits in the tables, and ``queue NAME``: messages in each queue."""
    return {**gateway.rows(WAITING)[0], **asyncio.run(_messages(gateway.amqp_url))}


def tables(gateway: RunningGateway) -> dict[str, float]:
    """Bytes of each table by its name, indexes, texts and partitions included."""
    return {row["table"]: row["bytes"] for row in gateway.rows(SIZES)}


async def _messages(url: str) -> dict[str, float]:
    found = {}
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        for queue in QUEUES:
            for name in (queue.name, queue.dead):
                declared = await channel.declare_queue(name, passive=True)
                found[f"queue {name}"] = float(declared.declaration_result.message_count or 0)
    return found
