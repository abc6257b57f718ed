"""What a site of mixed work has come to: nothing is under way, nothing is lost, ledgers and destinations agree, every
study is explained."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from services.admin import explanations
from services.runtime.db import Database
from tests.bench.figures import Figure
from tests.factories import Instance
from tests.faults.ledger import INDEXED, RECORDED
from tests.faults.site import ARCHIVE, RULES_OF, TARGETS, Site
from tests.faults.test_replicas import DELIVERIES, explained
from tests.faults.workers import Modality
from tests.waiting import until

UNDER_WAY = """
select (select count(*) from routing.job where finished_at is null) as jobs,
       (select count(*) from routing.delivery where state in ('PENDING', 'SENDING', 'UNKNOWN')) as deliveries,
       (select count(*) from commitment.commitment where state not in ('SUCCESS', 'FAILURE')) as commitments,
       (select count(*) from runtime.outbox where published_at is null) as events,
       (select count(*) from runtime.dead_letter where state = 'PARKED') as dead_letters
"""
DEAD = "select queue, reason, message_type from runtime.dead_letter where state = 'PARKED'"
COMMITMENTS = "select state, reason, count(*) as n from commitment.commitment group by 1, 2"
ARCHIVED = "select count(distinct sop_instance_uid) as n from commitment.archived where sop_instance_uid = any(%s)"
ASKING_AT_A_TIME, BY_COMMAND = 2, 20
DUPLICATES_SECONDS = 90
READY_SECONDS = 60


def sent(site: Site) -> dict[str, Instance]:
    """Every instance that was answered 0000, by SOP Instance UID."""
    return {each.sop_instance_uid: each for _, study in studies(site) for each in study}


def studies(site: Site) -> Iterator[tuple[Modality, list[Instance]]]:
    """Every study, with who sent it."""
    return ((modality, study) for modality in site.modalities for study in modality.studies)


def settle(site: Site, limit: float) -> float:
    """Wait until nothing is under way; the seconds that took. Fails naming what is."""
    began = time.monotonic()
    acknowledged = len(sent(site))
    left: dict[str, int] = {}

    def nothing_left() -> bool:
        left.update(site.gateway.rows(UNDER_WAY)[0])
        for name, statement in (("unrecorded", RECORDED), ("unindexed", INDEXED)):
            left[name] = sum(acknowledged_of(site)) - len(rows_of(site, statement))
        return not any(left.values())

    site.gateway.wait_ready(site.parts, limit=READY_SECONDS)
    try:
        until(nothing_left, limit=limit, what="nothing to be under way")
    except AssertionError:
        raise AssertionError(
            f"stuck {limit:.0f} s after the storm, of {acknowledged}: {left}\n{_stuck(site)}"
        ) from None
    return time.monotonic() - began


def acknowledged_of(site: Site) -> list[int]:
    """How many instances of each modality were answered 0000."""
    return [len(modality.ledger.acknowledged) for modality in site.modalities]


def rows_of(site: Site, statement: str) -> dict[str, int]:
    """Rows by SOP Instance UID of what was answered 0000."""
    acknowledged = sorted(uid for modality in site.modalities for uid in modality.ledger.acknowledged)
    return {row["uid"]: row["rows"] for row in site.gateway.rows(statement, acknowledged)}


def _stuck(site: Site) -> str:
    gateway = site.gateway
    shown = {
        "dead letters": gateway.rows(DEAD + " limit 5"),
        "jobs": gateway.rows("select * from routing.job where finished_at is null limit 3"),
        "deliveries": gateway.rows(
            "select d.*, now() as now from routing.delivery d where state in ('PENDING', 'SENDING', 'UNKNOWN') limit 3"
        ),
        "commitments": gateway.rows(
            "select c.*, now() as now from commitment.commitment c where state not in ('SUCCESS', 'FAILURE') limit 3"
        ),
    }
    return "\n".join(f"{name}: {rows}" for name, rows in shown.items())


def balance(site: Site) -> list[Figure]:
    """Compare what was sent, recorded, indexed, told, received and committed; what was found."""
    instances = sent(site)
    once = dict.fromkeys(instances, 1)
    assert {uid for modality in site.modalities for uid in modality.ledger.acknowledged} == instances.keys()
    assert rows_of(site, RECORDED) == once
    assert rows_of(site, INDEXED) == once
    twice = _deliveries_agree(site, instances)
    _objects_agree(site)
    committed = _commitments_agree(site)
    _studies_are_found_and_explained(site)
    for modality in site.modalities:
        modality.ledger.checked = True
    attempts = sum(modality.statuses.total() for modality in site.modalities)
    return [
        Figure("instances acknowledged", len(instances), ""),
        Figure("C-STORE answers", attempts, ""),
        Figure("studies, each found and explained", sum(1 for _ in studies(site)), ""),
        Figure("lost", 0, "", 0),
        Figure("stuck", 0, "", 0),
        Figure("deliveries", sum(len(TARGETS[modality.title]) * n for modality, n in _amounts(site)), ""),
        Figure("delivered more than once, each after a lost answer", twice, ""),
        Figure("delivered more than once without a lost answer", 0, "", 0),
        Figure("instances committed", committed, ""),
        Figure("queries answered 0000", site.workstation.answers["0000"], ""),
    ]


def _amounts(site: Site) -> list[tuple[Modality, int]]:
    return list(zip(site.modalities, acknowledged_of(site), strict=True))


def _deliveries_agree(site: Site, instances: Mapping[str, Instance]) -> int:
    """Each destination holds what it was to get, bit for bit, and nothing else; how many came more than once, for
    which the attempts have to tell of a lost answer."""
    uids = sorted({each.study_instance_uid for each in instances.values()})
    rows = site.gateway.rows(DELIVERIES, uids)
    wanted = Counter(
        (each.sop_instance_uid, to)
        for modality, study in studies(site)
        for to in TARGETS[modality.title]
        for each in study
    )
    assert Counter((row["uid"], row["destination"]) for row in rows) == wanted
    assert Counter(row["state"] for row in rows) == {"DELIVERED": len(rows)}
    digests = {uid: digest for modality in site.modalities for uid, digest in modality.ledger.attempted.items()}
    twice = 0
    for destination in sorted({to for targets in TARGETS.values() for to in targets}):
        here = {row["uid"]: row for row in rows if row["destination"] == destination}
        assert site.held(destination) == {uid: {digests[uid]} for uid in here}, destination
        times = site.times_received(destination)
        for uid, row in here.items() if times is not None else ():
            assert times is not None
            assert explained(row["outcomes"], times[uid]), f"{uid} came to {destination} {times[uid]} times: {row}"
            twice += times[uid] > 1
    return twice


def _objects_agree(site: Site) -> None:
    """Each instance has its object, and once duplicates are deleted there is no other."""
    root = site.gateway.home / "objects"
    kept = {row["object_key"] for row in site.gateway.rows("select object_key from storage.identity")}

    def others() -> set[str]:
        return kept ^ {path.relative_to(root).as_posix() for path in root.glob("objects/**/*.dcm")}

    until(lambda: not others(), limit=DUPLICATES_SECONDS, what="every object to be that of an instance")


def _commitments_agree(site: Site) -> int:
    """Every commitment is a success, and flags what the archive has; how many instances."""
    states = site.gateway.rows(COMMITMENTS)
    assert {row["state"] for row in states} == {"SUCCESS"}, states
    to_commit = sorted(
        each.sop_instance_uid
        for modality, study in studies(site)
        if ARCHIVE in TARGETS[modality.title]
        for each in study
    )
    flagged = site.gateway.rows(ARCHIVED, to_commit)[0]["n"]
    assert flagged == len(to_commit)
    return len(to_commit)


def _studies_are_found_and_explained(site: Site) -> None:
    """A query finds each study whole, and what ``gateway where`` tells says all of it; some by the command itself."""
    everyone = list(studies(site))
    with ThreadPoolExecutor(ASKING_AT_A_TIME) as pool:
        list(pool.map(lambda each: _found(site, each[1]), everyone))
        told = [json.loads(site.gateway.cli("where", uid_of(study), "--json")) for _, study in everyone[:BY_COMMAND]]
        told += pool.submit(lambda: asyncio.run(_where(site, [study for _, study in everyone[BY_COMMAND:]]))).result()
    for (modality, study), each in zip(everyone, told, strict=True):
        _explained(modality, study, each)


def uid_of(study: Sequence[Instance]) -> str:
    """Study Instance UID."""
    return study[0].study_instance_uid


def _found(site: Site, study: Sequence[Instance]) -> None:
    assert site.workstation.instances_of(uid_of(study)) == len(study)


async def _where(site: Site, those: Sequence[Sequence[Instance]]) -> list[dict[str, Any]]:
    """What the command asks, without a process for each."""
    database = Database(site.gateway.database_url, application="tests", pool=1)
    await database.open()
    await database.reach()
    try:
        return [await explanations.where(database, uid_of(study)) for study in those]
    finally:
        await database.close()


def _explained(modality: Modality, study: Sequence[Instance], told: Mapping[str, Any]) -> None:
    """From whom, by which rules, where to, how it ended."""
    digests = modality.ledger.attempted
    assert {each["uid"]: each["sha256"] for each in told["instances"]} == {
        each.sop_instance_uid: digests[each.sop_instance_uid] for each in study
    }
    for each in told["instances"]:
        assert each["source"] == modality.title
        assert each["status"] == "0000"
        assert sorted(each["matched"]) == sorted(RULES_OF[modality.title])
        assert each["received_at"] is not None
    for each in told["deliveries"]:
        _delivery_explained(each)
    assert Counter(each["destination"] for each in told["deliveries"]) == dict.fromkeys(
        TARGETS[modality.title], len(study)
    )


def _delivery_explained(each: Mapping[str, Any]) -> None:
    assert each["state"] == "DELIVERED"
    assert each["attempts"][-1]["status"] == "0000", each
    assert all(attempt["status"] == "0000" or attempt["reason"] for attempt in each["attempts"]), each
    if each["destination"] == ARCHIVE:
        assert each["commitment"]["state"] == "SUCCESS"
        assert each["commitment"]["archived_at"] is not None
