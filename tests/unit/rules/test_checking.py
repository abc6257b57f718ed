"""Checking rule files: every fault at once, each with rule, field, value and cure."""

import time

import pytest

from schemas.rules import from_stored, to_stored
from services.dicom.rules import Committing, RuleFault, RuleFaults, check, dump, parse

STATIONS = ["XELERIS2", "ARCHIVE"]

FAULTY = """
version: 1
rules:
  - name: nm
    when:
      all:
        - {tag: Modality, op: in, value: [NM, PT]}
        - {fact: calling_ae, op: equals, value: GAMMA1}
    send: [{to: XELERIS2}, {to: ARCHIVE, commit: true}]
    stp: true
  - name: nm
    when:
      all:
        - {tag: Modalty, op: equals, value: CT}
        - {tag: Rows, op: contains, value: 3}
        - {tag: Rows, op: gtt, value: 3}
        - any: [{tag: StudyDate, op: ge, value: 2026-13-01}]
        - {none: [], any: []}
        - 7
        - {tag: Modality, opp: x, op: equals, value: true}
    send: [{to: XELERIS}]
    priority: hi
    quiet: 5
  - {name: sop, when: {fact: sop_class, op: equals, value: Nuclear Medicine Storage}, send: [{to: ARCHIVE}]}
  - {name: bulk, when: {tag: PixelData, op: equals, value: 3}, send: []}
  - {name: pattern, when: {tag: PatientID, op: regex, value: "(?=a)"}, send: [{to: ARCHIVE}]}
  - {name: long, when: {tag: Modality, op: equals, value: Nuclear Medicine Image}, send: [{to: ARCHIVE}]}
  - {when: {tag: "(0009,1010)", op: exists}, send: [{to: ARCHIVE}]}
vresion: 1
"""


def faults(text: str) -> list[RuleFault]:
    with pytest.raises(RuleFaults) as caught:
        parse(text, STATIONS, Committing())
    return caught.value.faults


def rule(when: str, **fields: str) -> str:
    more = "".join(f"\n    {key}: {value}" for key, value in fields.items())
    return f"version: 1\nrules:\n  - name: r\n    when: {when}\n    send: [{{to: ARCHIVE}}]{more}\n"


def test_all_faults_of_a_file_come_at_once() -> None:
    found = {(fault.rule, fault.field, fault.value): fault.cure for fault in faults(FAULTY)}
    numeric = "a binary number (US) takes equals, not_equals, in, lt, le, gt, ge, between, exists, absent"
    expected = {
        ("nm", "name", "nm"): "give each rule a name of its own; rules 1, 2 have this one",
        ("rule 1 (nm)", "when.all[2].fact", "calling_ae"): "did you mean calling_aet?",
        ("rule 1 (nm)", "send[2].commit", "true"): "ARCHIVE cannot be asked; 'gateway station set ARCHIVE "
        "--commit-server', or --commit-on a station that is one, or leave commit out",
        ("rule 1 (nm)", "stp", "true"): "did you mean stop?",
        ("rule 2 (nm)", "when.all[1].tag", "Modalty"): "did you mean Modality?",
        ("rule 2 (nm)", "when.all[2].op", "contains"): numeric,
        ("rule 2 (nm)", "when.all[3].op", "gtt"): "did you mean gt?",
        ("rule 2 (nm)", "when.all[4].any[1].value", "2026-13-01"): "write a date as 20260131 or 2026-01-31",
        ("rule 2 (nm)", "when.all[5].any", ""): "",
        (
            "rule 2 (nm)",
            "when.all[6]",
            "7",
        ): "write a condition {tag or fact, op, value} or one of all, any, none with a list",
        ("rule 2 (nm)", "when.all[7].opp", "x"): "did you mean op?",
        ("rule 2 (nm)", "send[1].to", "XELERIS"): "did you mean XELERIS2?",
        ("rule 2 (nm)", "priority", "hi"): "did you mean high?",
        ("sop", "when.value", "Nuclear Medicine Storage"): "did you mean Nuclear Medicine Image Storage?",
        ("bulk", "when.op", "equals"): "binary data or a sequence (OW) takes exists, absent",
        ("pattern", "when.value", "(?=a)"): ("write a regular expression that RE2 knows (invalid perl operator: (?=)"),
        ("long", "when.value", "Nuclear Medicine Image"): "use at most 16 characters: CS holds no more",
        ("rule 7 (unnamed)", "name", ""): "this field is needed",
        ("rule 7 (unnamed)", "when.tag", "(0009,1010)"): 'name the private creator: (0009,"CREATOR",10)',
        ("", "vresion", "1"): "did you mean version?",
    }
    del expected[("rule 2 (nm)", "when.all[5].any", "")]
    assert {key: found.get(key) for key in expected} == expected
    assert {"quiet", "send", "when.all[7].value"} <= {field for _, field, _ in found}
    assert any(field.startswith("when.all[5]") for _, field, _ in found)


