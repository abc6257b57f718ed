"""What rules match: operators by type, missing and undecodable values, order, explanations, speed, round trip."""

import io
import timeit
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dicom.facts import read_elements, read_header
from services.dicom.rules import Match, Subject, compile_rules, dump, parse, read
from tests.factories import nm_gated_tomo

FACTS: dict[str, Any] = {
    "values": {
        "00080060": ["NM"],
        "00080008": ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"],
        "00080020": ["20260715"],
        "00080030": ["103015.5"],
        "0008002A": ["20260715103015.5+0200"],
        "00080050": [],
        "00100010": ["M\u00fcller^J\u00fcrgen"],
        "00101010": ["018M"],
        "00180050": ["2.50"],
        "00200013": ["7", "x"],
        "00280010": [128],
        "00189461": [0.10000000149011612],
        "00280009": ["00540010", "00540020"],
        "00540016": [None],
        "00540016/00180031": ["MIBI", "HDP"],
        "00101030": ["heavy"],
        "00102000": ["?"],
        "0020000D": ["1.2.3"],
        "0009:GEMS_GENIE_1:10": ["Heart"],
        "0009:NOBODY:10": ["12"],
    },
    "cut": ["00104000"],
    "undecodable": ["00102000"],
}
SUBJECT = Subject(
    FACTS, "GAMMA1", "GATEWAY", "10.1.2.3", "1.2.840.10008.1.2.1", "1.2.840.10008.5.1.4.1.1.20",
    datetime(2026, 11, 23, 20, 5, tzinfo=UTC),
)  # fmt: skip


def document(when: str, more: str = "") -> str:
    return f"version: 1\nrules:\n  - name: r\n    when: {when}\n    send: [{{to: ARCHIVE}}]\n{more}"


def matches(when: str, subject: Subject = SUBJECT) -> bool:
    compiled = compile_rules(parse(document(when)))
    matched = bool(compiled.evaluate(subject))
    assert compiled.explain(subject)[0].matched is matched
    return matched


