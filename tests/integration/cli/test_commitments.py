"""What people see of storage commitment: commitments, where, studies, status; and what they ask for."""

from typing import Any

import pytest

from tests.integration.cli.conftest import Gateway
from tests.integration.cli.test_asking import JOB, RECORDED, rows
from tests.integration.cli.test_asking import execute as execute_plain

OURS, EXPIRED, INBOUND = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "abc")
IDS = {"OURS": OURS, "EXPIRED": EXPIRED, "INBOUND": INBOUND, "JOB_ID": JOB}
SERVER = ("--commit-server", "--store")
ASKED = """
insert into commitment.commitment (id, study_instance_uid, destination, server, state, attempts, accepted_at, deadline,
    status, reason, created_at, finished_at, closed_at) values
    ('OURS', '1.2.3', 'ARCHIVE1', 'VNA', 'FAILURE', 1, '2026-11-23 20:01Z', '2026-11-24 20:01Z', 0,
     '1 instance was not committed', '2026-11-23 20:00:30Z', '2026-11-23 20:02Z', '2026-11-23 20:02Z'),
    ('EXPIRED', '1.2.4', 'ARCHIVE1', 'VNA', 'FAILURE', 1, '2026-11-22 20:01Z', '2026-11-23 20:01Z', 0,
     'no report in time', '2026-11-22 20:00Z', '2026-11-23 20:01Z', '2026-11-23 20:01Z');
insert into commitment.attempt (transaction_uid, commitment, started_at, finished_at, outcome, status) values
    ('2.25.1', 'OURS', '2026-11-23 20:00:50Z', '2026-11-23 20:01Z', 'ACCEPTED', 0),
    ('2.25.2', 'EXPIRED', '2026-11-22 20:00:50Z', '2026-11-22 20:01Z', 'REFUSED', 291);
insert into commitment.item (received_at, delivery, round, commitment, job, sop_instance_uid, revision, sop_class_uid,
    study_instance_uid, state, failure_reason, reported_at)
    select received_at, id, 0, 'OURS'::uuid, 'JOB_ID'::uuid, '1.2.3.1', 1, '1.2.840', '1.2.3', 'FAILED', 274,
        '2026-11-23 20:02Z'::timestamptz from routing.delivery
    union all
    select received_at, 900001, 0, 'OURS', 'JOB_ID', '1.2.3.2', 1, '1.2.840', '1.2.3', 'COMMITTED', null,
        '2026-11-23 20:02Z' from routing.delivery;
insert into commitment.archived values ('1.2.3.2', 1, 'VNA', '1.2.3', '2026-11-23 20:02Z', 'OURS', '2.25.1');
insert into commitment.archive_history (at, sop_instance_uid, revision, study_instance_uid, server, commitment,
    transaction_uid) values ('2026-11-23 20:02Z', '1.2.3.2', 1, '1.2.3', 'VNA', 'OURS', '2.25.1');
"""
REPORTED = """
insert into commitment.report values
    ('2026-11-23 20:02Z', 'reports/a', now(), 'VNA', '10.0.0.9', 'z', '2.25.1', 2, 'd', 1, 1, 'APPLIED', 'OURS'),
    (now(), 'reports/b', now(), 'STRANGER', '10.0.0.8', 'y', '2.25.1', 1, 'e', 2, 0, 'FOREIGN', null);
"""
RECEIVED = """
insert into commitment.inbound (received_at, id, object_key, calling_aet, called_aet, peer_address, association,
    transaction_uid, state, total, committed, failed, reported_at) values ('2026-11-23 21:00Z', 'INBOUND',
    'requests/a', 'CT1', 'GATEWAY', '10.0.0.7', 'x', '2.25.77', 'REPORTED', 2, 1, 1, '2026-11-23 21:01Z');
insert into commitment.inbound_item values
    ('2026-11-23 21:00Z', 'INBOUND', 0, '1.2.840', '1.2.3.1', 'COMMITTED', null, 1),
    ('2026-11-23 21:00Z', 'INBOUND', 1, '1.2.840', '9.9.9', 'FAILED', 274, null);
"""


def execute(url: str, statements: str) -> None:
    """Statements in which the ids have their names."""
    for name, value in IDS.items():
        statements = statements.replace(name, value)
    execute_plain(url, statements)


