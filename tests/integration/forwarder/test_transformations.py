"""What a station is sent by rules that transform, and what the ledger says of it."""

import hashlib
import io
from typing import Any

import pydicom
import pytest
from psycopg.types.json import Jsonb
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from services.dicom.facts import read_header
from tests.factories import Instance, ct, nm_gated_tomo
from tests.integration.forwarder.bench import Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations.receiver import Answer, StationReceiver
from tests.waiting import until_async

KINDS: dict[str, list[dict[str, Any]]] = {
    "SET": [{"do": "set", "tag": ["InstitutionName"], "value": ["Spital"]}],
    "REMOVE": [{"do": "remove", "tag": ["StudyDescription"]}],
    "COPY": [{"do": "copy", "tag": "StudyID", "to": "AccessionNumber"}],
    "REPLACE": [{"do": "replace", "tag": ["PatientID"], "pattern": "^PAT([0-9]+)$", "by": r"X\1"}],
    "PREFIX": [{"do": "prefix", "tag": ["PatientID"], "text": "{calling_aet}-"}],
    "UIDS": [{"do": "new_uids", "project": ""}],
    "DEIDENTIFY": [{"do": "deidentify"}],
    "CHARSET": [{"do": "charset", "value": ["ISO_IR 192"]}],
    "SYNTAX": [{"do": "transfer_syntax", "prefer": ["Implicit VR Little Endian", "received"]}],
    "REDUCE": [{"do": "reduce"}],
    "BOTH": [{"do": "set", "tag": ["StudyID"], "value": ["R"]}],
}


def rules() -> list[dict[str, object]]:
    """One for each kind, told apart by who sends; the last one says something of its target too."""
    target = {"to": "WS", "transform": [{"do": "prefix", "tag": ["StudyID"], "text": "T"}]}
    return [
        {
            "name": kind,
            "when": {"fact": "calling_aet", "op": "equals", "value": kind},
            "send": [target if kind == "BOTH" else {"to": "WS"}],
            "transform": steps,
        }
        for kind, steps in KINDS.items()
    ]


def read(data: bytes, syntax: str) -> Dataset:
    return pydicom.filereader.read_dataset(io.BytesIO(data), syntax == ImplicitVRLittleEndian, True)


def instances() -> dict[str, Instance]:
    made = {kind: ct(number, study=number, PatientName="Müller^Jörg") for number, kind in enumerate(KINDS)}
    made["REDUCE"] = nm_gated_tomo(77, MedicalAlerts="gone")
    made["PREFIX"] = ct(78, transfer_syntax=ExplicitVRBigEndian)
    return made