@pytest.mark.parametrize(
    ("when", "field", "cure"),
    [
        ("{tag: Modality, op: in, value: NM}", "when.value", "write a list, such as [NM, PT]"),
        ("{tag: Modality, op: equals, value: [NM]}", "when.value", "write one value, or use the operator in"),
        ("{tag: Modality, op: equals}", "when.value", "give a value to compare with: equals needs one"),
        ("{tag: Modality, op: exists, value: NM}", "when.value", "remove the value: exists takes none"),
        ("{tag: Rows, op: between, value: [1]}", "when.value", "write a list of two values"),
        ("{tag: Rows, op: between, value: [2, 1]}", "when.value", "write the least value first"),
        ("{tag: Rows, op: equals, value: many}", "when.value", "write a number"),
        ("{tag: SliceThickness, op: lt, value: nan}", "when.value", "write a number"),
        ("{tag: StudyTime, op: lt, value: 25:00}", "when.value", "write a time"),
        ("{tag: PatientAge, op: lt, value: 18}", "when.value", "write an age"),
        ("{tag: AcquisitionDateTime, op: lt, value: tomorrow}", "when.value", "write a date and time"),
        ("{tag: StudyInstanceUID, op: equals, value: 1.2.x}", "when.value", "write a UID"),
        ("{tag: Modality, op: lt, value: NM}", "when.op", "a text (CS) takes equals"),
        ("{tag: Modality/CodeValue, op: exists}", "when.tag", "Modality is no sequence"),
        ("{tag: modality, op: exists}", "when.tag", "write Modality"),
        ("{tag: Study Description, op: exists}", "when.tag", "write StudyDescription"),
        ("{tag: '(0008,9999)', op: exists}", "when.tag", "no element of the DICOM dictionary"),
        ("{tag: '(0008,\"GEMS_GENIE_1\",10)', op: exists}", "when.tag", "odd group"),
        ("{fact: peer_address, op: equals, value: 10.1.2.300}", "when.value", "write an IP address"),
        ("{fact: received_at, op: gt, value: soon}", "when.value", "write a date and time"),
        ("{fact: calling_aet, tag: Modality, op: exists}", "when.fact", "a tag or a fact, not both"),
        ("{op: exists}", "when.tag", "write a keyword"),
    ],
)
def test_impossible_conditions_name_field_and_cure(when: str, field: str, cure: str) -> None:
    found = faults(rule(when))
    assert [fault.field for fault in found] == [field]
    assert cure in found[0].cure
    assert found[0].rule == "r"


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("version: 1\nrules: [}", "line 2"),
        ("version: 1\nversion: 1\nrules: []", "occurs twice"),
        ("version: 1\nrules: &a [*a]", "aliases"),
        (rule('{tag: PatientID, op: equals, value: "a\\0b"}'), "cannot be stored"),
        ("version: 1\nrules: !!python/object:os.system []", "tag"),
        ("[" * 200 + "]" * 200, "nested deeper"),
        ("version: 2\nrules: []", "1"),
        ("- 1", "the file: write version and rules"),
        ("", "the file: it is empty"),
        ("# nothing\n", "the file: it is empty"),
        (rule("{tag: Modality, op: equals}", priority=""), "r: priority: write one of"),
        ("version: 1\nrules: []\n\x07", "characters"),
    ],
)
def test_texts_that_are_no_rule_file(text: str, cure: str) -> None:
    assert any(cure in str(fault) for fault in faults(text))