@pytest.mark.requirement("R73")
def test_commitments_are_listed_the_newest_first(gateway: Gateway, database_url: str) -> None:
    execute(database_url, RECORDED + ASKED)
    ours, expired = gateway.done("commitments", "list", "--json").json()
    assert ours == {
        "id": OURS, "study": "1.2.3", "destination": "ARCHIVE1", "server": "VNA", "state": "FAILURE",
        "total": 2, "committed": 1, "failed": 1, "pending": 0, "deadline": "2026-11-24T20:01:00Z",
        "created_at": "2026-11-23T20:00:30Z", "finished_at": "2026-11-23T20:02:00Z",
        "reason": "1 instance was not committed",
    }  # fmt: skip
    assert (expired["id"], expired["total"]) == (EXPIRED, 0)
    for matching in (["--study", "1.2.3"], ["--state", "failure", "--limit", "1"]):
        assert gateway.done("commitments", "list", "--json", *matching).json() == [ours], matching
    for titles in ("VNA", "ARCHIVE1"):
        assert len(gateway.done("commitments", "list", "--json", "--station", titles).json()) == 2
    for other in (["--state", "waiting"], ["--station", "CT1"], ["--study", "1.2"]):
        assert gateway.done("commitments", "list", "--json", *other).json() == [], other
    wrong = gateway("commitments", "list", "--state", "lost")
    assert (wrong.status, "WAITING FOR COMMITMENT" in wrong.err) == (2, True)
    assert OURS in gateway.done("commitments", "list").out


@pytest.mark.requirement("R110", "R136")
def test_a_commitment_is_shown_with_all_that_is_known_of_it(gateway: Gateway, database_url: str) -> None:
    execute(database_url, RECORDED + ASKED + REPORTED)
    shown = gateway.done("commitments", "show", OURS, "--json").json()
    assert (shown["status"], shown["meaning"], shown["hint"], shown["closed_at"]) == (
        "0000", "Success", None, "2026-11-23T20:02:00Z",
    )  # fmt: skip
    (attempt,) = shown["attempts"]
    assert (attempt["transaction"], attempt["outcome"], attempt["status"]) == ("2.25.1", "ACCEPTED", "0000")
    assert [(i["instance"], i["state"], i["failure_reason"], i["failure"]) for i in shown["instances"]] == [
        ("1.2.3.1", "FAILED", "0112", "No such object instance"),
        ("1.2.3.2", "COMMITTED", None, None),
    ]
    assert [(r["from"], r["verdict"]) for r in shown["reports"]] == [("VNA", "APPLIED"), ("STRANGER", "FOREIGN")]
    assert [(h["instance"], h["server"], h["transaction"]) for h in shown["history"]] == [("1.2.3.2", "VNA", "2.25.1")]
    people = gateway.done("commitments", "show", OURS).out
    assert all(word in people for word in ("No such object instance", "FOREIGN", "2.25.1", "1.2.3.2"))
    assert gateway("commitments", "show", JOB).status == 1
    assert gateway("commitments", "show", "no-uuid").status == 2


def test_a_station_that_never_reported_is_asked_whether_it_knows_us(gateway: Gateway, database_url: str) -> None:
    gateway.station("REPORTS1")
    gateway.station("VNA", *SERVER, "--report-title", "REPORTS1")
    execute(database_url, RECORDED + ASKED)
    expired = gateway.done("commitments", "show", EXPIRED, "--json").json()
    assert (expired["hint"], expired["attempts"][0]["status"], expired["attempts"][0]["meaning"]) == (
        "this station never reported anything to us: does it know our title, host and port?", "0123", "No such action",
    )  # fmt: skip
    assert "never reported anything to us" in gateway.done("commitments", "show", EXPIRED).out
    assert gateway.done("commitments", "show", OURS, "--json").json()["hint"] is None  # it was told
    execute(database_url, REPORTED.replace("'VNA'", "'REPORTS1'"))
    assert gateway.done("commitments", "show", EXPIRED, "--json").json()["hint"] is None


def test_what_peers_asked_of_us_is_listed_and_shown(gateway: Gateway, database_url: str) -> None:
    execute(database_url, RECORDED + RECEIVED)
    asked = {
        "id": INBOUND, "from": "CT1", "transaction": "2.25.77", "state": "REPORTED", "total": 2, "committed": 1,
        "failed": 1, "received_at": "2026-11-23T21:00:00Z", "reported_at": "2026-11-23T21:01:00Z", "reason": "",
    }  # fmt: skip
    for matching in ([], ["--state", "reported"], ["--station", "CT1"], ["--study", "1.2.3"]):
        assert gateway.done("commitments", "list", "--received", "--json", *matching).json() == [asked], matching
    for other in (["--state", "ready"], ["--station", "CT2"], ["--study", "1.2"]):
        assert gateway.done("commitments", "list", "--received", "--json", *other).json() == [], other
    shown = gateway.done("commitments", "show", INBOUND, "--json").json()
    assert {name: shown[name] for name in asked} == asked
    assert [(i["instance"], i["state"], i["failure"]) for i in shown["instances"]] == [
        ("1.2.3.1", "COMMITTED", None),
        ("9.9.9", "FAILED", "No such object instance"),
    ]
    assert "9.9.9" in gateway.done("commitments", "show", INBOUND).out
    assert INBOUND in gateway.done("commitments", "list", "--received").out
    for command in ("retry", "cancel"):
        assert (refused := gateway("commitments", command, INBOUND)).status == 1
        assert "only the peer can ask again" in refused.err


