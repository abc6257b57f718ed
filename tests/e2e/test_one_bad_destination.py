"""P6: one bad destination harms nobody else, and jobs and where tell it truly."""

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.factories import Instance, small_instances
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.running_gateway import FreshServers, RunningGateway, running_gateway
from tests.stations import Accept, Answer, Refuse, Slow, StationReceiver
from tests.waiting import until

TITLES = ("HEALTHY", "REFUSING", "FULL", "SLOW")
RULES = """
version: 1
rules:
  - name: to-all-four
    when: {all: []}
    send: [{to: REFUSING}, {to: FULL}, {to: SLOW}, {to: HEALTHY}]
"""
TROUBLE_SECONDS = 30.0


@pytest.fixture
def stations() -> Iterator[dict[str, StationReceiver]]:
    """Four receivers."""
    with ExitStack() as stack:
        yield {title: stack.enter_context(StationReceiver(title=title)) for title in TITLES}


def send_steadily(
    gateway: RunningGateway, ledger: Ledger, instances: list[Instance], healthy: StationReceiver
) -> dict[str, float]:
    """Send in small groups, each when the healthy one has the group before it, so that what is measured is a delay and
    no backlog; when each instance had been acknowledged (monotonic seconds)."""
    acknowledged: dict[str, float] = {}
    for start in range(0, len(instances), 5):
        group = instances[start : start + 5]
        Traffic(gateway.dicom_port, ledger).send(group, associations=1)
        sent = {instance.sop_instance_uid for instance in group}
        acknowledged |= dict.fromkeys(sent, time.monotonic())
        until(lambda sent=sent: sent <= set(healthy.uids), limit=30, what="the healthy one to have the group")  # type: ignore[misc]
    return acknowledged


@pytest.mark.timeout(300)
def test_the_healthy_one_does_not_wait(
    tmp_path: Path, stations: dict[str, StationReceiver], fresh_servers: FreshServers
) -> None:
    """One refuses connections, one answers A700 for 30 s, one is slow; the healthy one gets all at once."""
    ledger = Ledger()
    with fresh_servers() as shared, running_gateway(tmp_path, shared=shared) as gateway:
        gateway.add_station("SCANNER1")
        for title, station in stations.items():
            gateway.add_station(title, station.port, "--store")
        gateway.apply_rules(RULES)
        stations["REFUSING"].behave(Refuse())
        stations["FULL"].behave(Answer(0xA700, seconds=TROUBLE_SECONDS))
        stations["SLOW"].behave(Slow(0.3))
        instances = small_instances(100, seed=5)
        healthy = stations["HEALTHY"]
        acknowledged = send_steadily(gateway, ledger, instances, healthy)
        delays = [healthy.received_at(uid) - at for uid, at in acknowledged.items()]
        assert statistics.median(delays) < 1.0
        assert_told_truly(gateway, instances[0])
        stations["REFUSING"].behave(Accept())
        for title in TITLES:
            until(
                lambda title=title: set(stations[title].uids) >= set(acknowledged),  # type: ignore[misc]
                limit=150,
                what=f"{title} to have all",
            )
        until(lambda: unfinished(gateway) == 0, limit=60, what="all jobs to complete")
        states = {job["state"] for job in gateway.json("jobs", "list", "--limit", "500")}
        assert states == {"COMPLETED"}


def assert_told_truly(gateway: RunningGateway, instance: Instance) -> None:
    """``where`` and ``jobs`` while the trouble lasts: who has it, who not, and why."""
    where = gateway.json("where", instance.sop_instance_uid)
    assert where["study"] == instance.study_instance_uid
    (known,) = where["instances"]
    assert (known["uid"], known["source"]) == (instance.sop_instance_uid, "SCANNER1")
    assert [match["rule"] if isinstance(match, dict) else match for match in known["matched"]] == ["to-all-four"]
    told = {delivery["destination"]: delivery for delivery in where["deliveries"]}
    assert set(told) == set(TITLES)
    assert told["HEALTHY"]["state"] == "DELIVERED"
    assert told["HEALTHY"]["attempts"][-1]["status"] == "0000"
    assert told["REFUSING"]["state"] in {"PENDING", "SENDING"}
    assert any("refused" in attempt["reason"].lower() for attempt in told["REFUSING"]["attempts"])
    assert any(attempt["status"] == "A700" for attempt in told["FULL"]["attempts"])
    jobs = {job["destination"]: job for job in gateway.json("jobs", "list") if job["id"] == told["HEALTHY"]["job"]}
    assert jobs["HEALTHY"]["failed"] == 0


def unfinished(gateway: RunningGateway) -> int:
    """Jobs that have not ended."""
    return sum(job["finished_at"] is None for job in gateway.json("jobs", "list", "--limit", "500"))
