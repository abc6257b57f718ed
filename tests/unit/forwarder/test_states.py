"""The tables of delivery and job states, cell by cell."""

import itertools

import pytest

from services.forwarder.states import (
    DONE,
    ENDED,
    TRANSITIONS,
    WAITING,
    Event,
    IllegalTransition,
    JobState,
    State,
    Tally,
    following,
    job_state,
    sources,
)

EXPECTED = """
           claim   deliver   present   warn   refuse postpone give_back lose_answer give_up cancel   retry   supersede  reroute
PENDING    SENDING -         -         -      -      -        -         -           FAILED  CANCELED PENDING SUPERSEDED CANCELED
SENDING    -       DELIVERED DELIVERED WARNED FAILED PENDING  PENDING   UNKNOWN     FAILED  SENDING  -       -          -
DELIVERED  -       -         -         -      -      -        -         -           -       -        -       -          -
WARNED     -       -         -         -      -      -        -         -           -       -        -       -          -
FAILED     -       -         -         -      -      -        -         -           -       -        PENDING -          CANCELED
UNKNOWN    SENDING DELIVERED DELIVERED WARNED -      -        -         -           FAILED  CANCELED UNKNOWN SUPERSEDED CANCELED
CANCELED   -       DELIVERED DELIVERED WARNED -      -        -         -           -       -        PENDING -          CANCELED
SUPERSEDED -       -         -         -      -      -        -         -           -       -        -       -          -
"""  # noqa: E501 - a table


def _cells() -> list[tuple[State, Event, State | None]]:
    heading, *rows = [line.split() for line in EXPECTED.strip().splitlines()]
    events = [Event[name.upper()] for name in heading]
    return [
        (State(row[0]), event, None if cell == "-" else State(cell))
        for row in rows
        for event, cell in zip(events, row[1:], strict=True)
    ]


@pytest.mark.parametrize(("state", "event", "expected"), _cells())
def test_each_cell(state: State, event: Event, expected: State | None) -> None:
    if expected is None:
        with pytest.raises(IllegalTransition):
            following(state, event)
    else:
        assert following(state, event) is expected


def test_the_table_above_is_whole() -> None:
    assert {(state, event) for state, event, _ in _cells()} == set(itertools.product(State, Event))
    assert len(TRANSITIONS) == sum(expected is not None for _, _, expected in _cells())


def test_what_was_delivered_is_never_sent_again_by_mistake() -> None:
    assert sources(Event.CLAIM) == {State.PENDING, State.UNKNOWN}
    assert not DONE & sources(Event.RETRY)
    assert set(State) == WAITING | ENDED


@pytest.mark.parametrize(
    ("tally", "expected"),
    [
        (Tally(waiting=True, failed=0, canceled=0, total=3, started=False), JobState.QUEUED),
        (Tally(waiting=True, failed=2, canceled=0, total=3, started=True), JobState.ACTIVE),
        (Tally(waiting=False, failed=0, canceled=0, total=3, started=True), JobState.COMPLETED),
        (Tally(waiting=False, failed=1, canceled=0, total=3, started=True), JobState.FAILED),
        (Tally(waiting=False, failed=1, canceled=2, total=3, started=True), JobState.FAILED),
        (Tally(waiting=False, failed=0, canceled=1, total=3, started=True), JobState.CANCELED),
        (Tally(waiting=False, failed=0, canceled=3, total=3, started=True), JobState.CANCELED),
        (Tally(waiting=False, failed=0, canceled=0, total=0, started=False), JobState.COMPLETED),
    ],
)
def test_job_state(tally: Tally, expected: JobState) -> None:
    assert job_state(tally) is expected
