"""What commands answer, for people and for programs, and how they fail."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from private_servers.postgresql import PrivatePostgresql

from tests.integration.cli.conftest import Gateway

SHA = "ab" * 32
JOB = "11111111-1111-1111-1111-111111111111"
RECORDED = """
insert into storage.identity values ('1.2.3.1', 1, 'SHA_256', '2026-11-23 20:00Z', 'objects/a.dcm', 10, 100, '1.2.840',
    '1.2.3', '1.2.3.9', '1.2.840.10008.1.2.1');
insert into storage.receipt (received_at, object_key, sop_instance_uid, revision, disposition, sha256, size,
    sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid, peer_address, calling_aet, called_aet,
    association, configuration, rule_set, status, findings) values ('2026-11-23 20:00Z', 'objects/a.dcm', '1.2.3.1', 1,
    'NEW', 'SHA_256', 10, '1.2.840', '1.2.3', '1.2.3.9', '1.2.840.10008.1.2.1', '10.0.0.1', 'SCANNER1', 'GATEWAY', 'a',
    5, 3, 0, '[]');
insert into routing.evaluation values ('2026-11-23 20:00Z', 'objects/a.dcm', '1.2.3.1', 1, '1.2.3', 3,
    '[{"rule": "to-archive", "level": "instance", "to": ["ARCHIVE1"], "priority": "normal"}]');
insert into routing.job (id, kind, state, destination, study_instance_uid, created_at)
    values ('JOB_ID', 'send', 'ACTIVE', 'ARCHIVE1', '1.2.3', '2026-11-23 20:00:01Z');
insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid, object_key,
    data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, attempts, status, reason, next_attempt_at)
    values ('2026-11-23 20:00Z', '1.2.3.1', 1, 'ARCHIVE1', 'JOB_ID', '1.2.3', 'objects/a.dcm', 100, 10, 'SHA_256',
    '1.2.840', '1.2.840.10008.1.2.1', 1, 42752, 'Refused: Out of resources', 'infinity');
insert into routing.attempt (at, delivery, status, outcome, reason)
    select '2026-11-23 20:00:02Z', id, 42752, 'RETRY', 'Refused: Out of resources' from routing.delivery;
insert into query.retrieval (started_at, id, operation, requester, peer_address, association, message_id, level,
    destination, total, failed, status, finished_at) values ('2026-11-23 20:00:03Z', 'JOB_ID', 'MOVE', 'WS1',
    '10.0.0.2', 'b', 1, 'STUDY', 'WS2', 1, 1, 45056, '2026-11-23 20:00:05Z');
insert into query.suboperation (started_at, retrieval, position, sop_instance_uid, revision, study_instance_uid,
    sop_class_uid, transfer_syntax_uid, result, status, reason, finished_at) values ('2026-11-23 20:00:03Z', 'JOB_ID',
    1, '1.2.3.1', 1, '1.2.3', '1.2.840', '1.2.840.10008.1.2.1', 'FAILED', 42752, 'Refused: Out of resources',
    '2026-11-23 20:00:04Z');
""".replace("SHA_256", SHA).replace("JOB_ID", JOB)
DEAD = """
insert into runtime.dead_letter (queue, reason, message_type, headers, body, fingerprint)
    values ('index.instance-stored', 'not JSON', 'instance.stored.v1', '{"type": "instance.stored", "x-death": "1"}',
            'nonsense', 'one'), ('index.instance-stored', 'not JSON', null, '{}', '\\xff00', 'two')
