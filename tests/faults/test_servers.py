"""B3, B4, and B1-7: whatever becomes of PostgreSQL and RabbitMQ, senders are answered 0000 and all is delivered once.

The gateway reaches both over lines that the test holds up, slows down and cuts.
"""

import os
import random
import signal
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg
import pytest

from tests.factories import small_instances
from tests.faults.aftermath import Aftermath
from tests.faults.ledger import Ledger
from tests.faults.line import Carry, Delay, Hold, Line, Sever, SeverAfter
from tests.faults.traffic import Beside, Traffic
from tests.running_gateway import EVERYTHING_TO_ARCHIVE1, RunningGateway
from tests.stations import StationReceiver
from tests.waiting import until

SETTINGS = {
    "GATEWAY_FORWARDER_LEASE_SECONDS": "10",
    "GATEWAY_STORAGE_SWEEP_SECONDS": "1",
    "GATEWAY_STORAGE_DELETION_WAIT_SECONDS": "1",
}
BATCH = 6
DISK_FREE_LIMIT = 'ok = rabbit_disk_monitor:set_disk_free_limit("{}")'
CONSUMER_TIMEOUT = (
    "ok = application:set_env(rabbit, consumer_timeout, {}), "
    "ok = application:set_env(rabbit, channel_tick_interval, {})"
)
BACKENDS = "select pid from pg_stat_activity where application_name = %s order by backend_start"
UNANSWERED_COMMITS = "select pid from pg_stat_activity where wait_event = 'SyncRep' and application_name = %s"


@dataclass
class Ground:
    """A gateway, its lines to the database and the broker, and its destination."""

    gateway: RunningGateway
    database: Line
    broker: Line
    archive: StationReceiver
    pause: threading.Event

    def wait(self, seconds: float) -> None:
        """The fault lasts so long."""
        self.pause.wait(seconds)

    def alter(self, setting: str, value: str) -> None:
        """Change a setting of the server, straight, not over the line."""
        with psycopg.connect(self.gateway.database_url, autocommit=True) as connection:
            # Else its own commits would wait as the gateway's do.
            connection.execute("set synchronous_commit = 'local'")
            connection.execute(f"alter system set {setting} = '{value}'")  # type: ignore[arg-type]
            connection.execute("select pg_reload_conf()")


Fault = Callable[[Ground, random.Random], None]


def database_frozen(ground: Ground, chance: random.Random) -> None:
    """SIGSTOP of all its processes, for less or more than the client's limit."""
    ground.gateway.postgresql.suspend()
    ground.wait(chance.uniform(3, 25))
    ground.gateway.postgresql.resume()


def backend_killed(ground: Ground, chance: random.Random) -> None:
    """kill -9 of one server process while storage records: all sessions end, the server recovers by itself."""
    ground.wait(chance.uniform(0, 1))
    for row in ground.gateway.rows(BACKENDS, "gateway-storage")[:1]:
        os.kill(row["pid"], signal.SIGKILL)
    ground.wait(3)


def too_few_connections(ground: Ground, chance: random.Random) -> None:
    """So few that not every part gets one; nobody ends for it."""
    server = ground.gateway.postgresql
    server.settings["max_connections"] = str(chance.randint(8, 14))
    server.restart()
    ground.wait(8)
    del server.settings["max_connections"]
    server.restart()


def commit_unanswered(ground: Ground, chance: random.Random) -> None:
    """COMMITs are durable and not answered, as for want of a standby; storage is killed while it waits for one."""
    ground.alter("synchronous_standby_names", "nobody")
    try:
        with psycopg.connect(ground.gateway.database_url, autocommit=True) as connection:
            until(
                lambda: connection.execute(UNANSWERED_COMMITS, ["gateway-storage"]).fetchall(),
                limit=20,
                what="storage to wait for its COMMIT",
            )
        ground.wait(chance.uniform(0, 1))
        ground.gateway.kill("storage")
    finally:
        ground.alter("synchronous_standby_names", "")
    ground.gateway.launch("storage")


def database_cut(ground: Ground, chance: random.Random) -> None:
    """Each connection is reset after some bytes, wherever that is: within a statement, an answer, a COMMIT."""
    for _ in range(6):
        ground.database.behave(SeverAfter(chance.randrange(2_000, 60_000)))
        ground.wait(1)
    ground.database.behave(Carry())


def database_black_hole(ground: Ground, chance: random.Random) -> None:
    """Nothing arrives and nobody is told, for less or more than the client's limit; then all of it does."""
    ground.database.behave(Hold())
    ground.wait(chance.uniform(3, 25))
    ground.database.behave(Carry())


def database_slow(ground: Ground, chance: random.Random) -> None:
    """Each answer takes long, none too long."""
    ground.database.behave(Delay(chance.uniform(0.05, 0.3)))
    ground.wait(8)
    ground.database.behave(Carry())


def both_cut(ground: Ground, chance: random.Random) -> None:
    """Everything is reset, and reset again when it comes back."""
    for _ in range(4):
        for line in (ground.database, ground.broker):
            line.behave(Sever())
        ground.wait(chance.uniform(0.2, 2))
        for line in (ground.database, ground.broker):
            line.behave(Carry())
        ground.wait(chance.uniform(0.2, 2))


