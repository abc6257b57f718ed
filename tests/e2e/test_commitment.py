"""Storage commitment end to end: modality, gateway, archive, whatever is killed, however peers report."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.factories import Instance, ct
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.running_gateway import FreshServers, RunningGateway, running_gateway
from tests.stations.asker import Asking, Hearing
from tests.stations.committer import Committer, everything, part
from tests.waiting import until

pytestmark = pytest.mark.timeout(240)
RULES = """
version: 1
rules:
  - name: everything
    when: {all: []}
    send: [{to: ARCHIVE1, commit: true}]
"""
LIMIT_SECONDS = 3


@pytest.fixture(scope="module")
def modality() -> Iterator[Hearing]:
    """Where the modality hears reports."""
    with Hearing() as hearing:
        yield hearing


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, modality: Hearing, fresh_servers: FreshServers
) -> Iterator[RunningGateway]:
    """A gateway that commits to the modality only what ARCHIVE1 committed; two archives are added by ``archives``."""
    quick = {
        "GATEWAY_COMMITMENT_QUIET_SECONDS": "1",
        "GATEWAY_COMMITMENT_SWEEP_SECONDS": "1",
        "GATEWAY_COMMITMENT_LEASE_SECONDS": "15",
    }
    with (
        fresh_servers() as shared,
        running_gateway(tmp_path_factory.mktemp("commitment"), settings=quick, shared=shared) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def archives(gateway: RunningGateway, modality: Hearing) -> Iterator[tuple[Committer, Committer]]:
    """ARCHIVE1, whose reports may come from REPORTS1 too, and ARCHIVE2, which has a few seconds to report."""
    with Committer(gateway.dicom_port) as first, Committer(gateway.dicom_port, "ARCHIVE2") as second:
        flags = ("--store", "--commit-server")
        for title in ("REPORTS1", "STRANGER"):
            gateway.add_station(title)
        gateway.add_station("ARCHIVE1", first.port, *flags, "--report-title", "REPORTS1")
        gateway.add_station("ARCHIVE2", second.port, *flags, "--commit-limit-seconds", str(LIMIT_SECONDS))
        gateway.add_station("SCANNER1", modality.port, "--commit-downstream", "ARCHIVE1")
        gateway.apply_rules(RULES)
        yield first, second


def received(gateway: RunningGateway, seed: int, count: int) -> list[Instance]:
    """A study of so many instances, sent by the modality."""
    study = [ct(seed * 1000 + number, study=seed, InstanceNumber=number) for number in range(1, count + 1)]
    Traffic(gateway.dicom_port, Ledger()).send(study)
    return study


def commitment_of(gateway: RunningGateway, study: list[Instance], server: str, *states: str) -> dict[str, Any]:
    """The study's commitment on a server, shown when it is in one of the states."""
    statement = (
        "select id::text as id from commitment.commitment where study_instance_uid = %s and server = %s "
        "and state = any(%s) order by created_at desc"
    )
    values = study[0].study_instance_uid, server, list(states)
    row = until(lambda: gateway.rows(statement, *values), limit=30, what=f"{server} to be {states}")[0]
    shown: dict[str, Any] = gateway.json("commitments", "show", row["id"])
    return shown


def archived(gateway: RunningGateway, study: list[Instance]) -> dict[str, bool]:
    """The Archived flag of every instance, as ``where`` has it."""
    where = gateway.json("where", study[0].study_instance_uid)
    return {each["uid"]: each["archived"] for each in where["instances"]}


def test_reports_in_parts_twice_and_from_other_titles_are_told_truly(
    gateway: RunningGateway, archives: tuple[Committer, Committer]
) -> None:
    archive, _ = archives
    number = len(archive.asked)
    study = received(gateway, 42, 3)
    asked = archive.request(number)
    for says, calling in ((part(0, 1), ""), (part(0, 1), ""), (part(1, 3), "STRANGER"), (part(1, 3), "REPORTS1")):
        assert archive.report(says(asked), to=asked, calling=calling).status == 0
    shown = commitment_of(gateway, study, "ARCHIVE1", "SUCCESS")
    until(lambda: len(gateway.json("commitments", "show", shown["id"])["reports"]) == 4, limit=20, what="four reports")
    reports = gateway.json("commitments", "show", shown["id"])["reports"]
    assert [(each["from"], each["verdict"]) for each in reports] == [
        ("ARCHIVE1", "APPLIED"),
        ("ARCHIVE1", "DUPLICATE"),
        ("STRANGER", "FOREIGN"),
        ("REPORTS1", "APPLIED"),
    ]
    where = gateway.json("where", study[0].study_instance_uid)
    assert {each["commitment"]["state"] for each in where["deliveries"]} == {"SUCCESS"}
    assert all(each["archived"] for each in where["instances"])