def test_quiet_is_a_duration() -> None:
    for quiet in ("0s", "25h", "5", "5 m", "soon"):
        assert [fault.field for fault in faults(rule("{all: []}", level="study", quiet=quiet))] == ["quiet"]
    assert parse(rule("{all: []}", level="study", quiet="24h"), STATIONS).rules[0].quiet == "24h"


def test_only_what_is_complete_once_can_be_late() -> None:
    for fields in ({"late": "all"}, {"late_within": "7d"}, {"late": "never", "level": "instance"}):
        (fault,) = faults(rule("{all: []}", **fields))
        assert (fault.field, "only a series or study is complete once" in fault.cure) == (next(iter(fields)), True)
    for within in ("0d", "367d", "7", "soon"):
        (fault,) = faults(rule("{all: []}", level="series", late_within=within))
        assert (fault.field, "from 1s to 366d" in fault.cure) == ("late_within", True)
    assert faults(rule("{all: []}", level="study", late="soon"))[0].cure == "write one of new, all, never"
    parsed = parse(rule("{all: []}", level="study", late="never", late_within="2w"), STATIONS).rules[0]
    assert (parsed.late, parsed.late_within) == ("never", "2w")


@pytest.mark.parametrize(
    ("complete", "field", "cure"),
    [
        ("{}", "complete", "write what completes it: require, or counts: true"),
        ("{counts: false}", "complete", "write what completes it: require, or counts: true"),
        ("{counts: maybe}", "complete.counts", "write true or false"),
        ("soon", "complete", "write what completes it, such as {require"),
        ("{require: []}", "complete.require", "write a condition or node, or a list of these"),
        ("{require: {tag: Modalty, op: exists}}", "complete.require[1].tag", "did you mean Modality?"),
        ("{require: [{all: [{fact: peer, op: exists}]}]}", "complete.require[1].all[1].fact", "peer_address"),
        ("{require: [{all: []}, {tag: Rows, op: lt, value: x}]}", "complete.require[2].value", "write a number"),
        ("{require: [7]}", "complete.require[1]", "write a condition"),
        ("{require: [{all: [], or: []}]}", "complete.require[1].or", "write one of all, any, none"),
        ("{require: {all: []}, requires: 1}", "complete.requires", "did you mean require?"),
    ],
)
def test_faults_of_what_is_required(complete: str, field: str, cure: str) -> None:
    found = faults(rule("{all: []}", level="study", complete=complete))
    assert [(fault.field, cure in fault.cure) for fault in found] == [(field, True)], found


def test_profile_xeleris_asks_no_source_by_itself() -> None:
    text = rule("{all: []}", level="study", complete="{counts: true}")
    assert parse(text, STATIONS).rules[0].complete is not None
    with pytest.raises(RuleFaults) as caught:
        parse(text, STATIONS, transforming=False)
    said = "r: complete.counts = true: profile xeleris queries only for a person (R53): leave counts out"
    assert str(caught.value) == said


