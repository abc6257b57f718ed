"""The table at the end of a run: each requirement, in short words, and what came of its tests.

Tests name their requirements with ``@pytest.mark.requirement``; the names travel in the reports as user properties, so
that the process that prints has them from wherever the tests ran.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import pytest

from tests.conformance.requirements import SHORT, reason

MARKER: Final = "requirement"
_GOOD: Final = ("passed", "skipped")


def note(items: Iterable[pytest.Item]) -> None:
    """Write the requirements of each test where its reports carry them."""
    for item in items:
        for marker in item.iter_markers(MARKER):
            item.user_properties.extend((MARKER, str(name)) for name in marker.args)


def outcomes(reports: Iterable[pytest.TestReport]) -> dict[str, list[str]]:
    """By requirement the outcome of each of its tests: a failed set-up or clean-up counts as the test's."""
    tests: dict[str, tuple[set[str], str]] = {}
    for report in reports:
        names = {str(value) for key, value in report.user_properties if key == MARKER}
        if names:
            before = tests.get(report.nodeid, (names, "passed"))[1]
            worse = report.outcome if before == "passed" else before
            tests[report.nodeid] = (names, worse)
    found: dict[str, list[str]] = defaultdict(list)
    for names, outcome in tests.values():
        for name in names:
            found[name].append(outcome)
    return found


def result(requirement: str, outcomes: Sequence[str]) -> str:
    """The last column: passed, failed, not run, or the reason for having no test."""
    why = reason(requirement)
    if why and not outcomes:
        return why
    failed = sum(outcome == "failed" for outcome in outcomes)
    if failed:
        return f"FAILED: {failed} of {len(outcomes)} tests"
    passed = sum(outcome == "passed" for outcome in outcomes)
    return f"passed ({passed} test{'s' * (passed != 1)})" if passed else "not run"


def rows(found: Mapping[str, Sequence[str]]) -> list[tuple[str, str, str]]:
    """All requirements in their order."""
    return [(name, short, result(name, found.get(name, ()))) for name, short in SHORT.items()]


def write(reporter: pytest.TerminalReporter) -> None:
    """Print the table, if any test of this run proves a requirement."""
    reports = [
        report
        for outcome in ("passed", "failed", "error", "skipped")
        for report in reporter.stats.get(outcome, [])
        if isinstance(report, pytest.TestReport)
    ]
    # Reports of set-up and clean-up that went well stand under "".
    found = outcomes([*reporter.stats.get("", []), *reports])
    if not found:
        return
    reporter.write_sep("=", "conformance: requirements of profile xeleris")
    for name, short, text in rows(found):
        reporter.write_line(f"{name:<5} {short:<86} {text}", red=text.startswith("FAILED"))
    reporter.write_line(totals(found))


def totals(found: Mapping[str, Sequence[str]]) -> str:
    """One line of sums."""
    texts = [text for _, _, text in rows(found)]
    counts = {
        "passed": sum(text.startswith("passed") for text in texts),
        "failed": sum(text.startswith("FAILED") for text in texts),
        "not run": texts.count("not run"),
        "not applicable": sum(text.startswith("not applicable") for text in texts),
    }
    return f"{len(texts)} requirements: " + ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