"""


def execute(url: str, statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())


def rows(url: str, query: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


@pytest.mark.parametrize("uid", ["1.2.3", "1.2.3.1"])
def test_where_has_exactly_the_documented_shape(gateway: Gateway, database_url: str, uid: str) -> None:
    execute(database_url, RECORDED)
    assert gateway.done("where", uid, "--json").json() == {
        "study": "1.2.3",
        "instances": [
            {
                "uid": "1.2.3.1", "study": "1.2.3", "revision": 1, "sha256": SHA, "source": "SCANNER1",
                "received_at": "2026-11-23T20:00:00Z",
                "status": "0000", "findings": [], "rule_set": 3, "matched": ["to-archive"], "not_sent": [],
                "corrected_by": None, "corrected_why": None, "gone": None, "archived": False, "archived_by": [],
                "receipts": [
                    {"received_at": "2026-11-23T20:00:00Z", "source": "SCANNER1", "disposition": "NEW", "job": None,
                     "gone": None}
                ],
            }
        ],
        "deliveries": [
            {
                "instance": "1.2.3.1", "revision": 1, "sha256": SHA, "destination": "ARCHIVE1", "job": JOB,
                "state": "PENDING", "reason": "Refused: Out of resources", "commitment": None,
                "finished_at": None,
                "attempts": [
                    {"at": "2026-11-23T20:00:02Z", "status": "A700", "reason": "Refused: Out of resources"}
                ],
            }
        ],
        "retrievals": [
            {
                "instance": "1.2.3.1", "operation": "C-MOVE", "requester": "WS1", "destination": "WS2",
                "at": "2026-11-23T20:00:04Z", "state": "FAILED", "status": "A700", "answered": "B000",
                "reason": "Refused: Out of resources",
            }
        ],
    }  # fmt: skip
    people = gateway.done("where", uid).out
    assert all(word in people for word in ("1.2.3.1", "SCANNER1", "to-archive", "PENDING", "A700", JOB))


def test_findings_are_shown_as_stored_and_as_sentences(gateway: Gateway, database_url: str) -> None:
    finding = "S type-1-missing 00200032 C.7.6.2"
    execute(database_url, RECORDED.replace("0, '[]');", f"""0, '["{finding}"]');"""))
    (instance,) = gateway.done("where", "1.2.3.1", "--json").json()["instances"]
    assert instance["findings"] == [finding]
    assert "ImagePositionPatient (0020,0032) is missing" in gateway.done("where", "1.2.3.1").out


MOVED = """
insert into storage.identity select sop_instance_uid, 2, 'OTHER', received_at + interval '1 s', 'objects/b.dcm', size,
    data_set_offset, sop_class_uid, '1.2.4', '1.2.4.9', transfer_syntax_uid from storage.identity;
insert into storage.receipt (received_at, object_key, sop_instance_uid, revision, disposition, sha256, size,
    sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid, peer_address, calling_aet, called_aet,
    association, configuration, rule_set, status)
    select received_at + n * interval '1 s', 'objects/' || n, '1.2.3.1', 2, case n when 1 then 'REVISION' else
    'DUPLICATE' end, 'OTHER', size, sop_class_uid, '1.2.4', '1.2.4.9', transfer_syntax_uid, peer_address, calling_aet,
    called_aet, association, configuration, rule_set, status from storage.receipt, generate_series(1, 2) as n;
update storage.receipt set object_key = 'objects/b.dcm' where object_key = 'objects/1';
insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid, object_key,
    data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, state, reason, created_at, finished_at)
    select received_at + interval '1 s', sop_instance_uid, 2, destination, job, '1.2.4', 'objects/b.dcm',
    data_set_offset, size, 'OTHER', sop_class_uid, transfer_syntax_uid, 'FAILED', 'given up after 72 hours: disabled',
    created_at + interval '1 s', now() from routing.delivery;