@pytest.mark.parametrize(
    ("condition", "outcome"),
    [
        ("tag: Modality, op: equals, value: nm", True),
        ("tag: Modality, op: equals, value: nm, ignore_case: false", False),
        ("tag: '(0008,0060)', op: equals, value: NM", True),
        ("tag: Modality, op: not_equals, value: CT", True),
        ("tag: Modality, op: not_equals, value: NM", False),
        ("tag: Modality, op: in, value: [CT, NM]", True),
        ("tag: Modality, op: in, value: [CT, MR]", False),
        ("tag: ImageType, op: equals, value: TOMO", True),
        ("tag: ImageType, op: not_equals, value: TOMO", False),
        ("tag: ImageType, op: not_equals, value: STATIC", True),
        ("tag: PatientName, op: contains, value: JÜRG", True),
        ("tag: PatientName, op: starts_with, value: müller", True),
        ("tag: PatientName, op: equals, value: Müller^Jürgen", True),
        ("tag: PatientName, op: equals, value: Müller", False),
        ("tag: PatientName, op: wildcard, value: 'm?ller^*'", True),
        ("tag: PatientName, op: wildcard, value: 'm?ller'", False),
        ("tag: PatientName, op: wildcard, value: 'M*'", True),
        ("tag: PatientName, op: wildcard, value: '*^?.*'", False),
        ("tag: PatientName, op: regex, value: '^M.+r\\^J'", True),
        ("tag: PatientName, op: regex, value: 'jürgen$'", True),
        ("tag: PatientName, op: regex, value: 'jürgen$', ignore_case: false", False),
        ("tag: SliceThickness, op: equals, value: 2.5", True),
        ("tag: SliceThickness, op: in, value: [1, 2.5]", True),
        ("tag: SliceThickness, op: lt, value: 2.5", False),
        ("tag: SliceThickness, op: le, value: 2.5", True),
        ("tag: SliceThickness, op: between, value: [2.5, 3]", True),
        ("tag: SliceThickness, op: starts_with, value: '2.'", True),
        ("tag: InstanceNumber, op: gt, value: 6", True),
        ("tag: InstanceNumber, op: not_equals, value: 8", True),
        ("tag: InstanceNumber, op: not_equals, value: 7", False),
        ("tag: PatientWeight, op: lt, value: 1000", False),
        ("tag: PatientWeight, op: not_equals, value: 1000", False),
        ("tag: Rows, op: ge, value: 128", True),
        ("tag: Rows, op: not_equals, value: 64", True),
        ("tag: FieldOfViewRotation, op: exists", False),
        ("tag: '(0018,9461)', op: equals, value: 0.1", True),
        ("tag: FrameIncrementPointer, op: equals, value: '(0054,0020)'", True),
        ("tag: StudyDate, op: ge, value: 2026-07-15", True),
        ("tag: StudyDate, op: lt, value: 20260715", False),
        ("tag: StudyDate, op: between, value: [20260701, 20260731]", True),
        ("tag: StudyDate, op: wildcard, value: '202607*'", True),
        ("tag: StudyTime, op: gt, value: 10:30:15", True),
        ("tag: StudyTime, op: between, value: [1030, 1031]", True),
        ("tag: AcquisitionDateTime, op: equals, value: '20260715083015.5+0000'", True),
        ("tag: AcquisitionDateTime, op: gt, value: '2026-07-15T10:30'", True),
        ("tag: AcquisitionDateTime, op: lt, value: '2026-07-15T08:30:15Z'", False),
        ("tag: PatientAge, op: lt, value: 2Y", True),
        ("tag: PatientAge, op: gt, value: 060W", True),
        ("tag: PatientAge, op: equals, value: 18M", True),
        ("tag: AccessionNumber, op: exists", True),
        ("tag: AccessionNumber, op: absent", False),
        ("tag: AccessionNumber, op: equals, value: ''", True),
        ("tag: AccessionNumber, op: not_equals, value: A1", True),
        ("tag: AccessionNumber, op: contains, value: A", False),
        ("tag: StudyID, op: exists", False),
        ("tag: StudyID, op: absent", True),
        ("tag: StudyID, op: not_equals, value: A1", False),
        ("tag: MedicalAlerts, op: exists", False),
        ("tag: MedicalAlerts, op: absent", True),
        ("tag: MedicalAlerts, op: not_equals, value: x", False),
        ("tag: MedicalAlerts, op: wildcard, value: '*'", False),
        ("tag: RadiopharmaceuticalInformationSequence, op: exists", True),
        ("tag: RadiopharmaceuticalInformationSequence/Radiopharmaceutical, op: equals, value: hdp", True),
        ("tag: RadiopharmaceuticalInformationSequence/Radiopharmaceutical, op: not_equals, value: hdp", False),
        ("tag: '(0054,0016)/(0018,0031)', op: starts_with, value: MI", True),
        ("tag: '(0009,\"GEMS_GENIE_1\",10)', op: equals, value: heart", True),
        ("tag: '(0009,\"GEMS_GENIE_2\",10)', op: exists", False),
        ("tag: '(0009,\"NOBODY\",10)', op: ge, value: 12", True),
        ("tag: '(0009,\"NOBODY\",10)', op: equals, value: '12'", True),
        ("fact: calling_aet, op: equals, value: GAMMA1", True),
        ("fact: called_aet, op: starts_with, value: GATE", True),
        ("fact: peer_address, op: equals, value: 10.1.2.3", True),
        ("fact: peer_address, op: in, value: [192.168.0.0/16, 10.1.0.0/16]", True),
        ("fact: peer_address, op: not_equals, value: 10.1.0.0/16", False),
        ("fact: peer_address, op: starts_with, value: '10.1.'", True),
        ("fact: sop_class, op: equals, value: 1.2.840.10008.5.1.4.1.1.20", True),
        ("fact: sop_class, op: equals, value: Nuclear Medicine Image Storage", True),
        ("fact: sop_class, op: in, value: [CTImageStorage, NuclearMedicineImageStorage]", True),
        ("fact: sop_class, op: not_equals, value: CT Image Storage", True),
        ("fact: sop_class, op: not_equals, value: NuclearMedicineImageStorage", False),
        ("fact: transfer_syntax, op: equals, value: Explicit VR Little Endian", True),
        ("fact: received_at, op: ge, value: '2026-11-23T20:05:00Z'", True),
        ("fact: received_at, op: lt, value: '2026-11-23T21:05:00+01:00'", False),
        ("fact: received_at, op: between, value: [2026-11-23, 2026-11-24]", True),
    ],
)
def test_conditions(condition: str, outcome: bool) -> None:
    assert matches(f"{{{condition}}}") is outcome


