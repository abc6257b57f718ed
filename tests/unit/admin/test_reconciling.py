"""Comparing a study with what a station says it has: each answer, and what is concluded from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest

from services.admin.reconciling.comparison import NotTold, Sent, compare
from services.admin.reconciling.outcome import Outcome
from services.admin.reconciling.outcome import told as as_told

SENT = [Sent("1.1", "1"), Sent("1.2", "1"), Sent("2.1", "2")]
Count = int | Literal["absent"] | None
REFUSED = "refused"


@dataclass
class Told:
    """What a station says; REFUSED stands for a failure. ``asked`` are the levels it was asked at."""

    counted: Count
    series_told: Mapping[str, int | None] | str = field(default_factory=dict)
    instances_told: Mapping[str, frozenset[str]] | str = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def study(self, study: str) -> Count:
        self.asked.append("study")
        return self.counted

    def series(self, study: str) -> Mapping[str, int | None]:
        self.asked.append("series")
        if isinstance(self.series_told, str):
            raise NotTold("C000")
        return self.series_told

    def instances(self, study: str, series: str) -> frozenset[str]:
        self.asked.append(f"instances of {series}")
        if isinstance(self.instances_told, str):
            raise NotTold("C000")
        return self.instances_told.get(series, frozenset())


def some(*uids: str) -> frozenset[str]:
    return frozenset(uids)


@pytest.mark.parametrize(
    ("told", "verdict", "missing", "asked"),
    [
        (
            Told(3, {"1": 2, "2": 1}, {"1": some("1.1", "1.2"), "2": some("2.1")}),
            "COMPLETE",
            [],
            ["study", "series", "instances of 1", "instances of 2"],
        ),
        (
            Told(3, {"1": 2, "2": 1}, {"1": some("1.1", "7.7"), "2": some("2.1")}),
            "INCOMPLETE",
            ["1.2"],
            ["study", "series", "instances of 1", "instances of 2"],
        ),
        (Told("absent"), "MISSING", ["1.1", "1.2", "2.1"], ["study"]),
        (Told(2, {"1": 2}, {"1": some("1.1", "1.2")}), "INCOMPLETE", ["2.1"], ["study", "series", "instances of 1"]),
        (
            Told(2, {"1": 1, "2": 1}, {"1": some("1.2"), "2": some("2.1")}),
            "INCOMPLETE",
            ["1.1"],
            ["study", "series", "instances of 1", "instances of 2"],
        ),
        (
            Told(None, {"1": None, "2": 1}, {"1": some("1.1", "1.2"), "2": some("2.1")}),
            "COMPLETE",
            [],
            ["study", "series", "instances of 1", "instances of 2"],
        ),
        (
            Told(9, {"1": 8, "2": 1}, {"1": some("1.1", "7.7"), "2": some("2.1")}),
            "INCOMPLETE",
            ["1.2"],
            ["study", "series", "instances of 1", "instances of 2"],
        ),
        (Told(2, REFUSED), "INCOMPLETE", ["1.1", "1.2", "2.1"], ["study", "series"]),
        (Told(None, REFUSED), "UNKNOWN", [], ["study", "series"]),
        (
            Told(2, {"1": 1, "2": 1}, REFUSED),
            "INCOMPLETE",
            ["1.1", "1.2"],
            ["study", "series", "instances of 1", "instances of 2"],
        ),
        (
            Told(None, {"1": None, "2": 1}, REFUSED),
            "UNKNOWN",
            [],
            ["study", "series", "instances of 1", "instances of 2"],
        ),
        (Told(9, {"1": 8, "2": 1}), "UNKNOWN", [], ["study", "series", "instances of 1", "instances of 2"]),
    ],
)
def test_uids_are_compared_and_nothing_is_guessed(
    told: Told, verdict: str, missing: list[str], asked: list[str]
) -> None:
    found = compare(told, "1", SENT, "instance")
    assert (found.verdict, [each.sop_instance_uid for each in found.missing]) == (verdict, missing)
    assert told.asked == asked
    if REFUSED in (told.series_told, told.instances_told):
        assert "it does not answer at" in found.note


@pytest.mark.parametrize(
    ("counted", "verdict", "missing", "note"),
    [
        (3, "COMPLETE", 0, "counts alike, UIDs not compared"),
        ("absent", "MISSING", 3, ""),
        (2, "INCOMPLETE", 3, "which are missing is not known"),
        (None, "UNKNOWN", 0, "it does not count instances"),
        (4, "UNKNOWN", 0, "it has more than we sent"),
    ],
)
def test_at_study_level_only_counts_speak(counted: Count, verdict: str, missing: int, note: str) -> None:
    told = Told(counted)
    found = compare(told, "1", SENT, "study")
    assert (found.verdict, len(found.missing), told.asked) == (verdict, missing, ["study"])
    assert note in found.note


@pytest.mark.parametrize(
    "told", [Told(3, REFUSED), Told(3), Told(3, {"1": 2, "2": 1}, REFUSED), Told(3, {"1": 2, "2": 1})]
)
def test_where_only_counts_are_told_it_is_said_that_they_alone_are_alike(told: Told) -> None:
    found = compare(told, "1", SENT, "instance")
    assert (found.verdict, found.by_count) == ("COMPLETE", True)
    assert found.note.endswith("counts alike, UIDs not compared")
    outcome = Outcome()
    outcome.take(found)
    outcome.take(compare(Told(3, {"1": 3}, {"1": some("1.1", "1.2")}), "2", SENT[:2], "instance"))
    assert (as_told(outcome)["by_count"], as_told(outcome)["incomplete"]) == (1, 0)
    assert as_told(outcome)["by_count_studies"] == [{"study": "1", "note": found.note}]


def test_what_was_deleted_here_long_ago_goes_by_the_count_of_the_study() -> None:
    sent = [Sent("1.1", "1"), Sent("0.1", "", stored=False)]
    there = {"1": some("1.1", "0.1")}
    assert compare(Told(2, {"1": 2}, there), "1", sent, "instance").by_count
    assert compare(Told(3, {"1": 3}, there), "1", sent, "instance").verdict == "UNKNOWN"


def test_what_is_gone_here_too_is_counted_and_not_sent() -> None:
    found = compare(Told("absent"), "1", [*SENT, Sent("3.1", "3", stored=False)], "instance")
    assert (found.sendable, found.gone) == (["1.1", "1.2", "2.1"], 1)
