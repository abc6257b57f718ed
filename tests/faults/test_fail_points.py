"""B1, process death at every instant: whoever is killed where, each acknowledged instance arrives, once."""

import random
import signal
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pytest

from tests import forked
from tests.factories import Instance, small_instances
from tests.faults.aftermath import Aftermath
from tests.faults.ledger import Ledger
from tests.faults.traffic import Beside, Traffic
from tests.running_gateway import FreshServers, RunningGateway, running_gateway
from tests.stations import RawSender, StationReceiver
from tests.stations.committer import SILENT, Committer, everything
from tests.stations.raw_sender import data_pdu, store_command
from tests.waiting import until

RULES = """
version: 1
rules:
  - name: committed
    when: {all: [{fact: calling_aet, op: equals, value: SCANNER2}]}
    send: [{to: ARCHIVE2, commit: true}]
    stop: true
  - name: everything
    when: {all: []}
    send: [{to: ARCHIVE1}]
"""
SETTINGS = {
    "GATEWAY_FORWARDER_LEASE_SECONDS": "5",  # what a killed worker had under way is known lost sooner
    "GATEWAY_STORAGE_SWEEP_SECONDS": "1",
    "GATEWAY_STORAGE_DELETION_WAIT_SECONDS": "1",
    "GATEWAY_COMMITMENT_QUIET_SECONDS": "1",
    "GATEWAY_COMMITMENT_SWEEP_SECONDS": "1",
    "GATEWAY_COMMITMENT_LEASE_SECONDS": "5",
}
COMMITMENTS = """
select distinct c.id, c.state from commitment.commitment c join commitment.attempt a on a.commitment = c.id
where a.transaction_uid = any(%s)
"""
BATCH, MOST_BATCHES = 4, 30


@dataclass(frozen=True)
class Point:
    """A fail point in one part of the gateway; ``most``: the last pass at which it may happen."""

    part: str
    name: str
    most: int


QUICK = {
    "B1-4": Point("ingest-1", "objects.renamed", 4),
    "B1-6": Point("storage", "storage.recorded", 2),
    "B1-14": Point("forwarder", "forwarder.answered", 4),
}
"""Of a usual run too: one for each of the three who hold something that others do not have."""
LONG = {
    "B1-2": Point("ingest-1", "objects.written", 4),
    "B1-3": Point("ingest-1", "objects.synced", 4),
    "B1-5": Point("ingest-1", "objects.durable", 4),
    "B1-8": Point("storage", "storage.committed", 2),
    "B1-9": Point("ingest-1", "ingest.answered", 4),
    "B1-10": Point("storage", "outbox.published", 1),
    "B1-11": Point("storage", "outbox.claimed", 1),
    "B1-12": Point("forwarder", "forwarder.claimed", 1),
    "B1-13": Point("forwarder", "association.asked", 4),
}
CASES = [
    *(pytest.param(point, id=number) for number, point in QUICK.items()),
    *(pytest.param(point, id=number, marks=pytest.mark.all_faults) for number, point in LONG.items()),
]


@pytest.fixture(scope="module")
def archive() -> Iterator[StationReceiver]:
    """The destination."""
    with StationReceiver(title="ARCHIVE1") as receiver:
        yield receiver


@pytest.fixture(scope="module")
def keeper() -> Iterator[Committer]:
    """An archive that is asked to commit what SCANNER2 sends, and says so when the test has it say so."""
    with Committer(title="ARCHIVE2", script=SILENT) as committer:
        yield committer


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, fresh_servers: FreshServers, archive: StationReceiver, keeper: Committer
) -> Iterator[RunningGateway]:
    """A gateway with two senders and a destination for each, which has seen some instances already."""
    home = tmp_path_factory.mktemp("fail-points")
    with fresh_servers() as shared, running_gateway(home, settings=SETTINGS, shared=shared) as running:
        running.add_station("SCANNER1")
        running.add_station("SCANNER2")
        running.add_station("ARCHIVE1", archive.port, "--store", "--retry-most-seconds", "2")
        running.add_station("ARCHIVE2", keeper.port, "--store", "--commit-server")
        keeper.gateway_port = running.dicom_port
        running.apply_rules(RULES)
        send(running, archive, Ledger(), small_instances(20, seed=900))
        yield running


@pytest.fixture(scope="module")
def aftermath(gateway: RunningGateway) -> Aftermath:
    """What the gateway held before any fault."""
    return Aftermath(gateway)


def send(gateway: RunningGateway, archive: StationReceiver, ledger: Ledger, instances: Sequence[Instance]) -> None:
    """Send all and wait until they are where they belong."""
    Traffic(gateway.dicom_port, ledger).send(instances)
    ledger.check(gateway, archive)


