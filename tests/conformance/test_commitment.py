"""Storage commitment as SCU in profile xeleris, on the wire (R18, R71 to R82, R109 to R112, R133 to R136)."""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest

from tests.conformance.expected import COMMITMENT, NM, SECONDARY_CAPTURE, proposed
from tests.conformance.whole import TITLE, Objects, Sent, WholeGateway, indexed, store
from tests.stations.committer import (
    FAILURE_REASONS,
    NO_SUCH_OBJECT,
    SILENT,
    Asked,
    Committer,
    Report,
    Script,
    Verdict,
    everything,
    failing,
)
from tests.stations.messages import COMMITMENT_INSTANCE
from tests.stations.raw_association import ROLES
from tests.waiting import until

WAITING, SUCCESS, FAILURE = "WAITING FOR COMMITMENT", "SUCCESS", "FAILURE"
STATUSES = {
    0x0119: "Class-instance conflict",
    0x0210: "Duplicate invocation",
    0x0115: "Invalid argument value",
    0x0117: "Invalid SOP Instance",
    0x0212: "Mistyped argument",
    0x0123: "No such action",
    0x0118: "No such SOP Class",
    0x0112: "No such SOP Instance",
    0x0110: "Processing failure",
    0xC123: "",
}
"""By N-ACTION status its name in the statement; the last one has none there (R77)."""
TRANSACTION_UID, REFERENCED_SEQUENCE, SOP_CLASS, SOP_INSTANCE = (
    "(0008,1195)", "(0008,1199)", "(0008,1150)", "(0008,1155)"
)  # fmt: skip
_titles = (f"COMMIT{number}" for number in itertools.count(1))

Archive = Callable[..., Committer]


@pytest.fixture
def archive(xeleris: WholeGateway) -> Iterator[Archive]:
    """Adds a commit server that stores; its requests come one second after the last delivery."""
    with ExitStack() as stack:

        def add(script: Script | Callable[[Asked], Script] = SILENT, *flags: str) -> Committer:
            title = next(_titles)
            committer = stack.enter_context(Committer(xeleris.dicom_port, title, TITLE, script))
            quiet = ("--commit-quiet-seconds", "1")
            xeleris.add_station(title, committer.port, "--store", "--commit-server", *quiet, *flags)
            xeleris.wait_configured()
            return committer

        yield add


def sent_to(gateway: WholeGateway, title: str, *objects: Sent) -> None:
    """Have the objects received, and sent to the station by a person."""
    for each in objects:
        assert store(gateway.dicom_port, each) == 0
    for each in objects:
        indexed(gateway, each)
    gateway.cli("send", *(each.uid for each in objects), "--to", title)


def commitments(gateway: WholeGateway, title: str) -> list[dict[str, Any]]:
    """What was asked of the station, the newest first."""
    found: list[dict[str, Any]] = gateway.json("commitments", "list", "--station", title)
    return found


def ended(gateway: WholeGateway, title: str, state: str) -> dict[str, Any]:
    """The station's one commitment, shown, when it has come to the state."""
    statement = "select id::text as id from commitment.commitment where server = %s and state = %s"
    (row,) = until(lambda: gateway.rows(statement, title, state), limit=20, what=f"{title} to be {state}")
    shown: dict[str, Any] = gateway.json("commitments", "show", row["id"])
    return shown


def archived(gateway: WholeGateway, study: str) -> dict[str, bool]:
    """The Archived flag of each instance of a study."""
    return {each["uid"]: each["archived"] for each in gateway.json("where", study)["instances"]}


def logged(gateway: WholeGateway, event: str, transaction_uid: str) -> list[dict[str, Any]]:
    """Lines of commitment's log about a transaction, waited for."""
    path = gateway.home / "commitment.log"

    def lines() -> list[dict[str, Any]]:
        found = (json.loads(line) for line in path.read_text().splitlines() if transaction_uid in line)
        return [line for line in found if line["event"] == event]

    return until(lines, limit=10, what=f"{event} in the log")


