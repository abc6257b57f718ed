"""Fail points: off unless armed, and then at the instant that was named, in the pass that was named."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime import fail_points
from services.runtime.errors import UsageError

SERVICES = Path(fail_points.__file__).parents[1]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The signals this process would have got."""
    signals: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _, number: signals.append(number))
    yield signals
    fail_points.arm(None)


def test_nothing_happens_unless_armed(sent: list[int]) -> None:
    for text in (None, ""):
        fail_points.arm(text)
        for point in fail_points.POINTS:
            fail_points.reached(point)
    assert sent == []


@pytest.mark.parametrize(("what", "number"), [("kill", signal.SIGKILL), ("freeze", signal.SIGSTOP)])
def test_it_happens_once_in_the_pass_that_was_named(sent: list[int], what: str, number: int) -> None:
    fail_points.arm(f"{what} objects.renamed 3")
    for passed in range(5):
        assert sent == ([number] if passed > 2 else [])
        fail_points.reached("objects.renamed")
        fail_points.reached("objects.synced")


@pytest.mark.parametrize(
    "text", ["kill", "kill nowhere", "stop objects.renamed", "kill objects.renamed 0", "kill objects.renamed soon", "x"]
)
def test_what_cannot_be_is_named_with_the_cure(text: str) -> None:
    with pytest.raises(UsageError, match=f"GATEWAY_FAIL_POINT={re.escape(text)}: write kill or freeze"):
        fail_points.arm(text)


def test_every_point_is_passed_somewhere() -> None:
    sources = [path.read_text(encoding="utf-8") for path in SERVICES.rglob("*.py")]
    passed = {name for text in sources for name in re.findall(r'fail_points\.reached\("([a-z.]+)"\)', text)}
    assert passed == fail_points.POINTS
