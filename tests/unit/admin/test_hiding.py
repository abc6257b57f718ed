"""What is hidden from who may not see names."""

import pytest

from services.admin.patients.hiding import may_show_names, without_names
from services.admin.rules.rule_hiding import UNREADABLE, document_without_names, text_without_names

CAPTURE, ULTRASOUND, CT = "1.2.840.10008.5.1.4.1.1.7.4", "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.2"


def test_rule_files_stay_as_written_but_for_what_names_somebody() -> None:
    written = """# kept
rules:
  - name: ä
    when: {all: [{tag: (0010,0020), op: in, value: ["DÖ", 17]}, {tag: Modality, op: equals, value: NM}]}
    transform: [{do: replace, tag: [Rows, PatientName], pattern: 'X
      Y', by: Z},
      {do: set, tag: '(0009,"OURS",10)', value: P}]
    also: {tag: RequestAttributesSequence/AccessionNumber, op: equals, value: |
      Q
      }
"""
    assert (
        text_without_names(written[: written.index("    also")])
        == """# kept
rules:
  - name: ä
    when: {all: [{tag: (0010,0020), op: in, value: [hidden, hidden]}, {tag: Modality, op: equals, value: NM}]}
    transform: [{do: replace, tag: [Rows, PatientName], pattern: hidden, by: hidden},
      {do: set, tag: '(0009,"OURS",10)', value: hidden}]
"""
    )
    assert text_without_names(written) == UNREADABLE
    nested = "a: {tag: RequestAttributesSequence/AccessionNumber, value: 1}\nb: {tag: NoSuchKeyword, value: 2}\n"
    assert text_without_names(nested).count("hidden") == 2


def test_documents_and_rows_lose_the_same() -> None:
    row = {"patient_id": "P", "issuer": "", "reason": "C-MOVE answered A702 (Refused): DOE", "at": [("x", 1)]}
    assert without_names(row) == {
        "patient_id": "hidden", "issuer": "", "reason": "C-MOVE answered A702", "at": [["x", 1]],
    }  # fmt: skip
    condition = {"tag": "PatientName", "op": "between", "value": ["A", "B"]}
    assert document_without_names([{"when": condition, "tag": 1}]) == [
        {"when": condition | {"value": ["hidden", "hidden"]}, "tag": 1}
    ]


@pytest.mark.parametrize(
    ("sop_class", "burned_in", "may"),
    [(CT, "YES", True), (CT, "", False), (CAPTURE, "", True), (CAPTURE, "NO", False), (ULTRASOUND, "", True)],
)
def test_pictures_of_screens_are_hidden_unless_they_deny_names(sop_class: str, burned_in: str, *, may: bool) -> None:
    assert may_show_names(sop_class, burned_in) is may