@pytest.mark.requirement("R18", "R72", "R74", "R78", "R79", "R133", "R134")
def test_a_request_for_each_study_on_an_association_of_its_own(
    xeleris: WholeGateway, archive: Archive, objects: Objects
) -> None:
    server = archive(Script())
    nm, capture, other = objects("NM STATIC"), objects("SC"), objects("NM STATIC")
    capture.data_set.StudyInstanceUID = nm.study
    sent_to(xeleris, server.title, nm, capture, other)
    server.request(1)
    by_study = {frozenset(asked.references): asked for asked in server.asked}
    together = frozenset({(NM, nm.uid), (SECONDARY_CAPTURE, capture.uid)})
    assert by_study.keys() == {together, frozenset({(NM, other.uid)})}
    for asked in server.asked:
        assert (asked.sop_class, asked.sop_instance, asked.action_type) == (COMMITMENT, COMMITMENT_INSTANCE, 1)
        assert asked.elements == {TRANSACTION_UID, REFERENCED_SEQUENCE, SOP_CLASS, SOP_INSTANCE}
        assert asked.association.requests == 1
        contexts = [
            (each.id, each.abstract_syntax, each.transfer_syntaxes) for each in asked.association.proposed.contexts
        ]
        assert contexts == proposed("4dr")
        assert ROLES not in asked.association.proposed.kinds
    assert len({asked.transaction_uid for asked in server.asked}) == 2


@pytest.mark.requirement("R71")
def test_only_what_was_sent_with_success_is_asked_for(
    xeleris: WholeGateway, archive: Archive, objects: Objects
) -> None:
    server = archive(Script())
    server.store_status = 0xB000
    warned = objects("NM STATIC")
    sent_to(xeleris, server.title, warned)
    until(lambda: server.stored.get(warned.uid), limit=20, what="the object at the archive")
    server.store_status = 0
    good = objects("NM STATIC")
    sent_to(xeleris, server.title, good)
    assert server.request().instances == (good.uid,)
    assert len(server.asked) == 1


@pytest.mark.requirement("R71")
def test_a_station_that_commits_on_another_is_asked_there(
    xeleris: WholeGateway, archive: Archive, objects: Objects
) -> None:
    server = archive(Script())
    with Committer(xeleris.dicom_port, next(_titles), TITLE) as destination:
        xeleris.add_station(destination.title, destination.port, "--store", "--commit-on", server.title)
        xeleris.wait_configured()
        sent = objects("NM STATIC")
        sent_to(xeleris, destination.title, sent)
        assert server.request().instances == (sent.uid,)
        assert (list(destination.stored), destination.asked) == ([sent.uid], [])


@pytest.mark.requirement("R73", "R76", "R80", "R109", "R110", "R111")
def test_waiting_then_success_and_everything_is_archived(
    xeleris: WholeGateway, archive: Archive, objects: Objects
) -> None:
    server = archive()
    sent = objects("NM STATIC")
    sent_to(xeleris, server.title, sent)
    waiting = ended(xeleris, server.title, WAITING)
    (row,) = xeleris.rows(
        "select deadline - accepted_at as limit from commitment.commitment where id = %s", waiting["id"]
    )
    assert row["limit"] == timedelta(hours=24)
    assert archived(xeleris, sent.study) == {sent.uid: False}
    told = server.report(everything(server.request()), to=server.request())
    assert told.status == 0
    shown = ended(xeleris, server.title, SUCCESS)
    assert (shown["committed"], shown["failed"], shown["pending"]) == (1, 0, 0)
    assert archived(xeleris, sent.study) == {sent.uid: True}
    (study,) = [each for each in xeleris.json("studies", "list") if sent.study in each.values()]
    assert study["archived"]


@pytest.mark.requirement("R76", "R77", "R112")
def test_every_other_status_is_failure_by_its_name(xeleris: WholeGateway, archive: Archive, objects: Objects) -> None:
    """One station, a study for each status; after the failure the association ends and nothing is asked again."""
    statuses = iter(STATUSES)
    given: dict[str, int] = {}

    def script(asked: Asked) -> Script:
        given[asked.transaction_uid] = status = next(statuses)
        return Script(status=status, reports=())

    server = archive(script)
    sent_to(xeleris, server.title, *(objects("NM STATIC") for _ in STATUSES))
    until(lambda: len(commitments(xeleris, server.title)) == len(STATUSES), limit=30, what="a commitment a study")
    until(
        lambda: {each["state"] for each in commitments(xeleris, server.title)} == {FAILURE},
        limit=30,
        what="all to fail",
    )
    for transaction_uid, status in given.items():
        (line,) = logged(xeleris, "commitment_failed", transaction_uid)
        assert (line["level"], f"{status:04X} {STATUSES[status]}".strip() in line["reason"]) == ("error", True), line
    assert len(server.asked) == len(STATUSES)
    until(lambda: all(asked.association.released for asked in server.asked), what="every association to be released")


