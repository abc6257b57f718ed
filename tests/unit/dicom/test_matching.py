"""From keys to conditions: every kind of matching, and what never becomes part of a statement."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.dicom.query_keys import Kind, query_keys
from services.dicom.identifiers import IdentifierFault
from services.dicom.matching import Condition, conditions

NAME, PATIENT_ID, DATE, TIME, STUDY, MODALITIES, NUMBER = (
    0x00100010, 0x00100020, 0x00080020, 0x00080030, 0x0020000D, 0x00080061, 0x00200013,
)  # fmt: skip


def asked(tag: int, text: str, kinds: frozenset[Kind] | None = None) -> list[Condition]:
    attribute = query_keys().by_tag[tag]
    return list(conditions(attribute, text, attribute.matching if kinds is None else kinds))


@pytest.mark.parametrize("text", ["", "*", "**", "\\", "A*\\*"])
def test_any_value_is_no_condition(text: str) -> None:
    assert asked(PATIENT_ID, text) == []


@pytest.mark.parametrize("tag", [DATE, TIME])
def test_an_asterisk_asks_for_any_date_or_time(tag: int) -> None:
    assert asked(tag, "*") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P1", Condition("equal", "patient_id", "P1")),
        ("P1*", Condition("like", "patient_id", "P1%")),
        ("P?1**", Condition("like", "patient_id", "P_1%")),
        ("100%_*", Condition("like", "patient_id", "100\\%\\_%")),
        ("A\\B", Condition("one_of", "patient_id", ["A", "B"])),
        ("A_\\B*", Condition("like_any", "patient_id", ["A\\_", "B%"])),
        ("'; drop table index.patient; --", Condition("equal", "patient_id", "'; drop table index.patient; --")),
    ],
)
def test_text(text: str, expected: Condition) -> None:
    assert asked(PATIENT_ID, text) == [expected]


@pytest.mark.parametrize("text", ["P*", "A\\B", "100%"])
def test_a_key_of_single_values_takes_every_character_as_it_is(text: str) -> None:
    assert asked(PATIENT_ID, text, frozenset({"single"})) == [Condition("equal", "patient_id", text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Müller^Jörg", Condition("name_equal", "", "muller jorg")),
        ("DOE^^", Condition("name_equal", "", "doe")),
        ("doe^j*", Condition("name_like", "", "doe j%")),
        ("D*^?", Condition("name_like", "", "d% _")),
        ("A\\B*", Condition("name_one_of", "", ["a", "b%"])),
        ("山田^太郎", Condition("name_equal", "", "山田 太郎")),
    ],
)
def test_a_name_is_matched_as_a_whole_without_case(text: str, expected: Condition) -> None:
    assert asked(NAME, text) == [expected]


def test_several_component_groups_match_each_its_own() -> None:
    assert asked(NAME, "Yamada*=山田") == [
        Condition("like", "name_whole", "yamada%"),
        Condition("like", "name_ideographic", "山田"),
    ]


def test_a_name_of_delimiters_alone_asks_for_any() -> None:
    assert asked(NAME, "^^") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20240229", [Condition("equal", "study_date", "20240229")]),
        ("2024.02.29", [Condition("equal", "study_date", "20240229")]),
        ("20240101-20241231", [("at_least", "20240101"), ("at_most", "20241231")]),
        ("20240101-", [("at_least", "20240101")]),
        ("-20241231", [("at_least", "0"), ("at_most", "20241231")]),
    ],
)
def test_dates(text: str, expected: list[Condition | tuple[str, str]]) -> None:
    assert asked(DATE, text) == [
        each if isinstance(each, Condition) else Condition(each[0], "study_date", each[1])  # type: ignore[arg-type]
        for each in expected
    ]


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("10", "10", "105959.999999"),
        ("1030", "1030", "103059.999999"),
        ("103015.5", "103015.5", "103015.599999"),
        ("10:30-11:00", "1030", "110059.999999"),
        ("1000-1200", "10", "120059.999999"),
        ("-1200", "0", "120059.999999"),
    ],
)
def test_times_stand_for_their_precision(text: str, least: str, most: str) -> None:
    assert asked(TIME, text) == [
        Condition("at_least", "study_time", least),
        Condition("at_most", "study_time", most),
    ]


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        *((DATE, text) for text in ("2024", "2024*", "-", "x-y", "20041301", "20230229", "00000000", "20041301-")),
        *((TIME, text) for text in ("1", "24", "2561", "101561")),
    ],
)
def test_a_date_or_time_that_is_none_is_a_fault(tag: int, text: str) -> None:
    with pytest.raises(IdentifierFault):
        asked(tag, text)


def test_a_range_where_single_values_are_matched_is_a_fault() -> None:
    with pytest.raises(IdentifierFault, match="range"):
        asked(DATE, "20240101-20241231", frozenset({"single"}))


def test_lists_of_uids_and_of_modalities_match_any_of_theirs() -> None:
    assert asked(STUDY, "1.2\\1.3") == [Condition("one_of", "study_instance_uid", ["1.2", "1.3"])]
    assert asked(MODALITIES, "PT\\CT") == [Condition("modality_one_of", "modalities", ["PT", "CT"])]
    assert asked(MODALITIES, "C*") == [Condition("modality_like_any", "modalities", ["C%"])]


@pytest.mark.parametrize(("text", "value"), [("7", "7"), ("007", "7"), ("+7", "7"), ("0", ""), ("-7", "-7")])
def test_numbers_are_compared_without_their_spelling(text: str, value: str) -> None:
    assert asked(NUMBER, text) == [Condition("number", "instance_number", value)]


@pytest.mark.parametrize("text", ["?" * 257, "\\".join(["a*"] * 101)])
def test_wildcard_bombs_are_refused(text: str) -> None:
    with pytest.raises(IdentifierFault, match="wildcards"):
        asked(PATIENT_ID, text)


def regular(pattern: str) -> re.Pattern[str]:
    """What PostgreSQL's LIKE means by a pattern."""
    parts = re.findall(r"\\.|.", pattern, re.S)
    return re.compile("".join({"%": ".*", "_": "."}.get(part, re.escape(part[-1])) for part in parts), re.S)


@given(st.text(st.sampled_from("aB%_?*' "), min_size=1, max_size=12), st.text(st.sampled_from("aB%_' "), max_size=12))
def test_patterns_match_what_wildcards_mean(key: str, value: str) -> None:
    expected = re.compile("".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in key), re.S)
    matches = True
    for condition in asked(PATIENT_ID, key):
        assert isinstance(condition.value, str)
        if condition.form == "like":
            matches = regular(condition.value).fullmatch(value) is not None
        else:
            matches = condition.value == value
    assert matches == (expected.fullmatch(value) is not None)