@pytest.mark.requirement("R112")
def test_retry_and_cancel_are_requests_that_commitment_carries_out(gateway: Gateway, database_url: str) -> None:
    execute(database_url, RECORDED + ASKED)
    closed = gateway("commitments", "cancel", OURS)
    assert (closed.status, "is FAILURE already" in closed.err) == (1, True)
    assert gateway("commitments", "retry", JOB).status == 1
    wrong = gateway("commitments", "retry", "no-uuid")
    assert (wrong.status, "'no-uuid' is no id of a commitment" in wrong.err) == (2, True)
    assert rows(database_url, "select count(*) from config.request") == [(0,)]
    execute(
        database_url,
        # Commitment's answer, as it is given once the row is there.
        """
        create function answer() returns trigger language plpgsql as $$ begin
            insert into commitment.request_done (request, result)
            values (new.id, jsonb_build_object('commitment', new.body ->> 'commitment', 'instances', 1));
            return new;
        end $$;
        create trigger answer after insert on config.request for each row execute function answer();
        """,
    )
    done = gateway.done("commitments", "retry", OURS, "--json").json()
    assert (done["done"], done["commitment"], done["instances"]) == (True, OURS, 1)
    assert f"commitment {OURS}, 1 instance" in gateway.done("commitments", "retry", OURS).out
    execute(
        database_url,
        "update commitment.commitment set state = 'WAITING FOR COMMITMENT', closed_at = null, finished_at = null "
        "where id = 'OURS'",
    )
    waiting = gateway("commitments", "retry", OURS)
    assert (waiting.status, "is WAITING FOR COMMITMENT" in waiting.err) == (1, True)
    cancelled = gateway.done("commitments", "cancel", OURS, "--json").json()
    assert rows(database_url, "select kind, body from config.request order by requested_at") == [
        ("retry-commitment", {"commitment": OURS}),
        ("retry-commitment", {"commitment": OURS}),
        ("cancel-commitment", {"commitment": OURS}),
    ]
    audited = "select action, object, after from audit.entry order by at desc, id desc limit 1"
    assert rows(database_url, audited) == [("request.cancel-commitment", cancelled["request"], {"commitment": OURS})]


@pytest.mark.requirement("R109")
def test_where_tells_the_commitment_of_each_delivery(gateway: Gateway, database_url: str) -> None:
    execute(database_url, RECORDED + ASKED)

    def committing() -> Any:
        return gateway.done("where", "1.2.3.1", "--json").json()["deliveries"][0]["commitment"]

    assert committing() == {
        "id": OURS, "server": "VNA", "state": "FAILURE", "transaction": "2.25.1", "deadline": "2026-11-24T20:01:00Z",
        "status": "0000", "failure_reason": "No such object instance", "archived_at": None,
    }  # fmt: skip
    execute(
        database_url,
        # Asked again, and committed: the newest round is what counts.
        """
        insert into commitment.item (received_at, delivery, round, commitment, job, sop_instance_uid, revision,
            sop_class_uid, study_instance_uid, state)
            select received_at, delivery, 1, 'EXPIRED', job, sop_instance_uid, revision, sop_class_uid,
                study_instance_uid, 'COMMITTED' from commitment.item where sop_instance_uid = '1.2.3.1';
        insert into commitment.archived values ('1.2.3.1', 1, 'VNA', '1.2.3', '2026-11-23 22:00Z', 'EXPIRED', '2.25.2')
        """,
    )
    asked = gateway.done("jobs", "show", JOB, "--json").json()["commitments"]
    assert {(each["id"], each["server"], each["state"]) for each in asked} >= {(OURS, "VNA", "FAILURE")}
    assert all(word in gateway.done("jobs", "show", JOB).out for word in ("ASKED OF", OURS, "FAILURE"))
    again = committing()
    assert (again["id"], again["failure_reason"], again["archived_at"]) == (EXPIRED, None, "2026-11-23T22:00:00Z")
    (instance,) = gateway.done("where", "1.2.3.1", "--json").json()["instances"]
    assert (instance["archived"], instance["archived_by"]) == (
        True, [{"station": "VNA", "at": "2026-11-23T22:00:00Z"}],
    )  # fmt: skip
    people = gateway.done("where", "1.2.3.1").out
    assert all(word in people for word in ("ARCHIVED BY", "COMMITTED BY", "VNA", EXPIRED))


