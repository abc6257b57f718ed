"""Test cases of rules: headers written down, expected destinations, and what is said of those that fail."""

from datetime import UTC, datetime

import pytest

from services.dicom.rules import (
    ByClass,
    Case,
    Defaults,
    Subject,
    parse,
    run_cases,
    subject_from_stored,
    subject_of_header,
    subject_to_stored,
)
from services.runtime.errors import UsageError

DEFAULTS = Defaults("GATEWAY", datetime(2026, 1, 31, 12, tzinfo=UTC))
RULES = parse("""
version: 1
rules:
  - {name: nm, when: {all: [{tag: Modality, op: in, value: [NM, PT]}, {tag: Rows, op: ge, value: 64}]},
     send: [{to: A}, {to: B}], stop: true}
  - {name: off, enabled: false, when: {all: []}, send: [{to: C}]}
  - {name: rest, when: {none: [{fact: calling_aet, op: equals, value: GAMMA1}]}, send: [{to: C}]}
""")


def header(**parts: object) -> Subject:
    return subject_of_header(parts, DEFAULTS)


def outcome(subject: Subject, *expected: str) -> str:
    (found,) = run_cases(RULES, [Case("case", subject, frozenset(expected))])
    return "" if found.passed else str(found)


def test_the_rules_that_decided_are_named() -> None:
    nm = header(elements={"Modality": "NM", "Rows": 128}, facts={"calling_aet": "GAMMA1"})
    assert outcome(nm, "A", "B") == ""
    assert outcome(nm, "A", "C", "D") == (
        "test case: expected A, C, D, got A, B; B by rule nm; not C: rule off (disabled), rule rest (not evaluated: "
        "nm says stop); not D: no rule sends there"
    )
    small = header(elements={"Modality": "NM", "Rows": 32}, facts={"calling_aet": "gamma1"})
    assert outcome(small) == ""
    assert outcome(small, "A", "C") == (
        "test case: expected A, C, got no destination; not A: rule nm (false: Rows ge 64); not C: rule off "
        "(disabled), rule rest (false: none of [calling_aet equals GAMMA1])"
    )


@pytest.mark.parametrize(
    ("back", "expected", "told"),
    [
        ("", "C", ""),
        ("", "GC", "expected C, G, got C; not G: it came from there, and no rule that sends it says back: true"),
        ("back: true, ", "GC", ""),
        ("back: true, ", "C", "expected C, got C, G; G by rule all"),
    ],
)
def test_what_came_from_a_station_goes_there_only_where_the_rule_says_so(back: str, expected: str, told: str) -> None:
    document = parse(f"version: 1\nrules: [{{name: all, when: {{all: []}}, {back}send: [{{to: G}}, {{to: C}}]}}]")
    (found,) = run_cases(document, [Case("case", header(facts={"calling_aet": "G"}), frozenset(expected))])
    assert (found.passed, told in str(found)) == (not told, True), str(found)


RAW, NEVER = "1.2.840.113619.4.30", "1.2.840.113619.4.27"


@pytest.mark.parametrize(
    ("sop_class", "station", "expected", "told"),
    [
        (RAW, "P", "CP", ""),
        (RAW, "P", "C", "expected C, got C, P; P by rule PET raw data (R122)"),
        (RAW, "C", "C", ""),
        (RAW, None, "C", ""),
        (NEVER, "P", "", ""),
        (NEVER, "P", "C", "expected C, got no destination; class cannot be sent (R96)"),
    ],
)
def test_what_the_class_makes_of_it_counts(sop_class: str, station: str | None, expected: str, told: str) -> None:
    subject = header(facts={"calling_aet": "PET1", "sop_class": sop_class})
    by_class = ByClass(frozenset({RAW}), frozenset({NEVER}), station)
    (found,) = run_cases(RULES, [Case("case", subject, frozenset(expected))], by_class)
    assert (found.passed, told in str(found)) == (not told, True), str(found)


def test_a_header_becomes_what_rules_see() -> None:
    subject = header(
        elements={
            "PatientID": 7, "ImageType": ["ORIGINAL", "PRIMARY"], "AccessionNumber": None, "Rows": "128",
            "FieldOfViewDimensionsInFloat": 0.1, "FrameIncrementPointer": "(0054,0020)", "(0008,0060)": "NM",
            "RadiopharmaceuticalInformationSequence": ["x"], '(0009,"GEMS_GENIE_1",10)': "Heart",
            "RadiopharmaceuticalInformationSequence/Radiopharmaceutical": ["MIBI", "HDP"],
        },
        facts={"sop_class": "Nuclear Medicine Image Storage", "peer_address": "10.1.2.3",
               "received_at": "2026-01-31T12:00:00+01:00"},
    )  # fmt: skip
    assert subject.facts["values"] == {
        "00100020": ["7"], "00080008": ["ORIGINAL", "PRIMARY"], "00080050": [], "00280010": [128],
        "00189461": [0.10000000149011612], "00280009": ["00540020"], "00080060": ["NM"], "00540016": [None],
        "0009:GEMS_GENIE_1:10": ["Heart"], "00540016/00180031": ["MIBI", "HDP"],
    }  # fmt: skip
    assert subject.sop_class == "1.2.840.10008.5.1.4.1.1.20"
    assert (subject.called_aet, subject.received_at) == ("GATEWAY", datetime(2026, 1, 31, 11, tzinfo=UTC))
    assert subject_from_stored(subject_to_stored(subject)) == subject


def test_every_fault_of_a_header_is_told_with_its_cure() -> None:
    with pytest.raises(UsageError) as caught:
        header(
            elements={"Modalty": "NM", "Rows": "many", "PatientID": {}},
            facts={"calling": "A", "sop_class": "Nuclear", "peer_address": "here", "received_at": "now"},
        )
    assert str(caught.value).splitlines() == [
        "elements.Modalty = NM: did you mean Modality?",
        "elements.Rows = many: write a number",
        "elements.PatientID = {}: write text or a number, or a list of these",
        "facts.calling = A: did you mean calling_aet?",
        "facts.sop_class = Nuclear: write a UID or its name in DICOM",
        "facts.peer_address = here: write an IP address",
        "facts.received_at = now: write a date and time as 2026-01-31T12:30:00Z",
    ]
    with pytest.raises(UsageError, match="write elements and facts"):
        subject_of_header(["Modality"], DEFAULTS)
