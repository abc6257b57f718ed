"""When another station stands in, and which member of a group a study goes to."""

from collections import Counter

import pytest

from services.forwarder.balance import member
from services.forwarder.circuit import Circuit
from services.forwarder.failover import Course, course

CLOSED, YOUNG, OLD = Circuit(), Circuit(open=True, open_seconds=599), Circuit(open=True, open_seconds=600)
ANSWERED = Circuit(open=True, open_seconds=6000, answered=True)


@pytest.mark.parametrize(
    ("station", "other", "usable", "expected"),
    [
        (CLOSED, CLOSED, True, Course.TAKE_BACK),
        (CLOSED, OLD, True, Course.TAKE_BACK),
        (YOUNG, CLOSED, True, Course.STAY),
        (OLD, CLOSED, True, Course.GIVE_OVER),
        (OLD, CLOSED, False, Course.TAKE_BACK),
        (OLD, YOUNG, True, Course.STAY),
        (OLD, ANSWERED, True, Course.STAY),
        (ANSWERED, CLOSED, True, Course.TRY),
        (ANSWERED, OLD, True, Course.TRY),
        (ANSWERED, CLOSED, False, Course.TAKE_BACK),
    ],
)
def test_what_becomes_of_what_waits(station: Circuit, other: Circuit, usable: bool, expected: Course) -> None:
    assert course(station, 600, other, usable=usable) is expected


def test_a_study_stays_with_its_member_and_members_share_alike() -> None:
    studies, titles = [f"1.2.{number}" for number in range(3000)], ["A", "B", "C"]
    chosen = {study: member(study, titles) for study in studies}
    assert all(member(study, titles[::-1]) == title for study, title in chosen.items())
    assert all(900 < count < 1100 for count in Counter(chosen.values()).values())
    without = {study: member(study, ["A", "B"]) for study in studies}
    assert {study for study in studies if without[study] != chosen[study]} == {
        study for study, title in chosen.items() if title == "C"
    }