def test_what_is_required_is_a_node_or_several() -> None:
    one, several = "{tag: Modality, op: exists}", "[{tag: Modality, op: exists}, {any: []}]"
    for require, number in ((one, 1), (several, 2)):
        parsed = parse(rule("{all: []}", level="study", complete=f"{{require: {require}}}"), STATIONS)
        assert parsed.rules[0].complete is not None
        assert len(parsed.rules[0].complete.require or []) == number
        assert parse(dump(parsed)) == parsed
    assert faults(rule("{all: []}", complete=f"{{require: {one}}}"))[0].field == "complete"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (rule("{all: []}", level="study", quiet="30"), "r: quiet = 30: write a duration from 1s to 24h, such as 30s"),
        (rule("{tag: (0008,1030), op: exists}"), "r: when.1030): put the tag in quotes"),
        (rule('{all: [{tag: (0009,"ACME",10), op: exists}]}'), "r: when.all[1].10): put the tag in quotes"),
        (rule("{all: []}").replace("{to: ARCHIVE}", "ARCHIVE"), "r: send[1] = ARCHIVE: write a list of stations, such"),
        (rule("{all: []}").replace("[{to: ARCHIVE}]", "[]"), "r: send = []: write a list of stations, such"),
        (rule("{all: []}").replace("[{to: ARCHIVE}]", "ARCHIVE"), "r: send = ARCHIVE: write a list of stations, such"),
        (rule("{all: []}", stop="maybe"), "r: stop = maybe: write true or false"),
        (rule("{all: []}", description="x" * 2001), "xxx...: use at most 2000 characters"),
        (rule("{tag: Modality, op: in, value: []}"), "r: when.value = []: it is empty; write at least one value"),
        ("version: 1\nrules: [7]", "rule 1 (unnamed) = 7: write name, when and send"),
        ("version: 1\nrules: 7", "rules = 7: write a list of rules"),
        ("version: 1\nrules:\n\t- name: a", "line 3, column 1: a tab character; indent with spaces"),
        ("version: 1\nrules:\n  -\tname: a\n\t  x: 1", "line 3, column 4: a tab character; indent with spaces"),
        ("version: 1\nrules: @x", "line 2, column 8: a text cannot begin with @; put it in quotes"),
        ("version: 1\nrules: *x*", "in quotes"),
        ("a: 'x", "a quote is not closed"),
        ("{[1]: 2}", "a list or mapping cannot be a key"),
    ],
)
def test_a_fault_names_the_thing_the_value_and_the_cure(text: str, said: str) -> None:
    found = [str(fault) for fault in faults(text)]
    assert any(said in fault for fault in found), found
    assert not any("should" in fault or "input" in fault for fault in found), found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (rule("{tag: Rows, op: in, value: []}"), "r: when.value = []: it is empty; write at least one value"),
        (
            rule("{tag: PatientID, op: equals, value: true}"),
            "r: when.value = true: write text or a number; put quotes around words such as true",
        ),
        (
            rule("{tag: PatientID, op: in, value: [a, false]}"),
            "r: when.value = false: write text or a number; put quotes around words such as true",
        ),
        (
            rule("{all: [{tag: PatientID, op: equals, value: {a: b}}]}"),
            "r: when.all[1].value: write text or a number; put quotes around words such as true",
        ),
        ("version: 2\nrules: []", "version = 2: write 1"),
        (
            rule("{all: []}", contact="12"),
            "r: contact = 12: write the name of a contact, in quotes where it is a number",
        ),
        (
            rule("{all: []}", schedule="nightly"),
            'r: schedule = nightly: write a list of windows, such as ["mon-fri 18:00-06:00 Europe/Zurich"]',
        ),
        (
            rule("{all: []}", schedule="[daily 18:00-06:00 Europe/Zuerich]"),
            "r: schedule[1] = daily 18:00-06:00 Europe/Zuerich: Europe/Zuerich is no zone of the IANA time zone "
            "database; write one such as Europe/Zurich, or UTC",
        ),
    ],
)
def test_one_fault_is_told_once(text: str, said: str) -> None:
    assert [str(fault) for fault in faults(text)] == [said]


def test_a_stored_document_is_checked_against_the_stations_of_today() -> None:
    document = parse(rule("{all: []}"), STATIONS)
    assert check(document, STATIONS) == []
    assert check(document, ["ARCHIVE2"]) == [RuleFault("r", "send[1].to", "ARCHIVE", "did you mean ARCHIVE2?")]


def test_without_stations_titles_are_not_checked() -> None:
    assert parse(rule("{all: []}")).rules[0].send[0].to == "ARCHIVE"


SEVERAL = Committing(servers={"ARCHIVE", "VAULT"}, asked={"ARCHIVE": "ARCHIVE", "VAULT": "VAULT", "WS": "ARCHIVE"})