""".replace("OTHER", "cd" * 32)


def test_where_tells_every_revision_of_an_instance_in_whichever_study_it_lies(
    gateway: Gateway, database_url: str
) -> None:
    execute(database_url, RECORDED + MOVED)
    found = gateway.done("where", "1.2.3.1", "--json").json()
    assert found["study"] == "1.2.4"
    assert [(each["revision"], each["study"], len(each["receipts"])) for each in found["instances"]] == [
        (1, "1.2.3", 1), (2, "1.2.4", 2),
    ]  # fmt: skip
    assert [(each["revision"], each["sha256"]) for each in found["deliveries"]] == [(1, SHA), (2, "cd" * 32)]
    assert "STUDY" in gateway.done("where", "1.2.3.1").out
    for study, revision in (("1.2.3", 1), ("1.2.4", 2)):
        of_study = gateway.done("where", study, "--json").json()
        assert (of_study["study"], [each["revision"] for each in of_study["instances"]]) == (study, [revision])
        assert [each["revision"] for each in of_study["deliveries"]] == [revision]


def test_where_gives_the_reason_of_a_delivery_that_was_never_tried(gateway: Gateway, database_url: str) -> None:
    execute(database_url, RECORDED + MOVED)
    (failed,) = gateway.done("where", "1.2.4", "--json").json()["deliveries"]
    assert (failed["attempts"], failed["reason"]) == ([], "given up after 72 hours: disabled")
    assert "given up after 72 hours: disabled" in gateway.done("where", "1.2.4").out


def test_where_says_when_it_cuts_its_list(gateway: Gateway, database_url: str) -> None:
    execute(database_url, RECORDED)
    execute(database_url, "\n".join(OTHERS.replace("NUMBER", str(number)) for number in (2, 3)))
    cut = gateway.done("where", "1.2.3", "--limit", "2", "--json").json()
    assert (cut["cut_at"], [found["uid"] for found in cut["instances"]]) == (2, ["1.2.3.1", "1.2.3.2"])
    assert "only the first 2 instances" in gateway.done("where", "1.2.3", "--limit", "2").err
    whole = gateway.done("where", "1.2.3", "--limit", "3", "--json").json()
    assert ("cut_at" in whole, len(whole["instances"])) == (False, 3)
    assert gateway.done("where", "1.2.3", "--limit", "3").err == ""


OTHERS = """
insert into storage.identity select '1.2.3.NUMBER', revision, sha256, received_at + interval 'NUMBER s',
    'objects/NUMBER', size, data_set_offset, sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid
    from storage.identity where sop_instance_uid = '1.2.3.1';
insert into storage.receipt (received_at, object_key, sop_instance_uid, revision, disposition, sha256, size,
    sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid, peer_address, calling_aet, called_aet,
    association, configuration, rule_set, status)
    select received_at + interval 'NUMBER s', 'objects/NUMBER', '1.2.3.NUMBER', revision, disposition, sha256, size,
    sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid, peer_address, calling_aet, called_aet,
    association, configuration, rule_set, status from storage.receipt where sop_instance_uid = '1.2.3.1';
