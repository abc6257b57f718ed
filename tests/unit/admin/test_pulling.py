"""Which studies of a station are retrieved from it, cell by cell."""

import pytest

from services.admin.pulling.judging import BACKOFF, Asked, Verdict, judge

COMPLETE, PULL, UNDER_WAY, LATER = Verdict.COMPLETE, Verdict.PULL, Verdict.UNDER_WAY, Verdict.LATER
WAITS = Asked(told=5, attempts=2, due=False)
CELLS = [
    # count, held, asked before, verdict, attempts, missing
    (5, 0, Asked(), PULL, 1, False),
    (5, 4, Asked(), PULL, 1, False),
    (5, 5, Asked(), COMPLETE, 0, False),
    (5, 6, Asked(), COMPLETE, 0, False),
    (0, 0, Asked(), COMPLETE, 0, False),
    (None, 0, Asked(), PULL, 1, False),
    (None, 1, Asked(), COMPLETE, 0, False),
    (5, 0, Asked(told=5, complete=5), COMPLETE, 0, False),
    (6, 0, Asked(told=5, complete=5), PULL, 1, False),
    (None, 0, Asked(complete=1), COMPLETE, 0, False),
    (5, 3, WAITS, LATER, 2, True),
    (6, 3, WAITS, PULL, 1, False),
    (4, 3, WAITS, LATER, 2, True),
    (5, 3, Asked(told=5, attempts=2), PULL, 3, True),
    (9, 3, Asked(told=5, attempts=2, under_way=True), UNDER_WAY, 2, False),
    (5, 5, Asked(told=5, attempts=2, under_way=True), COMPLETE, 0, False),
    (None, 0, Asked(attempts=1, due=False), LATER, 1, True),
    (None, 0, Asked(attempts=1), PULL, 2, True),
    (5, 0, Asked(attempts=1, due=False), LATER, 1, True),
]


@pytest.mark.parametrize(("count", "held", "asked", "verdict", "attempts", "missing"), CELLS)
def test_each_cell(count: int | None, held: int, asked: Asked, verdict: Verdict, attempts: int, missing: bool) -> None:
    found = judge("1.2", count, held, asked)
    assert (found.verdict, found.attempts, found.missing) == (verdict, attempts, missing)


def test_waits_grow_up_to_a_day() -> None:
    waits = [judge("1.2", 5, 0, Asked(told=5, attempts=before)).wait for before in range(12)]
    assert waits[:3] == [600, 1200, 2400]
    assert waits == sorted(waits)
    assert waits[-1] == BACKOFF.most == 86_400
