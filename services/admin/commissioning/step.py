"""What came of each step (pure)."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["passed", "failed", "left out"]


@dataclass(frozen=True)
class Step:
    """``text``: what was found, in words, with the cure where there is one; ``details``: one line each."""

    name: str
    verdict: Verdict
    text: str
    milliseconds: int = 0
    details: tuple[str, ...] = ()


def passed(steps: list[Step]) -> bool:
    """Whether nothing failed."""
    return all(step.verdict != "failed" for step in steps)