"""


def test_where_of_the_unknown_fails_with_the_uid(gateway: Gateway) -> None:
    ran = gateway("where", "1.2.3.4", "--json")
    assert (ran.status, ran.out, "1.2.3.4" in ran.err) == (1, "", True)


@pytest.mark.parametrize("command", [("where",), ("studies", "show"), ("send", "--to", "ARCHIVE1", "1.2")])
@pytest.mark.parametrize(
    ("uid", "said"),
    [
        ("", "nothing is given; name "),
        (" ", "nothing is given; name "),
        ("DOE^JANE", "UID 'DOE^JANE' is none: name one of digits and dots"),
        ("1" * 90, f"UID '{'1' * 64}' is none"),
    ],
)
def test_what_is_no_uid_is_a_usage_error(gateway: Gateway, command: tuple[str, ...], uid: str, said: str) -> None:
    ran = gateway(*command, uid)
    assert (ran.status, ran.out, said in ran.err) == (2, "", True), ran


def test_blanks_around_a_uid_mean_nothing(gateway: Gateway, database_url: str) -> None:
    execute(database_url, RECORDED)
    gateway.station("ARCHIVE1", "--store")
    assert gateway.done("where", " 1.2.3.1\n", "--json").json()["study"] == "1.2.3"
    assert "study 1.2.4 is not" in gateway("studies", "show", " 1.2.4 ").err
    assert "UID 9.9;" in gateway("send", "1.2.3 ", " 9.9", "--to", "ARCHIVE1").err


def test_jobs_list_has_exactly_the_documented_shape(gateway: Gateway, database_url: str) -> None:
    execute(database_url, RECORDED)
    job = {
        "id": JOB, "kind": "send", "state": "ACTIVE", "destination": "ARCHIVE1", "total": 1, "done": 0, "failed": 0,
        "reason": "", "created_at": "2026-11-23T20:00:01Z", "finished_at": None,
    }  # fmt: skip
    assert gateway.done("jobs", "list", "--json").json() == [job]
    assert gateway.done("jobs", "list", "--json", "--state", "active", "--destination", "ARCHIVE1").json() == [job]
    assert gateway.done("jobs", "list", "--json", "--state", "FAILED").json() == []
    assert gateway.done("jobs", "list", "--json", "--destination", "WS1").json() == []
    assert JOB in gateway.done("jobs", "list").out
    shown = gateway.done("jobs", "show", JOB, "--json").json()
    assert {name: shown[name] for name in job} == job
    (delivery,) = shown["deliveries"]
    assert (delivery["instance"], delivery["status"], delivery["next_attempt_at"]) == ("1.2.3.1", "A700", None)


def test_jobs_say_what_they_wait_for_and_by_what_they_were_complete(gateway: Gateway, database_url: str) -> None:
    execute(database_url, RECORDED)
    execute(database_url, "update routing.job set level = 'study', quiet = '30 s', released_at = null")
    collects = "collects the study until nothing of it has come for 30 s"
    assert [job["reason"] for job in gateway.done("jobs", "list", "--json").json()] == [collects]
    shown = gateway.done("jobs", "show", JOB, "--json").json()
    assert (shown["reason"], shown["completed_by"], shown["released_at"]) == (collects, "", None)
    execute(database_url, "update routing.job set required = '{a,b,c}', met = '{a,c}'")
    collects += ", or what the rule requires is there (2 of 3)"
    assert gateway.done("jobs", "show", JOB, "--json").json()["reason"] == collects
    execute(database_url, "update routing.job set required = '{}', counted_at = 'CT1', group_uid = '1.2.3'")
    collects = "collects the study until nothing of it has come for 30 s, or "
    for answer, said in (
        ("select", "as many have come as CT1 says there are (not asked yet)"),
        ("insert into routing.count_question (source, level, group_uid, fault) values ('CT1', 'study', '1.2.3', 'out')",
         "as many have come as CT1 says there are (out)"),
        ("update routing.count_question set expected = 12, received = 5, fault = ''",
         "all 12 have come that CT1 says there are (5 have)"),
    ):  # fmt: skip
        execute(database_url, answer)
        assert gateway.done("jobs", "list", "--json").json()[0]["reason"] == collects + said
    execute(database_url, "update routing.job set released_at = now(), completed_by = 'by ana'")
    assert [job["reason"] for job in gateway.done("jobs", "list", "--json").json()] == ["study complete: by ana"]
    assert gateway.done("jobs", "show", JOB, "--json").json()["completed_by"] == "by ana"
    asked = gateway.done("jobs", "complete", JOB, "--json").json()
    assert rows(database_url, "select id::text, kind, body from config.request") == [
        (asked["request"], "complete", {"job": JOB})
    ]


OPEN = """
insert into routing.destination (title, circuit, consecutive_failures, retry_at, last_failure, last_failure_at)
    values ('ARCHIVE1', 'OPEN', 3, '2026-11-23 20:05Z', 'connection refused', '2026-11-23 20:01Z');
