"""Disaster drill: a backup under traffic, everything wiped, a restore elsewhere, and the gateway goes on."""

import hashlib
import re
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.dicom.part10 import read_object
from tests.factories import ct, mr
from tests.faults.ledger import Ledger
from tests.faults.traffic import Beside, Traffic
from tests.running_gateway import FreshServers, RunningGateway, running_gateway
from tests.stations import StationReceiver
from tests.waiting import until

pytestmark = pytest.mark.timeout(240)
RULES = """
version: 1
rules:
  - name: magnetic-resonance
    when: {all: [{tag: Modality, op: equals, value: MR}]}
    send: [{to: WORKSTATION1}]
    stop: true
  - name: everything-else
    when: {all: []}
    send: [{to: ARCHIVE1}]
"""
BEFORE, BESIDE = 20, 60
DELIVERED = "select from routing.delivery where sop_instance_uid = %s and state = 'DELIVERED'"
STORED = "select sop_instance_uid as uid, sha256, object_key from storage.identity where state = 'STORED'"
WAITING = """
select d.state, d.attempts, d.next_attempt_at::text, d.waiting_since, d.held_since, j.id as job, j.state as job_state,
       j.created_at, h.until, h.why
from routing.delivery d join routing.job j on j.id = d.job join config.hold h on h.id = d.hold
where d.sop_instance_uid = %s
"""


@dataclass
class Receivers:
    """The destinations, which outlive the gateway."""

    archive: StationReceiver
    workstation: StationReceiver


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    """Both listen."""
    with StationReceiver("ARCHIVE1") as archive, StationReceiver("WORKSTATION1") as workstation:
        yield Receivers(archive, workstation)


def hashes(gateway: RunningGateway) -> dict[str, str]:
    """SHA-256 of each stored data set, as its bytes lie in the object store."""
    found = {}
    for row in gateway.rows(STORED):
        with (gateway.home / "objects" / row["object_key"]).open("rb") as source:
            source.seek(read_object(source, row["object_key"]).offset)
            found[row["uid"]] = hashlib.sha256(source.read()).hexdigest()
        assert found[row["uid"]] == row["sha256"]
    return found


def told(gateway: RunningGateway, uid: str) -> dict[str, Any]:
    """What a person sees of the configuration and of an instance."""
    asked = (("station", "list"), ("rules", "show"), ("holds", "list"), ("where", uid))
    return {words[0]: gateway.json(*words) for words in asked}


def test_a_gateway_that_burned_down_goes_on_elsewhere(
    tmp_path: Path, fresh_servers: FreshServers, receivers: Receivers
) -> None:
    """Whatever was answered 0000 before the backup began is back with its hash and goes where it was to go; so are
    stations, rules, holds, jobs and their clocks. A second backup copies only what is new."""
    ledger, done, waiting = Ledger(), ct(1, study=1), mr(2, study=2)
    place = str(tmp_path / "backups")
    observed = {"GATEWAY_ADMIN_OBSERVE_SECONDS": "1"}
    with fresh_servers() as shared, running_gateway(tmp_path / "burned", settings=observed, shared=shared) as gateway:
        gateway.add_station("SCANNER1")
        gateway.add_station("ARCHIVE1", receivers.archive.port, "--store")
        gateway.add_station("WORKSTATION1", receivers.workstation.port, "--store")
        gateway.cli("station", "hold", "WORKSTATION1", "--why", "upgrade", "--until", "2h")
        gateway.apply_rules(RULES)
        traffic = Traffic(gateway.dicom_port, ledger)
        traffic.send([done, waiting])
        until(lambda: delivered(gateway, done.sop_instance_uid), limit=30, what="its delivery")
        held = until(lambda: gateway.rows(WAITING, waiting.sop_instance_uid), limit=30, what="the held delivery")
        seen = told(gateway, done.sop_instance_uid)
        with Beside(lambda: traffic.send([ct(number, study=3) for number in range(100, 100 + BESIDE)])) as sending:
            until(lambda: len(ledger.acknowledged) > BEFORE, limit=30, what="traffic")
            acknowledged = set(ledger.acknowledged)
            first = gateway.json("backup", place)
            assert sending.running or len(ledger.acknowledged) > len(acknowledged), "nothing came beside the backup"
            sending.join(60)
        second = gateway.json("backup", place)
        until(lambda: backup_age(gateway) > 0, limit=10, what="the age of the last backup among the metrics")
        assert (first["incomplete"], second["incomplete"]) == (0, 0)
        assert len(acknowledged) <= first["objects"] == first["copied"]
        assert second["objects"] == len(ledger.acknowledged) == second["copied"] + first["objects"]
    shutil.rmtree(tmp_path / "burned")

    with fresh_servers() as shared, ExitStack() as ended:
        gateway = RunningGateway(tmp_path / "elsewhere", shared=shared)
        ended.callback(gateway.end)
        gateway.start_servers()
        back = gateway.json("restore", place, "--backup", first["backup"])
        assert (back["objects"], back["incomplete"]) == (first["objects"], 0)
        assert gateway.rows(WAITING, waiting.sop_instance_uid) == held
        gateway.start_parts()
        expected = {uid: ledger.attempted[uid] for uid in acknowledged}
        until(lambda: len(gateway.rows(STORED)) == first["objects"], limit=30, what="the sweep of what had no row")
        found = hashes(gateway)
        assert {uid: found.get(uid) for uid in expected} == expected
        assert told(gateway, done.sop_instance_uid) == seen
        gateway.cli("station", "resume", "WORKSTATION1")
        until(lambda: waiting.sop_instance_uid in receivers.workstation.uids, limit=30, what="what was held")
        ledger.acknowledged = acknowledged
        until(lambda: ledger.settled(gateway), limit=60, what="everything to be indexed and delivered")
        Traffic(gateway.dicom_port, ledger).send([ct(900, study=9)])
        until(lambda: ledger.settled(gateway), limit=30, what="the next instance to be delivered")
    assert receivers.archive.uids.count(done.sop_instance_uid) == 1, "what was delivered is not sent again"


def delivered(gateway: RunningGateway, uid: str) -> bool:
    """Whether an instance is delivered."""
    return bool(gateway.rows(DELIVERED, uid))


def backup_age(gateway: RunningGateway) -> float:
    """Of the last backup, as the metrics tell it."""
    url = f"{gateway.http_address('admin')}/metrics"
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own loopback address
        found = re.search(rb"^gateway_admin_backup_age_seconds (\S+)$", answer.read(), re.MULTILINE)
    assert found is not None
    return float(found[1])
