"""What networks do between healthy machines, and what a process that slept finds when it wakes (cases N41 to N46)."""

import random
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.factories import Instance, ct, small_instances
from tests.faults.ledger import INDEXED, RECORDED, Ledger
from tests.faults.line import Carry, Hold, Line, Sever, SeverAfter
from tests.faults.site import by_line
from tests.faults.traffic import Traffic
from tests.recorded import add_station
from tests.running_gateway import FreshServers, RunningGateway, Servers
from tests.stations import Accept, Slow, StationReceiver
from tests.stations.committer import Asked, Committer, Script, everything
from tests.waiting import until

FORWARDERS = ("forwarder", "forwarder-2")
LEASE_SECONDS = 10
PAGE_BYTES = 8_000
"""Of a small instance, about."""
RULES = """
version: 1
rules:
  - {name: first, when: {all: [{fact: calling_aet, op: equals, value: SCANNER1}]}, send: [{to: ARCHIVE1}]}
  - {name: second, when: {all: [{fact: calling_aet, op: equals, value: SCANNER2}]}, send: [{to: ARCHIVE2}]}
  - {name: third, when: {all: [{fact: calling_aet, op: equals, value: SCANNER3}]}, send: [{to: ARCHIVE3, commit: true}]}
"""
SETTINGS = {
    "GATEWAY_FORWARDER_LEASE_SECONDS": str(LEASE_SECONDS),
    "GATEWAY_COMMITMENT_QUIET_SECONDS": "1",
    "GATEWAY_COMMITMENT_SWEEP_SECONDS": "1",
    "GATEWAY_STORAGE_SWEEP_SECONDS": "1",
}


@dataclass
class Network:
    """A gateway, two destinations and a commit server, with lines to all of them but the second destination."""

    gateway: RunningGateway
    first: StationReceiver
    second: StationReceiver
    committer: Committer
    lines: dict[str, Line]

    def send(self, instances: Sequence[Instance], ledger: Ledger, calling_aet: str = "SCANNER1") -> list[int]:
        """Send all; the statuses that came."""
        traffic = Traffic(self.gateway.dicom_port, ledger, calling_aet=calling_aet)
        traffic.send(instances)
        return traffic.statuses

    def signal(self, part: str, number: signal.Signals) -> None:
        """To a process of the gateway."""
        self.gateway.parts[part].process.send_signal(number)

    def descriptors(self) -> dict[str, int]:
        """How many each process holds."""
        return {
            name: len(list(Path(f"/proc/{part.process.pid}/fd").iterdir())) for name, part in self.gateway.parts.items()
        }


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory, fresh_servers: FreshServers) -> Iterator[Network]:
    """All of it, started."""
    with ExitStack() as stack:
        servers = stack.enter_context(fresh_servers())
        first, second = (stack.enter_context(StationReceiver(title)) for title in ("ARCHIVE1", "ARCHIVE2"))
        gateway = RunningGateway(tmp_path_factory.mktemp("network"), settings=SETTINGS, shared=servers)
        stack.callback(gateway.end)
        committer = stack.enter_context(Committer(gateway.dicom_port, "ARCHIVE3"))
        ports = {"database": _port(servers.database_url), "broker": _port(servers.amqp_url)}
        ports |= {"ARCHIVE1": first.port, "ARCHIVE3": committer.port}
        lines = {name: stack.enter_context(Line(lambda port=port: port)) for name, port in ports.items()}  # type: ignore[misc]
        made = Network(gateway, first, second, committer, lines)
        _start(made, servers)
        yield made