update routing.delivery set next_attempt_at = '2026-11-23 20:02Z';
"""


def test_an_open_circuit_says_when_it_is_tried_next(gateway: Gateway, database_url: str) -> None:
    gateway.station("ARCHIVE1", "--store")
    execute(database_url, RECORDED + OPEN)

    def next_attempt() -> object:
        return gateway.done("jobs", "show", JOB, "--json").json()["deliveries"][0]["next_attempt_at"]

    assert next_attempt() == "2026-11-23T20:05:00Z"
    assert gateway.done("status", "--json").json()["destinations"][0]["retry_at"] == "2026-11-23T20:05:00Z"
    assert "2026-11-23 20:05:00Z" in gateway.done("status").out
    execute(database_url, "update routing.delivery set next_attempt_at = '2026-11-23 20:09Z'")
    assert next_attempt() == "2026-11-23T20:09:00Z"
    execute(database_url, "update routing.destination set circuit = 'CLOSED'")
    assert gateway.done("status", "--json").json()["destinations"][0]["retry_at"] is None
    execute(database_url, "update routing.delivery set state = 'SENDING'")
    assert next_attempt() is None


def test_status_tells_until_when_a_process_that_died_holds_what_it_was_sending(
    gateway: Gateway, database_url: str
) -> None:
    gateway.station("ARCHIVE1", "--store")
    execute(database_url, RECORDED)
    (idle,) = gateway.done("status", "--json").json()["destinations"]
    assert (idle["sending"], idle["lease_until"]) == (0, None)
    execute(database_url, "update routing.delivery set state = 'SENDING', lease_until = '2026-11-23 20:01:53Z'")
    (busy,) = gateway.done("status", "--json").json()["destinations"]
    assert (busy["waiting"], busy["sending"], busy["lease_until"]) == (1, 1, "2026-11-23T20:01:53Z")
    assert "1, leased until 2026-11-23 20:01:53Z" in gateway.done("status").out


def test_jobs_that_do_not_exist(gateway: Gateway) -> None:
    for command in ("show", "retry", "cancel", "complete"):
        assert gateway("jobs", command, JOB).status == 1
        wrong = gateway("jobs", command, "no-uuid")
        assert (wrong.status, "'no-uuid' is no id of a job; 'gateway jobs list' shows" in wrong.err) == (2, True), wrong


def test_a_request_waits_for_the_forwarder_and_says_so(gateway: Gateway, database_url: str) -> None:
    gateway.station("ARCHIVE1", "--store")
    gateway.station("WS1")
    execute(database_url, RECORDED)
    unknown = gateway("send", "1.2.3", "9.9", "--to", "ARCHIVE1")
    assert (unknown.status, "9.9" in unknown.err) == (1, True)
    assert gateway("send", "1.2.3", "--to", "WS1").status == 1
    assert gateway("send", "1.2.3", "--to", "NOBODY").status == 1
    assert gateway("send", "1.2.3").status == 2
    unasked = gateway("send", "1.2.3", "--to", "ARCHIVE1", "--skip-present")
    assert (unasked.status, "'gateway station set ARCHIVE1 --query-retrieve'" in unasked.err) == (1, True)
    assert rows(database_url, "select count(*) from config.request") == [(0,)]
    sent = gateway.done("send", "1.2.3", "1.2.3", "--to", "ARCHIVE1", "--json").json()
    assert sent["done"] is False
    assert rows(database_url, "select id::text, kind, body from config.request") == [
        (sent["request"], "send", {"uids": ["1.2.3"], "to": "ARCHIVE1"})
    ]
    ((exchange, key, body),) = rows(database_url, "select exchange, routing_key, body from runtime.outbox")
    assert (exchange, key) == ("gateway", "request.carry-out.v1")
    assert json.loads(body)["body"] == {"request": sent["request"]}


def test_studies_list_and_show(gateway: Gateway, database_url: str) -> None:
    execute(
        database_url,
        """
        insert into index.patient (patient_id, name) values ('P1', 'Doe^Jane');
        insert into index.study (study_instance_uid, patient, study_date, accession_number, description)
            select '1.2.3', id, '20261123', 'A1', 'Bone scan' from index.patient;
        insert into index.series (series_instance_uid, study_instance_uid, modality) values ('1.2.3.9', '1.2.3', 'NM');
        insert into index.instance (sop_instance_uid, revision, received_at, object_key, study_instance_uid,
            series_instance_uid, sop_class_uid, transfer_syntax_uid)
            values ('1.2.3.1', 1, now(), 'objects/a.dcm', '1.2.3', '1.2.3.9', '1', '2')
        """,
    )
    (study,) = gateway.done("studies", "list", "--json").json()
    assert (study["study_instance_uid"], study["modalities"], study["series"], study["instances"]) == (
        "1.2.3", ["NM"], 1, 1,
    )  # fmt: skip
    assert "Doe^Jane" in gateway.done("studies", "list").out
    for matching in (
        ["--patient-id", "P1"], ["--accession", "A1"], ["--modality", "NM"],
        ["--since", "2026-11-23", "--until", "20261123"],
    ):  # fmt: skip
        assert len(gateway.done("studies", "list", "--json", *matching).json()) == 1, matching
    for other in (["--patient-id", "P"], ["--accession", "A"], ["--modality", "CT"], ["--since", "20261124"]):
        assert gateway.done("studies", "list", "--json", *other).json() == [], other
    assert gateway("studies", "list", "--since", "yesterday").status == 2
    shown = gateway.done("studies", "show", "1.2.3", "--json").json()
    assert [(s["series_instance_uid"], s["instances"], s["with_findings"]) for s in shown["series"]] == [
        ("1.2.3.9", 1, 0)
    ]
    assert gateway("studies", "show", "1.2.4").status == 1


def test_studies_count_what_is_stored_and_tell_what_was_sent_again_elsewhere(
    gateway: Gateway, database_url: str
) -> None:
    """Instance 1 was sent again with another study, 2 with another series, 3 with other content only."""
    execute(
        database_url,
        """
        insert into index.patient (patient_id) values ('P1');
        insert into index.study (study_instance_uid, patient)
            select uid, id from index.patient, unnest(array['1.2.3', '1.2.4', '1.2.5']) as uid;
        insert into index.series (study_instance_uid, series_instance_uid) values
            ('1.2.3', '1.2.3.8'), ('1.2.3', '1.2.3.9'), ('1.2.4', '1.2.4.9'), ('1.2.5', '1.2.5.9');
        insert into index.instance (sop_instance_uid, revision, received_at, object_key, study_instance_uid,
            series_instance_uid, sop_class_uid, transfer_syntax_uid, latest) values
            ('1', 1, now(), 'a', '1.2.3', '1.2.3.8', '1', '2', false),
            ('1', 2, now(), 'b', '1.2.4', '1.2.4.9', '1', '2', true),
            ('2', 1, now(), 'c', '1.2.3', '1.2.3.8', '1', '2', false),
            ('2', 2, now(), 'd', '1.2.3', '1.2.3.9', '1', '2', true),
            ('3', 1, now(), 'e', '1.2.3', '1.2.3.9', '1', '2', false),
            ('3', 2, now(), 'f', '1.2.3', '1.2.3.9', '1', '2', true),
            ('4', 1, now(), 'g', '1.2.5', '1.2.5.9', '1', '2', false),
            ('4', 2, now(), 'h', '1.2.4', '1.2.4.9', '1', '2', true)
        """,
    )

    def counts(rows: list[dict[str, Any]], name: str) -> dict[str, tuple[int, int]]:
        return {row[name]: (row["instances"], row["superseded"]) for row in rows}

    listed = counts(gateway.done("studies", "list", "--json").json(), "study_instance_uid")
    assert listed == {"1.2.3": (3, 1), "1.2.4": (2, 0), "1.2.5": (1, 1)}
    shown = gateway.done("studies", "show", "1.2.3", "--json").json()
    assert (shown["instances"], shown["superseded"]) == (3, 1)
    assert counts(shown["series"], "series_instance_uid") == {"1.2.3.8": (2, 2), "1.2.3.9": (2, 0)}
    assert "SUPERSEDED" in gateway.done("studies", "list").out


def test_dead_letters_are_listed_shown_replayed_and_discarded(gateway: Gateway, database_url: str) -> None:
    execute(database_url, DEAD)
    second, first = gateway.done("dead", "list", "--json").json()
    assert (first["queue"], first["reason"], first["state"]) == ("index.instance-stored", "not JSON", "PARKED")
    assert gateway.done("dead", "show", str(first["id"]), "--json").json()["body"] == "nonsense"
    both = gateway("dead", "replay", str(first["id"]), str(second["id"]))
    assert (both.status, "not text" in both.err) == (1, True)
    assert rows(database_url, "select count(*) from runtime.outbox") == [(0,)]
    assert gateway.done("dead", "replay", str(first["id"]), "--json").json() == {"replayed": 1}
    assert rows(database_url, "select exchange, routing_key, body from runtime.outbox") == [
        ("", "index.instance-stored", "nonsense")
    ]
    assert gateway.done("dead", "discard", str(second["id"]), "--json").json() == {"discarded": 1}
    assert gateway("dead", "discard", str(second["id"])).status == 1
    assert gateway("dead", "show", "99").status == 1
    states = {row["id"]: row["state"] for row in gateway.done("dead", "list", "--state", "all", "--json").json()}
    assert states == {first["id"]: "REPLAYED", second["id"]: "DISCARDED"}
    assert gateway.done("dead", "list", "--json").json() == []


def test_status_names_everything(gateway: Gateway, database_url: str) -> None:
    gateway.station("ARCHIVE1", "--store", "--query-retrieve", "--pull-minutes", "5")
    execute(database_url, RECORDED + DEAD)
    execute(database_url, "insert into config.pull (title, failures, fault) values ('ARCHIVE1', 2, 'it is away')")
    found = gateway.done("status", "--json").json()
    assert (found["aet"], found["jobs"], found["dead_letters"]) == ("OURGATEWAY", {"ACTIVE": 1}, 2)
    assert [(each["title"], each["waiting"]) for each in found["destinations"]] == [("ARCHIVE1", 1)]
    assert found["configuration"]["stations"] == 1
    assert [(each["title"], each["minutes"], each["failures"]) for each in found["pulls"]] == [("ARCHIVE1", 5, 2)]
    people = gateway.done("status").out
    assert ("ARCHIVE1" in people, "it is away" in people) == (True, True)


@pytest.mark.parametrize(
    "command",
    [
        ("station", "list"), ("rules", "history"), ("jobs", "list"), ("studies", "list"), ("where", "1.2"),
        ("status",), ("dead", "list"), ("send", "1.2", "--to", "X"), ("migrate",),
        ("station", "add", "WS1", "--host", "127.0.0.1", "--port", "104"),
    ],
)  # fmt: skip
def test_an_unreachable_database_is_named_with_the_cure(tmp_path: Path, command: tuple[str, ...]) -> None:
    ran = Gateway(tmp_path)(*command, GATEWAY_DATABASE_URL="postgresql://gateway:secret@127.0.0.1:1/gateway")
    assert (ran.status, ran.out) == (3, "")
    assert "127.0.0.1:1/gateway" in ran.err
    assert "deploy/local/up" in ran.err
    assert "secret" not in ran.err


def test_a_database_without_schema_is_cured_by_migrate(gateway: Gateway, database_url: str) -> None:
    execute(database_url, "drop table runtime.version")
    ran = gateway("jobs", "list")
    assert (ran.status, "gateway migrate" in ran.err) == (1, True)


def test_migrate_is_done_once(gateway: Gateway) -> None:
    assert gateway.done("migrate", "--json").json() == {"applied": []}


def test_wrong_settings_are_usage_errors(gateway: Gateway) -> None:
    ran = gateway("jobs", "list", GATEWAY_DICOM_PORT="x")
    assert (ran.status, "GATEWAY_DICOM_PORT" in ran.err) == (2, True)
    for variable, value in (
        ("GATEWAY_DATABASE_URL", "postgres://[::1"),
        ("GATEWAY_DATABASE_URL", "nonsense"),
        ("GATEWAY_OBJECTS_URL", "file://[::1"),
        ("GATEWAY_AMQP_URL", "amqp://secret@host:port/"),
    ):
        for command in (("check",), ("status",)):
            ran = gateway(*command, **{variable: value})
            assert (ran.status, f"{variable}: it is no " in ran.err, "secret" in ran.err) == (2, True, False)
    assert gateway("run", "nonsense").status == 2


def test_credentials_may_come_from_a_file(tmp_path: Path, database_url: str) -> None:
    secret = tmp_path / "database-url"
    secret.write_text(f"{database_url}\n")
    ran = Gateway(tmp_path)("jobs", "list", "--json", GATEWAY_DATABASE_URL_FILE=str(secret))
    assert (ran.status, ran.json()) == (0, []), ran.err
    missing = Gateway(tmp_path)("jobs", "list", GATEWAY_DATABASE_URL_FILE="/nowhere/secret")
    assert (missing.status, "GATEWAY_DATABASE_URL_FILE=/nowhere/secret" in missing.err) == (2, True)


def test_a_terminal_that_is_not_utf_8_gets_other_alphabets_as_escapes(process: Gateway) -> None:
    process.station("SCANNER1", "--description", "Gerät 山")
    ran = process("station", "list", PYTHONIOENCODING="ascii")
    assert (ran.status, "Ger\\xe4t \\u5c71" in ran.out) == (0, True), ran


def test_roles_says_who_connects_as_what(gateway: Gateway, postgresql: PrivatePostgresql, database_url: str) -> None:
    url = postgresql.service_urls(database_url.rpartition("/")[2])["storage_database_url"]
    told = gateway.done("roles").out.splitlines()
    assert told[2] == "storage: no GATEWAY_STORAGE_DATABASE_URL, uses GATEWAY_DATABASE_URL"
    ran = gateway("roles", "--json", GATEWAY_STORAGE_DATABASE_URL=url)
    assert (ran.json()["storage"], ran.json()["index"]) == ("storage", None)
    both = {"GATEWAY_STORAGE_DATABASE_URL": url, "GATEWAY_INDEX_DATABASE_URL": url.replace("storage:", "storage:other")}
    other = gateway("roles", **both)
    assert (other.status, "another password of login storage" in other.err) == (2, True)
    nobody = gateway("roles", GATEWAY_INDEX_DATABASE_URL="postgresql://127.0.0.1/gateway")
    assert (nobody.status, "GATEWAY_INDEX_DATABASE_URL names no user" in nobody.err) == (2, True)


def test_a_command_by_a_login_without_the_role_names_the_cure(
    gateway: Gateway, postgresql: PrivatePostgresql, database_url: str
) -> None:
    url = postgresql.service_urls(database_url.rpartition("/")[2])["index_database_url"]
    ran = gateway("station", "list", GATEWAY_ADMIN_DATABASE_URL=url)
    assert (ran.status, "42501" in ran.err, "gateway roles" in ran.err) == (1, True, True)


@pytest.mark.parametrize("url", ["postgresql://porter@127.0.0.1:1/gateway", "amqp://porter:secret@127.0.0.1:1/"])
def test_up_refuses_two_logins_for_the_one_process_that_listens(process: Gateway, url: str) -> None:
    setting = "DATABASE_URL" if url.startswith("postgresql") else "AMQP_URL"
    ran = process("up", **{f"GATEWAY_INGEST_{setting}": url})
    assert (ran.status, "secret" in ran.err) == (2, False)
    assert f"these differ: GATEWAY_INGEST_{setting}, GATEWAY_QUERY_{setting}; give them the same URL" in ran.err