@pytest.mark.parametrize(
    ("when", "outcome"),
    [
        ("{all: []}", True),
        ("{any: []}", False),
        ("{none: []}", True),
        ("{none: [{tag: StudyID, op: equals, value: X}]}", True),
        ("{none: [{tag: Modality, op: equals, value: NM}]}", False),
        ("{all: [{any: [{tag: StudyID, op: exists}, {tag: Modality, op: exists}]}, {none: [{any: []}]}]}", True),
        ("{all: [{tag: Modality, op: exists}, {tag: StudyID, op: exists}]}", False),
        (
            "{all: [{tag: Modality, op: wildcard, value: '?m'}, "
            "{tag: Modality, op: regex, value: '(?s)^.m$', ignore_case: false}]}",
            False,
        ),
    ],
)
def test_groups(when: str, outcome: bool) -> None:
    assert matches(when) is outcome


def test_what_was_not_extracted_exists_and_nothing_else() -> None:
    subject = Subject(**{**vars(SUBJECT), "facts": {"values": {"0009:NOBODY:20": [None]}}})
    assert matches("{tag: '(0009,\"NOBODY\",20)', op: exists}", subject)
    for rest in ("op: absent", "op: equals, value: ''", "op: not_equals, value: x", "op: wildcard, value: '*'"):
        assert not matches(f"{{tag: '(0009,\"NOBODY\",20)', {rest}}}", subject)


def test_rules_match_in_file_order_until_one_says_stop() -> None:
    text = """
version: 1
rules:
  - {name: off, enabled: false, when: {all: []}, send: [{to: A}], stop: true}
  - {name: study, when: {all: []}, send: [{to: A}, {to: B}], level: study, quiet: 5m, late_within: 7d, priority: stat}
  - {name: other, when: {any: []}, send: [{to: C}], stop: true}
  - {name: last, when: {all: []}, send: [{to: D}], stop: true}
  - {name: never, when: {all: []}, send: [{to: E}]}
"""
    compiled = compile_rules(parse(text))
    assert compiled.evaluate(SUBJECT) == [
        Match("study", "study", 300, ("A", "B"), "stat", late="new", late_within="7d"),
        Match("last", "instance", 30, ("D",), "normal"),
    ]
    assert [(told.rule, told.matched, told.reason) for told in compiled.explain(SUBJECT)] == [
        ("off", False, "disabled"),
        ("study", True, ""),
        ("other", False, ""),
        ("last", True, ""),
        ("never", False, "not evaluated: last says stop"),
    ]


def test_an_explanation_says_why_node_by_node() -> None:
    when = (
        "{all: [{tag: Modality, op: in, value: [CT]}, {tag: StudyID, op: exists}, {tag: MedicalAlerts, op: exists}, "
        "{tag: RadiopharmaceuticalInformationSequence, op: exists}, {tag: AccessionNumber, op: equals, value: x}]}"
    )
    told = compile_rules(parse(document(when))).explain(SUBJECT)[0].document()
    assert told["matched"] is False
    assert [(node["node"], node["outcome"], node["found"]) for node in told["when"]["nodes"]] == [
        ("Modality in [CT]", False, "NM"),
        ("StudyID exists", False, "missing"),
        ("MedicalAlerts exists", False, "undecodable"),
        ("RadiopharmaceuticalInformationSequence exists", True, "present, not extracted"),
        ("AccessionNumber equals x", False, "present, empty"),
    ]


def test_what_the_facts_lack_is_asked_for_and_then_used() -> None:
    instance = nm_gated_tomo(3, PatientComments="y" * 300 + "end")
    source, size = io.BytesIO(instance.data_set), len(instance.data_set)
    header = read_header(source, 0, size, instance.transfer_syntax_uid)
    slot = "GatedInformationSequence/DataInformationSequence/TimeSlotInformationSequence/TimeSlotTime"
    when = (
        "{all: [{tag: Modality, op: exists}, {tag: PatientComments, op: wildcard, value: '*end'}, "
        f"{{tag: {slot}, op: gt, value: 1}}, {{tag: StudyComments, op: absent}}]}}"
    )
    compiled = compile_rules(parse(document(when)))
    subject = Subject(**{**vars(SUBJECT), "facts": header.facts})
    needed = compiled.needs_object(subject)
    assert needed == {"00104000", "00540062/00540063/00540072/00540073"}
    assert compiled.evaluate(subject) == []
    complete = subject.with_elements(read_elements(source, 0, size, instance.transfer_syntax_uid, needed), needed)
    assert [match.rule for match in compiled.evaluate(complete)] == ["r"]
    assert compiled.needs_object(complete) == frozenset()


