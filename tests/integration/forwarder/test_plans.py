"""With 80,000 rows the statements of the work use their indexes, planned as the services have them planned: for any
values."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import ClientCursor, sql

from services.forwarder import jobs, ledger, precedence
from services.forwarder.counting import QUERIES as COUNTING
from services.forwarder.holds import QUERIES as HOLDS
from services.forwarder.latecomers import QUERIES as LATECOMERS
from services.forwarder.plans import QUERIES as EVALUATION
from services.index.store import QUERIES as INDEX
from services.runtime.db import PLANS_ONCE, SESSION

FILL = """
insert into config.station (title, host, port) select 'AE' || n, '127.0.0.1', 104 from generate_series(0, 3) n;
insert into storage.identity (sop_instance_uid, revision, sha256, received_at, object_key, size, data_set_offset,
    sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid)
select '1.2.3.' || n, 1, lpad(n::text, 64, '0'), now() - n * interval '1 second', 'objects/' || n, 1, 1, '1',
    '1.' || n / 100, '1', '1'
from generate_series(1, 80000) n;
insert into storage.receipt (received_at, object_key, sop_instance_uid, revision, disposition, sha256, size,
    sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid, peer_address, calling_aet, called_aet,
    association, configuration, rule_set, status, recorded_at)
select received_at, object_key, sop_instance_uid, 1, 'NEW', sha256, 1, '1', study_instance_uid, '1', '1', 'x', 'x', 'x',
    'x', 1, 1, 0, received_at from storage.identity;
insert into routing.evaluation (received_at, object_key, sop_instance_uid, revision, study_instance_uid, rule_set)
select received_at, object_key, sop_instance_uid, 1, study_instance_uid, 1 from storage.identity;
insert into index.patient (patient_id) values ('P');
insert into index.study (study_instance_uid, patient) select distinct study_instance_uid, 1 from storage.identity;
insert into index.series (study_instance_uid, series_instance_uid) select study_instance_uid, '1' from index.study;
insert into index.instance (sop_instance_uid, revision, received_at, object_key, study_instance_uid,
    series_instance_uid, sop_class_uid, transfer_syntax_uid)
select sop_instance_uid, 1, received_at, object_key, study_instance_uid, '1', '1', '1' from storage.identity;
insert into routing.job (id, kind, destination, study_instance_uid, group_uid, rule_set, rule, level, last_received_at,
    released_at)
select gen_random_uuid(), 'send', 'AE' || n % 4, '1.' || n, '1.' || n, 1, 'r', 'study', now(), now()
from generate_series(1, 8000) n;
update routing.job set completed_by = 'quiet time';
insert into routing.job (id, kind, destination, study_instance_uid, group_uid, rule_set, rule, level, last_received_at,
    counted_at)
select gen_random_uuid(), 'send', destination, study_instance_uid, group_uid, 1, 'r', 'study', now(), 'CT1'
from routing.job where right(study_instance_uid, 2) = '77';
insert into routing.delivery (received_at, sop_instance_uid, revision, destination, job, study_instance_uid, object_key,
    data_set_offset, size, sha256, sop_class_uid, transfer_syntax_uid, priority, state, next_attempt_at)
select received_at, sop_instance_uid, 1, 'AE' || right(sha256, 3)::int / 100 % 4, (select id from routing.job limit 1),
    study_instance_uid, object_key, 1, 1, sha256, '1', '1', 1,
    case when right(object_key, 1) = '0' then 'PENDING' else 'DELIVERED' end,
    case when right(object_key, 2) = '00' then now() else 'infinity'::timestamptz end
from storage.identity;
analyze;
"""
SCHEDULED = """
insert into routing.opening (schedule, closed_at, opens_at, closes_at) values
    ('{open}', '-infinity', '-infinity', 'infinity'),
    ('{shut}', now() - interval '1 hour', now() + interval '1 hour', 'infinity');