@pytest.mark.requirement("R82", "R109", "R110", "R112", "R135", "R136")
def test_mixed_reports_archive_instance_by_instance_and_reasons_are_logged(
    xeleris: WholeGateway, archive: Archive, objects: Objects
) -> None:
    """Each of the six reasons; the study of one that failed is archived where another instance of it is (R111)."""
    reasons = iter(FAILURE_REASONS)
    expected: dict[str, tuple[str, int]] = {}

    def script(asked: Asked) -> Script:
        bad, reason = min(asked.instances), next(reasons)
        expected[asked.transaction_uid] = bad, reason
        return Script(reports=(Report(failing(reason, bad)),))

    server = archive(script)
    sent = []
    for _ in FAILURE_REASONS:
        first, second = objects("NM STATIC"), objects("NM STATIC")
        second.data_set.StudyInstanceUID = first.study
        sent += [first, second]
    sent_to(xeleris, server.title, *sent)
    until(lambda: len(server.told) == len(FAILURE_REASONS), limit=40, what="six reports")
    until(
        lambda: {each["state"] for each in commitments(xeleris, server.title)} == {FAILURE}, limit=20, what="failures"
    )
    failed = {bad for bad, _ in expected.values()}
    for study in {each.study for each in sent}:
        assert archived(xeleris, study) == {each.uid: each.uid not in failed for each in sent if each.study == study}
    for transaction_uid, (bad, reason) in expected.items():
        (line,) = logged(xeleris, "instances_not_committed", transaction_uid)
        assert (line["level"], line["reason"], bad in str(line)) == ("error", FAILURE_REASONS[reason], True)
    assert len(server.asked) == len(FAILURE_REASONS)


@pytest.mark.requirement("R109", "R135")
def test_a_transaction_that_we_never_asked_for_archives_nothing(
    xeleris: WholeGateway, archive: Archive, objects: Objects
) -> None:
    server = archive()
    sent = objects("NM STATIC")
    sent_to(xeleris, server.title, sent)
    asked = server.request()
    told = server.report(Verdict(asked.references, transaction_uid="2.25.7"))
    assert told.status == 0
    report = "select verdict from commitment.report where transaction_uid = '2.25.7'"
    assert until(lambda: xeleris.rows(report), what="the report's row") == [{"verdict": "UNKNOWN"}]
    assert archived(xeleris, sent.study) == {sent.uid: False}


@pytest.mark.requirement("R81")
def test_a_report_on_our_own_association_is_answered_0110(
    xeleris: WholeGateway, archive: Archive, objects: Objects
) -> None:
    server = archive(Script(reports=(Report(way="before the answer"), Report(failing(NO_SUCH_OBJECT), after=0.2))))
    sent = objects("NM STATIC")
    sent_to(xeleris, server.title, sent)
    until(lambda: len(server.told) == 2, limit=20, what="two reports")
    here, later = server.told
    assert (here.same_association, here.status) == (True, 0x0110)
    assert (later.same_association, later.status) == (False, 0)
    ended(xeleris, server.title, FAILURE)
    assert archived(xeleris, sent.study) == {sent.uid: False}


@pytest.mark.requirement("R75")
def test_the_answer_to_a_request_is_waited_for(xeleris: WholeGateway, archive: Archive, objects: Objects) -> None:
    """While none comes, the request is under way and its association stays; a report decides it all the same."""
    server = archive(Script(status=None, reports=()))
    sent = objects("NM STATIC")
    sent_to(xeleris, server.title, sent)
    asked = server.request()
    (row,) = xeleris.rows("select state from commitment.commitment where server = %s", server.title)
    assert row["state"] == "ASKING"
    assert not asked.association.released
    assert server.report(everything(asked), to=asked).status == 0
    ended(xeleris, server.title, SUCCESS)
