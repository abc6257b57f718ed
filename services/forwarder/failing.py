"""What is written when no association to a destination came about, or one ended before any answer."""

import random

import structlog

from services.forwarder import destinations, ledger, metrics
from services.forwarder.circuit import after_trouble
from services.forwarder.classify import Trouble
from services.forwarder.configuration import Station
from services.forwarder.means import Means
from services.runtime.db import Connection

log = structlog.get_logger(__name__)


async def destination_failed(connection: Connection, means: Means, station: Station, trouble: Trouble) -> None:
    """The destination failed: its circuit opens, and where such a failure is not tried again what is due has FAILED."""
    circuit = await destinations.circuit(connection, station.title)
    policy = station.policy
    jitter = random.random()  # noqa: S311 - no secret
    setback = after_trouble(circuit, trouble, jitter, means.settings.slow_retry_seconds, policy.backoff)
    await destinations.set_back(connection, station.title, setback, trouble.reason)
    if trouble.failing not in policy.retried:
        await ledger.give_up_due(connection, station.title, f"not tried again when {trouble.failing}: {trouble.reason}")
    if trouble.alarm:
        metrics.REJECTED.labels(station.title).inc()
    log.warning("destination_failed", destination=station.title, reason=trouble.reason, retry_seconds=setback.delay)
