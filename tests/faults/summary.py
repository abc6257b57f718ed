"""What the faults of a run come to: cases, seeds, instances attempted and acknowledged, lost, doubled."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pytest
from _pytest.terminal import TerminalReporter

from tests.faults.cases import Case, read
from tests.faults.ledger import Ledger

PROPERTY = "faults"
"""Under this name a test's report carries what its ledgers sum up to."""


def text(ledgers: Sequence[Ledger], seed: int | None) -> str:
    """The sums of one test, as they travel in its report."""
    checked = [ledger for ledger in ledgers if ledger.checked]
    sums = {
        "attempted": sum(len(ledger.attempted) for ledger in checked),
        "acknowledged": sum(len(ledger.acknowledged) for ledger in checked),
        "lost": sum(len(ledger.lost) for ledger in checked),
        "doubled": sum(len(ledger.doubled) for ledger in checked),
    }
    return json.dumps({"seed": seed, **sums})


@dataclass
class Found:
    """What one test did: the outcomes of its parts, and why it was skipped if it was."""

    outcomes: set[str] = field(default_factory=set)
    reason: str = ""

    @property
    def passed(self) -> bool:
        """It ran, and nothing of it failed."""
        return "failed" not in self.outcomes and "call" in self.outcomes


def write(terminal: TerminalReporter) -> None:
    """Print the section, if tests of faults ran."""
    reports = [each for found in terminal.stats.values() for each in found if isinstance(each, pytest.TestReport)]
    told = [
        json.loads(str(value))
        for report in reports
        if report.when == "teardown"
        for name, value in report.user_properties
        if name == PROPERTY
    ]
    if told:
        terminal.section("faults")
        for line in lines(read(), _outcomes(reports), told):
            terminal.write_line(line)


def _outcomes(reports: Iterable[pytest.TestReport]) -> dict[str, Found]:
    tests: dict[str, Found] = defaultdict(Found)
    for report in reports:
        found = tests[report.nodeid]
        found.outcomes.add(report.outcome)
        if report.when == "call" and report.passed:
            found.outcomes.add("call")
        if report.skipped and isinstance(report.longrepr, tuple):
            found.reason = str(report.longrepr[2])
    return tests


def lines(cases: Sequence[Case], tests: dict[str, Found], told: Sequence[dict[str, int | None]]) -> Iterable[str]:
    """The section, line by line (pure)."""
    states = {case.number: _state(case, tests) for case in cases}
    shown = [number for number, state in states.items() if state == "shown"]
    seeds = sorted({seed for each in told if (seed := each["seed"]) is not None})
    yield f"cases: {len(shown)} of {len(cases)} shown; seeds: {', '.join(map(str, seeds)) or 'none'}"
    for number, state in states.items():
        if state not in ("shown", "not asked for"):
            yield f"  {number}: {state}"
    sums = {name: sum(each[name] or 0 for each in told) for name in ("attempted", "acknowledged", "lost", "doubled")}
    yield (
        f"instances: attempted {sums['attempted']:,}, acknowledged {sums['acknowledged']:,}, lost {sums['lost']:,}, "
        f"unexplained duplicates {sums['doubled']:,}"
    )


def _state(case: Case, tests: dict[str, Found]) -> str:
    """What became of a case in this run: each of its tests has to have run, and nothing of them to have failed."""
    if not case.shown:
        return case.reason
    ran = [[found for nodeid, found in tests.items() if shown.is_in(nodeid)] for shown in case.shown]
    everything = [found for each in ran for found in each]
    if any("failed" in found.outcomes for found in everything):
        return "failed"
    if skipped := [found.reason for found in everything if not found.passed]:
        return f"skipped: {skipped[0]}"
    return "shown" if all(ran) else "not asked for"
