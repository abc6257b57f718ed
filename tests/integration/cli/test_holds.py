"""``gateway station|rules hold|resume`` and ``gateway holds list``."""

import psycopg
import pytest

from tests.integration.cli.conftest import Gateway


@pytest.fixture
def configured(gateway: Gateway) -> Gateway:
    """Two stations and a rule."""
    gateway.station("CT1")
    gateway.station("PACS1", "--store")
    rules = gateway.file("rules.yaml", "version: 1\nrules: [{name: to-pacs, when: {all: []}, send: [{to: PACS1}]}]\n")
    gateway.done("rules", "apply", rules)
    return gateway


def test_who_holds_what_why_and_until_when(configured: Gateway, database_url: str) -> None:
    said = configured.done("station", "hold", "PACS1", "--why", "upgrade", "--until", "2100-12-01T07:00+01:00").out
    assert said == "station PACS1 is held until 2100-12-01 06:00:00Z: upgrade\n"
    assert "until it is resumed: wrong" in configured.done("rules", "hold", "to-pacs", "--why", "wrong").out
    configured.done("station", "hold", "CT1", "--as-source", "--why", "phantoms", "--until", "2h")
    configured.done("station", "hold", "PACS1", "--why", "upgrade takes longer")
    rows = configured.done("holds", "list", "--json").json()
    assert {(row["kind"], row["name"], row["why"], row["until"] is None) for row in rows} == {
        ("station", "PACS1", "upgrade takes longer", True),
        ("rule", "to-pacs", "wrong", True),
        ("source", "CT1", "phantoms", False),
    }
    assert {row["held_by"].partition(":")[0] for row in rows} == {"cli"}
    assert "station PACS1 is held since" in configured.done("status").out
    assert configured.done("rules", "resume", "to-pacs").out == "rule to-pacs goes on\n"
    configured.done("station", "resume", "CT1", "--as-source")
    assert [row["name"] for row in configured.done("holds", "list", "--json").json()] == ["PACS1"]
    assert len(configured.done("holds", "list", "--all", "--json").json()) == 4
    with psycopg.connect(database_url) as connection:
        written = connection.execute(
            "select action, object, before ->> 'why', after ->> 'why' from audit.entry"
        ).fetchall()
    assert ("station.hold", "PACS1", "upgrade", "upgrade takes longer") in written
    assert ("rule.resume", "to-pacs", "wrong", None) in written
    configured.done("rules", "apply", configured.file("none.yaml", "version: 1\nrules: []\n"))
    configured.done("station", "remove", "PACS1")
    assert configured.done("holds", "list", "--json").json() == []


@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        (["station", "hold", "PACS2", "--why", "x"], 1, "station PACS2 is not defined"),
        (["rules", "hold", "to-pac", "--why", "x"], 1, "did you mean to-pacs?"),
        (["station", "hold", "PACS1", "--why", " "], 2, "say in one line"),
        (["station", "hold", "PACS1", "--why", "x", "--until", "soon"], 2, "'soon' is no time"),
        (["station", "hold", "PACS1", "--why", "x", "--until", "2020-01-01"], 2, "2020-01-01 00:00:00Z is past"),
        (["station", "resume", "PACS1"], 1, "station PACS1 is not held; 'gateway holds list'"),
        (["rules", "resume", "to-pacs"], 1, "rule to-pacs is not held"),
    ],
)
def test_what_cannot_be_is_named_with_the_cure(
    configured: Gateway, arguments: list[str], status: int, error: str
) -> None:
    ran = configured(*arguments)
    assert (ran.status, error in ran.err) == (status, True), ran
    assert configured.done("holds", "list", "--json").json() == []