def _port(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


def _start(made: Network, servers: Servers) -> None:
    gateway = made.gateway
    gateway.start_servers()
    gateway.settings = SETTINGS | {
        "GATEWAY_DATABASE_URL": by_line(made.lines["database"], servers.database_url),
        "GATEWAY_AMQP_URL": by_line(made.lines["broker"], servers.amqp_url),
    }
    gateway.start_parts([*gateway.part_names, FORWARDERS[1]])
    for scanner in ("SCANNER1", "SCANNER2", "SCANNER3"):
        add_station(gateway.database_url, scanner, 104)
    for title, port, commits in (
        ("ARCHIVE1", made.lines["ARCHIVE1"].port, False),
        ("ARCHIVE2", made.second.port, False),
        ("ARCHIVE3", made.lines["ARCHIVE3"].port, True),
    ):
        add_station(gateway.database_url, title, port, retry_most_seconds=2, commit_server=commits)
    gateway.apply_rules(RULES)


@pytest.mark.timeout(300)
def test_n41_the_way_to_the_database_is_a_black_hole(network: Network, outage_seconds: float) -> None:
    """No reset, no answer: senders get 0000 throughout, and all is delivered once the way is there again."""
    ledger = Ledger()
    instances = small_instances(40, seed=4101)
    line = network.lines["database"]
    line.behave(Hold())
    try:
        statuses = network.send(instances[:20], ledger)
        threading.Event().wait(outage_seconds)
        statuses += network.send(instances[20:], ledger)
    finally:
        line.behave(Sever())  # as after a firewall has forgotten its connections
        line.behave(Carry())
    assert set(statuses) == {0}
    ledger.check(network.gateway, network.first, limit=90)


@pytest.mark.timeout(300)
def test_n42_the_way_to_the_broker_comes_and_goes(network: Network) -> None:
    """Cut again and again while instances flow: only delay, and no process keeps what it opened."""
    ledger = Ledger()
    instances = small_instances(120, seed=4201)
    network.send(instances[:20], ledger)
    ledger.check(network.gateway, network.first)
    before = network.descriptors()
    line, chance = network.lines["broker"], random.Random(42)
    for start in range(20, len(instances), 10):
        line.behave(Sever())
        threading.Event().wait(chance.uniform(0.05, 0.4))
        line.behave(Carry())
        threading.Event().wait(chance.uniform(0.05, 0.8))
        assert set(network.send(instances[start : start + 10], ledger)) == {0}
    ledger.check(network.gateway, network.first, limit=90)
    until(lambda: _no_more(network.descriptors(), before), limit=40, what=f"descriptors to be as before: {before}")


def _no_more(now: dict[str, int], before: dict[str, int]) -> bool:
    return all(now[name] <= before[name] + 2 for name in before)


@pytest.mark.timeout(300)
def test_n43_a_forwarder_sleeps_longer_than_its_lease(network: Network) -> None:
    """What it had under way the other one delivers; when it wakes it sends none of that again."""
    ledger, (sleeper, other) = Ledger(), FORWARDERS
    network.gateway.kill(other)
    network.first.behave(Slow(0.2))
    try:
        network.send(small_instances(60, seed=4301), ledger)
        under_way = "select 1 from routing.delivery where state = 'SENDING'"
        until(lambda: network.gateway.rows(under_way), limit=30, what="deliveries to be under way")
        network.signal(sleeper, signal.SIGSTOP)
        try:
            network.gateway.launch(other)
            threading.Event().wait(LEASE_SECONDS + 4)
        finally:
            network.signal(sleeper, signal.SIGCONT)
    finally:
        network.first.behave(Accept())
    ledger.check(network.gateway, network.first, limit=90)
    assert all(part.alive for part in network.gateway.parts.values())


@pytest.mark.timeout(300)
def test_n44_a_line_that_no_large_instance_gets_through(network: Network) -> None:
    """Each connection to one destination ends after so many bytes: the other destination does not feel it, each attempt
    is told, and all arrives once the line is mended."""
    ledger, other = Ledger(), Ledger()
    large = [ct(440_000 + number, pixel_bytes=40 * PAGE_BYTES) for number in range(4)]
    network.lines["ARCHIVE1"].behave(SeverAfter(20 * PAGE_BYTES))
    try:
        network.send(large, ledger)
        until(lambda: len(_attempts(network, large)) >= 4, limit=60, what="attempts to send what is too long")
        network.send(small_instances(30, seed=4402), other, "SCANNER2")
        other.check(network.gateway, network.second, limit=30)
        assert not any(network.first.digests(each.sop_instance_uid) for each in large)
    finally:
        network.lines["ARCHIVE1"].behave(Carry())
    ledger.check(network.gateway, network.first, limit=60)
    assert all(row["reason"] for row in _attempts(network, large) if row["outcome"] != "DELIVERED")


def _attempts(network: Network, instances: Sequence[Instance]) -> list[dict[str, str]]:
    uids = [each.sop_instance_uid for each in instances]
    return network.gateway.rows(
        "select a.outcome, a.reason from routing.attempt a join routing.delivery d on d.id = a.delivery "
        "where d.sop_instance_uid = any(%s) and a.outcome is not null",
        uids,
    )


@pytest.mark.timeout(300)
def test_n45_a_report_overtakes_the_answer_to_its_request(network: Network) -> None:
    """The answer to the N-ACTION never arrives, the report does: the commitment is a success, and not asked again."""
    line = network.lines["ARCHIVE3"]

    def hold_the_answer(_: Asked) -> Script:
        line.behave(Hold())
        return Script(reports=())

    network.committer.script = hold_the_answer
    study = small_instances(3, seed=4501, one_study=True)
    network.send(study, Ledger(), "SCANNER3")
    asked = network.committer.request(limit=30)
    try:
        assert network.committer.report(everything(asked), to=asked, limit=30).status == 0
        state = "select state, closed_at is not null as closed from commitment.commitment where study_instance_uid = %s"
        uid = study[0].study_instance_uid
        until(
            lambda: network.gateway.rows(state, uid) == [{"state": "SUCCESS", "closed": True}],
            limit=30,
            what="the commitment to be a success",
        )
    finally:
        line.behave(Sever())
        line.behave(Carry())
    flagged = "select count(*) as n from commitment.archived where sop_instance_uid = any(%s)"
    assert network.gateway.rows(flagged, [each.sop_instance_uid for each in study])[0]["n"] == 3
    assert network.gateway.rows(state, uid) == [{"state": "SUCCESS", "closed": True}]
    assert len(network.committer.asked) == 1


@pytest.mark.timeout(300)
def test_n46_one_study_comes_twice_at_once_while_nobody_records(network: Network) -> None:
    """Two consoles send the same while storage sleeps: two objects, one identity, one delivery."""
    ledger, again = Ledger(), Ledger()
    study = small_instances(20, seed=4601, one_study=True)
    network.signal("storage", signal.SIGSTOP)
    try:
        other = threading.Thread(target=network.send, args=(study, again), daemon=True)
        other.start()
        assert set(network.send(study, ledger)) == {0}
        other.join(60)
    finally:
        network.signal("storage", signal.SIGCONT)
    assert again.acknowledged == ledger.acknowledged
    ledger.check(network.gateway, network.first, limit=60)
    assert ledger.counts(network.gateway, RECORDED) == ledger.counts(network.gateway, INDEXED)
    receipts = "select count(*) as n from storage.receipt where study_instance_uid = %s"
    uid = study[0].study_instance_uid
    until(lambda: network.gateway.rows(receipts, uid)[0]["n"] == 40, limit=30, what="both receipts of each")
    assert all(count == 1 for count in (network.first.uids.count(each) for each in ledger.acknowledged))
