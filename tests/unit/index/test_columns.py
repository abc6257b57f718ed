"""From facts to columns: one bad element never costs more than its own value."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.index.batch import Study, gather
from services.index.columns import LONGEST_TEXT, Entry, clean, conflicting, entry, folded, integer, text

RECEIPT = {
    "sop_instance_uid": "1.2.3",
    "revision": 1,
    "received_at": datetime(2026, 11, 23, tzinfo=UTC),
    "object_key": "objects/x.dcm",
    "study_instance_uid": "1.2",
    "series_instance_uid": "1.2.1",
    "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
    "transfer_syntax_uid": "1.2.840.10008.1.2.1",
    "flags": [],
}


def made(study: str = "1.2", uid: str = "1.2.3", **values: object) -> Entry:
    facts = {"values": {f"{key[1:]}": value for key, value in values.items()}}
    return entry(RECEIPT | {"study_instance_uid": study, "sop_instance_uid": uid}, facts)


@pytest.mark.parametrize(
    "facts",
    [None, {}, [], "text", {"values": None}, {"values": []}, {"values": {"00100010": "no list", "00280010": {}}}],
)
def test_facts_of_any_shape_leave_a_row(facts: object) -> None:
    row = entry(RECEIPT, facts)  # type: ignore[arg-type]
    assert row.sop_instance_uid == "1.2.3"
    assert (row.demographics, row.row_count) == ({}, None)
    assert set(row.study.values()) | set(row.series.values()) | set(row.instance.values()) == {""}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Müller^Änne", "Müller^Änne"),
        ("a\x00b", "ab"),
        ("a\ud800b", "ab"),
        ("  padded ", "padded"),
        ("x" * 5000, "x" * LONGEST_TEXT),
    ],
)
def test_text_that_postgresql_takes(value: str, expected: str) -> None:
    assert clean(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [([], ""), (["A", "B"], "A\\B"), (["A", None, "C"], "A\\\\C"), ([3], "3"), (None, ""), ("x", ""), ([None], "")],
)
def test_all_values_of_an_element(value: object, expected: str) -> None:
    assert text({"k": value}, "k") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([512], 512),
        (["64"], 64),
        ([" 64 "], 64),
        (["1.5"], None),
        (["x"], None),
        ([-1], None),
        ([2**31], None),
        ([float("inf")], None),
        ([float("nan")], None),
        ([None], None),
        ([], None),
        (None, None),
        (["9" * 5000], None),
    ],
)
def test_numbers_that_the_column_takes(value: object, expected: int | None) -> None:
    assert integer({"k": value}, "k") == expected


@pytest.mark.parametrize(
    ("name", "expected"), [("MÜLLER^Änne", "muller^anne"), ("Straße", "strasse"), ("山田^太郎", "山田^太郎")]
)
def test_names_are_folded_for_searching(name: str, expected: str) -> None:
    assert folded(name) == expected


@pytest.mark.parametrize(
    ("known", "arrived", "expected"),
    [
        ({"name": "DOE^JANE"}, {"name": "Doe^Jane^^"}, False),
        ({"name": "DOE^JANE"}, {"name": "DOE^JOHN"}, True),
        ({"patient_id": "1"}, {"patient_id": "2"}, True),
        ({"patient_id": "1"}, {}, False),
        ({"birth_date": "19700101"}, {"sex": "F"}, False),
        ({"sex": "F"}, {"sex": "M"}, True),
    ],
)
def test_demographics_conflict_when_values_differ(
    known: dict[str, str], arrived: dict[str, str], expected: bool
) -> None:
    assert conflicting(known, arrived) is expected


def test_a_study_keeps_its_first_patient_and_is_flagged() -> None:
    batch = gather([made(k00100020=["P1"]), made(uid="1.2.4", k00100020=["P2"])], {})
    assert list(batch.patients) == [("P1", "", "")]
    assert batch.studies["1.2"].patient_conflict
    assert len(batch.instances) == 2


def test_a_known_study_decides() -> None:
    known = {"1.2": Study({}, {"patient_id": "P1", "sex": "F"})}
    batch = gather([made(k00100020=["P1"], k00100040=["M"])], known)
    assert batch.studies["1.2"].patient_conflict
    assert batch.patients["P1", "", ""]["sex"] == "F"


def test_a_correction_decides_who_the_patient_is() -> None:
    known = {"1.2": Study({}, {"patient_id": "P1", "sex": "F"})}
    row = replace(made(k00100020=["P2"]), corrected=True)
    study = gather([row], known).studies["1.2"]
    assert study.patient("1.2") == ("P2", "", "")
    assert study.demographics == {"patient_id": "P2", "sex": "F"}
    assert not study.patient_conflict


def test_people_without_an_id_are_never_taken_for_one() -> None:
    batch = gather([made(study="1.2", k00100010=["A"]), made(study="1.3", uid="1.3.3", k00100010=["B"])], {})
    assert set(batch.patients) == {("", "", "1.2"), ("", "", "1.3")}


def test_an_empty_element_does_not_erase_a_known_one() -> None:
    batch = gather([made(k00081030=["Heart"]), made(uid="1.2.4")], {})
    assert batch.studies["1.2"].values["description"] == "Heart"
