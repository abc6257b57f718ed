"""From matches to deliveries: the loop guard, and what is said of a station for whom another stands."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from schemas.rules.steps import RemoveStep
from services.dicom.rules import Match
from services.dicom.rules.by_class import pet_raw_match
from services.forwarder.planning import CAME_FROM_THERE, Instance, matched, plan, share

INSTANCE = Instance(
    datetime(2026, 11, 23, tzinfo=UTC), "objects/x", "1.2.3", 1, "1.2", "1.2.1", "1.2.840", "1.2.841", 400, 10, "0"
)


def rule(name: str, *to: str, back: bool = False) -> Match:
    return Match(rule=name, level="instance", quiet_seconds=0, destinations=to, priority="normal", back=back)


@pytest.mark.parametrize(
    ("matches", "sent", "not_sent"),
    [
        ([rule("r", "A", "B")], {"B": "r"}, {"r": ["A"]}),
        ([rule("r", "A", "B", back=True)], {"A": "r", "B": "r"}, {}),
        ([rule("r", "A")], {}, {"r": ["A"]}),
        ([rule("r", "A"), rule("s", "A", "B")], {"B": "s"}, {"r": ["A"], "s": ["A"]}),
        ([rule("r", "A"), rule("s", "A", back=True)], {"A": "s"}, {"r": ["A"]}),
        ([rule("r", "a"), rule("s", "B")], {"a": "r", "B": "s"}, {}),
        ([pet_raw_match("A")], {}, {"PET raw data (R122)": ["A"]}),
    ],
    ids=[
        "not back",
        "back",
        "nowhere else",
        "by no rule",
        "the rule that says so",
        "titles differ by case",
        "PET raw data",
    ],
)
def test_what_came_from_a_station_goes_back_only_where_the_rule_says_so(
    matches: list[Match], sent: dict[str, str], not_sent: dict[str, list[str]]
) -> None:
    planned = list(plan(INSTANCE, "A", 1, matches, {}))
    assert {each.job.destination: each.job.rule for each in planned} == sent
    assert {each.source for each in planned} <= {"A"}
    told = {each["rule"]: each["not_sent"] for each in matched(matches, "A") if "not_sent" in each}
    assert {name: list(titles) for name, titles in told.items()} == not_sent
    assert {reason for titles in told.values() for reason in titles.values()} <= {CAME_FROM_THERE}


@pytest.mark.parametrize(("to", "changed"), [(("A", "B"), True), (("B", "A"), False)])
def test_the_member_that_gets_it_gets_it_as_the_rule_says_of_the_first_station(
    to: tuple[str, ...], changed: bool
) -> None:
    steps = (RemoveStep(do="remove", tag=["PatientComments"]),)
    match = replace(rule("r", *to), commit={"A": True}, transform={"A": steps})
    (planned,) = plan(INSTANCE, "X", 1, [share(match, {"A": "C", "B": "C"})], {})
    assert (planned.job.destination, planned.transform) == ("C", steps if changed else ())
    assert planned.commit is (True if changed else None)
