"""A change of the configuration is one transaction: row, generation, notification and audit entry, or nothing."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from services.admin import stations
from services.admin.errors import Refused
from services.admin.rules import rule_sets
from services.admin.rules.faults import FaultyRules
from services.admin.station import build
from services.runtime.db import Database

ARCHIVE = build({"title": "ARCHIVE1", "host": "127.0.0.1", "port": 104, "store": True})


def rules(name: str) -> str:
    return f"version: 1\nrules:\n  - {{name: {name}, when: {{all: []}}, send: [{{to: ARCHIVE1}}]}}\n"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, application="test", pool=8)
    await database.open()
    yield database
    await database.close()


def rows(url: str, query: str) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]


def generation(url: str) -> dict[str, Any]:
    return rows(url, "select number, rule_set from config.generation")[0]


async def test_each_change_counts_notifies_and_is_audited(database: Database, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as listener:
        listener.execute("listen config_changed")
        await stations.add(database, "anna", ARCHIVE)
        await stations.set_fields(database, "anna", "ARCHIVE1", {"port": 11112})
        await rule_sets.apply(database, "bert", rules("one"), "why")
        await rule_sets.apply(database, "bert", "version: 1\nrules: []\n", "")
        await stations.remove(database, "anna", "ARCHIVE1")
        heard = [notification.payload for notification in listener.notifies(timeout=5, stop_after=5)]
    assert heard == ["2", "3", "4", "5", "6"]
    assert generation(database_url) == {"number": 6, "rule_set": 2}
    entries = rows(database_url, "select actor, action, object, before, after from audit.entry order by at, id")
    assert [(entry["actor"], entry["action"], entry["object"]) for entry in entries] == [
        ("anna", "station.add", "ARCHIVE1"),
        ("anna", "station.set", "ARCHIVE1"),
        ("bert", "rules.apply", "1"),
        ("bert", "rules.apply", "2"),
        ("anna", "station.remove", "ARCHIVE1"),
    ]
    assert entries[0]["before"] is None
    assert (entries[1]["before"]["port"], entries[1]["after"]["port"]) == (104, 11112)
    assert (entries[2]["before"], entries[2]["after"]["live"]) == ({"live": 0}, 1)
    assert (entries[4]["before"]["title"], entries[4]["after"]) == ("ARCHIVE1", None)


async def test_what_is_saved_as_it_was_is_no_change(database: Database, database_url: str) -> None:
    await stations.add(database, "anna", ARCHIVE)
    assert await stations.set_fields(database, "bert", "ARCHIVE1", {"port": ARCHIVE.port}) == ARCHIVE
    assert [entry["actor"] for entry in rows(database_url, "select actor from audit.entry")] == ["anna"]


async def test_a_refused_change_leaves_no_trace(database: Database, database_url: str) -> None:
    await stations.add(database, "anna", ARCHIVE)
    before = generation(database_url)
    with pytest.raises(Refused):
        await stations.add(database, "anna", ARCHIVE)
    with pytest.raises(FaultyRules):
        await rule_sets.apply(database, "anna", rules("one").replace("ARCHIVE1", "NOBODY"), "")
    assert generation(database_url) == before
    assert len(rows(database_url, "select * from audit.entry")) == 1
    assert rows(database_url, "select * from config.rule_set") == []


async def test_applies_at_once_all_succeed_with_numbers_of_their_own(database: Database, database_url: str) -> None:
    await stations.add(database, "anna", ARCHIVE)
    applied = await asyncio.gather(*(rule_sets.apply(database, "anna", rules(f"r{n}"), "") for n in range(8)))
    assert sorted(each["number"] for each in applied) == list(range(1, 9))
    assert generation(database_url) == {"number": 10, "rule_set": 8}
    assert [row["number"] for row in await rule_sets.history(database) if row["live"]] == [8]


async def test_a_station_cannot_go_while_rules_that_send_to_it_are_applied(database: Database) -> None:
    """Whoever is second sees what the first did: never live rules that send to a station that does not exist."""
    for _ in range(5):
        await stations.add(database, "anna", ARCHIVE)
        outcomes = await asyncio.gather(
            rule_sets.apply(database, "anna", rules("one"), ""),
            stations.remove(database, "bert", "ARCHIVE1"),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] in ([dict, Refused], [FaultyRules, type(None)])
        await rule_sets.apply(database, "anna", "version: 1\nrules: []\n", "")
        if isinstance(outcomes[1], Refused):
            await stations.remove(database, "anna", "ARCHIVE1")


async def test_unfinished_jobs_keep_a_station(database: Database, database_url: str) -> None:
    await stations.add(database, "anna", ARCHIVE)
    insert = (
        "insert into routing.job (id, kind, destination, study_instance_uid) "
        "values (gen_random_uuid(), 'send', 'ARCHIVE1', '1.2') returning id::text"
    )
    job = rows(database_url, insert)[0]["id"]
    with pytest.raises(Refused, match=f"job {job} .QUEUED.*gateway jobs cancel {job}"):
        await stations.remove(database, "anna", "ARCHIVE1")
    rows(database_url, "update routing.job set finished_at = now(), state = 'CANCELED' returning 1")
    await stations.remove(database, "anna", "ARCHIVE1")
    assert await stations.list_all(database) == []


async def test_pet_raw_of_two_stations_at_once(database: Database) -> None:
    wanted = [ARCHIVE.model_copy(update={"title": title, "pet_raw": True}) for title in ("PET1", "PET2")]
    outcomes = await asyncio.gather(*(stations.add(database, "anna", each) for each in wanted), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Refused", "Station"]
