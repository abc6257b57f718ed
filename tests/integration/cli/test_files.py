"""What import, export, retention, reconcile and the audit say at the command line, faults above all."""

from pathlib import Path

import pytest

from tests.factories import ct
from tests.integration.cli.conftest import Gateway
from tests.recorded import Recorder, add_rule_set

XELERIS = {"GATEWAY_PROFILE": "xeleris"}


@pytest.fixture
def study(database_url: str, gateway: Gateway) -> str:
    """A study of two instances in the gateway's object store."""
    add_rule_set(database_url, 1, [])
    Recorder(database_url, gateway.home / "objects").record(ct(1), ct(2, study=1))
    return ct(1).study_instance_uid


FAULTS: list[tuple[tuple[str, ...], dict[str, str], int, str]] = [
    (
        ("station", "set", "CT1", "--retention-days", "30"),
        XELERIS,
        2,
        "keeps everything until a user deletes it (R94)",
    ),
    (("station", "set", "CT1", "--reconcile"), XELERIS, 2, "profile xeleris queries only for a person (R53)"),
    (
        ("station", "set", "CT1", "--skip-present"),
        XELERIS,
        2,
        "--skip-present: profile xeleris queries only for a person",
    ),
    (("send", "1.2", "--to", "CT1", "--skip-present"), XELERIS, 2, "queries only for a person (R53)"),
    (("station", "set", "CT1", "--skip-present"), {}, 2, "add --query-retrieve, or set it --send-present"),
    (("station", "set", "CT1", "--pull-minutes", "5"), XELERIS, 2, "--pull-minutes: profile xeleris queries only for"),
    (("station", "set", "CT1", "--pull-minutes", "5"), {}, 2, "add --query-retrieve, or set it --pull-minutes 0"),
    (("station", "set", "CT1", "--pull-modality", "N*"), {}, 2, "--pull-modalities 'N*': a modality has 1 to 16"),
    (("reconcile", "CT1"), XELERIS, 2, "(R144)"),
    (("reconcile", "CT1"), {}, 1, "CT1 is no query source; 'gateway station set CT1 --query-retrieve'"),
    (("reconcile", "CT1", "--since", "yesterday"), {}, 2, "--since 'yesterday' is no duration"),
    (("import", "/nowhere"), {}, 2, "/nowhere: does not exist; name a folder, a ZIP, a DICOMDIR or a file"),
    (("import", "/dev/null"), {}, 2, "/dev/null: is no file and no folder"),
    (("import", "."), {}, 1, "station IMPORT is not defined"),
    (("import", ".", "--as", "FAR"), {}, 1, "--address 10.1.1.1 --address 127.0.0.1"),
    (("studies", "export", "1.2.3", "--to", "/tmp/none"), {}, 1, "has the UID 1.2.3"),
]


def test_a_fault_names_the_thing_the_value_and_the_cure(gateway: Gateway) -> None:
    gateway.station("CT1")
    gateway.done("station", "add", "FAR", "--host", "10.1.1.1", "--port", "104")
    for arguments, settings, status, words in FAULTS:
        ran = gateway(*arguments, **settings)
        assert ran.status == status, ran
        assert words in ran.err


def test_retention_does_not_start_in_profile_xeleris_and_check_says_so(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.admin.verification.BROKER_SECONDS", 0.1)  # there is none here
    ran = gateway("check", "--json", GATEWAY_STORAGE_RETENTION_DAYS="30", **XELERIS)
    (found,) = [row for row in ran.json() if row["name"] == "retention"]
    assert found["state"] == "failed"
    assert found["text"].startswith("GATEWAY_STORAGE_RETENTION_DAYS=30: profile xeleris keeps everything")


def test_what_a_station_sends_is_kept_for_ever_where_it_says_so(gateway: Gateway) -> None:
    gateway.station("CT1", "--retention-days", "0")
    assert gateway.done("station", "show", "CT1", "--json").json()["retention_days"] == 0


def test_what_retention_does_and_who_did_what_are_shown(gateway: Gateway) -> None:
    gateway.station("CT1")
    state = gateway.done("studies", "retention", "--json").json()
    assert (state["studies"], state["kept"]) == (0, [])
    (entry,) = gateway.done("audit", "list", "--action", "station", "--json").json()
    assert (entry["action"], entry["object"], entry["actor"].partition(":")[0]) == ("station.add", "CT1", "cli")
    assert gateway.done("audit", "list", "--action", "stat", "--json").json() == []
    assert "station.add" in gateway.done("audit", "list", "--since", "1h").out


def test_an_export_has_all_or_nothing(gateway: Gateway, study: str, database_url: str) -> None:
    """A damaged object leaves nothing behind; every revision has a name of its own."""
    target = gateway.home / "out"
    done = gateway.done("studies", "export", study, "--to", str(target), "--all-revisions", "--json").json()
    assert (done["files"], done["to"]) == (2, str(target))
    assert {path.name for path in target.rglob("*.dcm")} == {
        f"{instance.sop_instance_uid}_revision1.dcm" for instance in (ct(1), ct(2, study=1))
    }
    (entry,) = gateway.done("audit", "list", "--action", "studies.export", "--json").json()
    assert (entry["object"], entry["after"]["to"], entry["after"]["files"]) == (study, str(target), 2)
    first = sorted((gateway.home / "objects" / "objects").rglob("*.dcm"))[0]
    with first.open("r+b") as damaged:
        damaged.seek(-1, 2)
        damaged.write(b"\x55")
    before = set(gateway.home.iterdir())
    for name in ("again", "again.zip"):
        ran = gateway("studies", "export", study, "--to", str(gateway.home / name))
        assert (ran.status, "is damaged; have it sent again" in ran.err) == (1, True), ran
    assert set(gateway.home.iterdir()) == before
    both = gateway("studies", "export", study, "--to", "x", "--all-revisions", "--dicomdir")
    assert (both.status, "leave one out" in both.err) == (2, True)


def test_nothing_is_overwritten_and_a_folder_that_is_not_there_is_named(gateway: Gateway, study: str) -> None:
    there = gateway.home / "there"
    there.mkdir()
    taken = gateway("studies", "export", study, "--to", str(there))
    assert (taken.status, f"{there} exists already" in taken.err) == (1, True)
    lost = gateway("studies", "export", study, "--to", str(Path("/no/such/folder")))
    assert (lost.status, "/no/such: no such folder; make it first" in lost.err) == (2, True)
