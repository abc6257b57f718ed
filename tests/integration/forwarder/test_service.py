"""Index and forwarder as services of one process, on RabbitMQ and PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import pytest

from schemas.messages import AssociationEnded, Envelope, RequestMade
from services.forwarder.main import service as forwarder_service
from services.index.main import service as index_service
from services.runtime.app import Runtime
from services.runtime.bus import Bus
from services.runtime.db import Database
from services.runtime.health import Health
from services.runtime.outbox import Outbox
from services.runtime.settings import RuntimeSettings
from services.runtime.supervise import Supervisor
from tests.factories import ct, small_instances
from tests.integration.forwarder.bench import Ledger
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations.receiver import StationReceiver
from tests.waiting import until_async


@asynccontextmanager
async def process(recorder: Recorder, amqp_url: str) -> AsyncIterator[Runtime]:
    """A process with both services, entered and drained as services.runtime.app does."""
    settings = RuntimeSettings(database_url=recorder.database_url, amqp_url=amqp_url, drain_seconds=10)
    supervisor = Supervisor()
    database = Database(recorder.database_url, application="test")
    bus = Bus(amqp_url, supervisor)
    outbox = Outbox(database, bus, supervisor)
    runtime = Runtime(
        settings, database, bus, outbox, recorder.objects, Health(supervisor), supervisor, "test",
        asyncio.get_running_loop(),
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        await database.open()
        stack.push_async_callback(database.close)
        await bus.open()
        stack.push_async_callback(bus.close)
        stack.push_async_callback(supervisor.drain, 5)
        supervisor.spawn("outbox relay", outbox.relay)
        await stack.enter_async_context(index_service(runtime))
        await stack.enter_async_context(forwarder_service(runtime))
        yield runtime
        supervisor.stop()


async def test_messages_become_rows_and_deliveries(
    recorder: Recorder, ledger: Ledger, amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_FORWARDER_RECONCILE_SECONDS", "3600")
    monkeypatch.setenv("GATEWAY_INDEX_RECONCILE_SECONDS", "3600")
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, complete_on_release=True)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "ARCHIVE1"}]}])
        async with process(recorder, amqp_url) as runtime:
            await until_async(lambda: runtime.bus.available and runtime.db.available, limit=20)
            for recorded in recorder.record(*small_instances(30, seed=1)):
                await runtime.bus.publish(recorded.message())
            await ledger.until_states({"DELIVERED": 30}, limit=30)
            await until_async(lambda: ledger.rows("select count(*) as n from index.instance")[0]["n"] == 30)
            request = ledger.request("send", {"uids": [archive.uids[0]], "to": "ARCHIVE1"})
            await runtime.bus.publish(Envelope.wrap(RequestMade(request=request), "admin"))
            await ledger.until_states({"DELIVERED": 31}, limit=30)
            ended = AssociationEnded(
                association="1", calling_aet="ARCHIVE1", called_aet="GATEWAY", peer_address="127.0.0.1",
                started_at=datetime.now(UTC), outcome="RELEASED", stored=1, failed=0,
            )  # fmt: skip
            await runtime.bus.publish(Envelope.wrap(ended, "ingest"))
            await until_async(lambda: ledger.rows("select 1 from routing.ended_association"))


async def test_without_a_message_the_reconcilers_do_it(
    recorder: Recorder, ledger: Ledger, amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FORWARDER", "INDEX"):
        monkeypatch.setenv(f"GATEWAY_{name}_RECONCILE_SECONDS", "0.5")
        monkeypatch.setenv(f"GATEWAY_{name}_RECONCILE_AGE_SECONDS", "1")
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "ARCHIVE1"}]}])
        async with process(recorder, amqp_url):
            recorder.record(ct(1))
            await ledger.until_states({"DELIVERED": 1}, limit=30)
            await until_async(lambda: ledger.rows("select 1 from index.instance"))


async def test_with_the_broker_away_nothing_waits(recorder: Recorder, ledger: Ledger) -> None:
    """P2: the reconcilers look at once, without waiting for the age of ten seconds."""
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "ARCHIVE1"}]}])
        async with process(recorder, "amqp://guest:guest@127.0.0.1:9/"):
            recorder.record(ct(1))
            await ledger.until_states({"DELIVERED": 1}, limit=9)
            await until_async(lambda: ledger.rows("select 1 from index.instance"), limit=5)
