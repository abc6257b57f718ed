"""The private servers under one roof: data and port survive stop, kill and immediate stop; suspended means silent."""

import asyncio
import os
from pathlib import Path

import aio_pika
import psycopg
import pytest
from private_servers.errors import PrivateServerError
from private_servers.postgresql import PrivatePostgresql
from private_servers.processes import descendants
from private_servers.rabbitmq import PrivateRabbitmq
from private_servers.server import PIPELINE_NICENESS


@pytest.mark.parametrize("ending", ["stop", "kill", "stop_immediately"])
def test_postgresql_finds_its_data_on_its_port_again(private_postgresql: PrivatePostgresql, ending: str) -> None:
    url = private_postgresql.url
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    getattr(private_postgresql, ending)()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    private_postgresql.start()
    assert private_postgresql.url == url
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
        assert connection.execute("SHOW fsync").fetchone() == ("on",)


def test_suspended_postgresql_answers_nothing_until_resumed(private_postgresql: PrivatePostgresql) -> None:
    with psycopg.connect(private_postgresql.url) as connection:
        private_postgresql.suspend()
        connection.pgconn.send_query(b"SELECT 1")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(private_postgresql.url, connect_timeout=2)
        connection.pgconn.consume_input()
        assert connection.pgconn.is_busy()
        private_postgresql.resume()
        result = connection.pgconn.get_result()
        assert result is not None
        assert result.get_value(0, 0) == b"1"
        assert connection.pgconn.get_result() is None  # the end of the answer


def test_database_of_a_test_is_migrated(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        schemas = {name for (name,) in connection.execute("SELECT nspname FROM pg_namespace")}
    assert {"storage", "routing", "config", "runtime"} <= schemas


async def publish_one(url: str) -> int:
    """Put one message into a durable quorum queue and return how many it holds."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(b"kept", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "kept")
        queue = await channel.declare_queue("kept", passive=True)
        return queue.declaration_result.message_count or 0


async def test_rabbitmq_finds_its_messages_on_its_port_again(private_rabbitmq: PrivateRabbitmq) -> None:
    url = private_rabbitmq.url
    assert await publish_one(url) == 1
    private_rabbitmq.stop()  # a quorum queue survives kill -9 only some time (half a second) after it was declared
    with pytest.raises(aio_pika.exceptions.AMQPConnectionError):
        await aio_pika.connect(url)
    await asyncio.to_thread(private_rabbitmq.start)
    assert private_rabbitmq.url == url
    assert await publish_one(url) == 2
    private_rabbitmq.kill()
    private_rabbitmq.start()
    assert await publish_one(url) == 3


async def test_virtual_hosts_are_apart(amqp_url: str, rabbitmq: PrivateRabbitmq) -> None:
    assert await publish_one(amqp_url) == 1
    assert await publish_one(rabbitmq.add_virtual_host("another")) == 1


def test_a_folder_is_used_by_one_server_at_a_time(postgresql: PrivatePostgresql) -> None:
    second = PrivatePostgresql(postgresql.folder)
    with pytest.raises(PrivateServerError, match="already runs in"):
        second.start()
    with psycopg.connect(postgresql.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("make", [PrivatePostgresql, PrivateRabbitmq])
def test_a_server_runs_behind_others_if_it_is_told_to(
    make: type[PrivatePostgresql | PrivateRabbitmq], tmp_path: Path
) -> None:
    """With all its processes, whatever its account, and with its session where the kernel shares among sessions."""
    server = make(tmp_path / "server")
    server.niceness = PIPELINE_NICENESS
    server.start()
    try:
        usual = os.getpriority(os.PRIO_PROCESS, 0)
        for pid in (server.pid, *descendants(server.pid)):
            assert os.getpriority(os.PRIO_PROCESS, pid) == usual + PIPELINE_NICENESS
        session = Path(f"/proc/{server.pid}/autogroup")
        assert not session.exists() or session.read_text().split()[-1] == str(PIPELINE_NICENESS)
    finally:
        server.stop()