def test_a_report_after_the_limit_is_late_and_flags_nothing(
    gateway: RunningGateway, archives: tuple[Committer, Committer]
) -> None:
    """The study was sent on to ARCHIVE2, which has three seconds, by a person."""
    _, archive = archives
    study = received(gateway, 43, 1)
    recorded = "select 1 from storage.identity where sop_instance_uid = %s"
    until(lambda: gateway.rows(recorded, study[0].sop_instance_uid), limit=20, what="the instance's row")
    gateway.cli("send", study[0].sop_instance_uid, "--to", "ARCHIVE2")
    asked = archive.request()
    shown = commitment_of(gateway, study, "ARCHIVE2", "FAILURE")
    (row,) = gateway.rows(
        "select extract(epoch from finished_at - accepted_at)::float as s from commitment.commitment where id = %s",
        shown["id"],
    )
    assert LIMIT_SECONDS <= row["s"] < LIMIT_SECONDS + 5
    assert archive.report(everything(asked), to=asked).status == 0
    verdict = "select verdict from commitment.report where transaction_uid = %s"
    assert until(lambda: gateway.rows(verdict, asked.transaction_uid), limit=20, what="the report's row") == [
        {"verdict": "LATE"}
    ]
    shown = commitment_of(gateway, study, "ARCHIVE2", "FAILURE")
    assert [each["verdict"] for each in shown["reports"]] == ["LATE"]
    (instance,) = gateway.json("where", study[0].sop_instance_uid)["instances"]
    assert "ARCHIVE2" not in [each["station"] for each in instance["archived_by"]]


def test_the_modality_gets_its_report_after_the_archives_whatever_is_killed(
    gateway: RunningGateway, archives: tuple[Committer, Committer], modality: Hearing
) -> None:
    """Every process is killed while the archive is waited for, and again as soon as its report was answered 0000.

    It comes last: what the killed ones held of the archives' associations is free only when its lease has ended.
    """
    archive, _ = archives
    number, transaction_uid = len(archive.asked), "2.25.4100"
    study = received(gateway, 41, 2)
    wanted = [(each.sop_class_uid, each.sop_instance_uid) for each in study]
    asked = archive.request(number)
    with Asking(gateway.dicom_port) as asking:
        assert asking.ask(transaction_uid, wanted).status == 0
    restart(gateway)
    looked_at_again(gateway, transaction_uid)
    assert modality.of(transaction_uid) == []
    before = time.monotonic()
    assert archive.report(everything(asked), to=asked, limit=30).status == 0
    restart(gateway)
    report = modality.report(transaction_uid, limit=60)
    assert report.at > before
    assert (report.event_type, set(report.committed), report.failed, report.role) == (1, set(wanted), (), (0, 1))
    assert all(archived(gateway, study).values())
    inbound = "select 1 from commitment.inbound where transaction_uid = %s and state = 'REPORTED'"
    until(lambda: gateway.rows(inbound, transaction_uid), limit=20, what="the report to be recorded as sent")


def looked_at_again(gateway: RunningGateway, transaction_uid: str) -> None:
    """Wait until the request was looked at once more, and waits on."""
    looks = "select state, next_attempt_at from commitment.inbound where transaction_uid = %s"
    (first,) = until(lambda: gateway.rows(looks, transaction_uid), limit=20, what="the request's row")
    until(
        lambda: gateway.rows(looks, transaction_uid)[0]["next_attempt_at"] > first["next_attempt_at"],
        limit=30,
        what="another look at the request",
    )
    assert gateway.rows(looks, transaction_uid)[0]["state"] == "CHECKING"


def restart(gateway: RunningGateway) -> None:
    """kill -9 every process, start them again."""
    for name in gateway.part_names:
        gateway.kill(name)
    gateway.start_parts()
