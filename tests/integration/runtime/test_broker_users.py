"""Least privilege at the broker: a service's user may do its work with its queues, and nothing else."""

import itertools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq.exceptions import ChannelAccessRefused
from private_servers.logins import LOGINS
from private_servers.rabbitmq import PrivateRabbitmq

from schemas.messages.registry import REGISTRY
from schemas.permissions import TOLD, permissions_of
from schemas.topology import DEAD_LETTER_EXCHANGE, EXCHANGE, QUEUES
from services.cli.names import SERVICES
from services.runtime.broker_definitions import definitions, users_of, virtual_host
from services.runtime.bus import Bus
from services.runtime.errors import UsageError
from services.runtime.supervise import Supervisor
from tests.waiting import until_async

_numbers = itertools.count()
ADMINISTRATOR = "amqp://root:secret@h/"
CONSUMERS = ("storage", "index", "forwarder", "commitment")


@pytest.fixture(scope="module")
def urls(rabbitmq: PrivateRabbitmq) -> Iterator[dict[str, str]]:
    """URLs of the services' users, and of the administrator, for a virtual host that imported the definitions."""
    name = f"users-{next(_numbers)}"
    url = rabbitmq.add_virtual_host(name)
    own = {setting.removesuffix("_amqp_url"): each for setting, each in rabbitmq.service_urls(name).items()}
    for _ in range(2):
        rabbitmq.import_definitions(json.dumps(definitions(virtual_host(url), users_of(own, url))))
    yield own | {"administrator": url}
    rabbitmq.delete_virtual_host(name)


@asynccontextmanager
async def channel_of(url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        yield channel


async def pass_over(message: AbstractIncomingMessage) -> None:
    """It goes back when the channel closes."""


async def publish(channel: AbstractChannel, exchange: str, routing_key: str) -> None:
    target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
    await target.publish(aio_pika.Message(b"{}"), routing_key, mandatory=False)


async def test_a_user_declares_nothing_and_reads_the_queues_of_its_service_only(urls: dict[str, str]) -> None:
    read: dict[str, set[str]] = {}
    for service in SERVICES:
        for queue in (name for each in QUEUES for name in (each.name, each.dead)):
            async with channel_of(urls[service]) as channel:
                try:
                    await (await channel.get_queue(queue, ensure=False)).consume(pass_over)
                except ChannelAccessRefused:
                    continue
            read.setdefault(service, set()).add(queue)
        async with channel_of(urls[service]) as channel:
            with pytest.raises(ChannelAccessRefused):
                await channel.declare_queue("mine", durable=True)
        async with channel_of(urls[service]) as channel:
            with pytest.raises(ChannelAccessRefused):
                await (await channel.get_queue(QUEUES[0].name, ensure=False)).bind(EXCHANGE, "#")
    assert read == {
        service: {name for each in QUEUES if each.service == service for name in (each.name, each.dead)}
        for service in CONSUMERS
    }


@pytest.mark.parametrize("service", SERVICES)
async def test_a_user_publishes_what_its_service_tells_and_nothing_else(urls: dict[str, str], service: str) -> None:
    services = [name for name in LOGINS if LOGINS[name] == LOGINS[service]]
    told = {model.routing_key() for each in services for model in TOLD[each]}
    taken: set[tuple[str, str]] = set()
    keys = [model.routing_key() for model in REGISTRY.values()]
    asked = [*((EXCHANGE, key) for key in keys), (DEAD_LETTER_EXCHANGE, QUEUES[0].dead), ("", QUEUES[0].name)]
    for exchange, key in asked:
        async with channel_of(urls[service]) as channel:
            try:
                await publish(channel, exchange, key)
            except ChannelAccessRefused:
                continue
        taken.add((exchange, key))
    expected = {(EXCHANGE, key) for key in told}
    expected |= {(DEAD_LETTER_EXCHANGE, QUEUES[0].dead)} if service in CONSUMERS else set()
    expected |= {("", QUEUES[0].name)} if service == "admin" else set()
    assert taken == expected


async def test_a_service_finds_the_topology_and_says_what_is_missing(
    rabbitmq: PrivateRabbitmq, urls: dict[str, str]
) -> None:
    supervisor = Supervisor()
    bus = Bus(urls["storage"], supervisor)
    await bus.open()
    await until_async(lambda: bus.available, limit=20)
    await bus.close()
    async with channel_of(urls["administrator"]) as channel:
        await channel.queue_delete(QUEUES[-1].name)
    bus = Bus(urls["storage"], supervisor)
    await bus.open()
    await until_async(lambda: f"queue '{QUEUES[-1].name}' is missing" in (bus.reason or ""), limit=20)
    assert "gateway broker-definitions" in str(bus.reason)
    own = {name: url for name, url in urls.items() if name != "administrator"}
    rabbitmq.import_definitions(
        json.dumps(definitions(virtual_host(urls["storage"]), users_of(own, urls["administrator"])))
    )
    await until_async(lambda: bus.available, limit=20)
    await bus.close()


def test_users_are_those_of_the_urls() -> None:
    users = users_of(
        {"ingest": "amqp://a:b%2Fc@h/v", "query": "amqp://a:b%2Fc@h/v", "index": "amqps://i:x@h"}, ADMINISTRATOR
    )
    assert [(user.name, user.password, user.services) for user in users] == [
        ("a", "b/c", ("ingest", "query")), ("i", "x", ("index",)),
    ]  # fmt: skip
    assert [virtual_host(f"amqp://a@h{path}") for path in ("", "/", "/%2F", "/v")] == ["/", "/", "/", "v"]
    for urls, fault in (
        ({"ingest": "amqp://h/v"}, "GATEWAY_INGEST_AMQP_URL names no user with a password"),
        ({"ingest": "amqp://a:b@h/", "query": "amqp://a:c@h/"}, "another password of user a than that of ingest"),
        ({"ingest": "amqp://root:x@h/"}, "GATEWAY_INGEST_AMQP_URL names root, the user of GATEWAY_AMQP_URL"),
    ):
        with pytest.raises(UsageError, match=fault):
            users_of(urls, ADMINISTRATOR)


def test_who_consumes_nothing_reads_nothing() -> None:
    assert permissions_of(["query"]) == permissions_of([])
    assert permissions_of(["ingest"]).read == permissions_of(["ingest"]).configure == "^()$"
