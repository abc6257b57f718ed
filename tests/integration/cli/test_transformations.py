"""``gateway rules preview``, ``gateway studies correct`` and what ``gateway where`` says of both."""

import asyncio
from pathlib import Path

import psycopg
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

from services.cli import exits
from tests.factories import ct, nm_static
from tests.integration.cli.conftest import Gateway
from tests.integration.cli.test_deleting import carry_out
from tests.recorded import Recorder, add_rule_set

RULES = """
version: 1
rules:
  - name: research
    when: {all: []}
    send:
      - to: ARCHIVE1
        transform: [{do: prefix, tag: PatientID, text: "{calling_aet}-"}, {do: new_uids}]
  - name: plain
    when: {all: []}
    send: [{to: ARCHIVE1}]
"""
PLAIN = """
version: 1
rules:
  - {name: plain, when: {all: []}, send: [{to: ARCHIVE1}]}
"""


def test_a_preview_shows_what_a_rule_would_send_and_touches_nothing(
    gateway: Gateway, database_url: str, tmp_path: Path
) -> None:
    instance = ct(1, PatientID="P1")
    Recorder(database_url, tmp_path / "objects").record(instance)
    files = sorted((tmp_path / "objects").rglob("*"))
    rules = gateway.file("r.yaml", RULES)
    found = gateway.done(
        "rules", "preview", instance.sop_instance_uid, "--rules", rules, "--to", "ARCHIVE1", "--json"
    ).json()
    assert (found["rule"], found["to"]) == ("research", "ARCHIVE1")
    changed = {each["name"]: (each["before"], each["after"]) for each in found["elements"]}
    assert changed["PatientID"] == ("P1", "SCANNER1-P1")
    assert changed.keys() == {"PatientID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"}
    assert found["uids"][instance.sop_instance_uid] == changed["SOPInstanceUID"][1]
    people = gateway.done("rules", "preview", instance.study_instance_uid, "--rules", rules, "--to", "ARCHIVE1").out
    assert "SCANNER1-P1" in people
    nothing = gateway.done(
        "rules", "preview", instance.sop_instance_uid, "--rules", rules, "--to", "ARCHIVE1", "--rule", "plain"
    )
    assert "no element changes" in nothing.out
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select count(*) from routing.transformation").fetchone() == (0,)
    assert sorted((tmp_path / "objects").rglob("*")) == files


@pytest.mark.parametrize("rules", [RULES, PLAIN])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_preview_shows_what_the_station_is_not_sent(
    gateway: Gateway, database_url: str, tmp_path: Path, rules: str, syntax: str
) -> None:
    """Reduced (R92) as the forwarder does it, beside what the rule changes, or alone."""
    instance = nm_static(1, transfer_syntax=syntax, SmokingStatus="NO")
    Recorder(database_url, tmp_path / "objects").record(instance)
    gateway.station("ARCHIVE1", "--store", "--reduce-level-1")
    preview = "rules", "preview", instance.sop_instance_uid, "--rules", gateway.file("r.yaml", rules)
    found = gateway.done(*preview, "--to", "ARCHIVE1", "--json").json()
    gone = {each["name"] for each in found["elements"] if each["after"] is None}
    assert "SmokingStatus" in gone
    assert found["reduced"]
    assert "reduced to what R92 keeps" in gateway.done(*preview, "--to", "ARCHIVE1").out


def test_a_preview_names_what_is_wrong(gateway: Gateway, database_url: str, tmp_path: Path) -> None:
    instance = ct(1)
    Recorder(database_url, tmp_path / "objects").record(instance)
    rules = gateway.file("r.yaml", RULES)
    uid = instance.sop_instance_uid
    for arguments, told in (
        (("1.2.404", "--rules", rules, "--to", "ARCHIVE1"), "1.2.404"),
        ((uid, "--rules", rules, "--to", "NOBODY"), "NOBODY"),
        ((uid, "--rules", rules, "--to", "ARCHIVE1", "--rule", "none"), "research, plain"),
        ((uid, "--to", "ARCHIVE1"), "no rule set is live"),
        ((uid, "--rules", gateway.file("bad.yaml", RULES.replace("PatientID", "PatientIdd")), "--to", "ARCHIVE1"),
         "did you mean PatientID?"),
        ((uid, "--rules", gateway.file("long.yaml", RULES.replace("calling_aet}-", "calling_aet}" + "-" * 64)),
          "--to", "ARCHIVE1"), "PatientID cannot be written"),
    ):  # fmt: skip
        ran = gateway("rules", "preview", *arguments)
        assert ran.status == exits.FAILED, arguments
        assert told in ran.err


def test_profile_xeleris_refuses_rules_that_transform(gateway: Gateway) -> None:
    gateway.station("ARCHIVE1", "--store")
    rules = gateway.file("r.yaml", RULES)
    gateway.done("rules", "check", rules)
    ran = gateway("rules", "check", rules, GATEWAY_PROFILE="xeleris")
    assert ran.status == exits.FAILED
    assert "profile xeleris sends instances as they are" in ran.err


async def test_a_correction_is_previewed_asked_for_and_told(
    process: Gateway, database_url: str, tmp_path: Path
) -> None:
    add_rule_set(database_url, 1, [])
    instance = ct(1, PatientID="WRONG")
    Recorder(database_url, tmp_path / "objects").record(instance)
    wanted = (instance.study_instance_uid, "--patient-id", "RIGHT", "--why", "mixed up")
    seen = process.done("studies", "correct", *wanted, "--preview", "--json").json()
    assert [(each["name"], each["before"], each["after"]) for each in seen["elements"]] == [
        ("PatientID", "WRONG", "RIGHT")
    ]
    ran, _ = await asyncio.gather(
        asyncio.to_thread(process, "studies", "correct", *wanted), carry_out(database_url, tmp_path)
    )
    assert (ran.status, ran.out) == (0, "correct: 1 instance\n")
    told = process.done("where", instance.sop_instance_uid, "--json").json()["instances"]
    assert [(each["revision"], each["source"], each["findings"]) for each in told] == [
        (1, "SCANNER1", []), (2, "SCANNER1", ["revision", "corrected"]),
    ]  # fmt: skip
    with psycopg.connect(database_url) as connection:
        audited = connection.execute(
            "select actor, after ->> 'why' from audit.entry where action = 'request.correct'"
        ).fetchall()
    assert [(actor.partition(":")[0], why) for actor, why in audited] == [("cli", "mixed up")]


def test_what_cannot_be_corrected_is_refused_before_anybody_is_asked(
    gateway: Gateway, database_url: str, tmp_path: Path
) -> None:
    add_rule_set(database_url, 1, [])
    uid = ct(1).sop_instance_uid
    Recorder(database_url, tmp_path / "objects").record(ct(1))
    gateway.station("READONLY")
    for options, status, told in (
        (("--why", "x"), exits.USAGE, "nothing is corrected"),
        (("--patient-id", "1"), exits.USAGE, "--why"),
        (("--patient-id", "x" * 65, "--why", "x"), exits.USAGE, "64 characters"),
        (("--patient-id", "1", "--charset", "ISO_IR 7", "--why", "x"), exits.USAGE, "did you mean"),
        (("--patient-id", "1", "--why", "x", "--to", "READONLY"), exits.FAILED, "--store"),
    ):
        ran = gateway("studies", "correct", uid, *options)
        assert (ran.status, told in ran.err) == (status, True), ran
    assert gateway("studies", "correct", "1.2.404", "--patient-id", "1", "--why", "x").status == exits.FAILED
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select count(*) from config.request").fetchone() == (0,)