def test_what_is_required_is_told_of_each_instance_and_decides_no_match() -> None:
    deep = "GatedInformationSequence/DataInformationSequence/TimeSlotInformationSequence/TimeSlotTime"
    text = f"""
version: 1
rules:
  - name: r
    when: {{all: []}}
    level: study
    complete:
      require:
        - {{tag: Modality, op: equals, value: CT}}
        - {{tag: Modality, op: equals, value: NM}}
        - {{none: [{{tag: {deep}, op: exists}}]}}
    send: [{{to: A}}]
"""
    compiled = compile_rules(parse(text))
    gated = Subject(
        **{**vars(SUBJECT), "facts": {"values": {"00080060": ["NM"], "00540062/00540063/00540072": [None]}}}
    )
    assert compiled.needs_object(gated) == frozenset()
    assert compiled.undecided(gated) == frozenset()
    assert compiled.needs_object(gated, completing=True) == {"00540062/00540063/00540072/00540073"}
    assert not any("00540073" in key for key in compiled.looks_at)
    (match,) = compiled.evaluate(gated)
    assert (len(match.required), len(match.meets)) == (3, 2)
    assert match.meets < match.required


def test_a_thousand_rules_take_less_than_ten_milliseconds() -> None:
    rules = "".join(
        f"""
  - name: rule-{number}
    when:
      all:
        - {{tag: Modality, op: in, value: [NM, PT, CT]}}
        - {{tag: PatientName, op: wildcard, value: "m?ller^*"}}
        - {{tag: SliceThickness, op: between, value: [1, {number + 3}]}}
        - {{fact: calling_aet, op: equals, value: GAMMA{number % 31}}}
    send: [{{to: ARCHIVE}}]"""
        for number in range(1000)
    )
    compiled = compile_rules(parse(f"version: 1\nrules:{rules}\n"))
    assert len(compiled.evaluate(SUBJECT)) == 33
    assert min(timeit.repeat(lambda: compiled.evaluate(SUBJECT), repeat=100, number=1)) < 0.010


TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=12)
CONDITIONS = st.one_of(
    st.fixed_dictionaries(
        {
            "tag": st.sampled_from(["PatientID", "StudyDescription", '(0009,"GEMS_GENIE_1",10)']),
            "op": st.sampled_from(["contains", "starts_with", "equals", "not_equals", "wildcard"]),
            "value": TEXTS,
            "ignore_case": st.booleans(),
        }
    ),
    st.fixed_dictionaries(
        {
            "tag": st.sampled_from(["Rows", "SliceThickness"]),
            "op": st.just("in"),
            "value": st.lists(st.integers(0, 999), min_size=1),
        }
    ),
    st.fixed_dictionaries({"fact": st.just("calling_aet"), "op": st.sampled_from(["exists", "absent"])}),
)
NODES = st.recursive(
    CONDITIONS,
    lambda nodes: st.one_of(
        *(st.fixed_dictionaries({kind: st.lists(nodes, max_size=3)}) for kind in ("all", "any", "none"))
    ),
    max_leaves=8,
)
RULES = st.fixed_dictionaries(
    {"name": st.uuids().map(str), "when": NODES, "send": st.just([{"to": "NO"}])},
    optional={
        "description": TEXTS,
        "enabled": st.booleans(),
        "level": st.sampled_from(["instance", "series", "study"]),
        "quiet": st.sampled_from(["30s", "5m", "1h"]),
        "priority": st.sampled_from(["low", "normal", "high", "stat"]),
        "stop": st.booleans(),
    },
)


@given(st.lists(RULES, max_size=4, unique_by=lambda rule: rule["name"]))
@settings(max_examples=150, deadline=None)
def test_a_document_survives_text_and_json(rules: list[dict[str, Any]]) -> None:
    original = read({"version": 1, "rules": rules})
    assert parse(dump(original)) == original
    assert read(original.model_dump(mode="json", exclude_none=True)) == original
    compiled = compile_rules(original)
    assert [match.rule for match in compiled.evaluate(SUBJECT)] == [
        told.rule for told in compiled.explain(SUBJECT) if told.matched
    ]