def sent_until_dead(gateway: RunningGateway, part: str, traffic: Traffic, instances: list[Instance]) -> None:
    """Send a few at a time until the part was killed and has been started again."""

    def revive() -> None:
        until(lambda: not gateway.parts[part].alive, limit=60, what=f"{part} to come to its fail point")
        assert gateway.parts[part].process.returncode == -signal.SIGKILL
        gateway.launch(part)

    with Beside(revive) as revived:
        while revived.running and instances:
            traffic.send([instances.pop() for _ in range(BATCH)])
        revived.join(60)


def chance(case: str, seed: int) -> random.Random:
    """The same for the same case and seed; both are shown when the test fails."""
    print(f"case {case}, seed {seed}")  # noqa: T201
    return random.Random(zlib.crc32(case.encode()) + seed)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", CASES)
def test_killed_at(
    gateway: RunningGateway, archive: StationReceiver, aftermath: Aftermath, point: Point, seed: int
) -> None:
    """One part is killed at its point, in a pass that the seed says, and started again; senders send again."""
    pass_ = chance(point.name, seed).randint(1, point.most)
    ledger = Ledger()
    traffic = Traffic(gateway.dicom_port, ledger)
    instances = small_instances(BATCH * MOST_BATCHES, seed=zlib.crc32(point.name.encode()) % 90_000 + seed)
    gateway.kill(point.part)
    gateway.launch(point.part, environment={"GATEWAY_FAIL_POINT": f"kill {point.name} {pass_}"})
    sent_until_dead(gateway, point.part, traffic, instances)
    traffic.send([instances.pop() for _ in range(BATCH)] if instances else [])
    ledger.check(gateway, archive)
    aftermath.check()


@pytest.mark.timeout(300)
@pytest.mark.all_faults
def test_killed_within_a_data_set(
    gateway: RunningGateway, archive: StationReceiver, aftermath: Aftermath, seed: int
) -> None:
    """B1-1: ingest has some of the fragments when it dies; the sender gets no answer and sends again."""
    (instance,) = small_instances(1, seed=70_000 + seed)
    whole = data_pdu(1, 3, store_command(instance.sop_class_uid, instance.sop_instance_uid, 1))
    share = chance("B1-1", seed).randrange(1, len(instance.data_set))
    contexts = [(instance.sop_class_uid, instance.transfer_syntax_uid)]
    with suppress(ConnectionError), RawSender(gateway.dicom_port, contexts=contexts) as sender:
        sender.socket.sendall(whole + data_pdu(1, 0, instance.data_set[:share]))
        until(lambda: list(gateway.home.rglob("*.part")), what="the object to be begun")
        gateway.kill("ingest-1")
        raise AssertionError(f"answered {sender.read_status():04X} without having all of it")
    gateway.launch("ingest-1")
    send(gateway, archive, Ledger(), [instance])
    aftermath.check()


@pytest.mark.timeout(300)
@pytest.mark.all_faults
@pytest.mark.parametrize("point", ["database.committing", "database.committed"], ids=["N1", "N2"])
@pytest.mark.parametrize("part", ["storage", "index", "forwarder", "commitment"])
def test_killed_at_any_commit(
    gateway: RunningGateway, archive: StationReceiver, aftermath: Aftermath, part: str, point: str, seed: int
) -> None:
    """N1, N2: before or after any commit of any service, whatever it is for: leases, claims, records, effects."""
    ledger = Ledger()
    traffic = Traffic(gateway.dicom_port, ledger)
    number = zlib.crc32(f"{part} {point}".encode()) % 90_000
    instances = small_instances(BATCH * MOST_BATCHES, seed=100_000 + number + seed)
    gateway.kill(part)
    pass_ = chance(f"{part} {point}", seed).randint(1, 15)
    gateway.launch(part, environment={"GATEWAY_FAIL_POINT": f"kill {point} {pass_}"})
    sent_until_dead(gateway, part, traffic, instances)
    ledger.check(gateway, archive)
    aftermath.check()