def flow(name: str, to: str, *awaited: str, more: str = "") -> str:
    waits = f", after_commitment: [{', '.join(awaited)}]" if awaited else ""
    return f"  - {{name: {name}, when: {{all: []}}, send: [{{to: {to}{more}}}]{waits}}}\n"


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        (flow("a", "ARCHIVE", more=", commit: true") + flow("b", "VAULT", "ARCHIVE"), []),
        (flow("a", "WS") + flow("b", "VAULT", "ARCHIVE"), []),
        (flow("a", "PLAIN", more=", commit: false"), []),
        (flow("a", "PLAIN", more=", commit: true"), [("send[1].commit", "true", "PLAIN cannot be asked")]),
        (flow("a", "VAULT", "NOBODY"), [("after_commitment[1]", "NOBODY", "no commit server")]),
        (flow("a", "ARCHIVE") + flow("b", "VAULT", "WS"), [("after_commitment[1]", "WS", "commits on ARCHIVE")]),
        (flow("a", "ARCHIVE", "ARCHIVE"), [("after_commitment[1]", "ARCHIVE", "wait for itself")]),
        (flow("a", "VAULT", "ARCHIVE"), [("after_commitment[1]", "ARCHIVE", "no enabled rule sends")]),
        (
            flow("a", "ARCHIVE", more=", commit: false") + flow("b", "VAULT", "ARCHIVE"),
            [("after_commitment[1]", "ARCHIVE", "no enabled rule sends")],
        ),
        (
            flow("a", "ARCHIVE", "VAULT") + flow("b", "VAULT", "ARCHIVE"),
            [
                ("after_commitment[1]", "VAULT", "rules a, b wait"),
                ("after_commitment[1]", "ARCHIVE", "rules a, b wait"),
            ],
        ),
        (flow("a", "ARCHIVE") + flow("b", "VAULT", "ARCHIVE", "ARCHIVE"), [("after_commitment", "ARCHIVE", "once")]),
    ],
)
def test_what_rules_say_of_commitment_has_to_be_possible(rules: str, found: list[tuple[str, str, str]]) -> None:
    try:
        parse(f"version: 1\nrules:\n{rules}", ["ARCHIVE", "VAULT", "WS", "PLAIN"], SEVERAL)
        faults: list[RuleFault] = []
    except RuleFaults as caught:
        faults = caught.faults
    assert [(fault.field, fault.value) for fault in faults] == [(field, value) for field, value, _ in found]
    assert all(words in fault.cure for fault, (_, _, words) in zip(faults, found, strict=True))


def test_a_profile_without_commitment_has_rules_without_it() -> None:
    text = "version: 1\nrules:\n" + flow("a", "ARCHIVE", more=", commit: true") + flow("b", "VAULT", "ARCHIVE")
    with pytest.raises(RuleFaults) as caught:
        parse(text, ["ARCHIVE", "VAULT"], Committing(SEVERAL.servers, SEVERAL.asked, possible=False))
    assert [fault.cure for fault in caught.value.faults] == [
        "the profile has no storage commitment (R30): leave it out"
    ] * 2


def test_documents_of_the_first_edition_ask_where_the_station_can() -> None:
    rule = {"name": "r", "when": {"all": []}, "send": [{"to": "A", "commit": False}]}
    old = from_stored({"version": 1, "rules": [rule]})
    assert old.rules[0].send[0].commit is None
    never = parse("version: 1\nrules:\n" + flow("r", "A", more=", commit: false"))
    assert from_stored(to_stored(never)) == never
    assert never.rules[0].send[0].commit is False


def test_names_that_nobody_knows_take_little_time_however_long_and_many() -> None:
    """Each is compared with five thousand keywords, to say which was meant."""
    few = [f"StudyDescriptionX{number:03}y" for number in range(100)]
    rules = [
        f"  - {{name: r, when: {{tag: {name}, op: exists}}, send: [{{to: ARCHIVE}}]}}" for name in [*few, "A" * 500_000]
    ]
    began = time.process_time()
    with pytest.raises(RuleFaults) as faults:
        parse("\n".join(["version: 1", "rules:", *rules]), STATIONS)
    assert time.process_time() - began < 10
    assert str(faults.value).count("did you mean StudyDescription?") == len(few)
