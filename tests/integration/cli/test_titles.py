"""gateway title, as a person uses it."""

from tests.integration.cli.conftest import Gateway


def test_titles_are_added_changed_and_removed(gateway: Gateway) -> None:
    gateway.station("WS1")
    added = gateway.done("title", "add", "RESEARCH", "--station", "WS1", "--associations", "3", "--json").json()
    assert added == {"title": "RESEARCH", "stations": ["WS1"], "associations": 3}
    changed = gateway.done("title", "set", "RESEARCH", "--station", "", "--associations", "0", "--json").json()
    assert changed == {"title": "RESEARCH", "stations": [], "associations": None}
    assert "every one" in gateway.done("title", "list").out
    assert gateway.done("title", "remove", "RESEARCH", "--json").json() == {"removed": "RESEARCH"}
    assert gateway("title", "show", "RESEARCH").status == 1


def test_profile_xeleris_has_one_title(gateway: Gateway) -> None:
    refused = gateway("title", "add", "RESEARCH", GATEWAY_PROFILE="xeleris")
    assert (refused.status, "one AE with one title" in refused.err) == (1, True)
