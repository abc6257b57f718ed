"""The table of a commitment's states, cell by cell."""

import pytest

from services.commitment.states import Event, IllegalTransition, ItemState, State, following, reported

EXPECTED = """
            add         release  claim   accept   refuse   miss     lose_answer  give_up  commit   fail     narrow      expire   cancel   repair
COLLECTING  COLLECTING  QUEUED   -       -        -        -        -            -        -        -        -           -        FAILURE  -
QUEUED      -           -        ASKING  -        -        -        -            FAILURE  SUCCESS  FAILURE  QUEUED      FAILURE  FAILURE  -
ASKING      -           -        -       WAITING  FAILURE  QUEUED   UNANSWERED   FAILURE  SUCCESS  FAILURE  ASKING      FAILURE  FAILURE  -
UNANSWERED  -           -        ASKING  -        -        -        -            -        SUCCESS  FAILURE  UNANSWERED  FAILURE  FAILURE  -
WAITING     -           -        -       -        -        -        -            -        SUCCESS  FAILURE  WAITING     FAILURE  FAILURE  -
SUCCESS     -           -        -       SUCCESS  SUCCESS  SUCCESS  SUCCESS      -        -        -        -           -        -        -
FAILURE     -           -        -       FAILURE  FAILURE  FAILURE  FAILURE      -        FAILURE  FAILURE  FAILURE     FAILURE  FAILURE  SUCCESS
"""  # noqa: E501


def _cells() -> list[tuple[State, Event, State | None]]:
    heading, *rows = [line.split() for line in EXPECTED.strip().splitlines()]
    events = [Event[name.upper()] for name in heading]
    return [
        (State[row[0]], event, None if cell == "-" else State[cell])
        for row in rows
        for event, cell in zip(events, row[1:], strict=True)
    ]


def test_the_table_below_has_every_cell() -> None:
    assert len({(state, event) for state, event, _ in _cells()}) == len(State) * len(Event)


@pytest.mark.parametrize(("state", "event", "expected"), _cells(), ids=lambda value: str(value))
@pytest.mark.requirement("R73", "R76", "R77", "R80")
def test_each_cell(state: State, event: Event, expected: State | None) -> None:
    if expected is None:
        with pytest.raises(IllegalTransition, match=f"{event} cannot happen to a commitment that is {state}"):
            following(state, event)
    else:
        assert following(state, event) is expected


@pytest.mark.parametrize(
    ("items", "event"),
    [
        ("COMMITTED COMMITTED", Event.COMMIT),
        ("COMMITTED PENDING", Event.NARROW),
        ("COMMITTED FAILED", Event.FAIL),
        ("PENDING FAILED", Event.FAIL),
        ("PENDING", Event.NARROW),
    ],
)
def test_what_a_report_means(items: str, event: Event) -> None:
    assert reported(ItemState(word) for word in items.split()) is event
