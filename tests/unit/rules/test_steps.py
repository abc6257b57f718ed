"""Steps of transformations in rule files: their faults, and how they are stored."""

import pytest

from schemas.rules import dump, from_stored, to_stored
from services.dicom.rules import RuleFaults, compile_rules, parse

WHOLE = """
version: 1
rules:
  - name: a
    when: {all: []}
    send: [{to: A, transform: [{do: new_uids}]}, {to: B}]
    transform: [{do: prefix, tag: PatientID, text: "{calling_aet}-"}]
"""
FAULTY = """
version: 1
rules:
  - name: a
    when: {all: []}
    send:
      - {to: A, transform: [{do: sett, tag: InstitutionName, value: X}, {do: new_uids, proj: x}]}
    transform:
%s
  - {name: b, when: {all: []}, send: [{to: A}], transform: []}
  - {name: c, when: {all: []}, send: [{to: A}], transform: x}
"""
CASES = [
    ("{do: prefix, tag: PatientIDD, text: x}", "tag", "PatientIDD", "did you mean PatientID?"),
    ("{do: prefix, tag: PatientID, text: '{calling}-'}", "text", "{calling}-", "{calling} stands for nothing"),
    ("{do: prefix, tag: Rows, text: x}", "tag", "Rows", "prefix works on text, and this is US"),
    ("{do: replace, tag: PatientID, pattern: '(?=a)'}", "pattern", "(?=a)", "that RE2 knows"),
    ("{do: replace, tag: PatientID, pattern: 'a', by: '\\1'}", "by", "\\1", "no group 1; it has 0"),
    ("{do: set, tag: StudyDate, value: 2026-13-01}", "value", "2026-13-01", "date such as 20260131"),
    ("{do: set, tag: AccessionNumber, value: 12345678901234567}", "value", "12345678901234567", "16 characters"),
    ("{do: set, tag: SOPInstanceUID, value: 1.2.3}", "tag", "SOPInstanceUID", "new_uids"),
    ("{do: set, tag: Rows, value: 3}", "tag", "Rows", "pixel data"),
    ("{do: set, tag: SpecificCharacterSet, value: ISO_IR 192}", "tag", "SpecificCharacterSet", "step charset"),
    ("{do: set, tag: ReferencedStudySequence, value: x}", "tag", "ReferencedStudySequence", "set writes no SQ"),
    ("{do: set, tag: PatientID, value: x, vr: SH}", "vr", "SH", "PatientID is LO: leave vr out"),
    ("{do: set, tag: PatientID}", "value", "", "this field is needed"),
    ("{do: set, tag: PatientID, value: [true]}", "value[1]", "true", "put quotes around"),
    ("{do: remove, tag: PixelData}", "tag", "PixelData", "leave it"),
    ("{do: copy, tag: PixelData, to: PatientID}", "tag", "PixelData", "copy takes texts and numbers"),
    ("{do: copy, tag: StudyID, to: SOPClassUID}", "to", "SOPClassUID", "leave it"),
    ("{do: deidentify, options: [retain-uid]}", "options[1]", "retain-uid", "did you mean retain-uids?"),
    ("{do: deidentify, keep: [A/B]}", "keep", "A/B", "keyword"),
    ("{do: charset, value: ISO_IR 19}", "value", "ISO_IR 19", "did you mean"),
    ("{do: charset, value: [ISO_IR 192, ISO_IR 100]}", "value", "ISO_IR 192, ISO_IR 100", "stands alone"),
    ("{do: transfer_syntax, prefer: [JPEG]}", "prefer", "JPEG", "write received, Explicit"),
    (
        "{do: transfer_syntax, prefer: [JPEG 2000 Lossless]}",
        "prefer",
        "JPEG 2000 Lossless",
        "nothing is compressed here",
    ),
    ("{tag: A}", "", "", "write a step {do, …}"),
    ("7", "", "7", "not allowed here"),
]


def test_all_faults_of_steps_come_at_once() -> None:
    with pytest.raises(RuleFaults) as caught:
        parse(FAULTY % "\n".join(f"      - {step}" for step, *_ in CASES))
    found = {(fault.rule, fault.field): fault for fault in caught.value.faults}
    for number, (step, field, value, cure) in enumerate(CASES, start=1):
        fault = found["a", f"transform[{number}]" + (f".{field}" if field else "")]
        assert (fault.value, cure in fault.cure) == (value, True), (step, str(fault))
    assert found["a", "send[1].transform[1]"].cure == "did you mean set?"
    assert found["a", "send[1].transform[2].proj"].cure == "did you mean project?"
    assert {found["b", "transform"].cure, found["c", "transform"].cure} == {
        "write a list of steps, such as [{do: remove, tag: PatientComments}]"
    }
    assert len(found) == len(CASES) + 4


def test_a_document_keeps_its_steps_as_text() -> None:
    document = parse(WHOLE)
    assert parse(dump(document)) == document


def test_stored_documents_keep_their_steps_and_older_ones_have_none() -> None:
    document = parse(WHOLE)
    assert from_stored(to_stored(document)) == document
    older = {"edition": 2, "version": 1, "rules": [{"name": "a", "when": {"all": []}, "send": [{"to": "A"}]}]}
    assert to_stored(from_stored(older))["rules"][0].keys() >= older["rules"][0].keys()  # type: ignore[index]
    assert not {"transform", "complete", "late", "late_within"} & to_stored(from_stored(older))["rules"][0].keys()


def test_the_rules_steps_come_before_the_targets() -> None:
    (match,) = compile_rules(parse(WHOLE))._rules
    assert {to: [step.model_dump()["do"] for step in steps] for to, steps in match.match.transform.items()} == {
        "A": ["prefix", "new_uids"],
        "B": ["prefix"],
    }
