"""``gateway jobs retry|cancel|reroute`` by a filter: what is listed, what is asked, what is requested."""

from uuid import uuid4

import psycopg
import pytest

from services.admin import bulk, requests
from tests.integration.cli.conftest import Gateway

DELIVERIES = """
insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid, object_key,
    data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, state, reason, rule, finished_at)
select now(), '1.2.' || n, 1, case when n <= 110 then 'PACS1' else 'WS1' end, %s, '1.2', 'o', 1, 1, '0', '1', '2',
    'FAILED', 'status ' || case when n %% 2 = 0 then 'A700' else 'C000' end, 'all', now() - interval '1 day'
from generate_series(1, 120) as n
"""


@pytest.fixture
def failed(gateway: Gateway, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """110 failed deliveries to PACS1, 10 to WS1; no forwarder runs."""
    monkeypatch.setattr(requests, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(bulk, "BATCH", 50)
    for title in ("PACS1", "PACS2"):
        gateway.station(title, "--store")
    with psycopg.connect(database_url) as connection:
        connection.execute(DELIVERIES, (uuid4(),))
    return gateway


def test_one_job_goes_elsewhere_with_the_reason(failed: Gateway, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        ((job,),) = connection.execute("select distinct job from routing.delivery").fetchall()
    done = failed.done(
        "jobs", "reroute", str(job), "--to", "PACS2", "--why", "it is repaired", "--yes", "--json"
    ).json()
    assert (done["found"], done["queued"]) == (120, 3)
    with psycopg.connect(database_url) as connection:
        found = connection.execute("select distinct body ->> 'to', body ->> 'why' from config.request").fetchall()
    assert found == [("PACS2", "it is repaired")]


def test_what_is_listed_is_what_is_requested(failed: Gateway, database_url: str) -> None:
    """In bounded batches; a dry run requests nothing."""
    listed = failed.done("jobs", "retry", "--destination", "PACS1", "--dry-run", "--json").json()
    assert (listed["found"], sorted(group["deliveries"] for group in listed["groups"])) == (110, [55, 55])
    some = failed.done("jobs", "retry", "--reason-contains", "a700", "--rule", "all", "--since", "2d", "--json").json()
    assert (some["found"], some["queued"]) == (60, 2)
    assert failed.done("jobs", "retry", "--since", "2h", "--json").json()["found"] == 0
    ran = failed("jobs", "reroute", "--destination", "PACS1", "--to", "PACS2")
    assert (ran.status, "110 deliveries are more than 100: say --yes" in ran.err) == (2, True)
    failed.done("jobs", "reroute", "--destination", "PACS1", "--to", "PACS2", "--yes")
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "select kind, body ->> 'to', jsonb_array_length(body -> 'deliveries') from config.request "
            "order by requested_at, id"
        ).fetchall()
    assert sorted(found[:2]) == [("retry-deliveries", None, 10), ("retry-deliveries", None, 50)]
    assert sorted(found[2:]) == [("reroute-deliveries", "PACS2", each) for each in (10, 50, 50)]


@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        (["retry"], 2, "name what is meant: a JOB, or one of --destination"),
        (["retry", "00000000-0000-0000-0000-000000000001", "--rule", "all"], 2, "not both"),
        (["cancel", "--state", "FAILED"], 2, "cannot be cancelled; name one of PENDING, SENDING, UNKNOWN"),
        (["cancel", "--since", "yesterday"], 2, "'yesterday' is no time"),
        (["reroute", "--destination", "WS1", "--to", "PACS3"], 1, "station PACS3 is not defined"),
        (["reroute", "--destination", "WS1"], 2, "--to"),
        (["reroute", "00000000-0000-0000-0000-000000000001", "--rule", "all", "--to", "PACS2"], 2, "not both"),
        (["first"], 2, "give ids of jobs, or --patient ID"),
        (["first", "00000000-0000-0000-0000-000000000001", "--patient", "P1"], 2, "one of both"),
        (["first", "00000000-0000-0000-0000-000000000001"], 1, "does not exist; 'gateway jobs list'"),
        (["first", "--patient", "P1"], 1, "nothing waits of a patient with the ID given; 'gateway studies list"),
    ],
)
def test_what_cannot_be_is_named_with_the_cure(failed: Gateway, arguments: list[str], status: int, error: str) -> None:
    ran = failed("jobs", *arguments)
    assert (ran.status, error in ran.err) == (status, True), ran