async def test_every_kind_goes_through_one_forwarder(recorder: Recorder, ledger: Ledger) -> None:
    """The originals stay, the ledger says what was sent, and doing it again sends the same bytes."""
    made = instances()
    with StationReceiver("WS") as station:
        add_station(recorder.database_url, "WS", station.port)
        add_rule_set(recorder.database_url, 1, rules())
        async with forwarder(recorder) as running:
            recorded = {kind: recorder.record(made[kind], calling_aet=kind)[0] for kind in KINDS}
            await running.evaluate(list(recorded.values()))
            await ledger.until_states({"DELIVERED": len(KINDS)})
            sent = {row["sop_instance_uid"]: row for row in ledger.rows("select * from routing.delivery")}
            jobs = [str(job["id"]) for job in ledger.jobs()]
            ledger.execute("update routing.delivery set state = 'UNKNOWN', next_attempt_at = now(), finished_at = null")
            ledger.execute("update routing.job set state = 'ACTIVE', finished_at = null")
            await until_async(lambda: len(station.uids) == 2 * len(KINDS))
            await ledger.until_states({"DELIVERED": len(KINDS)})
    assert len(jobs) == len(KINDS)
    rows = {kind: sent[each.sop_instance_uid] for kind, each in made.items()}
    names = {kind: row["sent_sop_instance_uid"] or row["sop_instance_uid"] for kind, row in rows.items()}
    found = {}
    for kind, row in rows.items():
        first, again = station.data_sets(names[kind])
        assert first == again, kind
        assert hashlib.sha256(first).hexdigest() == row["sent"]["sha256"]
        assert ledger.attempts(row["id"])[0]["sent_sha256"] == row["sent"]["sha256"]
        assert len(row["transformation"]) == 64
        header = read_header(io.BytesIO(first), 0, len(first), row["sent"]["transfer_syntax"])
        assert header.sop_instance_uid == names[kind], "the name in the command is the one in the data set"
        with recorder.objects.open(row["object_key"]) as stored:
            stored.seek(row["data_set_offset"])
            assert stored.read() == made[kind].data_set, "the original stays"
        found[kind] = read(first, row["sent"]["transfer_syntax"])
    assert found["SET"].InstitutionName == "Spital"
    assert "StudyDescription" not in found["REMOVE"]
    assert found["COPY"].AccessionNumber == found["COPY"].StudyID
    assert found["REPLACE"].PatientID == "X3"
    assert found["PREFIX"].PatientID.startswith("PREFIX-PAT")
    assert rows["PREFIX"]["sent"]["transfer_syntax"] == ExplicitVRLittleEndian
    assert names["UIDS"] == rows["UIDS"]["sent"]["uids"][made["UIDS"].sop_instance_uid] == found["UIDS"].SOPInstanceUID
    assert found["UIDS"].StudyInstanceUID == rows["UIDS"]["sent"]["uids"][made["UIDS"].study_instance_uid]
    assert found["DEIDENTIFY"].PatientIdentityRemoved == "YES"
    assert "Müller" not in str(found["DEIDENTIFY"])
    assert (found["CHARSET"].SpecificCharacterSet, str(found["CHARSET"].PatientName)) == ("ISO_IR 192", "Müller^Jörg")
    assert rows["SYNTAX"]["sent"]["transfer_syntax"] == ImplicitVRLittleEndian
    assert "MedicalAlerts" not in found["REDUCE"]
    assert found["BOTH"].StudyID == "TR"
    stored = ledger.rows("select number, steps from routing.transformation")
    assert len(stored) == len(KINDS)
    prefix = next(row["steps"] for row in stored if row["number"] == rows["PREFIX"]["transformation"])
    assert prefix[0]["text"] == "PREFIX-"


async def test_what_cannot_be_transformed_fails_and_is_never_sent_as_it_is(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("WS") as station:
        add_station(recorder.database_url, "WS", station.port)
        steps = [{"do": "prefix", "tag": ["PatientID"], "text": "x" * 64}]
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "WS", "transform": steps}]}])
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(ct(1)))
            await ledger.until_states({"FAILED": 1})
        assert station.uids == []
    (delivery,) = ledger.deliveries()
    assert delivery["reason"] == (
        "the rule's transformation cannot be done: PatientID cannot be written: it has more than the 64 characters "
        "that LO holds"
    )


async def test_a_preferred_transfer_syntax_is_one_the_station_accepts(recorder: Recorder, ledger: Ledger) -> None:
    steps = [{"do": "transfer_syntax", "prefer": ["Implicit VR Little Endian", "received"]}]
    with StationReceiver("WS") as station:
        station.syntaxes = (ExplicitVRLittleEndian,)
        add_station(recorder.database_url, "WS", station.port)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "WS"}], "transform": steps}])
        instance = ct(1)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(instance))
            await ledger.until_states({"DELIVERED": 1})
        assert station.data_set(instance.sop_instance_uid) == instance.data_set


async def test_what_comes_back_under_its_new_name_is_known_before_it_was_answered(
    recorder: Recorder, ledger: Ledger
) -> None:
    """The name follows from the rule: the row has it before anything is sent, and loops end (P5)."""
    with StationReceiver("WS", Answer(0xA700)) as station:
        add_station(recorder.database_url, "WS", station.port)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "WS"}], "transform": KINDS["UIDS"]}])
        async with forwarder(recorder, sending=False) as running:
            await running.evaluate(recorder.record(ct(1)))
        ledger.execute("update routing.delivery set state = 'SENDING'")
    (row,) = ledger.rows("select sop_instance_uid, sent_sop_instance_uid from routing.delivery")
    known = {each["sop_instance_uid"] for each in ledger.rows("select * from routing.delivered_view")}
    assert known == {row["sop_instance_uid"], row["sent_sop_instance_uid"]}
    assert row["sent_sop_instance_uid"].startswith("2.25.")


