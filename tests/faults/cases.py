"""The tables of cases in docs/reliability.md: their numbers, and the tests that show them."""

import re
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
HEADER = "| case | injected | expected | shown by |"
_TEST = re.compile(r"`([a-z0-9_/]+\.py)::(test_[a-z0-9_]+)(?:\[([A-Za-z0-9-]+)\])?`")


@dataclass(frozen=True)
class Shown:
    """A test, and which of its parameters where only those show the case: a part of its id between hyphens."""

    file: str
    name: str
    parameters: str = ""

    def is_in(self, nodeid: str) -> bool:
        """Whether a test that ran is this one (pure)."""
        test, _, parameters = nodeid.removesuffix("]").partition("[")
        if test != f"tests/{self.file}::{self.name}":
            return False
        return not self.parameters or f"-{self.parameters}-" in f"-{parameters}-"


@dataclass(frozen=True)
class Case:
    """A row. Without tests it cannot be injected here, and the row says why."""

    number: str
    shown: tuple[Shown, ...]
    reason: str


def read(document: Path = DOCUMENT) -> list[Case]:
    """Every row of every table of cases, in their order."""
    cases: list[Case] = []
    inside = False
    for line in document.read_text(encoding="utf-8").splitlines():
        inside = line == HEADER or (inside and line.startswith("|"))
        if inside and line != HEADER and not line.startswith("|---"):
            number, _, _, shown = (cell.strip() for cell in line.strip("|").split(" | "))
            cases.append(Case(number, tuple(Shown(*found) for found in _TEST.findall(shown)), shown))
    return cases