def broker_frozen(ground: Ground, chance: random.Random) -> None:
    """SIGSTOP of all its processes."""
    ground.gateway.rabbitmq.suspend()
    ground.wait(chance.uniform(3, 20))
    ground.gateway.rabbitmq.resume()


def broker_killed(ground: Ground, chance: random.Random) -> None:
    """kill -9 with messages under way."""
    ground.wait(chance.uniform(0, 2))
    ground.gateway.rabbitmq.kill()
    ground.wait(chance.uniform(0, 2))
    ground.gateway.rabbitmq.start()


def broker_alarmed(ground: Ground, chance: random.Random) -> None:
    """A disk alarm: who publishes is held up, consumers are not."""
    ground.gateway.rabbitmq.evaluate(DISK_FREE_LIMIT.format("999GB"))
    ground.wait(chance.uniform(4, 10))
    ground.gateway.rabbitmq.evaluate(DISK_FREE_LIMIT.format("50MB"))


def consumer_timed_out(ground: Ground, chance: random.Random) -> None:
    """index stands still with messages in hand for longer than the broker allows."""
    gateway = ground.gateway
    gateway.rabbitmq.evaluate(CONSUMER_TIMEOUT.format(3000, 1000))
    try:
        gateway.stop("index")
        gateway.start_parts(["index"])  # its channel asks that often
        frozen = gateway.parts["index"].process
        ground.wait(chance.uniform(0.5, 1.5))
        frozen.send_signal(signal.SIGSTOP)
        ground.wait(8)
        frozen.send_signal(signal.SIGCONT)
    finally:
        gateway.rabbitmq.evaluate(CONSUMER_TIMEOUT.format(1_800_000, 60_000))


def broker_black_hole(ground: Ground, chance: random.Random) -> None:
    """A cut without a reset: heartbeats notice."""
    ground.broker.behave(Hold())
    ground.wait(chance.uniform(5, 40))
    ground.broker.behave(Carry())


def broker_cut(ground: Ground, chance: random.Random) -> None:
    """Each connection is reset after some bytes: within a message, a confirm, an acknowledgement."""
    for _ in range(6):
        ground.broker.behave(SeverAfter(chance.randrange(1_000, 40_000)))
        ground.wait(1)
    ground.broker.behave(Carry())


FAULTS: dict[str, Fault] = {
    "B1-7": commit_unanswered,
    "B3-32": database_frozen,
    "B3-33": backend_killed,
    "B3-37": too_few_connections,
    "B4-42": broker_killed,
    "B4-43": broker_frozen,
    "B4-44": broker_alarmed,
    "B4-49": consumer_timed_out,
    "B4-51": broker_black_hole,
    "N6": database_cut,
    "N7": broker_cut,
    "N8": database_black_hole,
    "N9": database_slow,
    "N10": both_cut,
}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A gateway on servers of its own, one sender, one destination; it has seen some instances already."""
    gateway = RunningGateway(tmp_path_factory.mktemp("servers"), ingest_processes=2)
    with ExitStack() as stack:
        archive = stack.enter_context(StationReceiver(title="ARCHIVE1"))
        stack.callback(gateway.end)
        gateway.start_servers()
        database = stack.enter_context(Line(lambda: gateway.postgresql.port))
        broker = stack.enter_context(Line(lambda: gateway.rabbitmq.port))
        gateway.settings = SETTINGS | {
            "GATEWAY_DATABASE_URL": gateway.database_url.replace(f":{gateway.postgresql.port}/", f":{database.port}/"),
            "GATEWAY_AMQP_URL": gateway.amqp_url.replace(f":{gateway.rabbitmq.port}/", f":{broker.port}/"),
        }
        gateway.start_parts()
        gateway.add_station("SCANNER1")
        gateway.add_station("ARCHIVE1", archive.port, "--store", "--retry-most-seconds", "2")
        gateway.apply_rules(EVERYTHING_TO_ARCHIVE1)
        ledger = Ledger()
        Traffic(gateway.dicom_port, ledger).send(small_instances(60, seed=900))
        ledger.check(gateway, archive)
        yield Ground(gateway, database, broker, archive, threading.Event())


@pytest.fixture(scope="module")
def aftermath(ground: Ground) -> Aftermath:
    """What the gateway held before any fault."""
    return Aftermath(ground.gateway)


@pytest.mark.timeout(400)
@pytest.mark.all_faults
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_senders_get_success_and_all_is_delivered(
    ground: Ground, aftermath: Aftermath, fault: Fault, seed: int
) -> None:
    """0000 throughout; afterwards everything is recorded, indexed and delivered, once."""
    print(f"{fault.__name__}, seed {seed}")  # noqa: T201 - shown when the test fails: replays the run
    number = zlib.crc32(fault.__name__.encode())
    ledger = Ledger()
    traffic = Traffic(ground.gateway.dicom_port, ledger)
    instances = small_instances(600, seed=number % 80_000 + 1_000 * seed)
    with Beside(lambda: fault(ground, random.Random(number + seed))) as going_on:
        while going_on.running and instances:
            traffic.send([instances.pop() for _ in range(BATCH)])
            ground.wait(0.2)
        going_on.join(120)
    traffic.send([instances.pop() for _ in range(min(BATCH, len(instances)))])
    assert set(traffic.statuses) == {0}
    ledger.check(ground.gateway, ground.archive, limit=120)
    aftermath.check(limit=60)
