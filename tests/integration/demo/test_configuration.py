"""The demo configures its stations and rules, again and again, and leaves alone what a person configured."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.demo import configuration as demo
from services.admin import stations
from services.admin.rules import rule_sets
from services.admin.station import build
from services.runtime.db import Database

PORTS = {"ARCHIVE1": 2001, "WORKSTATION1": 2002}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, application="test")
    await database.open()
    yield database
    await database.close()


async def ports(database: Database) -> dict[str, int]:
    return {station.title: station.port for station in await stations.list_all(database)}


async def test_a_second_run_finds_the_new_ports_and_keeps_the_rule_set(database: Database) -> None:
    await demo.configure(database, PORTS)
    assert await ports(database) == {**PORTS, "DEMO_SCANNER": 104}
    await demo.configure(database, {"ARCHIVE1": 2001, "WORKSTATION1": 3002})
    assert await ports(database) == {"ARCHIVE1": 2001, "WORKSTATION1": 3002, "DEMO_SCANNER": 104}
    assert [row["number"] for row in await rule_sets.history(database)] == [1]


async def test_a_rule_set_of_a_person_is_never_replaced(database: Database) -> None:
    await rule_sets.apply(database, "anna", "version: 1\nrules: []\n", "my own")
    with pytest.raises(demo.NotOurs, match="rule set 1 is live"):
        await demo.configure(database, PORTS)
    assert await ports(database) == {}
    assert [row["comment"] for row in await rule_sets.history(database)] == ["my own"]


async def test_a_station_of_a_person_is_never_changed(database: Database) -> None:
    own = build({"title": "WORKSTATION1", "host": "10.0.0.7", "port": 104, "store": True})
    await stations.add(database, "anna", own)
    with pytest.raises(demo.NotOurs, match="WORKSTATION1"):
        await demo.configure(database, PORTS)
    assert await stations.list_all(database) == [own]
    assert await rule_sets.history(database) == []