def test_where_says_whose_commitment_a_delivery_awaits(gateway: Gateway, database_url: str) -> None:
    execute(database_url, RECORDED)
    execute(database_url, "update routing.delivery set awaits = '{VNA, ARCHIVE2}'")

    def reasons() -> tuple[str, str]:
        where = gateway.done("where", "1.2.3.1", "--json").json()["deliveries"][0]["reason"]
        return where, gateway.done("jobs", "show", JOB, "--json").json()["deliveries"][0]["reason"]

    assert reasons() == ("waits until ARCHIVE2, VNA committed the instance",) * 2
    execute(
        database_url,
        "insert into commitment.archived values ('1.2.3.1', 1, 'VNA', '1.2.3', now(), 'OURS', '2.25.1')",
    )
    assert reasons() == ("waits until ARCHIVE2 committed the instance",) * 2


@pytest.mark.requirement("R111")
def test_a_study_is_archived_as_soon_as_one_instance_is(gateway: Gateway, database_url: str) -> None:
    execute(
        database_url,
        "insert into index.patient (patient_id) values ('P1'); insert into index.study (study_instance_uid, patient) "
        "select '1.2.3', id from index.patient",
    )

    def archived() -> tuple[bool, bool]:
        (study,) = gateway.done("studies", "list", "--json").json()
        return study["archived"], gateway.done("studies", "show", "1.2.3", "--json").json()["archived"]

    assert archived() == (False, False)
    execute(
        database_url,
        "insert into commitment.archived values ('1.2.3.2', 1, 'VNA', '1.2.3', now(), 'OURS', '2.25.1')",
    )
    assert archived() == (False, False), "no content with the flag is stored"
    execute(
        database_url,
        "insert into storage.identity (sop_instance_uid, revision, sha256, received_at, object_key, size, "
        "data_set_offset, sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid) "
        "values ('1.2.3.2', 1, repeat('a', 64), now(), 'k', 1, 1, '1', '1.2.3', '1.2.3.9', '1')",
    )
    assert archived() == (True, True)
    assert "ARCHIVED" in gateway.done("studies", "list").out


def test_status_counts_commitments_and_reports_that_were_not_believed(gateway: Gateway, database_url: str) -> None:
    execute(database_url, RECORDED + ASKED + REPORTED + RECEIVED)
    execute(
        database_url,
        "update commitment.commitment set finished_at = now() - interval '25 hours';"
        "update commitment.commitment set finished_at = now() where id = 'OURS';"
        "insert into commitment.commitment (id, study_instance_uid, destination, server, state, created_at) "
        "values ('JOB_ID', '1.2.3', 'VNA', 'VNA', 'QUEUED', '2026-11-23 23:00Z')",
    )
    found = gateway.done("status", "--json").json()["commitments"]
    assert found["states"] == {"FAILURE": 1, "QUEUED": 1}
    assert (found["failed_last_day"], found["oldest_waiting_at"]) == (1, "2026-11-23T23:00:00Z")
    assert (found["reports"]["FOREIGN"], found["received"]["open"]) == (1, 0)
    people = gateway.done("status").out
    assert all(text in people for text in ("1 FAILURE, 1 QUEUED", "1 FOREIGN"))


@pytest.mark.requirement("R123")
def test_a_station_that_others_commit_through_is_kept(gateway: Gateway) -> None:
    gateway.station("VNA", *SERVER)
    gateway.station("CT1", "--commit-downstream", "VNA", "--report-title", "CT1REPORT")
    removed = gateway("station", "remove", "VNA")
    assert (removed.status, "station CT1 waits for its commitment" in removed.err) == (1, True)
    assert gateway("station", "set", "VNA", "--no-commit-server").status == 1
    shown = gateway.done("station", "show", "CT1", "--json").json()
    assert (shown["commit_downstream"], shown["report_titles"]) == (["VNA"], ["CT1REPORT"])
    gateway.done("station", "set", "CT1", "--commit-downstream", "")
    gateway.done("station", "remove", "VNA")


def test_xeleris_v_warns_of_a_commit_server(gateway: Gateway) -> None:
    added = ("station", "add", "VNA", "--host", "127.0.0.1", "--port", "105", "--commit-server")
    ran = gateway(*added, GATEWAY_PROFILE="xeleris", GATEWAY_VARIANT="v")
    assert (ran.status, "is never asked for commitment" in ran.err) == (0, True)
    assert "never asked" not in gateway.done("station", "set", "VNA", "--commit-server").err