insert into config.hold (kind, name, why, held_by) values ('rule', 'held', 'w', 'h'), ('station', 'AE2', 'w', 'h');
update routing.delivery set schedule = '{shut}', shut = 'rule' where state = 'PENDING' and id % 3 = 0;
update routing.delivery set schedule = '{open}' where state = 'PENDING' and id % 3 = 1;
analyze;
"""
WINDOW = {"after_recorded_at": datetime(2000, 1, 1, tzinfo=UTC), "after_object_key": "", "most": 100}


@pytest.fixture(scope="module")
def filled(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    options = SESSION + PLANS_ONCE
    with psycopg.connect(
        module_database_url, autocommit=True, options=options, cursor_factory=ClientCursor
    ) as connection:
        connection.execute("set statement_timeout = '100s'")  # filling is no statement of the service's
        connection.execute(FILL.encode())
        connection.execute(SCHEDULED.encode())
        connection.execute("reset statement_timeout")
        yield connection


CLAIM = {
    "destination": "AE1", "most": 16, "holder": "h", "lease": 60, "unsendable": [], "unsendable_reason": "",
    "gone_reason": "",
}  # fmt: skip
LATE = {"rule": ["r"], "destination": ["AE1"], "study_instance_uid": ["1.77"], "group_uid": ["1.77"]}
STATEMENTS = {
    "claim": (ledger.QUERIES.claim, CLAIM | {"newest": False}),
    "claim the newest": (ledger.QUERIES.claim, CLAIM | {"newest": True}),
    "rise": (precedence.QUERIES.raise_waiting, {"titles": ["AE0", "AE1"], "seconds": 1800, "most": 1000}),
    "due": (ledger.QUERIES.due_destinations, {"titles": ["AE0", "AE1", "AE2", "AE3"], "echoes": True}),
    "park": (HOLDS.park, {"most": 1000}),
    "let go": (HOLDS.let_go, {"most": 1000}),
    "expire": (ledger.QUERIES.expire_leases, {"held": [], "lease": 60, "reason": "r"}),
    "release": (jobs.QUERIES.select_releasable, {}),
    "came late": (LATECOMERS.select_released, LATE),
    "again": (LATECOMERS.insert_again, LATE | {"rule_set": [1], "first": 4}),
    "count": (COUNTING.claim, {"busy": [], "lease": 60}),
    "unevaluated": (EVALUATION.select_unevaluated, WINDOW),
    "unindexed": (INDEX.select_unindexed, WINDOW),
    "supersede": (EVALUATION.supersede, {"uids": ["1.2.3.7", "1.2.3.8"]}),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_indexes_are_used(filled: psycopg.Connection[Any], name: str) -> None:
    statement, parameters = STATEMENTS[name]
    if "lower" in statement:
        window = filled.execute(b"select now() - interval '10 minutes', now()").fetchone()
        assert window is not None
        parameters = parameters | {"lower": window[0], "upper": window[1]}
    asked = {key: value for key, value in parameters.items() if f"%({key})s" in statement}
    values = sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, asked.values()))) if asked else sql.SQL("")
    filled.execute(b"deallocate all")
    filled.execute(_prepared(statement, asked))
    with filled.transaction(force_rollback=True):
        found = filled.execute(sql.SQL("explain (analyze, format json) execute prepared {}").format(values)).fetchone()
    assert found is not None
    plan = found[0][0]
    scans = [node for node in _nodes(plan["Plan"]) if node["Node Type"] == "Seq Scan"]
    read = {node["Relation Name"]: node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in scans}
    assert not {table: count for table, count in read.items() if count > 1000}, plan
    assert plan["Execution Time"] < 500, plan


def _prepared(statement: str, parameters: Iterable[str]) -> bytes:
    for number, name in enumerate(parameters, start=1):
        statement = statement.replace(f"%({name})s", f"${number}")
    return f"prepare prepared as {statement}".replace("%%", "%").encode()


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)
