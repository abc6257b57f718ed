"""What is said of rules without faults: never, shadowed and the like are proved, whatever instance comes."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dicom.rules import Finding, Subject, compile_rules, find, parse, read
from services.dicom.rules.compile import CompiledRules
from services.dicom.rules.proof import Proof, formula

NM = "1.2.840.10008.5.1.4.1.1.20"


NOW = datetime(2026, 11, 29, tzinfo=UTC)
SCHEDULES = {"D1": ["mon-fri 20:00-06:00 Europe/Berlin"], "D2": []}


def findings(*rules: str, callers: tuple[str, ...] = ("GAMMA1",)) -> dict[str, Finding]:
    """By kind, of rules without name, destination D unless they say otherwise."""
    lines = [f"  - {{name: r{n}, send: [{{to: D{n}}}], {rule}}}" for n, rule in enumerate(rules, start=1)]
    return {
        found.kind: found for found in find(parse("\n".join(["version: 1", "rules:", *lines])), callers, SCHEDULES, NOW)
    }


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("{any: []}", "an empty any is never true"),
        ("{none: [{all: []}]}", "all [] is always true, and none excludes it"),
        ("{all: [{any: []}, {tag: Modality, op: exists}]}", "an empty any is never true"),
        ("{any: [{any: []}, {fact: peer_address, op: absent}]}", "peer_address absent is never true"),
        (
            "{all: [{tag: PatientID, op: absent}, {tag: PatientID, op: exists}]}",
            "PatientID absent and PatientID exists are never both true",
        ),
        (
            "{all: [{tag: Modality, op: equals, value: CT}, {none: [{tag: Modality, op: in, value: [MR, ct]}]}]}",
            "Modality equals CT and none [Modality in [MR, ct]] are never both true",
        ),
        (
            "{all: [{tag: Modality, op: equals, value: CT}, {tag: Modality, op: not_equals, value: CT}]}",
            "Modality equals CT and Modality not_equals CT are never both true",
        ),
        (
            "{all: [{fact: calling_aet, op: equals, value: A}, {all: [{fact: calling_aet, op: in, value: [B, C]}]}]}",
            "calling_aet equals A and calling_aet in [B, C] are never both true",
        ),
        (
            "{all: [{fact: calling_aet, op: equals, value: A}, {fact: calling_aet, op: starts_with, value: B}]}",
            "calling_aet equals A and calling_aet starts_with B are never both true",
        ),
        (
            "{all: [{fact: peer_address, op: in, value: [10.0.0.0/8]}, "
            "{fact: peer_address, op: equals, value: 192.168.1.1}]}",
            "peer_address in [10.0.0.0/8] and peer_address equals 192.168.1.1 are never both true",
        ),
        (
            "{all: [{fact: sop_class, op: equals, value: CTImageStorage}, "
            f"{{fact: sop_class, op: in, value: [{NM}]}}]}}",
            f"sop_class equals CTImageStorage and sop_class in [{NM}] are never both true",
        ),
        (
            "{fact: sop_class, op: equals, value: ctimagestorage, ignore_case: false}",
            "sop_class equals ctimagestorage is never true",
        ),
    ],
)  # fmt: skip
def test_rules_that_can_never_match(when: str, reason: str) -> None:
    assert findings(f"when: {when}")["never"].text == f"it can never match: {reason}"


@pytest.mark.parametrize(
    "when",
    [
        "{all: [{tag: ImageType, op: equals, value: A}, {tag: ImageType, op: equals, value: B}]}",
        "{all: [{tag: Modality, op: equals, value: CT}, {tag: Modality, op: starts_with, value: c}]}",
        "{all: [{tag: Modality, op: equals, value: ct}, {tag: Modality, op: equals, value: CT, ignore_case: false}]}",
        "{all: [{tag: SliceThickness, op: ge, value: 2}, {tag: SliceThickness, op: le, value: 2}]}",
        "{all: [{tag: RadiopharmaceuticalInformationSequence/Radiopharmaceutical, op: equals, value: A}, "
        "{tag: RadiopharmaceuticalInformationSequence/Radiopharmaceutical, op: equals, value: B}]}",
        "{all: [{fact: sop_class, op: equals, value: CTImageStorage}, "
        "{fact: sop_class, op: equals, value: CT Image Storage}]}",
        "{all: [{fact: sop_class, op: contains, value: CT}, {fact: sop_class, op: contains, value: '1.2'}]}",
        "{none: []}",
        "{none: [{tag: PatientID, op: exists}, {tag: PatientName, op: exists}]}",
    ],
)  # fmt: skip
def test_what_can_match_is_not_accused(when: str) -> None:
    assert findings(f"when: {when}") == {}


@pytest.mark.parametrize(
    "conditions",
    [
        "{tag: Modality, op: equals, value: CT}, {tag: Modality, op: equals, value: NM}",
        "{tag: Rows, op: gt, value: 512}, {tag: Rows, op: between, value: [1, 512]}",
        "{tag: StudyDate, op: ge, value: 2026-02-01}, {tag: StudyDate, op: in, value: [2026-01-01, 2026-01-31]}",
        "{tag: SliceThickness, op: lt, value: 2}, {tag: SliceThickness, op: equals, value: 2.0}",
    ],
)
def test_what_only_breaks_the_standard_is_said_to(conditions: str) -> None:
    found = findings(f"when: {{all: [{conditions}]}}")
    assert found.keys() == {"conflict"}
    assert found["conflict"].text.startswith("it matches no instance that keeps to the standard: ")


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("{all: []}", "{tag: Modality, op: equals, value: CT}"),
        ("{tag: Modality, op: equals, value: CT}", "{all: [{tag: Modality, op: equals, value: ct}]}"),
        ("{tag: Modality, op: in, value: [CT, MR]}", "{tag: Modality, op: equals, value: MR}"),
        (
            "{all: [{tag: Modality, op: equals, value: CT}]}",
            "{all: [{tag: PatientID, op: exists}, {tag: Modality, op: equals, value: CT}]}",
        ),
        ("{tag: Modality, op: exists}", "{tag: Modality, op: regex, value: '^C'}"),
        ("{tag: PatientID, op: starts_with, value: ab}", "{tag: PatientID, op: wildcard, value: 'ABC*'}"),
        ("{tag: PatientID, op: contains, value: b}", "{tag: PatientID, op: in, value: [abc, b]}"),
        ("{tag: Rows, op: ge, value: 10}", "{tag: Rows, op: between, value: [10, 20]}"),
        ("{tag: StudyDate, op: lt, value: 20260201}", "{tag: StudyDate, op: equals, value: 2026-01-31}"),
        ("{fact: peer_address, op: in, value: [10.0.0.0/8]}", "{fact: peer_address, op: equals, value: 10.1.0.0/16}"),
        (
            "{fact: sop_class, op: equals, value: CTImageStorage}",
            "{fact: sop_class, op: equals, value: CT Image Storage}",
        ),
        ("{fact: calling_aet, op: not_equals, value: GAMMA2}", "{fact: calling_aet, op: equals, value: GAMMA1}"),
        (
            "{any: [{tag: Modality, op: equals, value: CT}, {tag: Modality, op: equals, value: MR}]}",
            "{all: [{any: [{tag: Modality, op: equals, value: MR}, {tag: Modality, op: equals, value: CT}]}]}",
        ),
        ("{none: [{tag: Modality, op: equals, value: CT}]}", "{tag: Modality, op: absent}"),
        ("{none: [{tag: Modality, op: equals, value: CT}]}", "{none: [{tag: Modality, op: in, value: [CT, MR]}]}"),
        ("{tag: Modality, op: exists}", "{none: [{tag: Modality, op: absent}]}"),
    ],
)  # fmt: skip
def test_rules_behind_one_that_stops(earlier: str, later: str) -> None:
    found = findings(f"stop: true, when: {earlier}", f"when: {later}")
    assert found["shadowed"].rules == ("r2", "r1")
    assert findings(f"when: {earlier}", f"when: {later}").get("shadowed") is None, "it does not stop"
    assert findings(f"stop: true, enabled: false, when: {earlier}", f"when: {later}").get("shadowed") is None


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("{tag: Modality, op: equals, value: CT}", "{all: []}"),
        ("{tag: Modality, op: equals, value: CT, ignore_case: false}", "{tag: Modality, op: equals, value: CT}"),
        ("{tag: Modality, op: not_equals, value: MR}", "{tag: Modality, op: equals, value: CT}"),
        ("{none: [{tag: Modality, op: equals, value: CT}]}", "{tag: Modality, op: equals, value: MR}"),
        ("{tag: SliceThickness, op: starts_with, value: '2'}", "{tag: SliceThickness, op: equals, value: 2.5}"),
        ("{tag: Modality, op: not_equals, value: CT}", "{none: [{tag: Modality, op: equals, value: CT}]}"),
    ],
)
def test_what_may_be_reached_is_not_accused(earlier: str, later: str) -> None:
    assert "shadowed" not in findings(f"stop: true, when: {earlier}", f"when: {later}")


def test_a_caller_that_no_station_fits() -> None:
    nobody = findings("when: {all: [{fact: calling_aet, op: equals, value: GAMMA9}]}")
    assert nobody["unknown-caller"].text == "no station that may send has a title that fits calling_aet equals GAMMA9"
    for known in ("{fact: calling_aet, op: starts_with, value: gam}", "{fact: calling_aet, op: not_equals, value: X}",
                  "{any: [{fact: calling_aet, op: equals, value: X}]}"):  # fmt: skip
        assert findings(f"when: {known}") == {}


@pytest.mark.parametrize(
    ("required", "reason"),
    [
        ("{any: []}", "an empty any is never true"),
        (
            "[{tag: Rows, op: exists}, {fact: calling_aet, op: equals, value: B}]",
            "calling_aet equals A and calling_aet equals B are never both true",
        ),
    ],
)
def test_what_is_required_and_never_there(required: str, reason: str) -> None:
    when = "when: {fact: calling_aet, op: equals, value: A}, level: study"
    found = findings(f"{when}, complete: {{require: {required}}}", callers=("A",))
    assert found.keys() == {"never-complete"}
    assert found["never-complete"].text.endswith(reason)
    assert findings(f"{when}, complete: {{require: {{tag: Rows, op: exists}}}}", callers=("A",)) == {}


def test_schedules_that_are_never_open_together() -> None:
    """Of the two stations the first is sent to at night, by the clocks of Berlin."""
    found = findings('when: {all: []}, schedule: ["mon-fri 07:00-19:00 Europe/Berlin"]')
    assert found["never-open"].text.startswith("nothing it sends to D1 ever goes")
    assert findings('when: {all: []}, schedule: ["mon-fri 07:00-19:00 America/New_York"]') == {}
    assert findings("when: {any: []}", 'when: {all: []}, schedule: ["sat 07:00-19:00 UTC"]').keys() == {"never"}


def test_two_rules_that_send_to_one_station_are_both_named() -> None:
    ct, mr = "when: {tag: Modality, op: equals, value: CT}", "when: {tag: Modality, op: equals, value: MR}"
    both = read({"version": 1, "rules": [
        {"name": "all", "when": {"all": []}, "send": [{"to": "A"}, {"to": "B"}]},
        {"name": "ct", "when": {"tag": "Modality", "op": "equals", "value": "CT"}, "send": [{"to": "A"}]},
        {"name": "mr", "when": {"tag": "Modality", "op": "equals", "value": "MR"}, "send": [{"to": "B"}]},
    ]})  # fmt: skip
    found = find(both, ["GAMMA1"], {}, NOW)
    assert [(each.kind, each.rules) for each in found] == [("twice", ("all", "ct")), ("twice", ("all", "mr"))]
    assert "to A: it is delivered once" in str(found[0])
    apart = parse(f"version: 1\nrules: [{{name: a, send: [{{to: A}}], {ct}}}, {{name: b, send: [{{to: A}}], {mr}}}]")
    assert find(apart, [], {}, NOW) == []


def test_very_many_rules_are_not_compared_for_ever() -> None:
    rules = [
        {"name": f"r{n}", "when": {"tag": "PatientID", "op": "regex", "value": f"^{n}$"}, "send": [{"to": "A"}]}
        | {"stop": True}
        for n in range(1200)
    ]
    assert [each.kind for each in find(read({"version": 1, "rules": rules}), [], {}, NOW)] == ["unfinished"]


WORDS = ("CT", "ct", "MR", "C", "", "c t", "ß", "SS")
NUMBERS = (1, 2, 2.5, 7)
DATES = ("20260101", "20260131", "2026-06-30")
NAMES: dict[str, tuple[tuple[Any, ...], tuple[str, ...]]] = {
    "tag:Modality": (WORDS, ("equals", "not_equals", "in", "contains", "starts_with", "wildcard", "regex")),
    "tag:ImageType": (WORDS, ("equals", "not_equals", "in", "starts_with")),
    "tag:Rows": (NUMBERS[:2], ("equals", "not_equals", "in", "lt", "le", "gt", "ge", "between")),
    "tag:SliceThickness": (NUMBERS, ("equals", "not_equals", "in", "lt", "le", "gt", "ge", "between", "starts_with")),
    "tag:StudyDate": (DATES, ("equals", "not_equals", "in", "lt", "ge", "between")),
    "tag:RadiopharmaceuticalInformationSequence/Radiopharmaceutical": (WORDS, ("equals", "in", "contains")),
    "fact:calling_aet": (("CT", "ct", "MR"), ("equals", "not_equals", "in", "starts_with", "wildcard")),
    "fact:peer_address": (("10.0.0.0/8", "10.1.2.3", "::1", "10.1.0.0/16"), ("equals", "not_equals", "in")),
    "fact:sop_class": ((NM, "NuclearMedicineImageStorage", "CT Image Storage"), ("equals", "not_equals", "in")),
    "fact:received_at": (("2026-01-01", "20260131120000+0100"), ("equals", "not_equals", "lt", "ge")),
}  # fmt: skip


def as_ordered(value: Any) -> Any:
    return value.replace("-", "") if isinstance(value, str) else value


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    kind, _, name = draw(st.sampled_from(list(NAMES))).partition(":")
    operands, operators = NAMES[f"{kind}:{name}"]
    op = draw(st.sampled_from((*operators, "exists", "absent")))
    plain: dict[str, Any] = {kind: name, "op": op, "ignore_case": draw(st.booleans())}
    if op in ("exists", "absent"):
        return plain
    if op == "in":
        return plain | {"value": draw(st.lists(st.sampled_from(operands), min_size=1, max_size=3, unique=True))}
    if op == "between":
        return plain | {
            "value": sorted(draw(st.lists(st.sampled_from(operands), min_size=2, max_size=2)), key=as_ordered)
        }
    value = draw(st.sampled_from(operands))
    if op == "wildcard":
        return plain | {"value": value + draw(st.sampled_from(("*", "?", "")))}
    return plain | {"value": str(value) if op in ("starts_with", "contains", "regex") else value}


NODES = st.recursive(
    conditions(),
    lambda nodes: st.one_of(
        *(st.fixed_dictionaries({kind: st.lists(nodes, max_size=3)}) for kind in ("all", "any", "none"))
    ),
    max_leaves=6,
)


@st.composite
def subjects(draw: st.DrawFn) -> Subject:
    def several(values: tuple[Any, ...]) -> Any:
        return draw(st.lists(st.sampled_from((*values, None)), max_size=3))

    values = {
        "00080060": several(WORDS[:6]), "00080008": several(WORDS), "00280010": several(NUMBERS[:2]),
        "00180050": several(("2", "2.5", "2.50", "7", "x", "")),
        "00080020": several(("20260101", "20260131", "20260630", "x")),
        "00540016/00180031": several(WORDS),
    }  # fmt: skip
    present = draw(st.sets(st.sampled_from(sorted(values))))
    hidden = draw(st.sets(st.sampled_from(sorted(values)), max_size=1))
    return Subject(
        {"values": {key: values[key] for key in present}, "cut": [], "undecodable": list(hidden)},
        draw(st.sampled_from(("CT", "ct", "MR", "CTX"))),
        "GATEWAY",
        draw(st.sampled_from(("10.1.2.3", "10.200.0.1", "192.168.0.1", "::1", ""))),
        "1.2.840.10008.1.2.1",
        draw(st.sampled_from((NM, "1.2.840.10008.5.1.4.1.1.2", "1.2.3"))),
        draw(st.sampled_from((datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 31, 11, tzinfo=UTC)))),
    )


@given(st.lists(NODES, min_size=1, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4),
       st.lists(subjects(), min_size=8, max_size=8))  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_never_and_shadowed_are_true_of_every_instance(
    nodes: list[dict[str, Any]], stops: list[bool], seen: list[Subject]
) -> None:
    rules = [
        {"name": f"r{n}", "when": node, "send": [{"to": "A"}], "stop": stops[n]} for n, node in enumerate(nodes)
    ]  # fmt: skip
    document = read({"version": 1, "rules": rules})
    found = find(document, [], {}, NOW)
    silent = {each.rules[0] for each in found if each.kind in ("never", "shadowed")}
    lawful = silent | {each.rules[0] for each in found if each.kind == "conflict"}
    together = next((set(each.rules) for each in found if each.kind == "twice"), set())
    compiled = compile_rules(document)
    for subject in seen:
        matched = {match.rule for match in compiled.evaluate(subject)}
        assert not matched & silent
        if keeps_to_the_standard(subject):
            assert not matched & lawful
            assert len(matched) < 2 or matched <= together


@given(NODES, NODES, st.lists(subjects(), min_size=8, max_size=8))
@settings(max_examples=120, deadline=None)
def test_what_follows_follows_for_every_instance(one: Any, other: Any, seen: list[Subject]) -> None:
    nodes = [rule.when for rule in read({"version": 1, "rules": [
        {"name": str(n), "when": node, "send": [{"to": "A"}]} for n, node in enumerate((one, other))
    ]}).rules]  # fmt: skip
    first, second = map(formula, nodes)
    true = [{match.rule for match in alone(one, other).evaluate(subject)} for subject in seen]
    for proof, subjects_of in ((Proof(10_000), seen), (Proof(10_000, standard=True), lawful(seen))):
        found = [names for subject, names in zip(seen, true, strict=True) if subject in subjects_of]
        if proof.implies(first, second):
            assert all("1" in names for names in found if "0" in names)
        if proof.excludes(first, second):
            assert not any(names == {"0", "1"} for names in found)
        if proof.certain(first):
            assert all("0" in names for names in found)
        if proof.why_impossible(first):
            assert not any("0" in names for names in found)


def alone(*nodes: Any) -> CompiledRules:
    """Rules named by their place, none of which stops."""
    rules = [{"name": str(n), "when": node, "send": [{"to": "A"}]} for n, node in enumerate(nodes)]
    return compile_rules(read({"version": 1, "rules": rules}))


def lawful(seen: list[Subject]) -> list[Subject]:
    return [subject for subject in seen if keeps_to_the_standard(subject)]


def keeps_to_the_standard(subject: Subject) -> bool:
    """No more than one value where the standard allows one."""
    values = subject.facts["values"]
    return all(len(values.get(key, ())) <= 1 for key in ("00080060", "00280010", "00180050", "00080020"))