@pytest.mark.parametrize("steps", [[{"do": "fly"}], [{"do": "set", "tag": ["PatientID"]}]])
async def test_steps_of_another_version_hold_nobody_up(recorder: Recorder, ledger: Ledger, steps: list[Any]) -> None:
    with StationReceiver("WS") as station:
        add_station(recorder.database_url, "WS", station.port)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "WS"}], "transform": KINDS["SET"]}])
        async with forwarder(recorder, sending=False) as running:
            await running.evaluate(recorder.record(ct(1)))
        ledger.execute("update routing.transformation set steps = %s", Jsonb(steps))
        async with forwarder(recorder):
            await ledger.until_states({"FAILED": 1})
    assert "another version" in ledger.deliveries()[0]["reason"]


async def test_whatever_becomes_of_a_delivery_it_is_changed_alike(recorder: Recorder, ledger: Ledger) -> None:
    """Rerouted, and sent again because it was missing; a person's send alone is what is stored."""
    for title in ("WS", "OTHER"):
        add_station(recorder.database_url, title, 104)
    add_rule_set(recorder.database_url, 1, [{"send": [{"to": "WS"}], "transform": KINDS["UIDS"]}])
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1)))
        (first,) = ledger.rows("select * from routing.delivery")
        named = [[first["received_at"].isoformat(), first["id"]]]
        reroute = ledger.request("reroute-deliveries", {"deliveries": named, "to": "OTHER"})
        await running.requests.carry_out(reroute)
        ledger.execute("update routing.delivery set state = 'DELIVERED', finished_at = now()")
        body = {"uids": [first["sop_instance_uid"]], "to": "OTHER"}
        again, by_hand = ledger.request("send", body | {"as_sent": True}), ledger.request("send", body)
        for request in (again, by_hand):
            await running.requests.carry_out(request)
    found = {row["request"]: row for row in ledger.rows("select * from routing.delivery")}
    assert first["sent_sop_instance_uid"].startswith("2.25.")
    for request in (reroute, again):
        assert found[request]["destination"] == "OTHER"
        for column in ("transformation", "sent_sop_instance_uid"):
            assert found[request][column] == first[column]
    assert (found[by_hand]["transformation"], found[by_hand]["sent_sop_instance_uid"]) == (None, None)


@pytest.mark.parametrize(
    ("to", "sent_to"), [("WS", {"WS"}), ("SCANNER1", {"SCANNER1"}), (None, {"ARCHIVE1"})], ids=["to", "back", "rules"]
)
async def test_a_corrected_instance_goes_where_a_person_or_the_live_rules_say(
    recorder: Recorder, ledger: Ledger, to: str | None, sent_to: set[str]
) -> None:
    """What waited of the revision before is overtaken there."""
    for title in ("WS", "ARCHIVE1", "SCANNER1"):
        add_station(recorder.database_url, title, 104)
    add_rule_set(recorder.database_url, 1, [{"send": [{"to": "ARCHIVE1"}]}])
    request = ledger.request("correct", {"uids": [], "steps": [], "why": "x", "to": to})
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(recorder.record(ct(1)))
        corrected = recorder.record(ct(1, PatientID="OTHER"), disposition="REVISION", revision=2)
        ledger.execute(
            "update storage.receipt set flags = '{revision,corrected}', association = %s where revision = 2",
            request.hex,
        )
        await running.evaluate(corrected)
    states = {(row["destination"], row["revision"]): row["state"] for row in ledger.deliveries()}
    assert {title for title, revision in states if revision == 2} == sent_to
    assert states["ARCHIVE1", 1] == ("SUPERSEDED" if to is None else "PENDING")