@pytest.mark.timeout(300)
@pytest.mark.all_faults
@pytest.mark.parametrize(
    ("part", "point"),
    [("ingest-1", "objects.durable"), ("storage", "storage.recorded"), ("forwarder", "association.asked")],
    ids=["N3", "N4", "N5"],
)
def test_frozen_at(
    gateway: RunningGateway, archive: StationReceiver, aftermath: Aftermath, part: str, point: str, seed: int
) -> None:
    """A worker that stands still where it holds most (an object nobody knows of, rows locked, an answer not read) is
    outlived, and harms nothing when it goes on: its lease is over by then."""
    ledger = Ledger()
    traffic = Traffic(gateway.dicom_port, ledger)
    number = zlib.crc32(f"freeze {point}".encode()) % 90_000
    instances = small_instances(BATCH * MOST_BATCHES, seed=200_000 + number + seed)
    gateway.kill(part)
    frozen = gateway.launch(part, environment={"GATEWAY_FAIL_POINT": f"freeze {point} 2"})
    pause = threading.Event()

    def thaw() -> None:
        until(lambda: stopped(frozen.process.pid), limit=60, what=f"{part} to stand still")
        pause.wait(chance(point, seed).uniform(7, 9))  # longer than its lease
        frozen.process.send_signal(signal.SIGCONT)

    with Beside(thaw) as thawed:
        while thawed.running and instances:
            traffic.send([instances.pop() for _ in range(BATCH)])
        thawed.join(60)
    ledger.check(gateway, archive)
    aftermath.check()


def stopped(pid: int) -> bool:
    """Whether a process stands still."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return stat.read().rpartition(") ")[2].startswith("T")


@pytest.mark.timeout(300)
@pytest.mark.all_faults
def test_a_worker_that_holds_locks_is_outlived(
    gateway: RunningGateway, archive: StationReceiver, aftermath: Aftermath
) -> None:
    """B3-39: storage stands still with rows it has written and not committed; PostgreSQL ends its transaction after a
    minute, and another storage records the same."""
    ledger = Ledger()
    gateway.kill("storage")
    frozen = gateway.launch("storage", environment={"GATEWAY_FAIL_POINT": "freeze storage.recorded 1"})
    Traffic(gateway.dicom_port, ledger).send(small_instances(8, seed=300_000))
    until(lambda: stopped(frozen.process.pid), limit=60, what="storage to stand still")
    gateway.launch("storage-2")
    try:
        ledger.check(gateway, archive, limit=120)
    finally:
        frozen.process.send_signal(signal.SIGCONT)
    gateway.stop("storage-2")
    del gateway.parts["storage-2"]
    send(gateway, archive, Ledger(), small_instances(8, seed=300_001))
    aftermath.check()


@pytest.mark.timeout(300)
@pytest.mark.all_faults
@pytest.mark.parametrize("point", ["database.committing", "database.committed"], ids=["before", "after"])
def test_killed_within_a_change_of_the_configuration(gateway: RunningGateway, point: str) -> None:
    """B1-17: whenever the command dies, the station is as before without an entry in the audit, or new with one."""
    audited = "select count(*) as n from audit.entry_view"
    seen = set()
    for pass_ in range(1, 20):
        text, entries = f"{point} {pass_}", gateway.rows(audited)[0]["n"]
        environment = gateway.environment() | {"GATEWAY_FAIL_POINT": f"kill {point} {pass_}"}
        ended = forked.run(["station", "set", "ARCHIVE1", "--description", text], environment, 60)
        new = gateway.json("station", "show", "ARCHIVE1")["description"] == text
        assert gateway.rows(audited)[0]["n"] - entries == int(new)
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL
        seen.add(new)
    assert new
    assert (point == "database.committed") in seen


@pytest.mark.timeout(300)
@pytest.mark.all_faults
@pytest.mark.parametrize(
    ("part", "point"), [("commitment", "association.asked"), ("ingest-1", "objects.durable")], ids=["B1-15", "B1-16"]
)
def test_killed_within_a_commitment(
    gateway: RunningGateway, keeper: Committer, aftermath: Aftermath, part: str, point: str, seed: int
) -> None:
    """Once the request has left and its answer is not read, or a report is kept and not answered: it ends SUCCESS."""
    armed = {"GATEWAY_FAIL_POINT": f"kill {point} 1"}
    instances = small_instances(4, seed=400_000 + zlib.crc32(point.encode()) % 90_000 + seed, one_study=True)
    before = len(keeper.asked)
    if part == "commitment":
        gateway.kill(part)
        gateway.launch(part, environment=armed)
    Traffic(gateway.dicom_port, Ledger(), calling_aet="SCANNER2").send(instances)
    asked = keeper.request(before)
    if part == "ingest-1":
        gateway.kill(part)
        gateway.launch(part, environment=armed)

    def revive() -> None:
        until(lambda: not gateway.parts[part].alive, limit=60, what=f"{part} to come to its fail point")
        gateway.launch(part)

    with Beside(revive):
        assert keeper.report(everything(asked), to=asked, limit=60).status == 0
    assert sorted(asked.instances) == sorted(each.sop_instance_uid for each in instances)
    transaction = [asked.transaction_uid]
    until(
        lambda: [row["state"] for row in gateway.rows(COMMITMENTS, transaction)] == ["SUCCESS"],
        limit=60,
        what="the commitment to be SUCCESS",
    )
    aftermath.check()
