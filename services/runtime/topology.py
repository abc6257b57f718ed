"""Declares the broker's exchanges, queues and bindings of ``schemas.topology``; the same again changes nothing."""

import re
from collections.abc import Iterable, Mapping
from typing import Protocol

from schemas.topology import DEAD_LETTER_EXCHANGE, EXCHANGE, Queue
from services.runtime.errors import GatewayError

INEQUIVALENT = re.compile(
    r"inequivalent arg '([^']+)' for (queue|exchange) '([^']+)'.*?received (.*?) but current is (.*)"
)
MISSING = re.compile(r"no (queue|exchange) '([^']+)'")
QUOTES = " '\n"


class TopologyFault(GatewayError):
    """The broker holds a queue or exchange that was declared otherwise; the text names it, the argument, the cure."""


class Declarer(Protocol):
    """What declares: a channel of the bus."""

    async def declare_exchange(self, name: str, kind: str) -> None:
        """Declare a durable exchange."""

    async def declare_queue(self, name: str, arguments: Mapping[str, str | int]) -> None:
        """Declare a durable queue."""

    async def bind(self, queue: str, exchange: str, routing_key: str) -> None:
        """Bind a queue."""


async def declare(declarer: Declarer, queues: Iterable[Queue]) -> None:
    """Declare both exchanges and these queues with their dead letter queues and bindings.

    Raises ``TopologyFault`` when one exists with other arguments.
    """
    await declarer.declare_exchange(EXCHANGE, "topic")
    await declarer.declare_exchange(DEAD_LETTER_EXCHANGE, "direct")
    for queue in queues:
        await declarer.declare_queue(queue.dead, queue.dead_arguments())
        await declarer.bind(queue.dead, DEAD_LETTER_EXCHANGE, queue.dead)
        await declarer.declare_queue(queue.name, queue.arguments())
        await declarer.bind(queue.name, EXCHANGE, queue.binding)


def fault(text: str) -> TopologyFault:
    """The broker's refusal (406) in words a person can act on (pure)."""
    found = INEQUIVALENT.search(text)
    if found is None:
        return TopologyFault(f"the broker refuses a declaration: {text}")
    argument, kind, name, wanted, current = found.groups()
    return TopologyFault(
        f"{kind} {name!r} exists with {argument} {current.strip(QUOTES)}, this gateway needs {wanted.strip(QUOTES)}: "
        f"stop its publishers, delete it when it is empty (rabbitmqctl delete_{kind} {name}); "
        "it is declared again by itself"
    )


def missing(text: str) -> TopologyFault:
    """The broker has not got it (404), and this user may not declare it; in words a person can act on (pure)."""
    found = MISSING.search(text)
    what = f"{found[1]} {found[2]!r} is missing" if found else f"the broker lacks something: {text}"
    return TopologyFault(
        f"{what}, and this user may not declare it: have the broker import what 'gateway broker-definitions' prints"
    )
